"""Known look-alikes, as people have entered them: which true plate is not which entry, and what came of it.

They are few. Whoever follows them asks whether there is anything new, which costs a look at one small table.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import func, select, text
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
        select(of.true_plate, of.list, of.plate, of.region, of.expires_at_ns, of.id)
        .where(of.ended_at_ns.is_(None))
        .order_by(of.id)
    )
    return LookAlikes(tuple(Exclusion(*row) for row in rows), (count, ended))


_KEEP = text(
    "INSERT INTO demotion (exclusion_id, read_id, at_ns) VALUES (:exclusion_id, :read_id, :at_ns)"
    " ON CONFLICT DO NOTHING"
)


async def keep_demotions(tx: AsyncConnection, demoted: Iterable[tuple[int, int]], at_ns: int) -> None:
    """Keep which exclusions held back a hit of which reads, given as (exclusion, read); each counts once."""
    # In order: others may keep the same ones at this moment.
    rows = [{"exclusion_id": one, "read_id": read, "at_ns": at_ns} for one, read in sorted(demoted)]
    if rows:
        await tx.execute(_KEEP, rows)
