"""What commands share that work on the store itself: which one, who asks, and how failures end.

They need no login: whoever can write the collector's files is trusted, and the audit log names their account.
Exit codes: 1 when it was done but not all was as it should be, 2 when it was not done.
"""

import asyncio
import os
import pwd
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import typer

from collector.commands.private import private_folder
from collector.config import DEFAULT_PATH, CollectorConfig
from collector.errors import ConfigurationError, NotFoundError, StoreError
from collector.store.database import Store, sqlite_url
from edge_wire.yaml_config import ConfigError, find, load

EXIT_NOT_AS_IT_SHOULD = 1
EXIT_NOT_DONE = 2
_Result = TypeVar("_Result")


def with_store(
    config: Path | None, url: str | None, work: Callable[[Store], Awaitable[_Result]], *, to_read: bool = False
) -> _Result:
    """Open the store, do ``work`` and close it; errors end the command with their text and exit code.

    Args:
        config: what ``--config`` says.
        url: what ``--store`` says.
        work: is given the store.
        to_read: whether it only reads: then there must be a store, and nothing waits for it or is changed by it.
    """

    async def run() -> _Result:
        where = _store_url(config, url, to_read)
        store = await (Store.open_to_read(where) if to_read else Store.open(where))
        try:
            return await work(store)
        finally:
            await store.close()

    try:
        return asyncio.run(run())
    except (ConfigError, ConfigurationError, NotFoundError, StoreError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(EXIT_NOT_DONE) from error


def who() -> str:
    """How the audit log names whoever runs a command: the account that the kernel knows, not what the caller says.

    ``sudo`` tells root who asked; anybody else could have written that themselves.
    """
    by = "" if person() == _account(os.getuid()) else f" (sudo {person()})"
    return f"cli:{_account(os.getuid())}{by}"


def person() -> str:
    """The account of whoever runs a command, or who asked root for it: who they are to covert entries."""
    uid = os.getuid()
    asked = os.environ.get("SUDO_UID", "")
    return _account(int(asked) if uid == 0 and asked.isdecimal() else uid)


def _account(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):
        return str(uid)


def _store_url(config: Path | None, option: str | None, to_read: bool) -> str:
    if option is not None:
        return option if "://" in option else sqlite_url(Path(option))
    settings = load(find(config, DEFAULT_PATH), CollectorConfig)
    if not to_read:
        private_folder(settings.data_dir)
    return settings.url
