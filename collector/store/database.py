"""One store, opened by URL: who may write, what a transaction is, and when a commit has happened.

Invariants:
    - What ``write`` yields is one transaction: it commits as a whole when the block ends, or leaves nothing.
    - Writers of this process take turns, and on SQLite hold the file's write lock from their first statement on
      (``BEGIN IMMEDIATE``), so no transaction finds out at its end that it read what another has changed.
    - A commit is on the disk before ``write`` returns (WAL, ``synchronous=FULL``; simulated power cuts lost
      acknowledged rows with anything less).
    - The schema is that of the last migration before anybody gets a transaction.

Owned by the event loop that opened it.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from sqlalchemy import Connection, event, exc, select
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from collector.errors import ConfigurationError, StoreError, StoreRefusedError
from collector.store import tables
from collector.store.feed import FeedSignal
from collector.store.migrate import upgrade

Transaction = AsyncConnection
"""One transaction, as rooms without SQL name it: they hand it on to the functions of this room."""

_BUSY_TIMEOUT_MS = 10_000
_WRITES = "nightjar_writes"


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
        """Open the store, making or migrating it where needed.

        Args:
            url: ``sqlite+aiosqlite:///PATH``; the folder of PATH is made if it is missing.

        Raises:
            ConfigurationError: not a URL, or of a database that this version does not serve.
            StoreError: it cannot be opened.
        """
        parsed = _parse(url)
        engine = _sqlite_engine(parsed)
        try:
            with _classed(str(parsed.database)):
                async with engine.execution_options(**{_WRITES: True}).begin() as connection:
                    await connection.run_sync(upgrade)
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


def _parse(url: str | URL) -> URL:
    try:
        parsed = make_url(url)
    except exc.ArgumentError as error:
        raise ConfigurationError(f"store: got {url!r}, expected sqlite+aiosqlite:///PATH") from error
    if parsed.drivername != "sqlite+aiosqlite" or not parsed.database:
        raise ConfigurationError(
            f"store: got {parsed.render_as_string(hide_password=True)}, expected sqlite+aiosqlite:///PATH"
        )
    Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    return parsed


def _sqlite_engine(url: URL) -> AsyncEngine:
    engine = create_async_engine(url)
    event.listen(engine.sync_engine, "connect", _on_connect)
    event.listen(engine.sync_engine, "begin", _on_begin)
    return engine


def _on_connect(connection: object, _record: object) -> None:
    # The driver would open transactions by itself and late; with isolation_level None it opens none, and we do.
    connection.isolation_level = None  # type: ignore[attr-defined]  # SQLAlchemy's adapter of a sqlite3 connection
    cursor = connection.cursor()  # type: ignore[attr-defined]  # the same
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        f"busy_timeout={_BUSY_TIMEOUT_MS}",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


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
    return str(error.orig if isinstance(error, exc.DBAPIError) and error.orig else error)
