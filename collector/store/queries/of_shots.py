"""Shots."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Row, Select, exists, select
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.domain import Kept, Shot
from collector.store import tables
from collector.store.queries.of_reads import MAX_PAGE

_GUN = "gun"


async def shots(tx: AsyncConnection, *, limit: int = 50, before: int | None = None) -> list[Shot]:
    """Return shots, newest first, with ids below ``before``."""
    query = _shots().order_by(tables.shot.c.id.desc()).limit(min(limit, MAX_PAGE))
    if before is not None:
        query = query.where(tables.shot.c.id < before)
    return [_shot(row) for row in await tx.execute(query)]


async def shots_by_id(tx: AsyncConnection, ids: Iterable[int]) -> dict[int, Shot]:
    """Return those of the shots ``ids`` that exist."""
    rows = await tx.execute(_shots().where(tables.shot.c.id.in_(list(ids))))
    return {row.id: _shot(row) for row in rows}


def gun_probability(classes: Iterable[tuple[str, float]]) -> float:
    """Return the gun classes taken together."""
    return min(1.0, sum(p for name, p in classes if name.startswith(_GUN)))


def _shots() -> Select[Any]:
    shot, file = tables.shot, tables.media_file

    def here(column: Any, name: str) -> Any:
        return exists().where(file.c.sha256 == column, file.c.device == shot.c.device, file.c.complete).label(name)

    return select(shot, here(shot.c.clip_sha256, "clip_here"), here(shot.c.recording_sha256, "recording_here"))


def _shot(row: Row[Any]) -> Shot:
    classes = tuple((name, p) for name, p in row.classes)
    return Shot(
        id=row.id,
        device=row.device,
        agency=row.agency,
        microphone=row.microphone,
        deployment=row.deployment,
        captured_at_ns=row.captured_at_ns,
        error_ns=round(math.hypot(row.onset_error_ns, row.clock_error_ns, row.fit_error_ns)),
        locates=row.timed,
        probability=gun_probability(classes),
        classes=classes,
        peak_dbfs=row.peak_cdbfs / 100,
        rms_dbfs=row.rms_cdbfs / 100,
        snr_db=None if row.snr_cdb is None else row.snr_cdb / 100,
        clipped=row.clipped,
        wave=row.wave,
        burst=row.burst,
        round=row.round,
        rounds=row.rounds,
        fire=row.fire,
        marks=tuple(row.marks),
        kept=_kept(row),
        received_at_ns=row.received_at_ns,
        incident_id=row.incident_id,
    )


def _kept(row: Row[Any]) -> Kept | None:
    if row.clip_sha256 is None:
        return None
    return Kept(row.clip_sha256, bool(row.clip_here), row.recording_sha256, bool(row.recording_here), row.clip_ms)
