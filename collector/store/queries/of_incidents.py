"""Shot incidents: each with its sensors' clips, the reads near it, its verdict and its alert."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Row, Select, exists, select
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.domain import (
    Ellipse,
    Incident,
    Location,
    NearbyRead,
    Region,
    Revision,
    Sensor,
    Silent,
    Stage,
    Verdict,
    VerdictWord,
)
from collector.store import tables
from collector.store.queries.of_reads import MAX_PAGE, read_of, select_reads


async def incidents(tx: AsyncConnection, *, limit: int = 50, before: int | None = None) -> list[Incident]:
    """Return incidents, newest first, with ids below ``before``; without those that went into another."""
    incident = tables.incident
    query = _incidents().where(incident.c.merged_into.is_(None)).order_by(incident.c.id.desc())
    if before is not None:
        query = query.where(incident.c.id < before)
    return await _of(tx, query.limit(min(limit, MAX_PAGE)))


async def incidents_by_id(tx: AsyncConnection, ids: Iterable[int]) -> dict[int, Incident]:
    """Return those of the incidents ``ids`` that exist."""
    wanted = list(ids)
    found = await _of(tx, _incidents().where(tables.incident.c.id.in_(wanted))) if wanted else []
    return {one.id: one for one in found}


async def incident_revisions(tx: AsyncConnection, incident_id: int) -> list[Revision]:
    """Return everything that was ever known of an incident, oldest first; nothing if there is no such incident."""
    table = tables.incident_revision
    rows = await tx.execute(select(table).where(table.c.incident_id == incident_id).order_by(table.c.revision))
    return [Revision(row.revision, Stage(row.stage), row.at_ns, row.known) for row in rows]


def _incidents() -> Select[Any]:
    incident, alert = tables.incident, tables.alert
    return select(incident, alert.c.id.label("alert_id"), alert.c.raised_at_ns).outerjoin(
        alert, alert.c.incident_id == incident.c.id
    )


async def _of(tx: AsyncConnection, query: Select[Any]) -> list[Incident]:
    rows = (await tx.execute(query)).all()
    ids = [row.id for row in rows]
    if not ids:
        return []
    clips, nearby, verdicts = await _clips(tx, ids), await _nearby(tx, ids), await _verdicts(tx, ids)
    return [_incident(row, clips, nearby[row.id], verdicts.get(row.id)) for row in rows]


async def _clips(tx: AsyncConnection, ids: Sequence[int]) -> dict[int, Row[Any]]:
    """Return what is kept of these incidents' shots, by shot."""
    shot, file = tables.shot, tables.media_file

    def here(column: Any, name: str) -> Any:
        return exists().where(file.c.sha256 == column, file.c.device == shot.c.device, file.c.complete).label(name)

    query: Select[Any] = select(
        shot.c.id,
        shot.c.clip_sha256,
        shot.c.recording_sha256,
        here(shot.c.clip_sha256, "clip_here"),
        here(shot.c.recording_sha256, "recording_here"),
    ).where(shot.c.incident_id.in_(ids), shot.c.clip_sha256.is_not(None))
    return {row.id: row for row in await tx.execute(query)}


async def _nearby(tx: AsyncConnection, ids: Sequence[int]) -> defaultdict[int, list[NearbyRead]]:
    read, hold = tables.read, tables.hold
    columns = (hold.c.incident_id, hold.c.distance_m, hold.c.offset_ns, hold.c.until_ns, hold.c.provisional)
    query: Select[Any] = (
        select_reads()
        .add_columns(*columns)
        .join(hold, hold.c.read_id == read.c.id)
        .where(hold.c.incident_id.in_(ids))
        .order_by(hold.c.offset_ns, read.c.id)
    )
    found: defaultdict[int, list[NearbyRead]] = defaultdict(list)
    for row in await tx.execute(query):
        one = NearbyRead(read_of(row._mapping), row.distance_m, row.offset_ns, row.until_ns, row.provisional)
        found[row.incident_id].append(one)
    return found


async def _verdicts(tx: AsyncConnection, ids: Sequence[int]) -> dict[int, Verdict]:
    table = tables.incident_verdict
    rows = await tx.execute(select(table).where(table.c.incident_id.in_(ids)).order_by(table.c.id))
    # The last one of each stays.
    return {row.incident_id: Verdict(VerdictWord(row.verdict), row.what, row.by, row.at_ns) for row in rows}


def _incident(
    row: Row[Any], clips: Mapping[int, Row[Any]], nearby: Sequence[NearbyRead], verdict: Verdict | None
) -> Incident:
    return Incident(
        id=row.id,
        agency=row.agency,
        stage=Stage(row.stage),
        revision=row.revision,
        at_ns=row.at_ns,
        rounds=row.rounds,
        fire=row.fire,
        probability=row.probability,
        probability_why=tuple(row.probability_why),
        confidence=row.confidence,
        location=_location(row),
        twin=None if row.twin is None else (row.twin[0], row.twin[1]),
        region=_region(row.region),
        sensors=tuple(_sensor(one, clips) for one in row.sensors),
        silent=tuple(Silent(**one) for one in row.silent),
        verdict=verdict,
        nearby=tuple(nearby),
        alert_id=row.alert_id,
        alert_from=row.alert_from,
        historical=row.historical,
        made_at_ns=row.made_at_ns,
        due_from_ns=row.made_at_ns if row.raised_at_ns is None else row.raised_at_ns,
        merged_into=row.merged_into,
    )


def _location(row: Row[Any]) -> Location | None:
    if row.latitude is None:
        return None
    ellipse50, ellipse95 = (Ellipse(*one) for one in row.ellipses)
    return Location(row.latitude, row.longitude, ellipse50, ellipse95)


def _region(shown: Mapping[str, Any] | None) -> Region | None:
    if shown is None:
        return None
    return Region(shown["kind"], tuple((latitude, longitude) for latitude, longitude in shown["outline"]))


def _sensor(shown: Mapping[str, Any], clips: Mapping[int, Row[Any]]) -> Sensor:
    # What people listen to first: the first shot's, or the first that is kept.
    kept = next((clips[one] for one in shown["arrivals"] if one in clips), None)
    return Sensor(
        device=shown["device"],
        microphone=shown["microphone"],
        latitude=shown["latitude"],
        longitude=shown["longitude"],
        used=shown["used"],
        why=shown["why"],
        residual_ms=shown["residual_ms"],
        distance_m=shown["distance_m"],
        shots=tuple(shown["arrivals"]),
        clip_sha256=None if kept is None else kept.clip_sha256,
        clip_here=kept is not None and bool(kept.clip_here),
        recording_sha256=None if kept is None else kept.recording_sha256,
        recording_here=kept is not None and bool(kept.recording_here),
    )
