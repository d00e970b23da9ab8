"""Ends entries that people made once their time is over, and says so on the alerts that they raised.

The matcher lets nothing through for an entry from the instant at which it expires; this takes it off its list. What a
file says of expiry stays with the file: its entries stop to match, and its next import decides about them; but the
alerts that they raised say that it is over.

Runs under a lease. Owned by one task.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import structlog

from collector.errors import StoreError
from collector.hotlists.entering import Withdrawn, end
from collector.store import alerts, hand_entries
from collector.store.database import Transaction
from collector.store.unlisted import unlisted

_log = structlog.get_logger(__name__)
EVERY_S = 5.0
_WHY = "The entry has expired."
_WHY_UNLISTED = "The entry has expired, or is no longer on its list."


class _Written(Protocol):
    def read(self) -> AbstractAsyncContextManager[Transaction]: ...

    def write(self) -> AbstractAsyncContextManager[Transaction]: ...


async def expire(store: _Written, at_ns: int, who: str = "") -> list[Withdrawn]:
    """End what has expired.

    Args:
        store: where the entries are.
        at_ns: UTC.
        who: who asks for it; empty for the machine.

    Raises:
        StoreError: nothing has changed.
    """
    async with store.read() as tx:
        if not any(_is_over(one.expires_ns, at_ns) for one in await hand_entries.by_hand(tx)):
            return []
    async with store.write() as tx:
        over = [one for one in await hand_entries.by_hand(tx) if _is_over(one.expires_ns, at_ns)]
        return [await end(tx, one, "expire", _WHY, who, at_ns) for one in over]


async def recall_unlisted(store: _Written, at_ns: int) -> list[int]:
    """Say on open alerts that nothing stands on a list any more, or not expired, that would raise them; return which.

    Args:
        store: where they are.
        at_ns: UTC.

    Raises:
        StoreError: nothing has changed.
    """
    async with store.read() as tx:
        if not await unlisted(tx, expired_at_ns=at_ns):
            return []
    async with store.write() as tx:
        gone = await unlisted(tx, expired_at_ns=at_ns)
        return await alerts.recall(tx, gone, why=_WHY_UNLISTED, at_ns=at_ns, who="")


async def follow(store: _Written, utc_ns: Callable[[], int]) -> None:
    """End what has expired, again and again, until cancelled."""
    while True:
        try:
            for one in await expire(store, utc_ns()):
                _log.info("entry_expired", entry=one.entry.id, list=one.entry.list, recalled=one.recalled)
            if recalled := await recall_unlisted(store, utc_ns()):
                _log.info("alerts_recalled", alerts=recalled)
        except StoreError as error:
            _log.error("entries_not_expired", error=str(error), again_in_s=EVERY_S)
        await asyncio.sleep(EVERY_S)


def _is_over(expires_ns: int | None, at_ns: int) -> bool:
    return expires_ns is not None and expires_ns <= at_ns
