"""What only a store in PostgreSQL does: made once by two at a time, lost and found again, no password told."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import insert, select, text, update
from sqlalchemy.engine import make_url

from collector.errors import ConfigurationError, StoreError, StoreRefusedError
from collector.store import audit, feed, tables
from collector.store.database import Store, backend_of
from collector.store.feed import FeedKind

STORES = ("postgresql",)


@pytest.fixture
def empty_url(databases: Any) -> Iterator[str]:
    with databases.new() as url:
        yield url


async def test_two_collectors_that_start_at_once_make_one_store(empty_url: str) -> None:
    stores = await asyncio.gather(*(Store.open(empty_url) for _ in range(3)))
    assert len({store.store_id for store in stores}) == 1
    for store in stores:
        await store.close()


async def test_a_reader_makes_nothing(empty_url: str, databases: Any) -> None:
    with pytest.raises(ConfigurationError, match="got schema None"):
        await Store.open_to_read(empty_url)
    name = make_url(empty_url).database
    assert databases.server.sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", name) == "0"


async def test_a_server_that_goes_and_comes_back_is_waited_for(databases: Any, store: Store) -> None:
    # The database was emptied without waiting for the disk: a kill would bring back what an earlier test left.
    databases.server.sql("CHECKPOINT")
    databases.server.kill()
    for _ in range(2):
        with pytest.raises(StoreError) as caught:
            async with store.write() as tx:
                await feed.append(tx, FeedKind.READ, 1)
        assert not isinstance(caught.value, StoreRefusedError)
    databases.server.start()
    async with store.write() as tx:
        await feed.append(tx, FeedKind.READ, 2)
    async with store.read() as tx:
        assert [row.ref for row in await feed.after(tx, 0)] == ["2"]


async def test_a_session_that_is_ended_from_outside_is_tried_again(store: Store) -> None:
    end_the_others = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")

    async def write_while_ended() -> None:
        async with store.write() as tx:
            async with store.read() as ending:
                await ending.execute(end_the_others)
            await feed.append(tx, FeedKind.READ, 1)

    with pytest.raises(StoreError) as caught:
        await write_while_ended()
    assert not isinstance(caught.value, StoreRefusedError)
    async with store.read() as tx:
        assert await feed.last(tx) == 0


async def test_a_deadlock_is_tried_again_and_no_fault_of_the_rows(store: Store) -> None:
    """Turns keep it from happening; whoever writes beside them, a person with psql, is told apart from poison."""
    lock = "SELECT pg_advisory_xact_lock({})"
    met = asyncio.Barrier(2)

    async def wait(first: int, second: int) -> None:
        async with store.write_of([str(first)]) as tx:
            await tx.execute(text(lock.format(first)))
            await met.wait()
            await tx.execute(text(lock.format(second)))

    outcomes = await asyncio.gather(wait(1, 2), wait(2, 1), return_exceptions=True)
    [error] = [one for one in outcomes if one is not None]
    assert type(error) is StoreError
    assert "deadlock" in str(error)


@pytest.mark.parametrize("value", ["a\0b", "\ud800", "x" * 50])
async def test_text_that_it_cannot_hold_is_refused_and_the_next_is_not(store: Store, value: str) -> None:
    async def add(device: str) -> None:
        async with store.write_of(["lpr-1"]) as tx:
            await tx.execute(insert(tables.device).values(id=device, agency="a", status="x", added_at_ns=1))

    with pytest.raises(StoreRefusedError):
        await add(value)
    await add("lpr-1")
    async with store.read() as tx:
        assert list((await tx.execute(select(tables.device.c.id))).scalars()) == ["lpr-1"]


async def test_neither_durability_nor_isolation_depends_on_the_settings_of_the_database(
    databases: Any, store: Store
) -> None:
    """With another isolation a turn would begin with what it read before it, and good rows would be refused."""
    for setting in ("default_transaction_isolation = 'serializable'", "synchronous_commit = off"):
        databases.server.sql(f"ALTER DATABASE migrated SET {setting}")
    fresh = await Store.open(databases.server.url("migrated"))
    try:
        async with fresh.write() as tx:
            for name, expected in (("transaction_isolation", "read committed"), ("synchronous_commit", "on")):
                assert (await tx.execute(text(f"SHOW {name}"))).scalar_one() == expected
    finally:
        await fresh.close()
        databases.server.sql("ALTER DATABASE migrated RESET ALL")


async def test_what_is_in_the_rows_is_in_no_error(store: Store) -> None:
    with pytest.raises(StoreRefusedError, match="null value") as caught:
        async with store.write() as tx:
            await tx.execute(text("INSERT INTO device (id, agency, added_at_ns) VALUES ('7ABC123', 'pd', 1)"))
    assert "7ABC123" not in str(caught.value)


async def test_neither_role_without_rights_nor_missing_database_tells_the_password(databases: Any) -> None:
    url = make_url(databases.server.url("nowhere")).set(username="nightjar", password="s3cret")
    with pytest.raises(StoreError, match=r"does not exist: make the database: docs/postgresql\.md") as caught:
        await Store.open(url)
    databases.server.sql("CREATE ROLE stranger LOGIN")
    stranger = make_url(databases.server.url("migrated")).set(username="stranger", password="s3cret")
    with pytest.raises(StoreError, match="too few rights") as refused:
        await Store.open(stranger)
    databases.server.sql("DROP ROLE stranger")
    assert "s3cret" not in str(caught.value) + str(refused.value) + repr(caught.value.__cause__)


async def test_a_server_that_is_not_there_is_said(tmp_path: Any) -> None:
    with pytest.raises(StoreError, match="cannot be reached"):
        await Store.open(f"postgresql+asyncpg://nightjar:s3cret@/nightjar?host={tmp_path}")


def test_over_a_network_the_certificate_is_verified(tmp_path: Any) -> None:
    away = backend_of(f"postgresql+asyncpg://nightjar@db.example/nightjar?sslrootcert={tmp_path}/missing.pem")
    with pytest.raises(ConfigurationError, match=r"sslrootcert: got .*missing\.pem"):
        away.engine(to_read=False)
    assert away.where == "db.example/nightjar"


_LEAST = """
CREATE ROLE clerk LOGIN;
GRANT USAGE ON SCHEMA public TO clerk;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO clerk;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO clerk;
REVOKE UPDATE, DELETE ON audit FROM clerk;
"""


async def test_a_role_that_owns_nothing_serves_and_cannot_change_the_audit_log(databases: Any, store: Store) -> None:
    databases.server.sql(_LEAST, "migrated")
    clerk = await Store.open(make_url(databases.server.url("migrated")).set(username="clerk"))
    try:
        async with clerk.write() as tx:
            await audit.record(tx, who="cli:root", action="device.add", subject="lpr-1", detail={}, at_ns=1)
            await feed.append(tx, FeedKind.DEVICE, "lpr-1")
        with pytest.raises(StoreError, match="permission denied for table audit"):
            async with clerk.write() as tx:
                await tx.execute(update(tables.audit).values(who="nobody"))
    finally:
        await clerk.close()
        databases.server.sql("DROP OWNED BY clerk; DROP ROLE clerk", "migrated")
