"""The demo behind ``scripts/demo``: starts the whole chain, plays footage and sound, and prints what arrives.

One thread follows the collector's stream; this one prints, watches the programs and ends everything in order.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from chain import Chain, ChainError
from demo_media import Footage, from_assets, rendered, write_hotlist
from private_broker import BrokerError
from rich.console import Console

from collector.commands.sse import Message, Stream
from edge_agent.errors import ModelError
from edge_agent.inference.models import resolve_plates

CAMERA_DEVICE, SOUND_DEVICE = "trailer-1", "trailer-2"
OPERATOR = "operator"
_QUIET_S = 1.5
_WAKE_S = 0.2
_CONNECT_S = 30.0


class Printer:
    """Says what arrives: lines for people, or one JSON object a line."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._console = Console(highlight=False, soft_wrap=True)

    def say(self, text: str) -> None:
        """Print a line for people; in JSON it goes to standard error."""
        if self._as_json:
            typer.echo(text, err=True)
        else:
            self._console.print(text, markup=False)

    def show(self, kind: str, body: dict[str, Any], text: str, style: str) -> None:
        """Print one thing that arrived."""
        if self._as_json:
            # An alert has a kind of its own: which one it is shows in whether it has a read or an incident.
            typer.echo(json.dumps({**body, "kind": kind}))
        elif text:
            self._console.print(text, style=style, markup=False)


class Tally:
    """What has arrived so far, and whether it is what the footage promises."""

    def __init__(self, footage: Footage, printer: Printer) -> None:
        self._footage = footage
        self._printer = printer
        self._reads: dict[int, dict[str, Any]] = {}
        self._shots: dict[int, dict[str, Any]] = {}
        self._alerts: dict[int, dict[str, Any]] = {}
        self.last_s = time.monotonic()

    def take(self, message: Message) -> None:
        """Count and print one message of the stream."""
        body = message.body
        if message.kind == "read":
            self._count(self._reads, "read", body, _read_line(body), "default")
        elif message.kind == "shot":
            self._count(self._shots, "shot", body, _shot_line(body), "bold yellow")
        elif message.kind == "alert":
            self._count(self._alerts, "alert", body, _alert_line(body), "bold red")

    def _count(self, seen: dict[int, dict[str, Any]], kind: str, body: dict[str, Any], text: str, style: str) -> None:
        self.last_s = time.monotonic()
        if body["id"] in seen:
            # A revision, or somebody acknowledged it on the page.
            self._printer.show(kind, body, f"  again: {text}", "dim")
        else:
            self._printer.show(kind, body, text, style)
        seen[body["id"]] = body

    def missing(self) -> list[str]:
        """What the footage promised and did not bring."""
        found = {alert["entry"]["plate"] for alert in self._alerts.values() if alert["entry"] is not None}
        missing = [f"no alert for {plate}" for plate in self._footage.listed if plate not in found]
        if self._footage.shots_expected and not self._shots:
            missing.append("no shot")
        return missing

    def summary(self) -> dict[str, Any]:
        """The numbers for the last line."""
        return {"reads": len(self._reads), "shots": len(self._shots), "alerts": len(self._alerts)}


def _read_line(read: dict[str, Any]) -> str:
    region = read["regions"][0][0] if read["regions"] else "?"
    place = f"{read['device']}/{read['camera']}"
    return f"read   {read['text']:<10} {region:<6} {read['confidence']:6.1%}  {place}  {read['latency_ms']:.0f} ms"


def _shot_line(shot: dict[str, Any]) -> str:
    place = f"{shot['device']}/{shot['microphone']}"
    level = f"peak {shot['peak_dbfs']:.1f} dBFS"
    return f"shot   {shot['probability']:.1%}  {level}  {place}  {shot['latency_ms']:.0f} ms"


def _alert_line(alert: dict[str, Any]) -> str:
    if alert["incident"] is not None:
        return f"ALERT  {' '.join(alert['why'])}  {alert['latency_ms']:.0f} ms"
    entry, read = alert["entry"], alert["read"]
    claim = f"read {read['text']}, listed {entry['plate']} ({alert['rule']})"
    return f"ALERT  {claim}: {entry['reason']}, list {entry['list']}  {alert['latency_ms']:.0f} ms"


def demo(
    video: Annotated[
        str | None, typer.Option(metavar="FILE|FOLDER|rtsp://…|N", help="What the camera sees; N is a USB camera.")
    ] = None,
    audio: Annotated[str | None, typer.Option(metavar="FILE|FOLDER|device", help="What the microphone hears.")] = None,
    hotlist: Annotated[
        Path | None, typer.Option(metavar="FILE", exists=True, dir_okay=False, help="A CSV with a `plate` column.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line; the last is the summary.")] = False,
    once: Annotated[
        bool, typer.Option("--once", help="Play once and exit: 0 only if the expected alerts came.")
    ] = False,
    keep: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keep database, pictures and logs here; take them up again.")
    ] = None,
) -> None:
    """Run broker, collector and two edge agents here, play footage and sound, and print what arrives.

    For example:

      ./scripts/demo

      ./scripts/demo --video rtsp://camera/stream --hotlist mine.csv

      ./scripts/demo --once --json
    """
    for ends in (signal.SIGTERM, signal.SIGHUP):  # a closed terminal ends the demo as Ctrl-C does
        signal.signal(ends, signal.default_int_handler)
    printer = Printer(as_json=as_json)
    os.umask(0o077)
    folder = keep if keep is not None else Path(tempfile.mkdtemp(prefix="nightjar-demo-"))
    try:
        code = _run(folder, video, audio, hotlist, printer, once=once)
    except ModelError as error:
        printer.say(str(error))
        code = _end(printer, 3, str(error).partition("\n")[0])
    except (ChainError, BrokerError, OSError) as error:
        printer.say(str(error))
        code = _end(printer, 1, str(error).partition("\n")[0])
    except KeyboardInterrupt:
        code = 130
    finally:
        if keep is None:
            shutil.rmtree(folder, ignore_errors=True)
    raise typer.Exit(code)


