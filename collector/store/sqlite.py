"""A store in one SQLite file: WAL, ``synchronous=FULL``, closed to everybody but its owner."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiosqlite
from sqlalchemy import Connection, event, exc
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from collector.errors import ConfigurationError, StoreError, StoreRefusedError
from collector.store.backends import from_json, to_json

BUSY_TIMEOUT_MS = 10_000
_WRITES = "nightjar_writes"
_WRITER_PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON")
_BEGIN_WRITING = "BEGIN IMMEDIATE"
_SLOW = ("commit", "rollback")
_READER_PRAGMAS = ("query_only=ON",)


class _Connection(aiosqlite.Connection):
    """A connection whose write transactions run where they are awaited, but for their begin and their commit.

    A statement of a writer takes microseconds: the lock is held and nothing is written to the disk before the commit.
    Handing each to a thread and back took longer (four times a statement, 20 statements a batch of messages), most of
    all while other threads were busy. What may wait for a lock or for the disk still has the thread.
    """

    _writing = False

    async def _execute(self, fn: Any, *args: Any, **kwargs: Any) -> Any:
        if self._writing and fn.__name__ not in _SLOW:
            return fn(*args, **kwargs)
        done = await super()._execute(fn, *args, **kwargs)
        if fn.__name__ == "execute":
            self._writing = args[0] == _BEGIN_WRITING
        elif fn.__name__ in _SLOW:
            self._writing = False
        return done


class Sqlite:
    """The ``Backend`` of one file.

    Args:
        url: ``sqlite+aiosqlite:///PATH``.
        path: of the file.
        busy_timeout_ms: how long to wait for another program that writes.
    """

    one_writer = True
    writing: Mapping[str, Any] = {_WRITES: True}
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
            connection = _Connection(lambda: sqlite3.connect(self._path, check_same_thread=False), iter_chunk_size=64)
            connection._thread.daemon = True
            return connection

        engine = create_async_engine(self._url, async_creator=connect, json_serializer=to_json, json_deserializer=from_json)
        event.listen(engine.sync_engine, "connect", on_connect)
        event.listen(engine.sync_engine, "begin", _on_begin)
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


def _on_begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql(_BEGIN_WRITING if writes else "BEGIN")
