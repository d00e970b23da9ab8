"""Many rows into one table: all of them, in their order, however many there are."""

import pytest
from sqlalchemy import select

from collector.errors import StoreRefusedError
from collector.store import tables
from collector.store.bulk import CHUNK, Bulk
from collector.store.database import Store

_FEED = Bulk(tables.feed, ("ref", "kind"))


@pytest.mark.parametrize("count", [0, 1, CHUNK, 2 * CHUNK + 3])
async def test_rows_are_inserted_in_their_order(store: Store, count: int) -> None:
    rows = [(str(number), "read") for number in range(count)]
    async with store.write_of(["lpr-1"]) as tx:
        await _FEED.insert(tx, rows)
    async with store.read() as tx:
        feed = tables.feed.c
        found = await tx.execute(select(feed.ref, feed.kind).order_by(feed.number))
        assert [tuple(row) for row in found] == rows


async def test_what_is_too_long_for_its_column_is_never_cut(store: Store) -> None:
    long = "k" * 17
    try:
        async with store.write_of(["lpr-1"]) as tx:
            await _FEED.insert(tx, [("1", long)])
    except StoreRefusedError:
        assert store.shared
        return
    async with store.read() as tx:
        assert (await tx.execute(select(tables.feed.c.kind))).scalar_one() == long
