"""A store in one SQLite file: WAL, ``synchronous=FULL``, closed to everybody but its owner."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiosqlite
from sqlalchemy import Connection, event, exc
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from collector.errors import ConfigurationError, StoreError, StoreRefusedError
from collector.store.backends import from_json, to_json

BUSY_TIMEOUT_MS = 10_000
_WRITES = "nightjar_writes"
_WRITER_PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON")
_BRISK = "nightjar_brisk"
_READER_PRAGMAS = ("query_only=ON",)


class _Connection(aiosqlite.Connection):
    """A connection that runs what it is asked for where it is awaited, while it is ``brisk``.

    A statement of a batch takes microseconds: the lock is held and nothing is written to the disk before the commit.
    Handing each to a thread and back took longer (four times a statement, 20 statements a batch of messages), most of
    all while other threads were busy. What may wait for a lock or for the disk still has the thread, and so have the
    transactions of everybody else: the event loop does not stand still for them.
    """

    brisk = False

    def __init__(self, connector: Callable[[], sqlite3.Connection]) -> None:
        super().__init__(connector, iter_chunk_size=64)
        # As SQLAlchemy has it for connections that it makes itself: no program waits for one at its end.
        self._thread.daemon = True

    async def _execute(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if self.brisk:
            return fn(*args, **kwargs)
        return await super()._execute(fn, *args, **kwargs)  # type: ignore[no-untyped-call]  # aiosqlite leaves it untyped


class Sqlite:
    """The ``Backend`` of one file.

    Args:
        url: ``sqlite+aiosqlite:///PATH``.
        path: of the file.
        busy_timeout_ms: how long to wait for another program that writes.
    """

    one_writer = True
    writing: Mapping[str, Any] = {_WRITES: True}
    writing_briskly: Mapping[str, Any] = {_WRITES: True, _BRISK: True}
    reading: Mapping[str, Any] = {_WRITES: False}

    def __init__(self, url: URL, path: Path, busy_timeout_ms: int = BUSY_TIMEOUT_MS) -> None:
        self.where = str(path)
        self._url = url
        self._path = path
        self._busy_timeout_ms = busy_timeout_ms

    def make(self) -> None:
        """Make the file if it is missing, and close it; SQLite gives its journals its mode.

        Raises:
            ConfigurationError: it cannot be made or closed.
        """
        path = self._path
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not path.exists():
                path.touch(mode=0o600)
            # An earlier version left them as the umask had it.
            for file in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
                # Another program that closes the store takes the journals away.
                with suppress(FileNotFoundError):
                    if file.is_file() and stat.S_IMODE(file.stat().st_mode) & 0o077:
                        file.chmod(0o600)
        except OSError as error:
            raise ConfigurationError(
                f"store {path}: cannot be made, or closed to others: {error.filename}: {error.strerror}"
            ) from error

    def expect(self) -> None:
        """Look whether the file is there.

        Raises:
            ConfigurationError: it is not.
        """
        if not self._path.is_file():
            raise ConfigurationError(
                f"store {self._path}: there is none; `collector serve` and the commands that add make one. Is this "
                "its path?"
            )

    def engine(self, *, to_read: bool, patient: bool = False) -> AsyncEngine:
        """Return an engine over the file."""
        pragmas = (f"busy_timeout={self._busy_timeout_ms}", *(_READER_PRAGMAS if to_read else _WRITER_PRAGMAS))

        def on_connect(connection: object, _record: object) -> None:
            # The driver would open transactions by itself and late; with isolation_level None it opens none, and we do.
            connection.isolation_level = None  # type: ignore[attr-defined]  # SQLAlchemy's adapter of a connection
            cursor = connection.cursor()  # type: ignore[attr-defined]  # the same
            for pragma in pragmas:
                cursor.execute(f"PRAGMA {pragma}")
            cursor.close()

        def connect() -> _Connection:
            # Two threads, one at a time: whoever awaits, or the connection's own.
            return _Connection(lambda: sqlite3.connect(self._path, check_same_thread=False))

        engine = create_async_engine(
            self._url, async_creator=connect, json_serializer=to_json, json_deserializer=from_json
        )
        event.listen(engine.sync_engine, "connect", on_connect)
        event.listen(engine.sync_engine, "begin", _on_begin)
        event.listen(engine.sync_engine, "commit", _before_end)
        event.listen(engine.sync_engine, "rollback", _before_end)
        return engine

    def classed(self, error: Exception) -> Exception | None:
        """Return what callers are to see of ``error``."""
        if isinstance(error, (exc.IntegrityError, exc.DataError, OverflowError)):
            return StoreRefusedError(f"store {self.where}: refused the rows: {self._reason(error)}")
        if isinstance(error, exc.ProgrammingError):
            # A statement of ours is wrong: nothing to wait for.
            return None
        if isinstance(error, (exc.DatabaseError, exc.InterfaceError, exc.TimeoutError, sqlite3.DatabaseError)):
            return StoreError(f"store {self.where}: {self._reason(error)}")
        return None

    def _reason(self, error: Exception) -> str:
        reason = str(error.orig if isinstance(error, exc.DBAPIError) and error.orig else error)
        if "locked" in reason:
            reason += (
                f": another program has been writing to it for {self._busy_timeout_ms // 1000} s; nothing was "
                "changed, try again once it has ended (a copy or repair of the file, or a second collector?)"
            )
        return reason


async def unused_bytes(tx: AsyncConnection) -> int:
    """Return how much of the file holds nothing any more, and is filled before the file grows."""
    pages = (await tx.exec_driver_sql("PRAGMA freelist_count")).scalar_one()
    return int(pages * (await tx.exec_driver_sql("PRAGMA page_size")).scalar_one())


def _on_begin(connection: Connection) -> None:
    options = connection.get_execution_options()
    connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get(_WRITES, False) else "BEGIN")
    # Whoever is cancelled while it waits for the lock does not come here: SQLAlchemy then closes the connection.
    _own(connection).brisk = options.get(_BRISK, False)


def _before_end(connection: Connection) -> None:
    # Whoever is cancelled within a statement has lost the connection already.
    if not connection.invalidated:
        _own(connection).brisk = False


def _own(connection: Connection) -> _Connection:
    own = connection.connection.driver_connection
    assert isinstance(own, _Connection)
    return own
