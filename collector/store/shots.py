"""Shot arrivals, and the seconds of sound around them that their devices keep.

A ``ShotClip`` names arrivals by their sequences; the two come in either order, and both leave the same rows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.domain import Age, Identity
from collector.store import tables
from edge_wire.messages import Header, ShotArrival, ShotClip


@dataclass(frozen=True, slots=True)
class ShotMessage:
    """One verified shot arrival, with what the store adds.

    Attributes:
        identity: which message.
        agency: whose device it is now.
        message_id: the row of its bytes.
        header: the message's header.
        body: the message's body.
        received_at_ns: UTC when it came.
        heard_at_ns: when it reached the microphone, as far as the clocks tell.
        timed: whether that is good enough to locate with.
        age: how long ago that was.
    """

    identity: Identity
    agency: str
    message_id: int
    header: Header
    body: ShotArrival
    received_at_ns: int
    heard_at_ns: int
    timed: bool
    age: Age


@dataclass(frozen=True, slots=True)
class ClipMessage:
    """One verified word about kept sound: who said it, in which epoch, in which message, and what."""

    device: str
    epoch: int
    message_id: int
    body: ShotClip


async def keep_shots(tx: AsyncConnection, messages: Sequence[ShotMessage]) -> list[int]:
    """Keep shot arrivals; return their ids in order."""
    if not messages:
        return []
    kept = await _clips_of(tx, messages)
    values = [{**_columns(one), **kept.get(one.identity, _NOTHING_KEPT | _old_clip(one))} for one in messages]
    result = await tx.execute(insert(tables.shot).returning(tables.shot.c.id, sort_by_parameter_order=True), values)
    return list(result.scalars())


async def keep_clips(tx: AsyncConnection, messages: Sequence[ClipMessage]) -> list[tuple[int, int | None]]:
    """Keep what devices say of kept sound; return the shots that this has told something: id, and its incident.

    Of two clips that name one arrival the first that came stays with it.
    """
    told: dict[int, int | None] = {}
    shot, clip = tables.shot, tables.shot_clip
    for one in messages:
        kept = {"clip_sha256": one.body.clip_sha256, "recording_sha256": one.body.recording_sha256}
        where = {"device": one.device, "epoch": one.epoch}
        for first, last in one.body.arrivals:
            run = {"message_id": one.message_id, "first_sequence": first, "last_sequence": last}
            await tx.execute(insert(clip).values(**run, **where, **kept, duration_ms=one.body.duration_ms))
            named = (
                shot.c.device == one.device,
                shot.c.epoch == one.epoch,
                shot.c.sequence.between(first, last),
                shot.c.clip_sha256.is_(None),
            )
            here = (await tx.execute(select(shot.c.id, shot.c.incident_id).where(*named).order_by(shot.c.id))).all()
            if here:
                await tx.execute(update(shot).where(*named).values(**kept, clip_ms=one.body.duration_ms))
                told.update((row.id, row.incident_id) for row in here)
    return list(told.items())


async def incidents_with(tx: AsyncConnection, device: str, sha256: bytes) -> list[int]:
    """Return the incidents of which a shot of this device has this clip or recording."""
    shot = tables.shot
    found: set[int] = set()
    for column in (shot.c.clip_sha256, shot.c.recording_sha256):
        query = select(shot.c.incident_id).where(column == sha256, shot.c.device == device)
        found.update((await tx.execute(query.where(shot.c.incident_id.is_not(None)).distinct())).scalars())
    return sorted(found)


_NOTHING_KEPT: dict[str, Any] = {"clip_sha256": None, "recording_sha256": None, "clip_ms": None}


def _old_clip(one: ShotMessage) -> dict[str, Any]:
    """What an arrival says of its clip by itself, as those of earlier devices did."""
    return {} if one.body.clip_sha256 is None else {"clip_sha256": one.body.clip_sha256}


async def _clips_of(tx: AsyncConnection, messages: Sequence[ShotMessage]) -> dict[Identity, dict[str, Any]]:
    """Return what is known already of the sound around these arrivals."""
    clip = tables.shot_clip
    by_epoch: defaultdict[tuple[str, int], list[Identity]] = defaultdict(list)
    for one in messages:
        by_epoch[one.identity.device, one.identity.epoch].append(one.identity)
    found: dict[Identity, dict[str, Any]] = {}
    for (device, epoch), identities in by_epoch.items():
        sequences = [one.sequence for one in identities]
        rows = (
            await tx.execute(
                select(clip)
                .where(
                    clip.c.device == device,
                    clip.c.epoch == epoch,
                    clip.c.last_sequence >= min(sequences),
                    clip.c.first_sequence <= max(sequences),
                )
                .order_by(clip.c.message_id)
            )
        ).all()
        for identity in identities:
            for row in rows:
                if row.first_sequence <= identity.sequence <= row.last_sequence:
                    found[identity] = {
                        "clip_sha256": row.clip_sha256,
                        "recording_sha256": row.recording_sha256,
                        "clip_ms": row.duration_ms,
                    }
                    break
    return found


def _columns(one: ShotMessage) -> dict[str, Any]:
    body, header = one.body, one.header
    return {
        "device": one.identity.device,
        "epoch": one.identity.epoch,
        "sequence": one.identity.sequence,
        "agency": one.agency,
        "message_id": one.message_id,
        "microphone": body.microphone,
        "deployment": body.deployment,
        "classes": [list(item) for item in body.classes],
        "model": body.model,
        "peak_cdbfs": body.peak_cdbfs,
        "rms_cdbfs": body.rms_cdbfs,
        "clipped": body.clipped,
        "captured_at_ns": header.captured_at_ns,
        "captured_boot_ns": header.captured_boot_ns,
        "clock_error_ns": header.clock_error_ns,
        "onset_error_ns": body.onset_error_ns,
        "received_at_ns": one.received_at_ns,
        "heard_at_ns": one.heard_at_ns,
        "historical": one.age.historical,
        "age_note": one.age.note,
        "timed": one.timed,
        "position": None if body.position is None else list(body.position),
        "offset": None if body.offset is None else list(body.offset),
        "clock_source": body.clock_source,
        "fit_error_ns": body.fit_error_ns,
        "latency_ns": body.latency_ns,
        "snr_cdb": body.snr_cdb,
        "wave": body.wave,
        "alternatives": [list(item) for item in body.alternatives],
        "burst": body.burst,
        "round": body.round,
        "rounds": body.rounds,
        "fire": body.fire,
        "marks": list(body.marks),
        "channel": body.channel,
    }
