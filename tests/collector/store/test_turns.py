"""Several collectors on one PostgreSQL: they take turns, numbers ascend in commit order, leases move."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import insert, text, update

from collector.store import feed, tables, turns
from collector.store.database import Store
from collector.store.feed import FeedKind
from collector.store.lease import LASTS_S, Held, Leased
from collector.store.waking import StoreWentBackError, wake_by_others

STORES = ("postgresql",)
DEADLINE_S = 20.0


@pytest.fixture
async def other(store_url: str) -> AsyncIterator[Store]:
    other = await Store.open(store_url)
    yield other
    await other.close()


class Work:
    """Work that says when it runs."""

    def __init__(self) -> None:
        self.held: Held | None = None
        self.begun = asyncio.Event()
        self.times = 0

    async def __call__(self, held: Held) -> None:
        self.held = held
        self.times += 1
        self.begun.set()
        await asyncio.Event().wait()

    async def write(self) -> None:
        assert self.held is not None
        async with self.held.write() as tx:
            await feed.append(tx, FeedKind.READ, 1)


async def test_ingest_of_different_devices_goes_side_by_side(store: Store, other: Store) -> None:
    async with asyncio.timeout(DEADLINE_S), store.write_of(["lpr-1"]), other.write_of(["lpr-2"]):
        pass


async def test_hits_on_one_entry_take_turns_and_those_on_others_do_not(store: Store, other: Store) -> None:
    order = []

    async def second() -> None:
        async with other.write_of(["lpr-2"]) as tx:
            await turns.of_entries(tx, ["stolen/8XYZ999"])
            order.append("another")
            await turns.of_entries(tx, ["stolen/7ABC123", "stolen/8XYZ999"])
            order.append("second")

    async with asyncio.timeout(DEADLINE_S):
        async with store.write_of(["lpr-1"]) as tx:
            await turns.of_entries(tx, ["stolen/7ABC123"])
            waiting = asyncio.create_task(second())
            while not order:  # noqa: ASYNC110 - the database tells nobody that somebody has its turn
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)
            order.append("first")
        await waiting
    assert order == ["another", "first", "second"]


async def test_ingest_of_one_device_takes_turns(store: Store, other: Store) -> None:
    order = []

    async def second() -> None:
        async with other.write_of(["lpr-2", "lpr-1"]):
            order.append("second")

    async with asyncio.timeout(DEADLINE_S):
        async with store.write_of(["lpr-1"]) as tx:
            waiting = asyncio.create_task(second())
            await _until_somebody_waits(store)
            await feed.append(tx, FeedKind.READ, 1)
            order.append("first")
        await waiting
    assert order == ["first", "second"]


async def test_whoever_writes_alone_is_alone(store: Store, other: Store) -> None:
    order = []

    async def ingest() -> None:
        async with other.write_of(["lpr-1"]):
            order.append("ingest")

    async with asyncio.timeout(DEADLINE_S):
        async with store.write():
            waiting = asyncio.create_task(ingest())
            await _until_somebody_waits(store)
            order.append("alone")
        await waiting
    assert order == ["alone", "ingest"]


async def test_batches_in_any_order_of_devices_never_deadlock(store: Store, other: Store) -> None:
    devices = [f"lpr-{number}" for number in range(20)]

    async def ingest(one: Store, order: list[str], first: int) -> None:
        for number in range(10):
            async with one.write_of(order) as tx:
                await feed.append(tx, FeedKind.READ, first + number)
            async with one.write() as tx:
                await turns.of_letters(tx)
                await feed.append(tx, FeedKind.READ, first + number)

    async with asyncio.timeout(DEADLINE_S):
        await asyncio.gather(ingest(store, devices, 0), ingest(other, devices[::-1], 100))
    async with store.read() as tx:
        assert len(await feed.after(tx, 0)) == 40


async def test_a_reader_of_the_feed_misses_nothing_of_two_writers(store: Store, other: Store) -> None:
    """A number is given in the order of the commits: behind number n nothing below it ever appears."""

    async def append(one: Store, device: str) -> None:
        for number in range(20):
            async with one.write_of([device]) as tx:
                await feed.append_all(tx, [(FeedKind.DEVICE, f"{device}/{number}")] * 3)

    seen: list[int] = []

    async def follow() -> None:
        while len(seen) < 120:
            async with store.read() as tx:
                seen.extend(row.number for row in await feed.after(tx, seen[-1] if seen else 0))

    async with asyncio.timeout(DEADLINE_S):
        await asyncio.gather(append(store, "lpr-1"), append(other, "lpr-2"), follow())
    assert seen == sorted(seen)
    assert len(set(seen)) == 120


async def test_consoles_of_another_collector_are_woken(store: Store, other: Store) -> None:
    waking = asyncio.create_task(wake_by_others(store))
    async with asyncio.timeout(DEADLINE_S):
        await store.committed.changed(0)
        before = store.committed.count
        async with other.write() as tx:
            await feed.append(tx, FeedKind.READ, 1)
        await store.committed.changed(before)
    waking.cancel()
    await asyncio.gather(waking, return_exceptions=True)


async def test_a_store_that_goes_back_in_time_under_a_collector_ends_it(store: Store, other: Store) -> None:
    """PROTOCOL invariant 3: else it would go on acking in the name of the store that it opened."""
    waking = asyncio.create_task(wake_by_others(store))
    async with asyncio.timeout(DEADLINE_S):
        await store.committed.changed(0)
        async with other.write() as tx:
            await tx.execute(update(tables.store).values(store_id=bytes(16)))
        with pytest.raises(StoreWentBackError, match="start the collector again"):
            await waking


async def test_of_two_one_works_and_the_other_follows_within_five_seconds(store: Store, other: Store) -> None:
    first, second = Work(), Work()
    holding = asyncio.create_task(Leased(store, "one place", first).follow())
    async with asyncio.timeout(DEADLINE_S):
        await first.begun.wait()
    waiting = Leased(other, "one place", second)
    following = asyncio.create_task(waiting.follow())
    # Longer than the lease lasts: it is renewed.
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(LASTS_S + 1):
            await second.begun.wait()
    assert first.times == 1
    holding.cancel()  # as a kill does: nothing is handed over
    await asyncio.gather(holding, return_exceptions=True)
    async with asyncio.timeout(5):
        await second.begun.wait()
    await second.write()
    waiting.stop()
    await following


async def test_a_clock_that_was_set_back_keeps_nobody_waiting(store: Store) -> None:
    async with store.write() as tx:
        await tx.execute(insert(tables.lease).values(name="one place", holder=bytes(15) + b"x", until_ns=1 << 62))
    work = Work()
    leased = Leased(store, "one place", work)
    following = asyncio.create_task(leased.follow())
    async with asyncio.timeout(DEADLINE_S):
        await work.begun.wait()
    leased.stop()
    await following


async def _until_somebody_waits(store: Store) -> None:
    waiting = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    while True:
        async with store.read() as tx:
            if (await tx.execute(waiting)).scalar_one():
                return
