"""Open alerts of which the entry has gone, whatever number it had when they were raised.

An entry gets another number whenever a file says something else of it, and an alert keeps the one that raised it. So
what counts is whether the same plate, state and reference still stand on the list, and not the number.
"""

from __future__ import annotations

from sqlalchemy import exists, func, or_, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.domain.alerts import AlertState
from collector.store import tables
from collector.store.hotlists import in_force


async def unlisted(tx: AsyncConnection, name: str | None = None, *, expired_at_ns: int | None = None) -> list[int]:
    """Return the entries that open alerts were raised by and that stand on their lists no more, ascending.

    What people entered and what a file says of the same are two entries.

    Args:
        tx: a transaction.
        name: of this list; None for all.
        expired_at_ns: UTC; also those that have expired by then.
    """
    entry, alert = tables.hotlist_entry, tables.alert
    same = tables.hotlist_entry.alias()
    standing = (
        select(same.c.id)
        .join(tables.hotlist, tables.hotlist.c.name == same.c.list)
        .where(
            in_force(same),
            same.c.list == entry.c.list,
            same.c.plate == entry.c.plate,
            func.coalesce(same.c.region, "") == func.coalesce(entry.c.region, ""),
            same.c.reference == entry.c.reference,
            (same.c.added_by == "") == (entry.c.added_by == ""),
            true() if expired_at_ns is None else or_(same.c.expires_ns.is_(None), same.c.expires_ns > expired_at_ns),
        )
    )
    gone = (
        select(entry.c.id)
        .join(alert, alert.c.entry_id == entry.c.id)
        .where(
            alert.c.state.in_([str(one) for one in AlertState if one is not AlertState.CLOSED]),
            alert.c.recalled_at_ns.is_(None),
            true() if name is None else entry.c.list == name,
            ~exists(standing.correlate(entry)),
        )
        .distinct()
        .order_by(entry.c.id)
    )
    return list((await tx.execute(gone)).scalars())
