"""One store, opened by URL: who may write, what a transaction is, and when a commit has happened.

Invariants:
    - What ``write`` yields is one transaction: it commits as a whole when the block ends, or leaves nothing.
    - Writers of this process take turns, and on SQLite hold the file's write lock from their first statement on
      (``BEGIN IMMEDIATE``), so no transaction finds out at its end that it read what another has changed.
    - A commit is on the disk before ``write`` returns (WAL, ``synchronous=FULL``; simulated power cuts lost
      acknowledged rows with anything less).
    - The schema is that of the last migration before anybody gets a transaction.
    - What this makes is for its owner alone: plates, places and password hashes are in it.

Owned by the event loop that opened it.
"""

from __future__ import annotations

import asyncio
import sqlite3
import stat
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, event, exc, select
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from collector.errors import ConfigurationError, StoreError, StoreRefusedError
from collector.store import tables
from collector.store.feed import FeedSignal
from collector.store.migrate import FOLDER, upgrade

Transaction = AsyncConnection
"""One transaction, as rooms without SQL name it: they hand it on to the functions of this room."""

_BUSY_TIMEOUT_MS = 10_000
_WRITES = "nightjar_writes"
_WRITER_PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON")
_READER_PRAGMAS = ("query_only=ON",)


class Store:
    """An open store.

    Attributes:
        store_id: 16 random bytes, made with the store; another number means that it went back in time.
        committed: set after every commit of this process, for whoever follows the feed.
    """

    def __init__(self, engine: AsyncEngine, store_id: bytes) -> None:
        self.store_id = store_id
        self.committed = FeedSignal()
        self._engine = engine
        self._turn = asyncio.Lock()

    @classmethod
    async def open(cls, url: str | URL) -> Store:
        """Open the store, making or migrating it where needed, and closing its files to others.

        Args:
            url: ``sqlite+aiosqlite:///PATH``; the folder of PATH is made if it is missing.

        Raises:
            ConfigurationError: not a URL, of a database that this version does not serve, or of a file that cannot be
                made or closed to others.
            StoreError: it cannot be opened.
        """
        parsed, path = _parse(url)
        _make_private(path)
        return await cls._opened(parsed, _WRITER_PRAGMAS, upgrade)

    @classmethod
    async def open_to_read(cls, url: str | URL) -> Store:
        """Open a store that is there, only to read: nothing is made or changed, and no writer is waited for.

        Args:
            url: as for ``open``.

        Raises:
            ConfigurationError: not a URL, there is no such store, or one that this version cannot read.
            StoreError: it cannot be opened.
        """
        parsed, path = _parse(url)
        if not path.is_file():
            raise ConfigurationError(
                f"store {path}: there is none; `collector serve` and the commands that add make one. Is this its path?"
            )
        return await cls._opened(parsed, _READER_PRAGMAS, _expect_current)

    @classmethod
    async def _opened(cls, url: URL, pragmas: tuple[str, ...], prepare: Callable[[Connection], None]) -> Store:
        engine = _sqlite_engine(url, pragmas)
        writes = pragmas is _WRITER_PRAGMAS
        try:
            with _classed(str(url.database)):
                async with engine.execution_options(**{_WRITES: writes}).begin() as connection:
                    await connection.run_sync(prepare)
                    store_id = (await connection.execute(select(tables.store.c.store_id))).scalar_one()
        except BaseException:
            await engine.dispose()
            raise
        return cls(engine, store_id)

    async def close(self) -> None:
        """Close every connection; the store may not be used afterwards."""
        await self._engine.dispose()

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """One transaction that may write.

        Raises:
            StoreError: the store cannot be reached or is full; nothing was written.
            StoreRefusedError: it does not take these rows; nothing was written.
        """
        async with self._turn:
            with _classed(str(self._engine.url.database)):
                async with self._engine.execution_options(**{_WRITES: True}).begin() as connection:
                    yield connection
        self.committed.notify()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """One transaction that only reads: everything in it is of the same instant, and no writer waits for it.

        Raises:
            StoreError: the store cannot be reached.
        """
        with _classed(str(self._engine.url.database)):
            async with self._engine.connect() as connection:
                yield connection


def sqlite_url(path: Path) -> str:
    """The URL of the SQLite store in the file ``path``."""
    return f"sqlite+aiosqlite:///{path}"


def _parse(url: str | URL) -> tuple[URL, Path]:
    """Return the URL and the file that it names."""
    try:
        parsed = make_url(url)
    except exc.ArgumentError as error:
        raise ConfigurationError(f"store: got {url!r}, expected sqlite+aiosqlite:///PATH") from error
    if parsed.drivername != "sqlite+aiosqlite" or not parsed.database:
        raise ConfigurationError(
            f"store: got {parsed.render_as_string(hide_password=True)}, expected sqlite+aiosqlite:///PATH"
        )
    return parsed, Path(parsed.database)


def _make_private(path: Path) -> None:
    """Make the file if it is missing, and close it to everybody but its owner; SQLite gives its journals its mode.

    Raises:
        ConfigurationError: it cannot be made or closed.
    """
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


def _expect_current(connection: Connection) -> None:
    """Refuse a schema that is not that of the last migration.

    Raises:
        ConfigurationError: it is another, or this is no store.
    """
    got = MigrationContext.configure(connection).get_current_revision()
    expected = ScriptDirectory(str(FOLDER)).get_current_head()
    if got != expected:
        raise ConfigurationError(
            f"store {connection.engine.url.database}: got schema {got}, expected {expected}; `collector serve` brings "
            "an older one up to date, and a newer one wants the collector that made it"
        )


def _sqlite_engine(url: URL, pragmas: tuple[str, ...]) -> AsyncEngine:
    def on_connect(connection: object, _record: object) -> None:
        # The driver would open transactions by itself and late; with isolation_level None it opens none, and we do.
        connection.isolation_level = None  # type: ignore[attr-defined]  # SQLAlchemy's adapter of a sqlite3 connection
        cursor = connection.cursor()  # type: ignore[attr-defined]  # the same
        for pragma in (f"busy_timeout={_BUSY_TIMEOUT_MS}", *pragmas):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    engine = create_async_engine(url)
    event.listen(engine.sync_engine, "connect", on_connect)
    event.listen(engine.sync_engine, "begin", _on_begin)
    return engine


def _on_begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def _classed(where: str) -> Iterator[None]:
    """Give errors of the database the class by which callers decide what to do."""
    try:
        yield
    except (exc.IntegrityError, exc.DataError, OverflowError) as error:
        raise StoreRefusedError(f"store {where}: refused the rows: {_reason(error)}") from error
    except exc.ProgrammingError:
        # A statement of ours is wrong: nothing to wait for.
        raise
    except (exc.DatabaseError, exc.InterfaceError, exc.TimeoutError, sqlite3.DatabaseError) as error:
        raise StoreError(f"store {where}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    reason = str(error.orig if isinstance(error, exc.DBAPIError) and error.orig else error)
    if "locked" in reason:
        reason += (
            f": another program has been writing to it for {_BUSY_TIMEOUT_MS // 1000} s; nothing was changed, "
            "try again once it has ended (a copy or repair of the file, or a second collector?)"
        )
    return reason
