"""``collector``: everything that one asks of a collector at its command line.

Exit codes: 0; 1 when something was not as it should be; 2 for a wrong configuration or wrong usage, or when what was
asked was not done; 130 after Ctrl-C.
Errors go to standard error, and say where, what was there, and what to do.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from collector.commands.locate import locate
from collector.commands.match import match
from collector.commands.options import Config
from collector.commands.private import UMASK, private_folder
from collector.commands.tail import tail
from collector.config import DEFAULT_PATH, CollectorConfig
from collector.errors import CollectorError, ConfigurationError
from edge_wire.logs import set_up_log
from edge_wire.yaml_config import ConfigError, find, load


class _Commands(TyperGroup):
    """The commands, of which those that work on the store are imported when they are asked for.

    SQL takes a second or two to import on a small machine, which `collector locate` should not pay.
    """

    _ON_STORE = ("backup", "deadletter", "device", "hotlist", "ledger", "notices", "report", "restore", "user")

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of all commands."""
        return [*self._ON_STORE, *super().list_commands(ctx)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the command called ``cmd_name``, or None."""
        if cmd_name in self._ON_STORE:
            return typer.main.get_command(import_module(f"collector.commands.{cmd_name}").app)
        return super().get_command(ctx, cmd_name)


app = typer.Typer(
    cls=_Commands,
    help="Stores what devices detect, matches it against hotlists and alerts operators.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command(name="locate")(locate)
app.command(name="match")(match)
app.command(name="tail")(tail)


@app.command(name="serve")
def serve_command(
    config: Config = None,
    as_json: Annotated[bool, typer.Option("--json", help="Announce and log as JSON lines.")] = False,
) -> None:
    """Take what devices send, match it, and serve the API and the operators' page; until Ctrl-C or SIGTERM.

    For example:

      collector serve --config /etc/nightjar/collector.yaml
    """
    set_up_log(as_json=as_json, level=logging.INFO)
    settings = load(find(config, DEFAULT_PATH), CollectorConfig)
    private_folder(settings.data_dir)

    # The web stack takes most of a second to import, which no other command should pay.
    from collector.app import run

    def ready(url: str) -> None:
        typer.echo(json.dumps({"kind": "serving", "url": url}) if as_json else f"serving {url}")
        sys.stdout.flush()

    async def main() -> int:
        stopped: list[int] = []
        running = asyncio.create_task(run(settings, ready))

        def on_signal(number: int) -> None:
            stopped.append(number)
            running.cancel()

        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, on_signal, number)
        try:
            await running
        except asyncio.CancelledError:
            return 130 if signal.SIGINT in stopped else 0
        return 1

    raise typer.Exit(asyncio.run(main()))


def main() -> None:
    """Run a command; every error that is meant for people ends here."""
    code = 0
    os.umask(UMASK)
    set_up_log()
    with contextlib.suppress(BrokenPipeError):
        try:
            app()
        except (ConfigError, ConfigurationError) as error:
            typer.echo(str(error), err=True)
            code = 2
        except CollectorError as error:
            typer.echo(str(error), err=True)
            code = 1
    sys.exit(code)
