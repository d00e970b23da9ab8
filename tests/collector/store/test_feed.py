import asyncio

from collector.store import feed
from collector.store.database import Store
from collector.store.feed import FeedKind, FeedRow


async def test_numbers_ascend_and_are_read_from_a_place(store: Store) -> None:
    async with store.write() as tx:
        await feed.append_all(tx, [(FeedKind.READ, 7), (FeedKind.ALERT, 3)])
        await feed.append_all(tx, [])
        await feed.append(tx, FeedKind.PICTURE, "lpr-1/00ff")
    async with store.read() as tx:
        assert await feed.after(tx, 1) == [
            FeedRow(2, FeedKind.ALERT, "3"),
            FeedRow(3, FeedKind.PICTURE, "lpr-1/00ff"),
        ]
        assert await feed.after(tx, 0, limit=1) == [FeedRow(1, FeedKind.READ, "7")]
        assert await feed.last(tx) == 3


async def test_a_follower_is_woken_by_a_commit_and_misses_none(store: Store) -> None:
    before = store.committed.count
    waiting = asyncio.create_task(store.committed.changed(before))
    await asyncio.sleep(0)
    assert not waiting.done()
    async with store.write() as tx:
        await feed.append(tx, FeedKind.SHOT, 1)
    await waiting
    # A commit between taking the count and waiting returns at once.
    await store.committed.changed(before)
