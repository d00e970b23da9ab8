"""A store as it was at one instant, copied while it is served, and brought back elsewhere.

SQLite: its own backup of the pages, within one read transaction, so that writers neither wait nor make it begin again.
PostgreSQL: the rows of every table in its binary format (``COPY``), within one repeatable-read transaction.

Whoever brings a snapshot back must call ``begin_anew`` in the same breath: the store went back in time then, and
devices learn that from its new ``store_id``.
"""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
from alembic import command
from alembic.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import Connection, and_, delete, exc, func, inspect, select, text, update
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.errors import ConfigurationError, StoreError
from collector.store import audit, tables
from collector.store.database import backend_of
from collector.store.migrate import configuration, upgrade
from collector.store.postgresql import reason_of
from collector.store.users import CredentialKind

Progress = Callable[[int, int], None]
"""Told how much of how much is done."""

IDS_SKIPPED = 1_000_000
"""How far the numbers that people see jump ahead: those given after the snapshot are not given again."""
_PAGES_A_STEP = 2_000
_DIGESTS_A_PAGE = 10_000
_COPY_S = 24 * 3_600.0
_REFUSED = (asyncpg.PostgresError, asyncpg.InterfaceError)


@dataclass(frozen=True, slots=True)
class TableCopy:
    """The rows of one table in a file: its name, its columns in their order."""

    table: str
    columns: tuple[str, ...]


def file_of(url: str) -> Path | None:
    """Return the file of an SQLite store, None for another one.

    Raises:
        ConfigurationError: not a URL.
    """
    try:
        parsed = make_url(url)
    except exc.ArgumentError as error:
        raise ConfigurationError("store: got what is not a URL") from error
    return Path(parsed.database) if parsed.drivername.startswith("sqlite") and parsed.database else None


async def copy_file(database: Path, target: Path, progress: Progress) -> None:
    """Copy an SQLite store that others write to meanwhile. Cancelling ends it between two steps.

    Raises:
        StoreError: it cannot be read, or the copy not be written.
    """
    task = asyncio.current_task()

    def step(_: int, left: int, of: int) -> None:
        progress(of - left, of)
        if task is not None and task.cancelling():
            raise asyncio.CancelledError

    try:
        source, copy = _to_read(database), sqlite3.connect(target)
        try:
            # What this transaction sees stays as it is: without it each commit of another would begin the copy anew.
            source.execute("BEGIN")
            source.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            source.backup(copy, pages=_PAGES_A_STEP, progress=step, sleep=0)
            (found,) = copy.execute("PRAGMA quick_check(1)").fetchone()
        finally:
            copy.close()
            source.close()
    except sqlite3.Error as error:
        raise StoreError(f"store {database}: could not be copied: {error}") from error
    if found != "ok":
        raise StoreError(f"store {database}: its copy is damaged, so it is damaged itself: {found}")


