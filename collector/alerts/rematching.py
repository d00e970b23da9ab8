"""Matches again the reads that were stored while a newer hotlist was on its way to the matcher (invariant 5)."""

from __future__ import annotations

from collections.abc import Callable

from collector.domain import Age
from collector.match.wording import duration
from collector.ports import Passed, Raiser
from collector.store import feed, hotlists, reads
from collector.store.database import Store
from collector.store.feed import FeedKind
from collector.store.reads import ReadRow

_PORTION = 500


async def rematch(store: Store, raiser: Raiser, utc_ns: Callable[[], int], historical_after_s: int = 120) -> set[str]:
    """Match every read that waits for it, if ``raiser`` knows the newest hotlists.

    Args:
        store: where the reads are.
        raiser: over the generation in force.
        utc_ns: our wall clock.
        historical_after_s: what has waited longer is historical, however live it was when it came: the collector may
            have been down meanwhile.

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
            noted = await reads.awaiting_match(tx, _PORTION)
            now_ns = utc_ns()
            ages = {one: _age(*age, now_ns, historical_after_s) for one, age in noted.items()}
            if not ages or await hotlists.generation(tx) != raiser.generation:
                return devices
            rows = await reads.rows_by_id(tx, sorted(ages))
            passed = [passed_of(row, ages[row.id]) for row in rows]
            alerted = await raiser.raise_and_revise(tx, passed, now_ns)
            await reads.matched(tx, sorted(ages), raiser.generation)
            await feed.append_all(tx, [(FeedKind.ALERT, alert) for alert in alerted.changed])
            devices |= {row.device for row in rows if row.id in alerted.hits}


def _age(then: Age, noted_at_ns: int, now_ns: int, historical_after_s: int) -> Age:
    waited_ns = now_ns - noted_at_ns
    if then.historical or not noted_at_ns or waited_ns <= historical_after_s * 1_000_000_000:
        return then
    return Age(True, f"Historical: it came {duration(waited_ns)} before it could be matched with this list.")


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
