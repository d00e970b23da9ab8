"""``edge-agent``: everything that one asks of a device at its own command line.

Exit codes: 0; 1 when something was not as it should be; 2 for a wrong configuration or wrong usage; 3 when models are
missing; 130 after Ctrl-C. Errors go to standard error, and say where, what was there, and what to do.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from edge_agent.errors import AgentError, ConfigurationError, ModelError

if TYPE_CHECKING:
    from edge_agent.config import AgentConfig

_INTERRUPTED = 130


class _Commands(TyperGroup):
    """The commands, most of them imported when they are asked for.

    Settings, signatures and networks take seconds to import on a small machine, which no command should pay that
    does without; and Ctrl-C in the meantime is to end in ``main``.
    """

    _ELSEWHERE = ("read", "listen", "outbox", "status", "doctor", "keygen", "models")

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of all commands."""
        return [*self._ELSEWHERE, *super().list_commands(ctx)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the command called ``cmd_name``, or None."""
        if cmd_name not in self._ELSEWHERE:
            return super().get_command(ctx, cmd_name)
        found = getattr(import_module(f"edge_agent.commands.{cmd_name}"), cmd_name)
        if isinstance(found, typer.Typer):
            return typer.main.get_command(found)
        alone = typer.Typer(add_completion=False, rich_markup_mode=None)
        alone.command()(found)
        return typer.main.get_command(alone)


app = typer.Typer(
    cls=_Commands,
    help="Reads plates, hears gunshots, and sends what it finds; and says what it sees, hears, sends, and why not.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="The configuration; else $NIGHTJAR_CONFIG, else /etc/nightjar.")
]


@app.command("check-config")
def check_config(
    config: Annotated[Path, typer.Argument(metavar="FILE", help="The configuration file.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Say everything that is wrong with a configuration file, each with its line.

    For example:

      edge-agent check-config /etc/nightjar/edge-agent.yaml
    """
    from edge_agent.config import AgentConfig
    from edge_wire.yaml_config import ConfigError, load, located

    findings: list[str] = []
    try:
        settings = load(config, AgentConfig)
    except ConfigError as error:
        findings = [str(finding) for finding in error.findings]
    else:
        wrong = [*_missing_files(settings), *_unusable_sources(settings)]
        findings = [str(finding) for finding in located(config, wrong)]
    if as_json:
        typer.echo(json.dumps({"ok": not findings, "findings": findings}))
    else:
        for finding in findings:
            typer.echo(finding, err=True)
        if not findings:
            typer.echo(f"{config}: good")
    if findings:
        raise typer.Exit(2)


def _missing_files(settings: AgentConfig) -> Iterator[tuple[str, str]]:
    files = [
        ("device.key", settings.device.key, "`edge-agent keygen` makes one"),
        ("device.certificate", settings.device.certificate, "whoever runs the broker issues it for the device's key"),
        ("broker.ca", settings.broker.ca, "copy it from whoever runs the broker"),
    ]
    copied = "copy collector-key.pub.pem from the collector's data_dir"
    for number, key in enumerate(settings.broker.collector_keys):
        files.append((f"broker.collector_keys[{number}]", key, copied))
    for number, camera in enumerate(settings.cameras):
        if camera.ca is not None:
            files.append((f"cameras[{number}].ca", camera.ca, "copy it from whoever runs the camera"))
    for place, path, fix in files:
        yield from _missing(place, path, Path.is_file, f"a file that exists; {fix}")
    if settings.models.dir is not None:
        fix = "`edge-agent models pull --to FOLDER` fills one"
        yield from _missing("models.dir", settings.models.dir, Path.is_dir, f"a folder that exists; {fix}")


def _missing(place: str, path: Path, is_there: Callable[[Path], bool], expected: str) -> Iterator[tuple[str, str]]:
    try:
        if not is_there(path):
            yield place, f"got {path.absolute()}, expected {expected}"
    except OSError as error:
        yield place, f"{path} cannot be looked at ({error.strerror}); run as the agent's user, or with sudo"


def _unusable_sources(settings: AgentConfig) -> Iterator[tuple[str, str]]:
    """Say what ``run`` would refuse; nothing is opened by this, as that is left to whoever iterates a source."""
    from edge_agent.sources.audio import open_audio_source
    from edge_agent.sources.video import open_frame_source
    from edge_wire.clock import SystemClock

    clock = SystemClock()
    for number, camera in enumerate(settings.cameras):
        try:
            open_frame_source(camera.url, camera=camera.id, clock=clock)
        except ConfigurationError as error:
            yield f"cameras[{number}].url", str(error)
    for number, microphone in enumerate(settings.microphones):
        try:
            open_audio_source(microphone.source, microphone=microphone.id, clock=clock)
        except ConfigurationError as error:
            yield f"microphones[{number}].source", str(error)


@app.command()
def run(
    config: ConfigOption = None,
    once: Annotated[
        bool, typer.Option("--once", help="End when every recording has been played and everything acknowledged.")
    ] = False,
    log_json: Annotated[bool, typer.Option("--log-json", help="Log as JSON lines.")] = False,
) -> None:
    """Watch and listen, and send what is found; until Ctrl-C or SIGTERM.

    For example:

      edge-agent run --config /etc/nightjar/edge-agent.yaml
    """
    from edge_agent.config import DEFAULT_PATH, AgentConfig
    from edge_wire.logs import set_up_log
    from edge_wire.yaml_config import find, load

    set_up_log(as_json=log_json, level=logging.INFO)
    file = find(config, DEFAULT_PATH)
    settings = load(file, AgentConfig)
    digest = sha256(file.read_bytes()).digest()

    # After the settings: whoever made a mistake in them need not wait for networks and OpenCV.
    from edge_agent.app import Agent

    async def main() -> int:
        agent = Agent(settings, config_sha256=digest)
        stopped: list[int] = []

        def on_signal(number: int) -> None:
            if stopped:
                os._exit(_INTERRUPTED)  # whoever asks twice means now; the outbox is made for that
            stopped.append(number)
            agent.stop()

        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, on_signal, number)
        await agent.run(once=once)
        if signal.SIGINT in stopped:
            return _INTERRUPTED
        return 1 if agent.failed_sources else 0

    raise typer.Exit(asyncio.run(main()))


def main() -> None:
    """Run a command; every error that is meant for people ends here, and so does Ctrl-C, whenever it comes."""
    try:
        code = _run_command()
    except KeyboardInterrupt:
        code = _INTERRUPTED
    sys.exit(code)


def _run_command() -> int:
    from edge_wire.logs import set_up_log
    from edge_wire.yaml_config import ConfigError

    set_up_log()
    with contextlib.suppress(BrokenPipeError):
        try:
            app(standalone_mode=True)
        except ModelError as error:
            typer.echo(str(error), err=True)
            return 3
        except (ConfigError, ConfigurationError) as error:
            typer.echo(str(error), err=True)
            return 2
        except AgentError as error:
            typer.echo(str(error), err=True)
            return 1
    return 0
