"""What commands about hotlists share: the configuration of hotlists, and how decisions that are refused end."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import typer

from collector.commands.on_store import EXIT_NOT_DONE, with_store
from collector.config import DEFAULT_PATH, CollectorConfig, Hotlists
from collector.errors import ConflictError, PermissionDeniedError
from collector.store.database import Store
from edge_wire.yaml_config import ConfigError, find, load

_Result = TypeVar("_Result")
MOST_DAYS = 3_650.0
"""Of earlier reads that a command may have searched; the configuration takes no more either."""


def settings_of(config: Path | None, store: str | None) -> Hotlists:
    """Return it; the defaults where a store is named and no configuration.

    Raises:
        ConfigError: the configuration cannot be read, or is wrong.
    """
    if config is None and store is not None:
        return Hotlists()
    return load(find(config, DEFAULT_PATH), CollectorConfig).hotlists


def settings_or_exit(config: Path | None, store: str | None) -> Hotlists:
    """Return it as ``settings_of``; what is wrong with it ends the command."""
    try:
        return settings_of(config, store)
    except ConfigError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(EXIT_NOT_DONE) from error


def done_or_exit(config: Path | None, url: str | None, work: Callable[[Store], Awaitable[_Result]]) -> _Result:
    """Do what ``with_store`` does; what somebody may not do, or not any more, ends the command, too."""
    try:
        return with_store(config, url, work)
    except (ConflictError, PermissionDeniedError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(EXIT_NOT_DONE) from error
