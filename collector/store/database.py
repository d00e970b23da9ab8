"""One store, opened by URL: who may write, what a transaction is, and when a commit has happened.

Invariants:
    - What ``write`` yields is one transaction: it commits as a whole when the block ends, or leaves nothing.
    - Nobody else changes what a writer reads until it commits: on SQLite writers hold the file's write lock from their
      first statement on (``BEGIN IMMEDIATE``), on PostgreSQL they take turns (``turns``), also those of other
      collectors. ``write_of`` shares its turn with writers of other devices.
    - A commit is on the disk before ``write`` returns (WAL, ``synchronous=FULL``; simulated power cuts lost
      acknowledged rows with anything less; PostgreSQL's ``synchronous_commit`` as it is by default).
    - The schema is that of the last migration before anybody gets a transaction.
    - What this makes is for its owner alone: plates, places and password hashes are in it.

Owned by the event loop that opened it.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, exc, select
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from collector.errors import ConfigurationError
from collector.store import tables, turns
from collector.store.backends import Backend
from collector.store.feed import FeedSignal
from collector.store.migrate import FOLDER, upgrade
from collector.store.postgresql import Postgresql
from collector.store.sqlite import Sqlite

Transaction = AsyncConnection
"""One transaction, as rooms without SQL name it: they hand it on to the functions of this room."""

_EXPECTED = "expected sqlite+aiosqlite:///PATH or postgresql+asyncpg://ROLE@HOST/DATABASE"


class Store:
    """An open store.

    Attributes:
        store_id: 16 random bytes, made with the store; another number means that it went back in time.
        committed: set after every commit of this process, for whoever follows the feed.
        shared: whether several collectors may serve it at once.
        where: which store, as errors name it.
    """

    def __init__(self, backend: Backend, engine: AsyncEngine, store_id: bytes) -> None:
        self.store_id = store_id
        self.committed = FeedSignal()
        self.shared = not backend.one_writer
        self.where = backend.where
        self._backend = backend
        self._engine = engine
        self._writing = engine.execution_options(**backend.writing)
        self._writing_briskly = engine.execution_options(**backend.writing_briskly)
        self._reading = engine.execution_options(**backend.reading)
        self._turn = asyncio.Lock()

    @classmethod
    async def open(cls, url: str | URL) -> Store:
        """Open the store, making or migrating it where needed, and closing its files to others.

        Args:
            url: ``sqlite+aiosqlite:///PATH`` (the folder of PATH is made if it is missing) or
                ``postgresql+asyncpg://ROLE@HOST/DATABASE``, a database that is there.

        Raises:
            ConfigurationError: not a URL, of a database that this version does not serve, or of a file that cannot be
                made or closed to others.
            StoreError: it cannot be opened.
        """
        backend = backend_of(url)
        backend.make()
        return await cls._opened(backend, upgrade, to_read=False)

    @classmethod
    async def open_to_read(cls, url: str | URL) -> Store:
        """Open a store that is there, only to read: nothing is made or changed, and no writer is waited for.

        Args:
            url: as for ``open``.

        Raises:
            ConfigurationError: not a URL, there is no such store, or one that this version cannot read.
            StoreError: it cannot be opened.
        """
        backend = backend_of(url)
        backend.expect()
        return await cls._opened(backend, _expect_current, to_read=True)

    @classmethod
    async def _opened(cls, backend: Backend, prepare: Callable[[Connection], None], *, to_read: bool) -> Store:
        engine = backend.engine(to_read=to_read, patient=True)
        options = backend.reading if to_read else backend.writing
        try:
            with _classed(backend):
                async with engine.execution_options(**options).begin() as connection:
                    if not to_read:
                        # Two collectors that start at once: the second finds it done.
                        await turns.alone(connection)
                    await connection.run_sync(prepare)
                    store_id = (await connection.execute(select(tables.store.c.store_id))).scalar_one()
        finally:
            await engine.dispose()
        return cls(backend, backend.engine(to_read=to_read), store_id)

    async def close(self) -> None:
        """Close every connection; the store may not be used afterwards."""
        await self._engine.dispose()

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """One transaction that may write; nobody else writes meanwhile.

        Raises:
            StoreError: the store cannot be reached or is full, or others would not let it have its turn; nothing was
                written.
            StoreRefusedError: it does not take these rows; nothing was written.
        """
        # Of this collector one at a time stands in line: whoever waits in the database holds a connection.
        async with self._turn, self._written(turns.alone, self._writing) as tx:
            yield tx

    @asynccontextmanager
    async def write_of(self, devices: Iterable[str]) -> AsyncIterator[AsyncConnection]:
        """One transaction that writes only what is of ``devices``; where that is possible, others do of other devices.

        Without devices it may only write what nobody else reads (a draft).

        Raises:
            StoreError: as for ``write``.
            StoreRefusedError: as for ``write``.
        """
        named = tuple(devices)
        if self._backend.one_writer:
            # A batch of messages is short; a draft is not.
            engine = self._writing_briskly if named else self._writing
            async with self._turn, self._written(turns.alone, engine) as tx:
                yield tx
            return
        async with self._written(lambda tx: turns.of_devices(tx, named), self._writing) as tx:
            yield tx

    @asynccontextmanager
    async def write_apart(self) -> AsyncIterator[AsyncConnection]:
        """One transaction of one statement that waits for nobody's turn: its row's lock is enough (a lease).

        Raises:
            StoreError: as for ``write``.
        """
        if self._backend.one_writer:
            async with self.write() as tx:
                yield tx
            return
        with _classed(self._backend):
            async with self._writing.begin() as connection:
                yield connection

    @asynccontextmanager
    async def _written(
        self, turn: Callable[[AsyncConnection], Awaitable[None]], engine: AsyncEngine
    ) -> AsyncIterator[AsyncConnection]:
        with _classed(self._backend):
            async with engine.begin() as connection:
                await turn(connection)
                yield connection
        self.committed.notify()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """One transaction that only reads: everything in it is of the same instant, and no writer waits for it.

        Raises:
            StoreError: the store cannot be reached.
        """
        with _classed(self._backend):
            async with self._reading.connect() as connection:
                yield connection


def sqlite_url(path: Path) -> str:
    """The URL of the SQLite store in the file ``path``."""
    return f"sqlite+aiosqlite:///{path}"


def backend_of(url: str | URL) -> Backend:
    """Return the database that a store's URL names.

    Raises:
        ConfigurationError: not a URL, or of a database that this version does not serve.
    """
    try:
        parsed = make_url(url)
    except exc.ArgumentError as error:
        # It is not shown: who knows where in it a password is.
        raise ConfigurationError(f"store: got what is not a URL, {_EXPECTED}") from error
    if parsed.drivername == "sqlite+aiosqlite" and parsed.database:
        return Sqlite(parsed, Path(parsed.database))
    if parsed.drivername == "postgresql+asyncpg" and parsed.database:
        return Postgresql(parsed)
    raise ConfigurationError(f"store: got {parsed.drivername}://…, {_EXPECTED}")


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


@contextmanager
def _classed(backend: Backend) -> Iterator[None]:
    """Give errors of the database the class by which callers decide what to do."""
    try:
        yield
    except (exc.SQLAlchemyError, OverflowError, OSError, sqlite3.DatabaseError) as error:
        classed = backend.classed(error)
        if classed is None:
            raise
        raise classed from error