def _end(printer: Printer, code: int, error: str) -> int:
    printer.show("summary", {"ok": False, "reads": 0, "shots": 0, "alerts": 0, "error": error}, "", "default")
    return code


def _run(
    folder: Path, video: str | None, audio: str | None, hotlist: Path | None, printer: Printer, *, once: bool
) -> int:
    resolve_plates()  # what is missing or damaged is told before anything is started
    assets = _assets()
    media = folder / "media"
    footage = (from_assets(assets, media / "photographs") if assets else None) or rendered(media)
    if video is not None or audio is not None or hotlist is not None:
        # What a person brings is theirs to judge.
        footage = Footage(
            footage.video if video is None else _from_here("--video", video),
            footage.audio if audio is None else _from_here("--audio", audio),
            (),
            shots_expected=False,
            face=footage.face if video is None else None,
        )
    if hotlist is None:
        hotlist = folder / "hotlist.csv"
        write_hotlist(hotlist, footage.listed)
    printer.say("starting broker, collector and two edge agents …")
    with Chain(folder, [CAMERA_DEVICE, SOUND_DEVICE]) as chain:
        token, code = chain.operator(OPERATOR)
        imported = chain.import_hotlist(hotlist, "demo")
        entries = imported["added"] + imported["changed"] + imported["unchanged"]
        printer.say(f"hotlist: {entries} entries, {imported['rejected']} rows rejected")
        printer.say(f"console: {chain.url}/#login={code}   (opens once, as {OPERATOR})")
        tally = Tally(footage, printer)
        with _following(chain.url, token) as arriving:
            _start_agents(chain, footage, once=once)
            try:
                _watch(chain, arriving, tally, once=once)
            except KeyboardInterrupt:
                if once:
                    raise
                printer.say("stopping …")
    missing = tally.missing() if once else []
    for what in missing:
        printer.say(f"expected, but it did not come: {what}")
    summary = {"ok": not missing, **tally.summary(), **({"missing": missing} if missing else {})}
    words = ", ".join(f"{count} {name}" for name, count in tally.summary().items())
    printer.show("summary", summary, f"{'good' if not missing else 'NOT GOOD'}: {words}", "bold")
    return 1 if missing else 0


def _from_here(option: str, source: str) -> str:
    """A file as its absolute path: the agent would take a relative one from its configuration's folder."""
    if "://" in source or source.isdecimal() or source.partition(":")[0] == "device":
        return source
    if not Path(source).exists():
        raise typer.BadParameter(f"{source}: no such file or folder", param_hint=option)
    return str(Path(source).absolute())


def _assets() -> Path | None:
    named = os.environ.get("NIGHTJAR_ASSETS")
    folder = Path(named) if named else Path(__file__).parents[2] / "shared"
    return None if named == "" or not folder.is_dir() else folder


def _start_agents(chain: Chain, footage: Footage, *, once: bool) -> None:
    camera = {"id": "lane-1", "url": footage.video, "lane": 1, "direction": "N", "face": footage.face}
    microphone = {"id": "mast", "source": footage.audio}
    chain.start_agent(CAMERA_DEVICE, chain.agent_config(CAMERA_DEVICE, cameras=[camera]), once=once)
    chain.start_agent(SOUND_DEVICE, chain.agent_config(SOUND_DEVICE, microphones=[microphone]), once=once)


@contextlib.contextmanager
def _following(url: str, token: str) -> Iterator[queue.Queue[Message]]:
    """Follow the stream from now on, in a thread that ends with the program."""
    arriving: queue.Queue[Message] = queue.Queue(10_000)
    stream = Stream(url, token)

    def follow() -> None:
        for message in stream.messages():
            arriving.put(message)

    threading.Thread(target=follow, name="stream", daemon=True).start()
    try:
        arriving.get(timeout=_CONNECT_S)  # the heartbeat with which the stream opens: nothing is missed from here on
    except queue.Empty as error:
        raise ChainError(f"{url}: the stream gave nothing within {_CONNECT_S:.0f} s") from error
    yield arriving


def _watch(chain: Chain, arriving: queue.Queue[Message], tally: Tally, *, once: bool) -> None:
    while True:
        with contextlib.suppress(queue.Empty):
            tally.take(arriving.get(timeout=_WAKE_S))
            continue
        chain.fail_if_any_died()
        if once and chain.agents_ended and time.monotonic() - tally.last_s > _QUIET_S:
            return


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command()(demo)
    app()
