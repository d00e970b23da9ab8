"""Matches again the reads that were stored while a newer hotlist was on its way to the matcher (invariant 5)."""

from __future__ import annotations

from collections.abc import Callable

from collector.domain import Age
from collector.ports import Passed, Raiser
from collector.store import feed, hotlists, reads
from collector.store.database import Store
from collector.store.feed import FeedKind
from collector.store.reads import ReadRow

_PORTION = 500


async def rematch(store: Store, raiser: Raiser, utc_ns: Callable[[], int]) -> set[str]:
    """Match every read that waits for it, if ``raiser`` knows the newest hotlists.

    Args:
        store: where the reads are.
        raiser: over the generation in force.
        utc_ns: our wall clock.

    Returns:
        The devices of whose reads an alert tells that did not before.

    Raises:
        StoreError: the store cannot be reached; what is left waits on.
    """
    async with store.read() as tx:
        if not await reads.awaiting_match(tx, 1):
            return set()
    devices: set[str] = set()
    while True:
        async with store.write() as tx:
            ages = await reads.awaiting_match(tx, _PORTION)
            if not ages or await hotlists.generation(tx) != raiser.generation:
                return devices
            rows = await reads.rows_by_id(tx, sorted(ages))
            passed = [passed_of(row, ages[row.id]) for row in rows]
            alerted = await raiser.raise_and_revise(tx, passed, utc_ns())
            await reads.matched(tx, sorted(ages), raiser.generation)
            await feed.append_all(tx, [(FeedKind.ALERT, alert) for alert in alerted.changed])
            devices |= {row.device for row in rows if row.id in alerted.hits}


def passed_of(row: ReadRow, age: Age) -> Passed:
    """Return a stored read as something to match again, as its latest revision has it."""
    return Passed(
        read_id=row.id,
        before=None,
        revisions=(row.seen,),
        late=(),
        revision=row.revision,
        age=age,
        camera=f"{row.device}/{row.camera}",
        site=row.site,
        passed_at_ns=row.passed_at_ns,
        direction=row.direction,
    )
