"""Alert rows: raised once for a read and an entry, revised, acknowledged."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.domain import AlertState, Rule, Standing, Support
from collector.store import tables


@dataclass(frozen=True, slots=True)
class AlertRow:
    """An alert of a read, as far as revising it needs: ``list`` and the standing's plate and region are its key."""

    id: int
    list: str
    standing: Standing


@dataclass(frozen=True, slots=True)
class NewAlert:
    """An alert to raise."""

    read_id: int
    entry_id: int
    list_version: int
    standing: Standing
    historical: bool
    raised_at_ns: int


async def alerts_of_reads(tx: AsyncConnection, read_ids: Iterable[int]) -> dict[int, list[AlertRow]]:
    """Return the alerts of each of the reads ``read_ids`` that has any."""
    alert, entry = tables.alert, tables.hotlist_entry
    rows = await tx.execute(
        select(alert, entry.c.list, entry.c.plate, entry.c.region)
        .join(entry, entry.c.id == alert.c.entry_id)
        .where(alert.c.read_id.in_(sorted(set(read_ids))))
        .order_by(alert.c.id)
    )
    found: defaultdict[int, list[AlertRow]] = defaultdict(list)
    for row in rows:
        standing = Standing(row.plate, row.region, Rule(row.rule), Support(row.support), tuple(row.why))
        found[row.read_id].append(AlertRow(row.id, row.list, standing))
    return dict(found)


async def raise_alerts(tx: AsyncConnection, alerts: Sequence[NewAlert]) -> list[int]:
    """Insert alerts; return their ids in order."""
    if not alerts:
        return []
    values = [
        {
            "read_id": one.read_id,
            "entry_id": one.entry_id,
            "list_version": one.list_version,
            "rule": str(one.standing.rule),
            "why": list(one.standing.why),
            "support": str(one.standing.support),
            "state": str(AlertState.NEW),
            "historical": one.historical,
            "raised_at_ns": one.raised_at_ns,
        }
        for one in alerts
    ]
    result = await tx.execute(insert(tables.alert).returning(tables.alert.c.id, sort_by_parameter_order=True), values)
    return list(result.scalars())


async def revise_alerts(tx: AsyncConnection, revised: Sequence[tuple[int, Standing]]) -> None:
    """Bring the alerts with these ids to how they stand now."""
    if revised:
        await tx.execute(
            update(tables.alert).where(tables.alert.c.id == bindparam("b_id")),
            [
                {"b_id": one, "rule": str(now.rule), "support": str(now.support), "why": list(now.why)}
                for one, now in revised
            ],
        )


async def acknowledge(tx: AsyncConnection, alert_id: int, user: str, at_ns: int) -> bool | None:
    """Mark an alert acknowledged.

    Returns:
        True if this did it, False if somebody already had, None if there is no such alert.
    """
    alert = tables.alert
    state = (await tx.execute(select(alert.c.state).where(alert.c.id == alert_id))).scalar_one_or_none()
    if state is None:
        return None
    if state == AlertState.ACKNOWLEDGED:
        return False
    await tx.execute(
        update(alert)
        .where(alert.c.id == alert_id)
        .values(state=str(AlertState.ACKNOWLEDGED), acknowledged_by=user, acknowledged_at_ns=at_ns)
    )
    return True
