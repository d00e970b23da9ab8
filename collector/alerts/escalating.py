"""Calls again for alerts that nobody acknowledges in time, and for records that nobody confirms after a detention.

What is due stands in the store, so nothing is missed while no collector runs for a while, and each calls once. One at a
time may run on a store: it runs under a lease and writes through what that gives it (``collector.store.lease``). Owned
by one task.
"""

from __future__ import annotations

import asyncio

import structlog

from collector.alerts import lifecycle
from collector.alerts.rules import Rules
from collector.domain import Alert, Hit
from collector.errors import StoreError
from collector.store import alerts, queries
from collector.store.alert_changes import Step
from collector.store.following import Followed
from edge_wire.clock import Clock

LOOK_EVERY_S = 1.0
# An incident that nobody has acknowledged for a day calls nobody any more: those of before an update are older.
_INCIDENTS_WITHIN_NS = 86_400 * 1_000_000_000
_log = structlog.get_logger(__name__)


class Escalation:
    """Escalates the alerts of one store.

    Args:
        store: where alerts are.
        clock: our clocks.
        rules: how long alerts wait.
    """

    def __init__(self, store: Followed, clock: Clock, rules: Rules) -> None:
        self._store = store
        self._clock = clock
        self._rules = rules

    async def look(self) -> int:
        """Call again for what is due; return how many steps were taken.

        Raises:
            StoreError: the store cannot be reached; what is due stays due.
        """
        now_ns = self._clock.utc_ns()
        raised_ns = (now_ns - _INCIDENTS_WITHIN_NS, now_ns - self._rules.escalate_after_ns())
        async with self._store.read() as tx:
            if not await alerts.due(tx, now_ns, incidents_from_ns=raised_ns[0], incidents_to_ns=raised_ns[1]):
                return 0
        async with self._store.write() as tx:
            ids = await alerts.due(tx, now_ns, incidents_from_ns=raised_ns[0], incidents_to_ns=raised_ns[1])
            found = (await queries.alerts_by_id(tx, ids)).values()
            steps = [step for alert in found for step in _called(alert, now_ns, raised_ns[1])]
            for after, action in steps:
                await alerts.keep(tx, after, Step(after.id, action), now_ns)
        # Not how many seemed to be due: whoever looks until nothing is left must come to an end.
        return len(steps)

    async def follow(self) -> None:
        """Look every second, until cancelled."""
        while True:
            try:
                while await self.look():
                    pass
            except StoreError as error:
                _log.error("alerts_not_escalated", error=str(error), again_in_s=LOOK_EVERY_S)
            await asyncio.sleep(LOOK_EVERY_S)


def _called(alert: Alert, now_ns: int, incidents_raised_before_ns: int) -> list[tuple[Alert, str]]:
    """Return what an alert is after each step that is due, and the step's name."""
    steps = []
    missed = lifecycle.confirmation_missed(alert, now_ns)
    if missed != alert:
        steps.append((missed, "confirmation-due"))
    if isinstance(alert.about, Hit):
        waited = alert.escalate_at_ns is not None and alert.escalate_at_ns <= now_ns
    else:
        waited = not alert.historical and alert.raised_at_ns <= incidents_raised_before_ns
    escalated = lifecycle.escalated(missed, now_ns) if waited else missed
    if escalated != missed:
        steps.append((escalated, "escalated"))
    return steps
