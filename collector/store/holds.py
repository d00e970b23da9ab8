"""Plate reads near shot incidents, and until when retention leaves them alone for it.

A read is held for a day after the incident was made, and longer only by a person's verdict ``gunshot``; another verdict
in its place takes that back. Writing the same again changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.domain import VerdictWord
from collector.incidents.records import Place
from collector.incidents.rules import Rules
from collector.locate.projection import LocalFrame
from collector.store import tables
from collector.store.feed import FeedKind
from collector.store.following import number_of
from collector.store.places import places

_S = 1_000_000_000
# Reads near one incident that are attached to it, those nearest in time first.
_MOST = 500


@dataclass(frozen=True, slots=True)
class _Held:
    """How far a read is from an incident."""

    distance_m: float
    offset_ns: int


async def incidents_near_new_reads(tx: AsyncConnection, after: int, up_to: int, rules: Rules) -> list[int]:
    """Return the located incidents of agencies and times of the reads that the feed tells of between two numbers."""
    table, read, incident = tables.feed, tables.read, tables.incident
    within_ns = round(rules.nearby_s * _S)
    query = (
        select(incident.c.id)
        .select_from(table)
        .join(read, read.c.id == number_of(FeedKind.READ))
        .join(
            incident,
            (incident.c.agency == read.c.agency)
            & incident.c.at_ns.between(read.c.passed_at_ns - within_ns, read.c.passed_at_ns + within_ns),
        )
        .where(table.c.number > after, table.c.number <= up_to, incident.c.latitude.is_not(None))
        .distinct()
    )
    return sorted((await tx.execute(query)).scalars())


async def refresh(tx: AsyncConnection, incident_ids: Collection[int], rules: Rules) -> list[int]:
    """Attach to these incidents the reads that are near them now, and no others; return where that differs."""
    if not incident_ids:
        return []
    incident = tables.incident
    query: Select[Any] = select(
        incident.c.id,
        incident.c.agency,
        incident.c.at_ns,
        incident.c.latitude,
        incident.c.longitude,
        incident.c.made_at_ns,
    ).where(incident.c.id.in_(sorted(incident_ids)))
    rows = (await tx.execute(query)).all()
    known = {agency: (await places(tx, agency))[0] for agency in {row.agency for row in rows}}
    return [row.id for row in rows if await _refresh(tx, row, known[row.agency], rules)]


async def follow_verdict(tx: AsyncConnection, incident_id: int, rules: Rules) -> None:
    """Hold the reads of an incident for as long as its last verdict says."""
    hold, incident = tables.hold, tables.incident
    made_at_ns = (await tx.execute(select(incident.c.made_at_ns).where(incident.c.id == incident_id))).scalar_one()
    until_ns, provisional = await _until(tx, incident_id, made_at_ns, rules)
    values = {"until_ns": until_ns, "provisional": provisional}
    await tx.execute(update(hold).where(hold.c.incident_id == incident_id).values(**values))


async def _refresh(tx: AsyncConnection, row: Row[Any], known: Mapping[str, Place], rules: Rules) -> bool:
    hold = tables.hold
    near = {} if row.latitude is None else await _near(tx, row, known, rules)
    held = {one.read_id: one for one in await tx.execute(select(hold).where(hold.c.incident_id == row.id))}
    until_ns, provisional = await _until(tx, row.id, row.made_at_ns, rules)
    of_it = hold.c.incident_id == row.id
    gone = sorted(held.keys() - near.keys())
    if gone:
        await tx.execute(delete(hold).where(of_it, hold.c.read_id.in_(gone)))
    differs = bool(gone)
    for read_id, one in near.items():
        values = {"distance_m": one.distance_m, "offset_ns": one.offset_ns}
        before = held.get(read_id)
        if before is None:
            made = {"read_id": read_id, "incident_id": row.id, "until_ns": until_ns, "provisional": provisional}
            await tx.execute(insert(hold).values(**made, **values))
        elif (before.distance_m, before.offset_ns) != (one.distance_m, one.offset_ns):
            await tx.execute(update(hold).where(of_it, hold.c.read_id == read_id).values(**values))
        else:
            continue
        differs = True
    return differs


async def _near(tx: AsyncConnection, row: Row[Any], known: Mapping[str, Place], rules: Rules) -> dict[int, _Held]:
    frame = LocalFrame(row.latitude, row.longitude)
    distances: dict[str, float] = {}
    for device, place in known.items():
        x_m, y_m = frame.to_local(place.latitude, place.longitude)
        distance_m = (x_m * x_m + y_m * y_m) ** 0.5
        # Where the plane has no place for it, it is on the other side of the earth.
        if distance_m <= rules.nearby_m:
            distances[device] = round(distance_m, 1)
    if not distances:
        return {}
    return {
        read.id: _Held(distances[read.device], read.passed_at_ns - row.at_ns)
        for read in await _reads(tx, row, sorted(distances), rules)
    }


async def _reads(tx: AsyncConnection, row: Row[Any], devices: Sequence[str], rules: Rules) -> list[Row[Any]]:
    read, device = tables.read, tables.device
    within_ns = round(rules.nearby_s * _S)
    # By the index over sites and times; a read keeps the site where its device stood.
    sites = select(device.c.site).where(device.c.id.in_(devices))
    query: Select[Any] = (
        select(read.c.id, read.c.device, read.c.passed_at_ns)
        .where(
            read.c.site.in_(sites),
            read.c.passed_at_ns.between(row.at_ns - within_ns, row.at_ns + within_ns),
            read.c.device.in_(devices),
            read.c.agency == row.agency,
        )
        .order_by(read.c.passed_at_ns)
    )
    found = list((await tx.execute(query)).all())
    return sorted(found, key=lambda one: (abs(one.passed_at_ns - row.at_ns), one.id))[:_MOST]


async def _until(tx: AsyncConnection, incident_id: int, made_at_ns: int, rules: Rules) -> tuple[int, bool]:
    """Return until when reads near an incident are held, and whether that is only until a person says."""
    table = tables.incident_verdict
    query = select(table.c.verdict, table.c.at_ns).where(table.c.incident_id == incident_id)
    last = (await tx.execute(query.order_by(table.c.id.desc()).limit(1))).one_or_none()
    provisional_ns = made_at_ns + round(rules.hold_s * _S)
    if last is None or last.verdict != VerdictWord.GUNSHOT:
        return provisional_ns, True
    return max(provisional_ns, last.at_ns + round(rules.hold_gunshot_s * _S)), False
