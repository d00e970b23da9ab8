import asyncio
import sqlite3
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, delete, insert, select, text, update

from collector.errors import ConfigurationError, StoreError, StoreRefusedError
from collector.store import audit, database, feed, tables
from collector.store.database import Store, sqlite_url
from collector.store.feed import FeedKind


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await Store.open(sqlite_url(tmp_path / "new" / "collector.db"))
    yield store
    await store.close()


async def test_the_migrations_lead_to_the_tables(store: Store) -> None:
    def differences(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), tables.metadata))

    async with store.read() as tx:
        assert await tx.run_sync(differences) == []


async def test_opening_again_keeps_the_store_id(tmp_path: Path) -> None:
    first = await Store.open(sqlite_url(tmp_path / "c.db"))
    await first.close()
    second = await Store.open(sqlite_url(tmp_path / "c.db"))
    await second.close()
    other = await Store.open(sqlite_url(tmp_path / "other.db"))
    await other.close()
    assert first.store_id == second.store_id != other.store_id
    assert len(first.store_id) == 16


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_what_it_makes_is_for_its_owner_alone(store: Store, tmp_path: Path) -> None:
    async with store.write() as tx:
        await feed.append(tx, FeedKind.READ, 1)
        files = {path.name: _mode(path) for path in (tmp_path / "new").iterdir()}
    assert files == {"collector.db": 0o600, "collector.db-wal": 0o600, "collector.db-shm": 0o600}
    assert _mode(tmp_path / "new") == 0o700


async def test_files_that_others_may_read_are_closed_to_them(store: Store, tmp_path: Path) -> None:
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


async def test_a_reader_sees_what_is_there_and_changes_nothing(store: Store, tmp_path: Path) -> None:
    reader = await Store.open_to_read(sqlite_url(tmp_path / "new" / "collector.db"))
    try:
        assert reader.store_id == store.store_id
        async with store.write() as tx:
            await feed.append(tx, FeedKind.READ, 1)
        async with reader.read() as tx:
            assert await feed.last(tx) == 1
        with pytest.raises(StoreError, match="readonly"):
            async with reader.write() as tx:
                await feed.append(tx, FeedKind.READ, 2)
    finally:
        await reader.close()


async def test_a_reader_does_not_wait_for_a_writer(store: Store, tmp_path: Path) -> None:
    async with store.write() as tx:
        await feed.append(tx, FeedKind.READ, 1)
        reader = await Store.open_to_read(sqlite_url(tmp_path / "new" / "collector.db"))
        async with reader.read() as reading:
            assert await feed.last(reading) == 0
        await reader.close()


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


async def test_a_locked_store_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await (await Store.open(sqlite_url(tmp_path / "c.db"))).close()
    monkeypatch.setattr(database, "_BUSY_TIMEOUT_MS", 0)
    other = sqlite3.connect(tmp_path / "c.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match=r"another program .* try again once it has ended"):
        await Store.open(sqlite_url(tmp_path / "c.db"))
    other.close()


async def test_commits_are_on_disk_and_keys_are_checked(store: Store) -> None:
    async with store.write() as tx:
        pragmas = {
            name: (await tx.execute(text(f"PRAGMA {name}"))).scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


async def test_a_failing_block_leaves_nothing_and_wakes_nobody(store: Store) -> None:
    async def append_and_fail() -> None:
        async with store.write() as tx:
            await feed.append(tx, FeedKind.READ, 1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await append_and_fail()
    async with store.read() as tx:
        assert await feed.after(tx, 0) == []
    assert store.committed.count == 0


async def test_a_reader_sees_one_instant_while_a_writer_commits(store: Store) -> None:
    async with store.read() as reading:
        assert await feed.last(reading) == 0
        async with store.write() as tx:
            await feed.append(tx, FeedKind.READ, 1)
        assert await feed.last(reading) == 0
    async with store.read() as reading:
        assert await feed.last(reading) == 1


async def test_writers_take_turns(store: Store) -> None:
    order = []

    async def writer(name: str) -> None:
        async with store.write() as tx:
            order.append(name)
            await feed.append(tx, FeedKind.READ, name)
            order.append(name)

    await asyncio.gather(*(writer(name) for name in "abc"))
    assert order in (list("aabbcc"), list("aaccbb"), list("bbaacc"), list("bbccaa"), list("ccaabb"), list("ccbbaa"))


async def test_refused_rows_are_told_from_an_unreachable_store(store: Store, tmp_path: Path) -> None:
    with pytest.raises(StoreRefusedError):
        async with store.write() as tx:
            await tx.execute(insert(tables.match_pending).values(read_id=77, historical=False))
    with pytest.raises(StoreRefusedError):
        async with store.write() as tx:
            await tx.execute(insert(tables.device).values(id="a", agency="b", status="x", added_at_ns=1 << 63))
    (tmp_path / "folder.db").mkdir()
    with pytest.raises(StoreError):
        await Store.open(sqlite_url(tmp_path / "folder.db"))


async def test_a_file_that_is_no_store_and_a_newer_one_s_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("this is no database " * 100)
    with pytest.raises(StoreError, match="not a database"):
        await Store.open(sqlite_url(tmp_path / "text.db"))
    newer = await Store.open(sqlite_url(tmp_path / "newer.db"))
    async with newer.write() as tx:
        await tx.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    await newer.close()
    with pytest.raises(ConfigurationError, match="newer collector"):
        await Store.open(sqlite_url(tmp_path / "newer.db"))


@pytest.mark.parametrize("url", ["nonsense", "sqlite+aiosqlite://", "postgresql+asyncpg://u:secret@h/d", "mysql://h"])
async def test_a_url_that_is_not_served_names_what_is(url: str) -> None:
    with pytest.raises(ConfigurationError, match="expected sqlite") as caught:
        await Store.open(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("change", [update(tables.audit).values(who="nobody"), delete(tables.audit)])
async def test_the_audit_log_only_grows(store: Store, change: object) -> None:
    async with store.write() as tx:
        await audit.record(tx, who="cli:root", action="device.add", subject="lpr-1", detail={}, at_ns=1)
    with pytest.raises(StoreError, match="append-only"):
        async with store.write() as tx:
            await tx.execute(change)  # type: ignore[call-overload]  # both changes are executable
    async with store.read() as tx:
        assert [row.who for row in await tx.execute(select(tables.audit))] == ["cli:root"]
