"""What every store does, whichever database it is in."""

import asyncio
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, delete, insert, select, text, update

from collector.errors import ConfigurationError, StoreError, StoreRefusedError
from collector.store import audit, feed, tables
from collector.store.database import Store, sqlite_url
from collector.store.feed import FeedKind


async def test_the_migrations_lead_to_the_tables(store: Store) -> None:
    def differences(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), tables.metadata))

    async with store.read() as tx:
        assert await tx.run_sync(differences) == []


async def test_opening_again_keeps_the_store_id(store: Store, store_url: str, tmp_path: Path) -> None:
    second = await Store.open(store_url)
    await second.close()
    other = await Store.open(sqlite_url(tmp_path / "other.db"))
    await other.close()
    assert store.store_id == second.store_id != other.store_id
    assert len(store.store_id) == 16


async def test_a_reader_sees_what_is_there_and_changes_nothing(store: Store, store_url: str) -> None:
    reader = await Store.open_to_read(store_url)
    try:
        assert reader.store_id == store.store_id
        async with store.write() as tx:
            await feed.append(tx, FeedKind.READ, 1)
        async with reader.read() as tx:
            assert await feed.last(tx) == 1
        with pytest.raises(StoreError, match=r"readonly|read-only"):
            async with reader.write() as tx:
                await feed.append(tx, FeedKind.READ, 2)
    finally:
        await reader.close()


async def test_a_reader_does_not_wait_for_a_writer(store: Store, store_url: str) -> None:
    async with store.write() as tx:
        await feed.append(tx, FeedKind.READ, 1)
        reader = await Store.open_to_read(store_url)
        async with reader.read() as reading:
            assert await feed.last(reading) == 0
        await reader.close()


async def test_another_schema_is_refused_and_left_as_it_is(store: Store, store_url: str) -> None:
    async with store.write() as tx:
        await tx.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ConfigurationError, match="newer collector"):
        await Store.open(store_url)
    with pytest.raises(ConfigurationError, match="got schema 9999"):
        await Store.open_to_read(store_url)


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


@pytest.mark.parametrize("beside", [False, True])
async def test_rows_that_nobody_can_take_are_told_from_a_store_that_is_away(store: Store, beside: bool) -> None:
    a_device = {"id": "a", "agency": "b", "status": "x", "added_at_ns": 1}
    for statement in (
        insert(tables.match_pending).values(read_id=77, historical=False),
        insert(tables.device).values(a_device | {"added_at_ns": 1 << 63}),
        insert(tables.device).values(a_device | {"agency": None}),
    ):
        with pytest.raises(StoreRefusedError):
            async with store.write_of(["a"]) if beside else store.write() as tx:
                await tx.execute(statement)
    async with store.read() as tx:
        assert (await tx.execute(select(tables.device))).all() == []


@pytest.mark.parametrize(
    "url", ["u:secret@h", "sqlite+aiosqlite://", "postgresql+asyncpg://u:secret@h", "mysql://u:secret@h"]
)
async def test_a_url_that_is_not_served_names_what_is_and_no_password(url: str) -> None:
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
