"""Plate reads and passages."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Select, exists, select
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.domain import Overview, Passage, Read, Vehicle, text_confidence
from collector.match.plates import normalise
from collector.store import tables

MAX_PAGE = 500


async def reads(
    tx: AsyncConnection, *, plate: str | None = None, limit: int = 50, before: int | None = None
) -> list[Read]:
    """Return reads, newest first: of one plate (letter case and separators do not count), with ids below ``before``."""
    query = select_reads().order_by(tables.read.c.id.desc()).limit(min(limit, MAX_PAGE))
    if plate is not None:
        query = query.where(tables.read.c.text == normalise(plate))
    if before is not None:
        query = query.where(tables.read.c.id < before)
    return [read_of(row._mapping) for row in await tx.execute(query)]


async def reads_by_id(tx: AsyncConnection, ids: Iterable[int]) -> dict[int, Read]:
    """Return those of the reads ``ids`` that exist."""
    rows = await tx.execute(select_reads().where(tables.read.c.id.in_(list(ids))))
    return {row.id: read_of(row._mapping) for row in rows}


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
        within = select_reads().where(read.c.passage_id.in_([row.id for row in rows]))
        for row in await tx.execute(within.order_by(read.c.passed_at_ns, read.c.id)):
            members[row.passage_id].append(read_of(row._mapping))
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


def _here(column: Any, name: str) -> Any:
    file, read = tables.media_file, tables.read
    return exists().where(file.c.sha256 == column, file.c.device == read.c.device, file.c.complete).label(name)


def files_here(prefix: str) -> list[Any]:
    """Return columns that say whether a read's files are here, named with ``prefix``."""
    read = tables.read
    return [
        _here(read.c.crop_sha256, f"{prefix}crop_here"),
        _here(read.c.frame_sha256, f"{prefix}frame_here"),
        _here(read.c.overview_sha256, f"{prefix}overview_here"),
    ]


def select_reads() -> Select[Any]:
    """Return the query of whole reads, for ``read_of``."""
    read = tables.read
    return select(read, *files_here(""))


def read_of(row: Mapping[str, Any]) -> Read:
    """Return the read of a row, by the names of its columns."""
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
