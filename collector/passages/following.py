"""Keeps passages up with the reads that are stored.

It follows the feed, which tells of every new and revised read in the order of the commits, and notes how far it has
looked in the transaction that keeps what came of it. So ingest pays nothing for passages; a read that was stored while
nobody looked is looked at later; and looking twice, after a crash, changes nothing. What it tells the feed is not about
reads, so it never wakes itself for ever.

Reads that came live go before those of a backlog. A read of which the store refuses what came of it, or around which
there are too many, is left out and logged, and keeps no other waiting.

One at a time may run on a store: it computes outside of the transaction that writes. So it runs under a lease, and
writes through what the lease gives it (``collector.store.lease``). Owned by one task.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

import structlog

from collector.errors import StoreError, StoreRefusedError
from collector.passages.grouping import Grouped, group
from collector.store import passages
from collector.store.following import Followed
from collector.store.passages import Neighbourhood

_log = structlog.get_logger(__name__)

# Reads of one vehicle come close together: looking once for several costs ingest less than looking for each.
GATHER_S = 0.1
# Another process may write too, and its commits wake nobody here.
POLL_S = 0.5
_PORTION = 200
# Rows of the feed that are gone through at once for the reads of a portion.
_ROWS = 2_000
# A read that was stored within so many seconds of its pass is live.
_LIVE_NS = 120 * 1_000_000_000
# Reads around a portion that are held at once. A site with eight busy cameras has 3,000 around one read if reads of a
# passage may be two minutes apart, the most that can be set; more come of a device that repeats itself.
_MOST_AROUND = 5_000
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

    def __init__(self, store: Followed, within_s: float) -> None:
        self._store = store
        self._within_ns = round(within_s * 1_000_000_000)
        # Up to where in the feed every read has been looked at, and up to where every live one; None before the first.
        self._looked_at: int | None = None
        self._live_at = 0
        self._noted = 0
        self._portion = _PORTION
        self._stopping = asyncio.Event()

    async def look(self) -> bool:
        """Look at the next reads of the feed; whether there were any rows to look at.

        Raises:
            StoreError: the store cannot be reached; the next look begins at the same place.
        """
        async with self._store.read() as tx:
            if self._looked_at is None:
                self._looked_at = self._live_at = self._noted = await passages.looked_at(tx)
            looked_at = self._looked_at
            changed, live_at = await passages.changed_reads(
                tx, self._live_at, rows=_ROWS, most=self._portion, live_ns=_LIVE_NS, live=True
            )
            left = self._portion - len(changed)
            if left > 0:
                others, looked_at = await passages.changed_reads(
                    tx, looked_at, up_to=live_at, rows=_ROWS, most=left, live_ns=_LIVE_NS, live=False
                )
                changed += others
        try:
            await self._join(changed, looked_at)
        except StoreRefusedError as error:
            if len(changed) > 1:
                # One of them is to blame: half as many next time, until it is the only one.
                self._portion = len(changed) // 2
                return True
            _log.error("read_left_out_of_passages", read=changed, error=str(error))
        self._portion = min(_PORTION, 2 * self._portion)
        moved = (live_at, looked_at) != (self._live_at, self._looked_at)
        self._live_at, self._looked_at = live_at, looked_at
        return moved

    async def _join(self, changed: Sequence[int], looked_at: int) -> None:
        near: list[Neighbourhood] = []
        if changed:
            async with self._store.read() as tx:
                near = await passages.neighbourhoods(tx, changed, 3 * self._within_ns, _MOST_AROUND)
        # Where reads are dense this takes a while, in which the loop has others to serve.
        different = await asyncio.to_thread(self._group, near, changed) if near else []
        if different or looked_at >= self._noted + _NOTED_EVERY:
            async with self._store.write() as tx:
                await passages.keep(tx, different)
                await passages.note_looked_at(tx, looked_at)
            self._noted = looked_at

    def _group(
        self, near: Sequence[Neighbourhood], changed: Sequence[int]
    ) -> list[tuple[Neighbourhood, list[Grouped]]]:
        grouped = ((one, group(one.reads, changed, self._within_ns)) for one in near)
        return [(one, groups) for one, groups in grouped if groups]

    async def follow(self) -> None:
        """Keep up with the store until ``stop``, working a tenth of the time as a rule: ingest goes first."""
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
