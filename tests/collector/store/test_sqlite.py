"""What only a store in an SQLite file does: its file, its journals, its lock."""

import asyncio
import sqlite3
import stat
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.errors import ConfigurationError, StoreError
from collector.store import feed
from collector.store.database import Store, sqlite_url
from collector.store.feed import FeedKind
from collector.store.sqlite import Sqlite


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await Store.open(sqlite_url(tmp_path / "new" / "collector.db"))
    yield store
    await store.close()


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_what_it_makes_is_for_its_owner_alone(store: Store, tmp_path: Path) -> None:
    async with store.write() as tx:
        await feed.append(tx, FeedKind.READ, 1)
        files = {path.name: _mode(path) for path in (tmp_path / "new").iterdir()}
    assert files == {"collector.db": 0o600, "collector.db-wal": 0o600, "collector.db-shm": 0o600}
    assert _mode(tmp_path / "new") == 0o700


async def test_files_that_others_may_read_are_closed_to_them(store: Store, tmp_path: Path) -> None:
    async with store.read() as tx:
        await feed.last(tx)
    files = list((tmp_path / "new").iterdir())
    for path in files:
        path.chmod(0o644)
    await (await Store.open(sqlite_url(tmp_path / "new" / "collector.db"))).close()
    assert len(files) == 3
    assert {_mode(path) for path in files} == {0o600}


async def test_a_folder_that_cannot_be_made_is_said_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="cannot be made"):
        await Store.open(sqlite_url(tmp_path / "file" / "data" / "c.db"))


async def test_a_reader_makes_and_migrates_nothing(store: Store, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is none"):
        await Store.open_to_read(sqlite_url(tmp_path / "typo" / "x.db"))
    assert not (tmp_path / "typo").exists()
    (tmp_path / "empty.db").touch()
    with pytest.raises(ConfigurationError, match="got schema None"):
        await Store.open_to_read(sqlite_url(tmp_path / "empty.db"))
    assert (tmp_path / "empty.db").stat().st_size == 0
    async with store.write() as tx:
        await tx.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    with pytest.raises(ConfigurationError, match="got schema 0000"):
        await Store.open_to_read(sqlite_url(tmp_path / "new" / "collector.db"))


async def test_a_locked_store_says_what_to_do(tmp_path: Path) -> None:
    await (await Store.open(sqlite_url(tmp_path / "c.db"))).close()
    other = sqlite3.connect(tmp_path / "c.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    backend = Sqlite(make_url(sqlite_url(tmp_path / "c.db")), tmp_path / "c.db", busy_timeout_ms=0)
    waiting = Store(backend, backend.engine(to_read=False), bytes(16))
    with pytest.raises(StoreError, match=r"another program .* try again once it has ended"):
        async with waiting.write() as tx:
            await feed.append(tx, FeedKind.READ, 1)
    await waiting.close()
    other.close()


async def test_what_is_no_store_is_said(tmp_path: Path) -> None:
    (tmp_path / "folder.db").mkdir()
    with pytest.raises(StoreError):
        await Store.open(sqlite_url(tmp_path / "folder.db"))
    (tmp_path / "text.db").write_text("this is no database " * 100)
    with pytest.raises(StoreError, match="not a database"):
        await Store.open(sqlite_url(tmp_path / "text.db"))


async def test_commits_are_on_disk_and_keys_are_checked(store: Store) -> None:
    async with store.write() as tx:
        pragmas = {
            name: (await tx.execute(text(f"PRAGMA {name}"))).scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


async def test_a_batch_of_a_device_runs_where_it_is_awaited_and_all_else_in_a_thread(store: Store) -> None:
    own = threading.current_thread()
    where: list[threading.Thread] = []

    async def look(tx: AsyncConnection) -> None:
        raw = await tx.get_raw_connection()
        await raw.driver_connection.create_function("look", 0, lambda: where.append(threading.current_thread()))
        await tx.execute(text("SELECT look()"))

    for transaction in (store.write_of(["lpr-1"]), store.write(), store.write_of(()), store.read()):
        async with transaction as tx:
            await look(tx)
    assert [thread is own for thread in where] == [True, False, False, False]


async def test_who_is_cancelled_leaves_nothing_and_nothing_held(store: Store) -> None:
    async with store.write_of(["lpr-1"]) as tx:
        await feed.append(tx, FeedKind.READ, 1)
    begun, never = asyncio.Event(), asyncio.Event()

    async def write() -> None:
        async with store.write_of(["lpr-1"]) as tx:
            await feed.append(tx, FeedKind.READ, 2)
            begun.set()
            await never.wait()

    within = asyncio.create_task(write())
    await begun.wait()
    within.cancel()
    await asyncio.wait([within])
    for turns_of_the_loop in range(6):
        # Before its begin, while that is under way, and behind it.
        begun.clear()
        task = asyncio.create_task(write())
        for _ in range(turns_of_the_loop):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
    async with store.write() as tx:
        await feed.append(tx, FeedKind.READ, 3)
    async with store.read() as tx:
        assert [row.ref for row in await feed.after(tx, 0)] == ["1", "3"]
