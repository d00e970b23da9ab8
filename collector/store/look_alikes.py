"""Known look-alikes, as people have entered them: which true plate is not which entry.

They are few. Whoever follows them asks whether there is anything new, which costs a look at one small table.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.match.exclusions import Exclusion
from collector.store import tables


@dataclass(frozen=True, slots=True)
class LookAlikes:
    """What stands.

    Attributes:
        exclusions: those that nobody has ended, oldest first; ones that have expired are among them.
        known: how many there have been, and how many of them have been ended: tells whether there is anything new.
    """

    exclusions: tuple[Exclusion, ...] = ()
    known: tuple[int, int] = (0, 0)


async def look_alikes(tx: AsyncConnection, before: LookAlikes) -> LookAlikes:
    """Return what stands; ``before`` itself if nothing is new."""
    of = tables.exclusion.c
    count, ended = (
        await tx.execute(select(func.count(), func.count(of.ended_at_ns)).select_from(tables.exclusion))
    ).one()
    if (count, ended) == before.known:
        return before
    rows = await tx.execute(
        select(of.true_plate, of.list, of.plate, of.region, of.expires_at_ns)
        .where(of.ended_at_ns.is_(None))
        .order_by(of.id)
    )
    return LookAlikes(tuple(Exclusion(*row) for row in rows), (count, ended))
