"""One collector at a time holds a lease, and only the holder writes under it."""

import asyncio

import pytest
from sqlalchemy import select, update

from collector.errors import ConfigurationError
from collector.store import feed, tables
from collector.store.database import Store
from collector.store.feed import FeedKind
from collector.store.lease import Held, Leased, LeaseLostError

DEADLINE_S = 20.0


class Work:
    """Work that says when it runs, and can be told to write."""

    def __init__(self) -> None:
        self.held: Held | None = None
        self.begun = asyncio.Event()
        self.ended = asyncio.Event()
        self.times = 0

    async def __call__(self, held: Held) -> None:
        self.held = held
        self.times += 1
        self.ended.clear()
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.begun.clear()
            self.ended.set()

    async def write(self) -> None:
        assert self.held is not None
        async with self.held.write() as tx:
            await feed.append(tx, FeedKind.READ, 1)


async def give_away(store: Store) -> None:
    async with store.write() as tx:
        far = 1 << 62
        await tx.execute(update(tables.lease).values(holder=bytes(15) + b"x", until_ns=far))


async def until_ns(store: Store) -> int:
    async with store.read() as tx:
        return int((await tx.execute(select(tables.lease.c.until_ns))).scalar_one())


async def test_the_holder_works_and_hands_over_when_it_stops(store: Store) -> None:
    work = Work()
    leased = Leased(store, "one place", work)
    following = asyncio.create_task(leased.follow())
    async with asyncio.timeout(DEADLINE_S):
        await work.begun.wait()
        await work.write()
        leased.stop()
        await following
    assert work.ended.is_set()
    assert await until_ns(store) == 0


async def test_who_has_lost_it_writes_nothing(store: Store) -> None:
    work = Work()
    leased = Leased(store, "one place", work)
    following = asyncio.create_task(leased.follow())
    async with asyncio.timeout(DEADLINE_S):
        await work.begun.wait()
        held = work.held
        await give_away(store)
        with pytest.raises(LeaseLostError):
            await work.write()
        async with store.read() as tx:
            assert await feed.last(tx) == 0
        # Soon it finds out by itself, too.
        await work.ended.wait()
    assert held is not None
    if store.shared:
        leased.stop()
        await following
    else:
        with pytest.raises(ConfigurationError, match="another collector was started"):
            await following


async def test_work_that_fails_ends_the_collector(store: Store) -> None:
    async def fail(held: Held) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        async with asyncio.timeout(DEADLINE_S):
            await Leased(store, "one place", fail).follow()