def _to_read(database: Path) -> sqlite3.Connection:
    # Not mode=ro: reading a file in WAL mode may want to make its journals.
    opened = sqlite3.connect(f"{database.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None)
    opened.execute("PRAGMA query_only=ON")
    return opened


async def copy_tables(tx: AsyncConnection, folder: Path, progress: Progress) -> tuple[TableCopy, ...]:
    """Copy every table of a PostgreSQL store into a file each, as of the instant that ``tx`` sees.

    Raises:
        OSError: a file cannot be written.
        StoreError: a table cannot be read.
    """
    driver = (await tx.get_raw_connection()).driver_connection
    assert driver is not None
    quote = tx.dialect.identifier_preparer.quote
    copies = []
    for number, table in enumerate(tables.metadata.sorted_tables):
        progress(number, len(tables.metadata.sorted_tables))
        columns = tuple(column.name for column in table.columns)
        query = f"SELECT {', '.join(map(quote, columns))} FROM {quote(table.name)}"  # noqa: S608  # names of our tables
        # Opened here: the driver would leave it open when it is cancelled.
        with (folder / table.name).open("wb") as file:
            try:
                await driver.copy_from_query(query, output=file, format="binary", timeout=_COPY_S)
            except _REFUSED as error:
                raise StoreError(f"store: table {table.name} could not be copied: {reason_of(error)}") from error
        copies.append(TableCopy(table.name, columns))
    return tuple(copies)


async def revision(tx: AsyncConnection) -> str:
    """Return the name of the schema's last migration."""
    found = await tx.run_sync(lambda connection: MigrationContext.configure(connection).get_current_revision())
    return str(found)


async def files_of(tx: AsyncConnection) -> AsyncIterator[bytes]:
    """Yield the hashes of all files that are complete, in order."""
    table, last = tables.media_file, b""
    while True:
        query = (
            select(table.c.sha256)
            .where(and_(table.c.complete, table.c.sha256 > last))
            .group_by(table.c.sha256)
            .order_by(table.c.sha256)
            .limit(_DIGESTS_A_PAGE)
        )
        found = list((await tx.execute(query)).scalars())
        for sha256 in found:
            yield bytes(sha256)
        if len(found) < _DIGESTS_A_PAGE:
            return
        last = found[-1]


async def begin_anew(tx: AsyncConnection, *, who: str, subject: str, detail: Mapping[str, Any], at_ns: int) -> bytes:
    """Make a store that went back in time another one; return its new ``store_id``.

    Sessions and login codes end, leases lapse, and numbers that people saw are not given to anything else.
    """
    store_id = secrets.token_bytes(16)
    await tx.execute(update(tables.store).values(store_id=store_id))
    await tx.execute(delete(tables.lease))
    kinds = (CredentialKind.SESSION.value, CredentialKind.CODE.value)
    await tx.execute(delete(tables.credential).where(tables.credential.c.kind.in_(kinds)))
    await _skip_ids(tx)
    await audit.record(
        tx, who=who, action="store.restore", subject=subject, detail={**detail, "store_id": store_id.hex()}, at_ns=at_ns
    )
    return store_id


async def bring_back_tables(
    url: str,
    folder: Path,
    copies: Sequence[TableCopy],
    made_at: str,
    progress: Progress,
    anew: Callable[[AsyncConnection], Any],
    last: Callable[[], None],
) -> None:
    """Fill an empty PostgreSQL database with what ``copy_tables`` wrote: all of it, or nothing.

    Args:
        url: of the database.
        folder: where the files are.
        copies: what they are.
        made_at: the schema's revision as of the snapshot; later migrations are run over the rows.
        progress: told how far it is.
        anew: calls ``begin_anew`` in the same transaction.
        last: done just before the commit.

    Raises:
        ConfigurationError: the database is not empty, or the snapshot is of a newer collector.
        StoreError: it cannot be reached, or does not take the rows.
    """
    backend = backend_of(url)
    # Patient: a later migration over many rows may take longer than a minute.
    engine = backend.engine(to_read=False, patient=True)
    try:
        async with engine.begin() as tx:
            here = await tx.run_sync(lambda connection: inspect(connection).get_table_names())
            if here:
                raise ConfigurationError(
                    f"store {backend.where}: got a database with {len(here)} tables, expected an empty one; make "
                    "another, or drop it and make it again"
                )
            await tx.run_sync(_migrate_to, made_at)
            await _copy_in(tx, folder, copies, progress)
            await tx.run_sync(upgrade)
            await anew(tx)
            last()
    except (exc.SQLAlchemyError, OSError) as error:
        raise backend.classed(error) or StoreError(f"store {backend.where}: {error}") from error
    finally:
        await engine.dispose()


async def _copy_in(tx: AsyncConnection, folder: Path, copies: Sequence[TableCopy], progress: Progress) -> None:
    driver = (await tx.get_raw_connection()).driver_connection
    assert driver is not None
    for copy in reversed(copies):
        # What migrations put into a new store is in the snapshot as well.
        table = tx.dialect.identifier_preparer.quote(copy.table)
        if (await tx.execute(text(f"SELECT EXISTS (SELECT 1 FROM {table})"))).scalar_one():  # noqa: S608  # our table
            await tx.execute(text(f"DELETE FROM {table}"))  # noqa: S608  # the same
    for number, copy in enumerate(copies):
        progress(number, len(copies))
        with (folder / copy.table).open("rb") as file:
            try:
                await driver.copy_to_table(
                    copy.table, source=file, columns=copy.columns, format="binary", timeout=_COPY_S
                )
            except _REFUSED as error:
                raise StoreError(f"store: table {copy.table} could not be filled: {reason_of(error)}") from error


def _migrate_to(connection: Connection, made_at: str) -> None:
    try:
        command.upgrade(configuration(connection), made_at)
    except CommandError as error:
        raise ConfigurationError(
            f"backup: its schema is {made_at}: {error}; it was made by a newer collector: install that"
        ) from error


async def _skip_ids(tx: AsyncConnection) -> None:
    if tx.dialect.name == "sqlite":
        await tx.execute(text("UPDATE sqlite_sequence SET seq = seq + :skipped"), {"skipped": IDS_SKIPPED})
        return
    quote = tx.dialect.identifier_preparer.quote
    for table in tables.metadata.sorted_tables:
        column = table.autoincrement_column
        sequence = None
        if column is not None:
            named = select(func.pg_get_serial_sequence(quote(table.name), column.name))
            sequence = (await tx.execute(named)).scalar_one()
        if column is not None and sequence is not None:
            highest = (await tx.execute(select(func.coalesce(func.max(column), 0)))).scalar_one()
            await tx.execute(select(func.setval(sequence, highest + IDS_SKIPPED)))
