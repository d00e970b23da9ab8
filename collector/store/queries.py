"""What the API and the console read: domain values, newest first, by id or page.

Pages go by id (``before``), so that a page stays what it was while new rows arrive. Pictures belong to the device
that sent them: a hash that another device completed does not count as here.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Row, Select, and_, exists, select
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.domain import (
    Alert,
    AlertState,
    Device,
    DeviceStatus,
    Entry,
    Link,
    Overview,
    Passage,
    PictureArrival,
    Read,
    Rule,
    Shot,
    Support,
    Vehicle,
    text_confidence,
)
from collector.match.plates import normalise
from collector.store import tables
from edge_wire.messages import Part

MAX_PAGE = 500
_GUN = "gun"


async def alerts(
    tx: AsyncConnection, *, state: AlertState | None = None, limit: int = 50, before: int | None = None
) -> list[Alert]:
    """Return alerts, newest first: of one state, with ids below ``before``."""
    query = _alerts().order_by(tables.alert.c.id.desc()).limit(min(limit, MAX_PAGE))
    if state is not None:
        query = query.where(tables.alert.c.state == str(state))
    if before is not None:
        query = query.where(tables.alert.c.id < before)
    return [_alert(row) for row in await tx.execute(query)]


async def alerts_by_id(tx: AsyncConnection, ids: Iterable[int]) -> dict[int, Alert]:
    """Return those of the alerts ``ids`` that exist."""
    rows = await tx.execute(_alerts().where(tables.alert.c.id.in_(list(ids))))
    return {row.id: _alert(row) for row in rows}


async def reads(
    tx: AsyncConnection, *, plate: str | None = None, limit: int = 50, before: int | None = None
) -> list[Read]:
    """Return reads, newest first: of one plate (letter case and separators do not count), with ids below ``before``."""
    query = _reads().order_by(tables.read.c.id.desc()).limit(min(limit, MAX_PAGE))
    if plate is not None:
        query = query.where(tables.read.c.text == normalise(plate))
    if before is not None:
        query = query.where(tables.read.c.id < before)
    return [_read(row._mapping) for row in await tx.execute(query)]


async def reads_by_id(tx: AsyncConnection, ids: Iterable[int]) -> dict[int, Read]:
    """Return those of the reads ``ids`` that exist."""
    rows = await tx.execute(_reads().where(tables.read.c.id.in_(list(ids))))
    return {row.id: _read(row._mapping) for row in rows}


async def passages(
    tx: AsyncConnection, *, plate: str | None = None, limit: int = 50, before: int | None = None
) -> list[Passage]:
    """Return passages, newest first: of which a read reads ``plate`` (spelled anyhow), with ids below ``before``."""
    table, read = tables.passage, tables.read
    query = select(table).where(table.c.reads > 0).order_by(table.c.id.desc()).limit(min(limit, MAX_PAGE))
    if plate is not None:
        query = query.where(table.c.id.in_(select(read.c.passage_id).where(read.c.text == normalise(plate))))
    if before is not None:
        query = query.where(table.c.id < before)
    return await _passages(tx, query)


async def passages_by_id(tx: AsyncConnection, ids: Iterable[int]) -> dict[int, Passage]:
    """Return those of the passages ``ids`` that exist, also those that their reads have left."""
    query = select(tables.passage).where(tables.passage.c.id.in_(list(ids)))
    return {one.id: one for one in await _passages(tx, query)}


async def _passages(tx: AsyncConnection, query: Select[Any]) -> list[Passage]:
    rows = (await tx.execute(query)).all()
    members: defaultdict[int, list[Read]] = defaultdict(list)
    read = tables.read
    if rows:
        within = _reads().where(read.c.passage_id.in_([row.id for row in rows]))
        for row in await tx.execute(within.order_by(read.c.passed_at_ns, read.c.id)):
            members[row.passage_id].append(_read(row._mapping))
    return [
        Passage(
            id=row.id,
            site=row.site,
            agency=row.agency,
            first_at_ns=row.first_at_ns,
            last_at_ns=row.last_at_ns,
            text=row.text,
            confidence=row.confidence,
            reads=tuple(members[row.id]),
        )
        for row in rows
    ]


async def shots(tx: AsyncConnection, *, limit: int = 50, before: int | None = None) -> list[Shot]:
    """Return shots, newest first, with ids below ``before``."""
    query = select(tables.shot).order_by(tables.shot.c.id.desc()).limit(min(limit, MAX_PAGE))
    if before is not None:
        query = query.where(tables.shot.c.id < before)
    return [_shot(row) for row in await tx.execute(query)]


async def shots_by_id(tx: AsyncConnection, ids: Iterable[int]) -> dict[int, Shot]:
    """Return those of the shots ``ids`` that exist."""
    rows = await tx.execute(select(tables.shot).where(tables.shot.c.id.in_(list(ids))))
    return {row.id: _shot(row) for row in rows}


async def devices(tx: AsyncConnection, ids: Sequence[str] | None = None) -> list[Device]:
    """Return all devices, or those named, by id."""
    device, link = tables.device, tables.device_link
    query = (
        select(device, link.c.online, link.c.heard_at_ns, link.c.health, link.c.health_at_ns)
        .select_from(device.outerjoin(link, link.c.device == device.c.id))
        .order_by(device.c.id)
    )
    if ids is not None:
        query = query.where(device.c.id.in_(ids))
    return [
        Device(
            id=row.id,
            agency=row.agency,
            site=row.site,
            status=DeviceStatus(row.status),
            link=Link.NEVER_HEARD if row.online is None else Link.ONLINE if row.online else Link.OFFLINE,
            last_heard_at_ns=row.heard_at_ns,
            health=row.health,
            health_at_ns=row.health_at_ns,
        )
        for row in await tx.execute(query)
    ]


async def picture_arrival(tx: AsyncConnection, ref: str) -> PictureArrival | None:
    """Return what a feed row of kind ``picture`` is about; None if retention has taken it since."""
    device, _, sha256 = ref.partition("/")
    file, read = tables.media_file, tables.read
    row = (
        await tx.execute(
            select(file, read.c.id.label("read_id"))
            .select_from(
                file.outerjoin(
                    read,
                    and_(read.c.device == file.c.device, read.c.epoch == file.c.epoch, read.c.track == file.c.track),
                )
            )
            .where(file.c.device == device, file.c.sha256 == bytes.fromhex(sha256))
        )
    ).one_or_none()
    return None if row is None else PictureArrival(row.sha256, row.device, Part(row.part), row.read_id)


async def picture_is_here(tx: AsyncConnection, sha256: bytes) -> bool:
    """Whether a file with this hash is complete, whichever device sent it."""
    file = tables.media_file
    return bool((await tx.execute(select(exists().where(file.c.sha256 == sha256, file.c.complete)))).scalar())


def _here(column: Any, name: str) -> Any:
    file, read = tables.media_file, tables.read
    return exists().where(file.c.sha256 == column, file.c.device == read.c.device, file.c.complete).label(name)


def _files_here(prefix: str) -> list[Any]:
    read = tables.read
    return [
        _here(read.c.crop_sha256, f"{prefix}crop_here"),
        _here(read.c.frame_sha256, f"{prefix}frame_here"),
        _here(read.c.overview_sha256, f"{prefix}overview_here"),
    ]


def _reads() -> Select[Any]:
    read = tables.read
    return select(read, *_files_here(""))


def _alerts() -> Select[Any]:
    alert, read, entry = tables.alert, tables.read, tables.hotlist_entry
    return (
        select(
            alert,
            *(column.label(f"entry_{column.name}") for column in entry.c if column.name != "id"),
            *(column.label(f"read_{column.name}") for column in read.c if column.name != "id"),
            *_files_here("read_"),
        )
        .join(read, read.c.id == alert.c.read_id)
        .join(entry, entry.c.id == alert.c.entry_id)
    )


def _read(row: Mapping[str, Any]) -> Read:
    slots = tuple(tuple((character, p) for character, p in slot) for slot in row["slots"])
    return Read(
        id=row["id"],
        device=row["device"],
        epoch=row["epoch"],
        agency=row["agency"],
        track=row["track"],
        revision=row["revision"],
        final=row["final"],
        text=row["text"],
        slots=slots,
        confidence=text_confidence(slots),
        regions=tuple((code, p) for code, p in row["regions"]),
        camera=row["camera"],
        role=row["role"],
        pair=row["pair"],
        lane=row["lane"],
        direction=row["direction"],
        face=row["face"],
        deployment=row["deployment"],
        captured_at_ns=row["captured_at_ns"],
        first_readable_at_ns=row["captured_at_ns"] + row["first_readable_ns"],
        clock_error_ns=row["clock_error_ns"],
        received_at_ns=row["received_at_ns"],
        frames=row["frames"],
        crop_sha256=row["crop_sha256"],
        crop_here=bool(row["crop_here"]),
        frame_sha256=row["frame_sha256"],
        frame_here=bool(row["frame_here"]),
        site=row["site"],
        passed_at_ns=row["passed_at_ns"],
        travel=row["travel"],
        marks=tuple(row["marks"]),
        overview=_overview(row),
        vehicle=_vehicle(row),
        passage_id=row["passage_id"],
    )


def _overview(row: Mapping[str, Any]) -> Overview | None:
    if row["overview_sha256"] is None:
        return None
    here = bool(row["overview_here"])
    return Overview(row["overview_camera"], row["overview_sha256"], row["overview_offset_ns"], here)


def _vehicle(row: Mapping[str, Any]) -> Vehicle | None:
    said = Vehicle(row["vehicle_body"], row["vehicle_colour"], row["vehicle_make"])
    return None if said == Vehicle(None, None, None) else said


def _shot(row: Row[Any]) -> Shot:
    classes = tuple((name, p) for name, p in row.classes)
    return Shot(
        id=row.id,
        device=row.device,
        agency=row.agency,
        microphone=row.microphone,
        deployment=row.deployment,
        captured_at_ns=row.captured_at_ns,
        error_ns=round(math.hypot(row.onset_error_ns, row.clock_error_ns)),
        probability=min(1.0, sum(p for name, p in classes if name.startswith(_GUN))),
        classes=classes,
        peak_dbfs=row.peak_cdbfs / 100,
        rms_dbfs=row.rms_cdbfs / 100,
        clipped=row.clipped,
        clip_sha256=row.clip_sha256,
        received_at_ns=row.received_at_ns,
    )


def _alert(row: Row[Any]) -> Alert:
    named = row._mapping
    return Alert(
        id=row.id,
        state=AlertState(row.state),
        support=Support(row.support),
        rule=Rule(row.rule),
        why=tuple(row.why),
        entry=Entry(
            id=row.entry_id,
            list=row.entry_list,
            plate=row.entry_plate,
            region=row.entry_region,
            reason=row.entry_reason,
            severity=row.entry_severity,
            notes=row.entry_notes,
        ),
        list_version=row.list_version,
        historical=row.historical,
        raised_at_ns=row.raised_at_ns,
        acknowledged_by=row.acknowledged_by,
        acknowledged_at_ns=row.acknowledged_at_ns,
        read=_read(
            {name[5:]: value for name, value in named.items() if name.startswith("read_")} | {"id": row.read_id}
        ),
    )
