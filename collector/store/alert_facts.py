"""Alerts as routes and messages see them: what they are about, how they stand, and where it was.

Every function works within the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import Row, func, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.alerts.sending.records import AlertFacts, Listed, Sighting
from collector.domain import Part, RecordStatus
from collector.store import tables

_CHUNK = 500
_OF_READ = ("agency", "device", "camera", "site", "passed_at_ns", "direction", "text", "regions")
_OF_INCIDENT = ("agency", "at_ns", "latitude", "longitude", "probability")


async def facts(tx: AsyncConnection, alert_ids: Iterable[int]) -> dict[int, AlertFacts]:
    """Return those of the alerts ``alert_ids`` that exist, as routes and messages see them."""
    ids = sorted(set(alert_ids))
    alert, read, incident = tables.alert, tables.read, tables.incident
    entry, hotlist = tables.hotlist_entry, tables.hotlist
    query = (
        select(
            alert,
            *_labelled("entry", entry.c),
            hotlist.c.criminal_justice,
            *_labelled("read", [read.c[name] for name in _OF_READ]),
            *_labelled("incident", [incident.c[name] for name in _OF_INCIDENT]),
        )
        .outerjoin(read, read.c.id == alert.c.read_id)
        .outerjoin(entry, entry.c.id == alert.c.entry_id)
        .outerjoin(hotlist, hotlist.c.name == entry.c.list)
        .outerjoin(incident, incident.c.id == alert.c.incident_id)
    )
    found: dict[int, AlertFacts] = {}
    for at in range(0, len(ids), _CHUNK):
        some = ids[at : at + _CHUNK]
        first, latest = await _sightings(tx, some)
        for row in await tx.execute(query.where(alert.c.id.in_(some))):
            seen = _of_incident(row) if row.incident_id is not None else first.get(row.id) or _of_read(row)
            found[row.id] = _facts(row, seen, latest.get(row.id, seen))
    return found


async def sightings_of(tx: AsyncConnection, pairs: Collection[tuple[int, int]]) -> dict[tuple[int, int], Sighting]:
    """Return where the vehicle was by some reads of alerts, each given as alert and read."""
    attached, read = tables.alert_read, tables.read
    found: dict[tuple[int, int], Sighting] = {}
    wanted = sorted(pairs)
    for at in range(0, len(wanted), _CHUNK):
        query = (
            select(
                attached.c.alert_id,
                attached.c.read_id,
                attached.c.latitude,
                attached.c.longitude,
                *_labelled("read", [read.c[name] for name in _OF_READ]),
            )
            .join(read, read.c.id == attached.c.read_id)
            .where(tuple_(attached.c.alert_id, attached.c.read_id).in_(wanted[at : at + _CHUNK]))
        )
        for row in await tx.execute(query):
            found[row.alert_id, row.read_id] = _of_read(row, row.latitude, row.longitude)
    return found


def _labelled(prefix: str, columns: Iterable[Any]) -> list[Any]:
    return [column.label(f"{prefix}_{column.name}") for column in columns]


async def _sightings(tx: AsyncConnection, alert_ids: Sequence[int]) -> tuple[dict[int, Sighting], dict[int, Sighting]]:
    """Return where the vehicle of each alert was first, and where it was last."""
    attached, read = tables.alert_read, tables.read
    place = func.row_number().over(
        partition_by=attached.c.alert_id, order_by=(attached.c.passed_at_ns.desc(), attached.c.read_id.desc())
    )
    # A read that no longer says that it is the entry is no place where the vehicle was, unless it raised the alert.
    counts = or_(attached.c.supports, attached.c.part == str(Part.RAISED))
    ranked = select(attached, place.label("place")).where(attached.c.alert_id.in_(alert_ids), counts).subquery()
    query = (
        select(
            ranked.c.alert_id,
            ranked.c.part,
            ranked.c.place,
            ranked.c.latitude,
            ranked.c.longitude,
            *_labelled("read", [read.c[name] for name in _OF_READ]),
        )
        .join(read, read.c.id == ranked.c.read_id)
        .where(or_(ranked.c.place == 1, ranked.c.part == str(Part.RAISED)))
    )
    first: dict[int, Sighting] = {}
    latest: dict[int, Sighting] = {}
    for row in await tx.execute(query):
        seen = _of_read(row, row.latitude, row.longitude)
        if row.part == Part.RAISED:
            first[row.alert_id] = seen
        if row.place == 1:
            latest[row.alert_id] = seen
    return first, latest


def _of_read(row: Row[Any], latitude: float | None = None, longitude: float | None = None) -> Sighting:
    return Sighting(
        agency=row.read_agency,
        device=row.read_device,
        camera=row.read_camera,
        site=row.read_site,
        at_ns=row.read_passed_at_ns,
        latitude=latitude,
        longitude=longitude,
        direction=row.read_direction,
        text=row.read_text,
        region=max(row.read_regions, key=lambda one: one[1], default=(None,))[0],
    )


def _of_incident(row: Row[Any]) -> Sighting:
    return Sighting(
        agency=row.incident_agency,
        device=None,
        camera=None,
        site="",
        at_ns=row.incident_at_ns,
        latitude=row.incident_latitude,
        longitude=row.incident_longitude,
        direction=None,
        text=None,
        region=None,
    )


def _facts(row: Row[Any], first: Sighting, latest: Sighting) -> AlertFacts:
    shots = row.incident_id is not None
    return AlertFacts(
        id=row.id,
        state=row.state,
        support=row.support,
        historical=row.historical,
        raised_at_ns=row.raised_at_ns,
        recalled=row.recalled_at_ns is not None,
        confirmed=_is_confirmed(row),
        disposition=row.disposition,
        rule=row.rule,
        probability=row.incident_probability if shots else row.probability,
        why=tuple(row.why),
        listed=None if shots else _listed(row),
        first=first,
        latest=latest,
    )


def _is_confirmed(row: Row[Any]) -> bool:
    check = row.record_check or {}
    if check.get("status") != str(RecordStatus.ACTIVE):
        return False
    # What was confirmed before the entry was taken back is so no longer.
    return row.recalled_at_ns is None or bool(row.recalled_at_ns < check["at_ns"])


def _listed(row: Row[Any]) -> Listed:
    return Listed(
        list=row.entry_list,
        criminal_justice=row.criminal_justice,
        plate=row.entry_plate,
        region=row.entry_region,
        category=row.entry_category,
        severity=row.entry_severity,
        reason=row.entry_reason,
        notes=row.entry_notes,
        handling=row.entry_handling,
        reference=row.entry_reference,
        case_number=row.entry_case_number,
        vehicle=row.entry_vehicle,
        covert_to=None if row.entry_covert_to is None else tuple(row.entry_covert_to),
    )
