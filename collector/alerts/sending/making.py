"""Makes notices of what changes on alerts.

Invariants:
    - Every change of an alert is looked at once: how far that has come commits with the notices that it called for, so
      there is exactly one for each alert, route, target and occasion.
    - It looks in a transaction in which nobody else writes: no change with a smaller number can come afterwards.
    - What no route asks for leaves nothing but the number.

Owned by one task, under a lease (``collector.store.lease``).
"""

from __future__ import annotations

from collections.abc import Sequence

from collector.alerts.sending.records import PERSON, Occasion, target
from collector.alerts.sending.routes import Route, routed
from collector.store import alert_facts, feed, notices
from collector.store.database import Transaction
from collector.store.feed import FeedKind
from collector.store.following import Followed
from edge_wire.clock import Clock

_PORTION = 200


class NoticeMaker:
    """Routes the changes of one store's alerts.

    Args:
        store: where they are, as the holder of the lease writes it.
        routes: which alerts go to whom.
        clock: our clocks.
    """

    def __init__(self, store: Followed, routes: Sequence[Route], clock: Clock) -> None:
        self._store = store
        self._routes = tuple(routes)
        self._clock = clock

    async def look(self) -> bool:
        """Look at the next changes; whether there were any.

        Raises:
            StoreError: the store cannot be reached; nothing was made.
        """
        async with self._store.read() as tx:
            if await notices.last_change(tx) <= await notices.told_up_to(tx):
                return False
        async with self._store.write() as tx:
            occasions = await notices.changes(tx, await notices.told_up_to(tx), most=_PORTION)
            shown = await self._make(tx, occasions) if self._routes else []
            if occasions:
                await notices.note_told(tx, occasions[-1].id)
            # Whose names are on an alert, consoles show.
            await feed.append_all(tx, [(FeedKind.ALERT, one) for one in shown])
        return bool(occasions)

    async def _make(self, tx: Transaction, occasions: Sequence[Occasion]) -> list[int]:
        """Make the notices that some changes call for; return the alerts of which people are told."""
        facts = await alert_facts.facts(tx, [one.alert_id for one in occasions])
        told = await notices.routes_told(tx, facts)
        wanted: list[tuple[Occasion, str, str]] = []
        for one in occasions:
            found = routed(self._routes, one, facts[one.alert_id], told.setdefault(one.alert_id, set()))
            wanted += [(one, route, whom) for route, whom in found]
            told[one.alert_id] |= {route for route, _ in found}
        await notices.make(tx, wanted, self._clock.utc_ns())
        people = target(PERSON, "")
        return sorted({one.alert_id for one, _, whom in wanted if whom.startswith(people)})
