"""The sound of shot incidents: what has not come of it, in the order in which people want it.

Clips of alerted incidents are wanted by themselves; recordings only of incidents of which somebody has asked for them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.store import tables
from collector.store.media import Missing
from edge_wire.messages import Part

_MOST_CLIPS = 20
"""Of one device for one incident, without anybody having asked: more than a minute of it."""


async def missing_of_device(tx: AsyncConnection, *, device: str, after_ns: int, limit: int = 50) -> list[Missing]:
    """Return what a device has not sent of the sound of recent incidents, newest incident first."""
    incident, alert, shot = tables.incident, tables.alert, tables.shot
    query = (
        select(incident.c.id)
        .outerjoin(alert, alert.c.incident_id == incident.c.id)
        .where(
            or_(alert.c.raised_at_ns >= after_ns, incident.c.recordings_asked_at_ns >= after_ns),
            incident.c.id.in_(select(shot.c.incident_id).where(shot.c.device == device)),
        )
        .order_by(incident.c.id.desc())
        .limit(limit)
    )
    ids = list((await tx.execute(query)).scalars())
    return [one for one in await missing_of_incidents(tx, ids) if one.device == device]


async def missing_of_incidents(
    tx: AsyncConnection, incident_ids: Collection[int], shot_ids: Collection[int] | None = None
) -> list[Missing]:
    """Return what has not come of the sound of these incidents: in the order given, of each the first things first.

    With ``shot_ids`` only what belongs to one of these.

    The first clip of the closest three sensors, those of the other sensors, further clips, recordings. What its device
    said it no longer holds is left out, and everything of an incident that has no alert and that nobody asked about.
    """
    found: list[Missing] = []
    for incident_id in incident_ids:
        found += await _missing_of(tx, incident_id, None if shot_ids is None else set(shot_ids))
    return found


@dataclass(frozen=True, slots=True)
class _File:
    """A wanted file: ``urgency`` orders them, the smallest first."""

    urgency: tuple[int, int, int]
    device: str
    epoch: int
    sequence: int
    part: Part
    sha256: bytes


async def _missing_of(tx: AsyncConnection, incident_id: int, shot_ids: set[int] | None) -> list[Missing]:
    incident, alert, shot = tables.incident, tables.alert, tables.shot
    row = (
        await tx.execute(
            select(incident.c.sensors, incident.c.recordings_asked_at_ns, alert.c.id.label("alert_id"))
            .outerjoin(alert, alert.c.incident_id == incident.c.id)
            .where(incident.c.id == incident_id)
        )
    ).one_or_none()
    if row is None or (row.alert_id is None and row.recordings_asked_at_ns is None):
        return []
    shots = (
        await tx.execute(
            select(shot).where(shot.c.incident_id == incident_id, shot.c.clip_sha256.is_not(None)).order_by(shot.c.id)
        )
    ).all()
    # Sensors are kept nearest first.
    rank = {(one["device"], one["microphone"]): at for at, one in enumerate(row.sensors)}
    files: dict[tuple[str, bytes], _File] = {}
    wanted: set[tuple[str, bytes]] = set()
    clips: dict[tuple[str, str], int] = {}
    told: Counter[str] = Counter()
    for one in shots:
        sensor = (one.device, one.microphone)
        at = rank.get(sensor, len(rank))
        key = (one.device, one.clip_sha256)
        if row.alert_id is not None and (key in files or told[one.device] < _MOST_CLIPS):
            if key not in files:
                told[one.device] += 1
                nth = clips[sensor] = clips.get(sensor, -1) + 1
                files[key] = _file((0, min(nth, 1), at), one, Part.CLIP, one.clip_sha256)
            if shot_ids is None or one.id in shot_ids:
                wanted.add(key)
        if row.recordings_asked_at_ns is not None and one.recording_sha256 is not None:
            key = (one.device, one.recording_sha256)
            files.setdefault(key, _file((1, 0, at), one, Part.RECORDING, one.recording_sha256))
            if shot_ids is None or one.id in shot_ids:
                wanted.add(key)
    settled = await _settled(tx, [sha256 for _, sha256 in wanted])
    return [
        Missing(one.device, one.epoch, ((one.part, one.sha256),), sequence=one.sequence)
        for one in sorted(files.values(), key=lambda one: (one.urgency, one.device, one.sequence))
        if (one.device, one.sha256) in wanted - settled
    ]


def _file(urgency: tuple[int, int, int], shot: Any, part: Part, sha256: bytes) -> _File:
    return _File(urgency, shot.device, shot.epoch, shot.sequence, part, sha256)


async def _settled(tx: AsyncConnection, hashes: Sequence[bytes]) -> set[tuple[str, bytes]]:
    """Return which of these files are here or will not come, with the device that has or had them."""
    file = tables.media_file
    query = select(file.c.device, file.c.sha256).where(
        file.c.sha256.in_(hashes), or_(file.c.complete, file.c.total_bytes == 0)
    )
    return {(row.device, row.sha256) for row in await tx.execute(query)}
