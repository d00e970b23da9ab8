"""Searches the reads of the last days for entries that are new, and raises historical alerts.

A search is asked for in the transaction that puts its entries in force; it looks at every read that was stored by then,
newest first, with a matcher over the new entries alone. What it has looked at stands in the store, so it goes on there
after a restart; a portion that is looked at twice raises nothing twice.

Between a search and the matcher in force no read is left out: whoever stores a read, or a revision of one, that was
matched with an older version notes that in the same transaction, and it is matched again. A search for version v ends
only when no such read is left (PROTOCOL, Ingest): a collector that still matches with an older version keeps it from
ending as soon as it stores anything.

A portion is matched outside of the transaction that writes; only reads that hit are read again and written. So ingest
waits for no more than a few rows. Runs under a lease. Owned by one task.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from collector.alerts.rematching import passed_of
from collector.domain import Age
from collector.errors import StoreError
from collector.match.index import Index
from collector.match.matcher import Matcher
from collector.match.policy import Policy
from collector.ports import Raiser
from collector.store import back_searches, feed, hotlists, look_alikes, reads
from collector.store.back_searches import BackSearch, EarlierRead
from collector.store.database import Transaction
from collector.store.feed import FeedKind
from collector.store.following import Followed
from collector.store.look_alikes import LookAlikes

_log = structlog.get_logger(__name__)

PORTION = 5_000
_HITS_AT_ONCE = 100
_POLL_S = 0.5
# So long, as a share of the time that a portion took: ingest goes first.
_REST = 0.5
_LONGEST_REST_S = 0.5
NOTE = "Found by searching earlier reads: it passed before the entry was made."


class BackSearcher:
    """Does the searches that are asked for, one after the other.

    Args:
        store: where reads and searches are.
        policy: what is let through, as for every other read.
        raising: makes what raises the alerts of a matcher's hits.
        ask: asks a device for the pictures of its reads that have alerted.
        utc_ns: our wall clock.
        portion: how many reads are looked at at once.
    """

    def __init__(
        self,
        store: Followed,
        policy: Policy,
        raising: Callable[[Matcher], Raiser],
        ask: Callable[[str], Awaitable[None]],
        utc_ns: Callable[[], int],
        *,
        portion: int = PORTION,
    ) -> None:
        self._store = store
        self._policy = policy
        self._raising = raising
        self._ask = ask
        self._utc_ns = utc_ns
        self._portion = portion
        # The matcher of a search and generation; None if of its entries none is in force.
        self._made_for: tuple[int, int] | None = None
        self._matcher: Matcher | None = None

    async def look(self) -> bool:
        """Look at the next portion of the oldest search that has not ended.

        Returns:
            Whether there is anything left to do at once.

        Raises:
            StoreError: the store cannot be reached; the next look begins at the same place.
        """
        async with self._store.read() as tx:
            one = await back_searches.oldest_open(tx)
            if one is None:
                return False
            generation = await hotlists.generation(tx)
            if self._made_for != (one.id, generation):
                self._matcher = await self._make(tx, one)
                self._made_for = (one.id, generation)
            matcher = self._matcher
            # Of entries that are in force no more there is nothing to say.
            some, further = await back_searches.earlier_reads(tx, one, self._portion) if matcher else ([], None)
        if matcher is not None and some:
            hits = await asyncio.to_thread(_hits, matcher, some, self._utc_ns())
            if not await self._raise(self._raising(matcher), one, generation, hits):
                return True
        return await self._note(one, len(some), further)

    async def follow(self) -> None:
        """Do what is asked for until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                began_s = loop.time()
                while await self.look():
                    await asyncio.sleep(min(_LONGEST_REST_S, _REST * (loop.time() - began_s)))
                    began_s = loop.time()
            except StoreError as error:
                _log.error("earlier_reads_not_searched", error=str(error), again_in_s=_POLL_S)
            await asyncio.sleep(_POLL_S)

    async def _make(self, tx: Transaction, one: BackSearch) -> Matcher | None:
        listed = await back_searches.entries(tx, one)
        if not listed:
            return None
        states = await back_searches.list_states(tx, one.list)
        known = await look_alikes.look_alikes(tx, LookAlikes())
        return Matcher(await asyncio.to_thread(Index.build, [listed], states), self._policy, known.exclusions)

    async def _raise(self, raiser: Raiser, one: BackSearch, generation: int, hits: Sequence[int]) -> bool:
        """Raise what these reads call for; whether the entries were still the same meanwhile."""
        devices: set[str] = set()
        for at in range(0, len(hits), _HITS_AT_ONCE):
            async with self._store.write() as tx:
                if await hotlists.generation(tx) != generation:
                    return False
                rows = await reads.rows_by_id(tx, hits[at : at + _HITS_AT_ONCE])
                passed = [passed_of(row, Age(True, NOTE)) for row in rows]
                alerted = await raiser.raise_and_revise(tx, passed, self._utc_ns())
                await feed.append_all(tx, [(FeedKind.ALERT, alert) for alert in alerted.changed])
                await back_searches.note(tx, one.id, looked_at=0, raised=len(alerted.raised))
                devices |= {row.device for row in rows if row.id in alerted.hits}
        for device in devices:
            await self._ask(device)
        return True

    async def _note(self, one: BackSearch, looked_at: int, further: int | None) -> bool:
        async with self._store.write() as tx:
            # Behind the last one, so that looking again for the end finds nothing to look at.
            await back_searches.note(
                tx, one.id, looked_at=looked_at, raised=0, next_read_id=0 if further is None else further
            )
            ended = further is None and await back_searches.end(tx, one, self._utc_ns())
        if ended:
            _log.info("earlier_reads_searched", search=one.id, list=one.list, version=one.version)
        return further is not None or ended


def _hits(matcher: Matcher, some: Sequence[EarlierRead], at_ns: int) -> list[int]:
    found = matcher.match_many([(one.seen, one.camera) for one in some], at_ns)
    return sorted(one.id for one, hits in zip(some, found, strict=True) if hits)
