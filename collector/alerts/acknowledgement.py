"""A person has seen an alert."""

from __future__ import annotations

from collector.domain import Alert
from collector.errors import NotFoundError
from collector.store import alerts, audit, feed, queries
from collector.store.database import Store
from collector.store.feed import FeedKind


async def acknowledge(store: Store, alert_id: int, user: str, at_ns: int) -> Alert:
    """Acknowledge an alert. Again changes nothing: the first one's name and time stay.

    Args:
        store: where the alert is.
        alert_id: its number.
        user: who has seen it.
        at_ns: UTC.

    Raises:
        NotFoundError: there is no such alert.
        StoreError: nothing was changed.
    """
    async with store.write() as tx:
        done = await alerts.acknowledge(tx, alert_id, user, at_ns)
        if done is None:
            raise NotFoundError(f"alert {alert_id}: there is no such alert")
        if done:
            await audit.record(tx, who=user, action="alert.acknowledge", subject=str(alert_id), detail={}, at_ns=at_ns)
            await feed.append(tx, FeedKind.ALERT, alert_id)
        return (await queries.alerts_by_id(tx, [alert_id]))[alert_id]
