"""What commands share that work on the store itself: which one, who asks, and how failures end.

They need no login: whoever can read the collector's files is trusted, and the audit log names them.
"""

import asyncio
import getpass
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from collector.config import DEFAULT_PATH, CollectorConfig
from collector.errors import ConfigurationError, NotFoundError, StoreError
from collector.store.database import Store
from edge_wire.yaml_config import ConfigError, find, load

EXIT_NOT_AS_IT_SHOULD = 1
EXIT_USAGE = 2
_Result = TypeVar("_Result")

Config = Annotated[
    Path | None, typer.Option("--config", help="else $NIGHTJAR_CONFIG, else /etc/nightjar/collector.yaml")
]
StoreUrl = Annotated[str | None, typer.Option("--store", help="the store's URL, instead of the configuration's")]
AsJson = Annotated[bool, typer.Option("--json", help="one JSON object a line")]


def with_store(config: Path | None, url: str | None, work: Callable[[Store], Awaitable[_Result]]) -> _Result:
    """Open the store, do ``work`` and close it; errors end the command with their text and exit code."""

    async def run() -> _Result:
        store = await Store.open(url or load(find(config, DEFAULT_PATH), CollectorConfig).url)
        try:
            return await work(store)
        finally:
            await store.close()

    try:
        return asyncio.run(run())
    except (ConfigError, ConfigurationError, NotFoundError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(EXIT_USAGE) from error
    except StoreError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(EXIT_NOT_AS_IT_SHOULD) from error


def who() -> str:
    """How the audit log names whoever runs a command."""
    return f"cli:{getpass.getuser()}"
