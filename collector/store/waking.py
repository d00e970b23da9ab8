"""Wakes the followers of this collector when another one has committed: its consoles show it within 0.3 s.

It also notices a database that was brought back from a backup under a running collector: what this one remembers is of
another store then, and its acks would name that.
"""

from __future__ import annotations

import asyncio
from typing import NoReturn

from sqlalchemy import select

from collector.errors import CollectorError, StoreError
from collector.store import feed, tables
from collector.store.database import Store

EVERY_S = 0.2


class StoreWentBackError(CollectorError):
    """The store is another one than this collector opened: start it again."""


async def wake_by_others(store: Store) -> NoReturn:
    """Look five times a second whether the feed has grown, and say so to ``store.committed``.

    By the clock rather than by LISTEN: there is no connection to keep alive, and nothing to miss while it is not. A
    look is one row from the end of an index. While the store does not answer, there is nothing to tell.

    Raises:
        StoreWentBackError: it answers, and is another store.
    """
    told: int | None = None
    while True:
        try:
            async with store.read() as tx:
                number = await feed.last(tx)
                store_id = (await tx.execute(select(tables.store.c.store_id))).scalar_one_or_none()
            if store_id != store.store_id:
                raise StoreWentBackError(
                    f"store {store.where}: is not the one that was opened: it was restored meanwhile; start the "
                    "collector again, so that devices offer again what it lacks"
                )
            if number != told:
                told = number
                store.committed.notify()
        except StoreError:
            told = None
        await asyncio.sleep(EVERY_S)
