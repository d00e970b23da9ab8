"""Wakes the followers of this collector when another one has committed: its consoles show it within 0.3 s."""

from __future__ import annotations

import asyncio
from typing import NoReturn

from collector.errors import StoreError
from collector.store import feed
from collector.store.database import Store

EVERY_S = 0.2


async def wake_by_others(store: Store) -> NoReturn:
    """Look five times a second whether the feed has grown, and say so to ``store.committed``.

    By the clock rather than by LISTEN: there is no connection to keep alive, and nothing to miss while it is not. A
    look is one row from the end of an index. While the store does not answer, there is nothing to tell.
    """
    told: int | None = None
    while True:
        try:
            async with store.read() as tx:
                number = await feed.last(tx)
            if number != told:
                told = number
                store.committed.notify()
        except StoreError:
            told = None
        await asyncio.sleep(EVERY_S)
