"""Keeps passages up with the reads that are stored.

It follows the feed, which tells of every new and revised read in the order of the commits, and notes how far it has
looked in the transaction that keeps what came of it. So ingest pays nothing for passages; a read that was stored while
nobody looked is looked at later; and looking twice, after a crash, changes nothing. What it tells the feed is not about
reads, so it never wakes itself for ever.

One at a time may run on a store: it computes outside of the transaction that writes. In one process that is so; several
collectors hold a lease around ``follow`` (PROTOCOL, Ingest). Owned by one task.
"""

from __future__ import annotations

import asyncio
import contextlib

import structlog

from collector.errors import StoreError
from collector.passages.grouping import group
from collector.store import passages
from collector.store.database import Store

_log = structlog.get_logger(__name__)

# Reads of one vehicle come close together: looking once for several costs ingest less than looking for each.
GATHER_S = 0.1
# Another process may write too, and its commits wake nobody here.
POLL_S = 0.5
_PORTION = 200
# Of a backlog that drains at full speed the reads can wait, 200 a second; as many come live from a thousand trailers.
_REST = 9
_LONGEST_REST_S = 1.0
# How much is looked at again, for nothing, after a crash.
_NOTED_EVERY = 1_000


class PassageFollower:
    """Joins the reads of one store into passages.

    Args:
        store: where the reads are.
        within_s: how far apart the reads of a passage may be.
    """

    def __init__(self, store: Store, within_s: float) -> None:
        self._store = store
        self._within_ns = round(within_s * 1_000_000_000)
        self._looked_at: int | None = None
        self._noted = 0
        self._stopping = asyncio.Event()

    async def look(self) -> bool:
        """Look at the next reads of the feed; whether there were any rows to look at.

        Raises:
            StoreError: the store cannot be reached; the next look begins at the same place.
        """
        async with self._store.read() as tx:
            if self._looked_at is None:
                self._looked_at = self._noted = await passages.looked_at(tx)
            changed, reached = await passages.changed_reads(tx, self._looked_at, _PORTION)
            near = await passages.neighbourhoods(tx, changed, 3 * self._within_ns) if changed else []
        grouped = [(one, group(one.reads, changed, self._within_ns)) for one in near]
        different = [(one, groups) for one, groups in grouped if groups]
        if different or reached >= self._noted + _NOTED_EVERY:
            async with self._store.write() as tx:
                await passages.keep(tx, different)
                await passages.note_looked_at(tx, reached)
            self._noted = reached
        moved, self._looked_at = reached > self._looked_at, reached
        return moved

    async def follow(self) -> None:
        """Keep up with the store until ``stop``, working at most a tenth of the time: ingest goes first."""
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            seen = self._store.committed.count
            try:
                began_s = loop.time()
                while await self.look() and not self._stopping.is_set():
                    await self._pause(min(_LONGEST_REST_S, _REST * (loop.time() - began_s)))
                    began_s = loop.time()
            except StoreError as error:
                _log.error("passages_not_followed", error=str(error), again_in_s=POLL_S)
            await self._rest(seen)

    def stop(self) -> None:
        """Let ``follow`` end."""
        self._stopping.set()

    async def _rest(self, seen: int) -> None:
        await self._pause(GATHER_S)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(POLL_S):
                await self._store.committed.changed(seen)

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)
