"""``collector deadletter``: what devices sent and nobody could use."""

import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from collector.alerts.configured import rules_of
from collector.alerts.raising import Raising
from collector.alerts.rules import Rules
from collector.api.times import rfc3339
from collector.commands.on_store import EXIT_NOT_AS_IT_SHOULD, who, with_store
from collector.commands.options import AsJson, Config, StoreUrl
from collector.commands.progress import Shown
from collector.config import DEFAULT_PATH, CollectorConfig
from collector.errors import ConfigurationError, NotFoundError
from collector.hotlists.live import LiveMatcher
from collector.ingest.intake import Intake
from collector.ingest.keyring import Keyring
from collector.ingest.media import MediaIntake
from collector.ingest.picture_folder import PictureFolder
from collector.ingest.received import Received
from collector.ingest.retrying import Retried, Retrying
from collector.ingest.verdicts import Accepted, DeadLetter, Live, judge, signer
from collector.match.policy import Policy
from collector.store import audit, dead_letters, snapshots
from collector.store.database import Store
from collector.store.dead_letters import Choice, StoredLetter
from edge_wire import codec, cose
from edge_wire.clock import SystemClock
from edge_wire.errors import WireError
from edge_wire.yaml_config import find, load

app = typer.Typer(
    name="deadletter",
    help="What devices sent and nobody could use: looked at, tried again, purged.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

_UNITS_S = {"m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400}
_HISTORICAL_AFTER_S = 120
_AUDITED_IDS = 100
_SHOWN_BYTES = 64

Ids = Annotated[list[int] | None, typer.Argument(help="numbers, as `list` shows them", metavar="[ID]...")]
Device = Annotated[str | None, typer.Option(help="only of this device", metavar="ID")]
Reason = Annotated[str | None, typer.Option(help="only with this reason, such as revoked or unknown_kind")]
Since = Annotated[str | None, typer.Option(help="only what came since: 2026-11-21T10:00:00Z, or 90m, 24h, 7d, 2w ago")]


@app.command("list", epilog="Example: collector deadletter list --reason revoked --since 7d")
def list_(
    device: Device = None,
    reason: Reason = None,
    since: Since = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="at most so many, the newest")] = 50,
    config: Config = None,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """List dead letters, the newest first."""
    choice = Choice(device=device, reason=reason, since_ns=_since(since))

    async def work(opened: Store) -> tuple[list[StoredLetter], int]:
        async with opened.read() as tx:
            return await dead_letters.newest(tx, choice, limit=limit), await dead_letters.count(tx, choice)

    found, of = with_store(config, store, work, to_read=True)
    for one in found:
        typer.echo(json.dumps(_summary(one)) if as_json else _line(one))
    if len(found) < of and not as_json:
        typer.echo(f"{len(found)} of {of}; --limit shows more", err=True)


@app.command(epilog="Example: collector deadletter show 12")
def show(
    number: Annotated[int, typer.Argument(help="as `list` shows it", metavar="ID")],
    config: Config = None,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show one dead letter, with what can be read of it."""

    async def work(opened: Store) -> tuple[StoredLetter, dict[str, Any]]:
        async with opened.read() as tx:
            letter = await dead_letters.letter(tx, number)
        if letter is None:
            raise _no_such(number)
        return letter, await _read(opened, letter)

    letter, content = with_store(config, store, work, to_read=True)
    shown = {**_summary(letter), **content}
    if as_json:
        typer.echo(json.dumps(shown))
        return
    for name, value in shown.items():
        typer.echo(f"{name}: {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}")


@app.command(epilog="Example: collector deadletter retry --device trailer-7 --reason revoked")
def retry(
    ids: Ids = None,
    device: Device = None,
    reason: Reason = None,
    since: Since = None,
    everything: Annotated[bool, typer.Option("--all", help="all that devices of ours signed")] = False,
    config: Config = None,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Put dead letters through ingest again: their device is enrolled now, or this version understands their kind.

    They are verified anew; what is stored now counts as historical. Works beside a running collector. Exits with 1 if
    some are still of no use, with the reason of each.
    """
    if not (ids or device or reason or since or everything):
        raise typer.BadParameter("name dead letters by ID, or choose them by --device, --reason, --since or --all")
    choice = Choice(
        ids=ids or None, device=device, reason=reason, since_ns=_since(since), evidence=None if ids else True
    )
    pictures, historical_after_s, rules, policy = _surroundings(config, store)

    async def work(opened: Store) -> list[Retried]:
        live = LiveMatcher(opened, policy)
        await live.load()
        clock = SystemClock()
        intake = Intake(
            opened,
            MediaIntake(PictureFolder(pictures)),
            lambda: Raising(live.matcher, rules),
            clock.utc_ns,
            historical_after_s,
        )
        retrying = Retrying(opened, intake, clock, who())
        done: list[Retried] = []
        with Shown("retrying", silent=as_json) as shown:
            numbers = await _chosen(opened, choice)
            for number in numbers:
                async with opened.read() as tx:
                    letter = await dead_letters.letter(tx, number)
                await live.load()
                if letter is not None:
                    done.append(await retrying.retry(letter))
                shown.update(len(done), len(numbers))
        return done

    done = with_store(config, store, work)
    for one in done:
        if as_json:
            typer.echo(json.dumps({"id": one.number, "stored": one.stored, "why": one.why}))
        elif not one.stored:
            typer.echo(f"{one.number}: {one.why}", err=True)
    stored = sum(one.stored for one in done)
    if not as_json:
        typer.echo(f"{stored} stored, {len(done) - stored} left as they were")
    if stored < len(done):
        raise typer.Exit(EXIT_NOT_AS_IT_SHOULD)


@app.command(epilog="Example: collector deadletter purge --older-than 90d --reason bad_signature")
def purge(
    ids: Ids = None,
    older_than: Annotated[str | None, typer.Option(help="only what came last so long ago: 90d, 2w, 24h")] = None,
    device: Device = None,
    reason: Reason = None,
    genuine: Annotated[bool, typer.Option("--genuine", help="also what a device of ours signed: evidence")] = False,
    config: Config = None,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Delete dead letters, for good; the audit log tells of it.

    What is genuine is evidence and stays, unless you say --genuine. Its identity stays dead-lettered even then.
    """
    if not ids and older_than is None:
        raise typer.BadParameter("name dead letters by ID, or say --older-than")
    before_ns = None if older_than is None else _since(older_than)
    choice = Choice(ids or None, device, reason, before_ns=before_ns, evidence=None if genuine else False)

    async def work(opened: Store) -> int:
        async with opened.write() as tx:
            found = await dead_letters.ids(tx, choice)
            if ids and not genuine:
                evidence = await dead_letters.ids(tx, Choice(ids=ids, evidence=True))
                if evidence:
                    raise ConfigurationError(
                        f"dead letters {', '.join(map(str, evidence))}: are genuine; nothing was purged. To delete "
                        "evidence all the same, say --genuine"
                    )
            gone = await dead_letters.purge(tx, found)
            if gone:
                detail: dict[str, Any] = {"purged": gone, "genuine": genuine, "ids": found[:_AUDITED_IDS]}
                detail |= {"reason": reason, "older_than": older_than}
                await audit.record(
                    tx,
                    who=who(),
                    action="dead_letter.purge",
                    subject=device or "every device",
                    detail=detail,
                    at_ns=time.time_ns(),
                )
            return gone

    gone = with_store(config, store, work)
    typer.echo(json.dumps({"purged": gone}) if as_json else f"purged {gone}")


async def _chosen(opened: Store, choice: Choice) -> list[int]:
    async with opened.read() as tx:
        numbers = await dead_letters.ids(tx, choice)
    absent = set(choice.ids or ()) - set(numbers)
    if absent:
        raise _no_such(min(absent))
    return numbers


async def _read(opened: Store, letter: StoredLetter) -> dict[str, Any]:
    """Return what can be read of a letter's bytes, and whether it verifies now."""
    try:
        envelope = cose.parse(letter.envelope)
    except WireError as error:
        return {"unreadable": str(error), "begins_with": letter.envelope[:_SHOWN_BYTES].hex()}
    read: dict[str, Any] = {"signed_by": envelope.kid.hex()}
    received = Received(letter.topic, letter.envelope, None, False, 0, 0)
    named = signer(received)
    outcome = judge(received, await Keyring(opened).fetch([] if named is None else [named]))
    if isinstance(outcome, Accepted):
        read["verifies"] = True
    elif not isinstance(outcome, Live):
        read["verifies"] = isinstance(outcome, DeadLetter)
        read["of_no_use"] = outcome.reason
    try:
        message = codec.decode_up(envelope.payload)
        read["header"] = _plain(message.header)
        read["kind"] = type(message.body).__name__
        read["body"] = _plain(message.body)
    except WireError as error:
        read["payload"] = str(error)
        try:
            read["header"] = _plain(codec.decode_header(envelope.payload))
        except WireError:
            read["begins_with"] = envelope.payload[:_SHOWN_BYTES].hex()
    return read


def _plain(value: Any) -> Any:
    """Return a wire value as JSON: bytes as hex, long ones by their length."""
    if is_dataclass(value):
        return {one.name: _plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, bytes):
        return value.hex() if len(value) <= _SHOWN_BYTES else f"{len(value)} bytes"
    if isinstance(value, Enum):
        return value.name.lower()
    if hasattr(value, "_asdict"):
        return {name: _plain(one) for name, one in value._asdict().items()}
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(one) for one in value]
    return value


def _summary(letter: StoredLetter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "device": letter.device,
        "reason": letter.reason,
        "genuine": letter.evidence,
        "times": letter.times,
        "first_at": rfc3339(letter.first_at_ns),
        "last_at": rfc3339(letter.last_at_ns),
        "topic": letter.topic,
        "detail": letter.detail,
        "sha256": letter.digest.hex(),
        "bytes": len(letter.envelope),
    }


def _line(letter: StoredLetter) -> str:
    times = f" ({letter.times} times)" if letter.times > 1 else ""
    whose = letter.device or "nobody"
    kind = "genuine" if letter.evidence else "unverified"
    return f"{letter.id}  {rfc3339(letter.last_at_ns)}  {whose}  {kind}  {letter.reason}{times}  {letter.detail}"


def _since(text: str | None) -> int | None:
    """Return the time that ``text`` means, UTC nanoseconds: a date and time, or how long ago."""
    if text is None:
        return None
    ago = re.fullmatch(r"(\d{1,6})([mhdw])", text)
    if ago:
        return time.time_ns() - int(ago[1]) * _UNITS_S[ago[2]] * 1_000_000_000
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(
            f"got {text!r}, expected a time such as 2026-11-21T10:00:00Z, or 90m, 24h, 7d, 2w"
        ) from error
    if at.tzinfo is None:
        raise typer.BadParameter(f"got {text!r}, expected a time with its zone, such as 2026-11-21T10:00:00Z")
    return int(at.timestamp() * 1_000_000) * 1_000


def _surroundings(config: Path | None, store: str | None) -> tuple[Path, int, Rules, Policy]:
    """Return where pictures are kept, from which age on a detection is historical, and the rules of alerts and hits."""
    if store is None or config is not None:
        settings = load(find(config, DEFAULT_PATH), CollectorConfig)
        return settings.pictures, settings.historical_after_s, rules_of(settings), settings.policy
    path = snapshots.file_of(store) if "://" in store else Path(store)
    if path is None:
        raise ConfigurationError("--store: pictures are not kept in the database; say --config too")
    return path.parent / "pictures", _HISTORICAL_AFTER_S, Rules(), Policy()


def _no_such(number: int) -> NotFoundError:
    return NotFoundError(f"dead letter {number}: there is none; `collector deadletter list` names them")
