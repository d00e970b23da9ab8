"""``collector tail``: reads, passages, shots, incidents and alerts as they arrive, each with how long it took."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from collector.commands.options import Config
from collector.commands.sse import Stream
from collector.config import DEFAULT_PATH, CollectorConfig
from collector.errors import AuthenticationError, ConfigurationError, PermissionDeniedError
from edge_wire.yaml_config import ConfigError, find, load

_DEFAULT_URL = "http://127.0.0.1:8443"
_EXIT_USAGE = 2
_EXIT_INTERRUPTED = 130
_EXAMPLES = """
Examples:

    NIGHTJAR_TOKEN=... collector tail

    collector tail --json --url https://rtcc.example:8443 --token-file /etc/nightjar/tail.token --ca ca.pem
"""


def tail(
    url: Annotated[
        str | None,
        typer.Option(help=f"the collector's address; otherwise the configuration's, and without one {_DEFAULT_URL}"),
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option(help="file with a bearer token; otherwise it is taken from $NIGHTJAR_TOKEN")
    ] = None,
    ca: Annotated[Path | None, typer.Option(help="certificate authority (PEM) of a collector of your own")] = None,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json", help="one JSON object a line: as the API has it, its kind being what it is: read, alert, shot …"
        ),
    ] = False,
    config: Config = None,
) -> None:
    """Print reads, passages, shots, incidents and alerts as they arrive, with their latency, until Ctrl-C."""
    try:
        stream = Stream(
            url or _configured(config), _token(token_file), ca=ca, told=lambda sentence: typer.echo(sentence, err=True)
        )
        for message in stream.messages():
            if message.kind in _SAYERS:
                line = (
                    json.dumps({**message.body, "kind": message.kind}) if as_json else say(message.kind, message.body)
                )
                typer.echo(line)
    except (AuthenticationError, PermissionDeniedError) as error:
        typer.echo(f"{error}; make one with `collector user token NAME --label tail --days 30`", err=True)
        raise typer.Exit(_EXIT_USAGE) from error
    except (ConfigError, ConfigurationError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(_EXIT_USAGE) from error
    except KeyboardInterrupt as interrupt:
        raise typer.Exit(_EXIT_INTERRUPTED) from interrupt


tail.__doc__ = f"{tail.__doc__}{_EXAMPLES}"


def say(kind: str, shown: Mapping[str, Any]) -> str:
    """One line for people: when it was captured, what, where, and how long it took.

    Args:
        kind: ``alert``, ``read``, ``passage``, ``shot`` or ``incident``.
        shown: the object as the API has it.
    """
    at, parts = _SAYERS[kind](shown)
    # Hotlists and devices are not to move a technician's cursor about.
    return "".join(c if c.isprintable() else "?" for c in f"{at}  {'  '.join(parts)}")


def _alert(shown: Mapping[str, Any]) -> tuple[str, list[str]]:
    if shown["kind"] == "shot":
        at, about = shown["incident"]["at"], _gunfire(shown["incident"])
        what = f"ALERT {shown['id']} gunfire"
    else:
        read, entry = shown["read"], shown["entry"]
        at, about = read["captured_at"], [f"{read['device']}/{read['camera']}"]
        what = f"ALERT {shown['id']} {read['text']} listed as {entry['plate']} ({entry['list']}: {entry['reason']})"
    parts = [what, *about, shown["state"], f"{shown['latency_ms']:.0f} ms to the alert"]
    if shown["historical"]:
        parts.append("historical")
    if shown["support"] != "raised":
        parts.append(f"{shown['kind']} {shown['support']}")
    return at, parts


def _read(shown: Mapping[str, Any]) -> tuple[str, list[str]]:
    what = f"read  {shown['text']} {shown['confidence']:.2f}"
    where = f"{shown['device']}/{shown['camera']}"
    return shown["captured_at"], [what, where, f"revision {shown['revision']}", f"{shown['latency_ms']:.0f} ms"]


def _passage(shown: Mapping[str, Any]) -> tuple[str, list[str]]:
    what = f"passage {shown['id']} {shown['text']} {shown['confidence']:.2f}"
    if not shown["reads"]:
        return shown["first_at"], [what, f"site {shown['site']}", "was of different vehicles"]
    cameras = sorted({f"{read['device']}/{read['camera']}" for read in shown["reads"]})
    return shown["first_at"], [what, f"site {shown['site']}", " ".join(cameras)]


def _shot(shown: Mapping[str, Any]) -> tuple[str, list[str]]:
    what = f"shot  {shown['probability']:.2f}, peak {shown['peak_dbfs']:.0f} dBFS"
    return shown["captured_at"], [what, f"{shown['device']}/{shown['microphone']}", f"{shown['latency_ms']:.0f} ms"]


def _incident(shown: Mapping[str, Any]) -> tuple[str, list[str]]:
    what = f"incident {shown['id']} {shown['stage']}"
    if shown["merged_into"] is not None:
        return shown["at"], [what, f"its shots are of incident {shown['merged_into']}"]
    parts = [what, *_gunfire(shown), f"revision {shown['revision']}"]
    if shown["verdict"] is not None:
        said = shown["verdict"]["what"] or shown["verdict"]["verdict"]
        parts.append(f"{said}, says {shown['verdict']['by']}")
    return shown["at"], parts


def _gunfire(incident: Mapping[str, Any]) -> list[str]:
    """How likely, how many rounds, where, and who heard it."""
    probability = "?" if incident["probability"] is None else f"{incident['probability']:.2f}"
    rounds = f"{incident['rounds']} round{'s' if incident['rounds'] != 1 else ''}"
    fire = f" ({incident['fire']})" if incident["fire"] in ("burst", "automatic") else ""
    point = incident["location"]
    if point is not None:
        where = f"{point['latitude']:.5f},{point['longitude']:.5f} to {point['error_m']:.0f} m"
    else:
        where = "somewhere" if incident["region"] is None else f"in a {incident['region']['kind']}"
    return [f"{probability}, {rounds}{fire}", where, " ".join(sorted({one["device"] for one in incident["sensors"]}))]


_SAYERS: Final[Mapping[str, Callable[[Mapping[str, Any]], tuple[str, list[str]]]]] = {
    "alert": _alert,
    "read": _read,
    "passage": _passage,
    "shot": _shot,
    "incident": _incident,
}


def _configured(config: Path | None) -> str:
    path = find(config, DEFAULT_PATH)
    # Whoever follows from elsewhere, or may not read the collector's files, has none.
    if path == DEFAULT_PATH and not os.access(path, os.R_OK):
        return _DEFAULT_URL
    address = load(path, CollectorConfig).http.page_address
    if address is None:
        raise ConfigurationError(f"{path}: http.port: is 0, so only `collector serve` knows it; name it with --url")
    return address


def _token(token_file: Path | None) -> str:
    if token_file is not None:
        try:
            token = token_file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"--token-file: {token_file} cannot be read: {error}") from error
        where = f"--token-file: {token_file}"
    else:
        token, where = os.environ.get("NIGHTJAR_TOKEN", "").strip(), "$NIGHTJAR_TOKEN"
    if not token.isalnum() or not token.isascii():
        raise ConfigurationError(
            f"{where}: holds no token; `collector user token NAME --label tail --days 30` makes one"
        )
    return token
