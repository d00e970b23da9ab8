"""Plate reads: one row a track, as its latest revision has it, and every revision that came."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.domain import Age
from collector.match.records import Seen
from collector.store import tables
from collector.store.backends import to_json
from collector.store.bulk import Bulk
from collector.store.lookup import Lookup
from edge_wire.messages import Header, PlateRead

_FIRST = ("device", "epoch", "track", "agency", "site", "received_at_ns", "passed_at_ns")
_LATEST = (
    "message_id",
    "revision",
    "final",
    "text",
    "slots",
    "regions",
    "calibration",
    "camera",
    "role",
    "pair",
    "lane",
    "direction",
    "face",
    "deployment",
    "box",
    "detection_score",
    "frames",
    "crop_sha256",
    "frame_sha256",
    "captured_at_ns",
    "captured_boot_ns",
    "clock_error_ns",
    "first_readable_ns",
    "matched_version",
    "travel",
    "marks",
    "overview_camera",
    "overview_sha256",
    "overview_offset_ns",
    "vehicle_body",
    "vehicle_colour",
    "vehicle_make",
)
_TRACK = (tables.read.c.device, tables.read.c.epoch, tables.read.c.track)
_OF_TRACKS = Lookup(_TRACK, tables.read)
_IDS = Lookup(_TRACK, tables.read.c.id, *_TRACK)
_READS = Bulk(tables.read, (*_FIRST, *_LATEST))
_CHANGES = Bulk(tables.read, _LATEST)
_REVISIONS = Bulk(tables.read_revision, ("read_id", "message_id", "revision", "text", "received_at_ns"))


@dataclass(frozen=True, slots=True)
class ReadRow:
    """A stored read, as far as matching needs it.

    Attributes:
        id: the collector's number.
        device: who sent it.
        epoch: of the device's outbox.
        track: the pass.
        revision: the latest.
        seen: what the latest revision saw.
        camera: the camera's id on the device.
        site: where the device stood.
        direction: compass point of the lane's traffic.
        passed_at_ns: when the plate was first readable, as far as the clocks tell.
        captured_at_ns: as the device claims it.
        captured_boot_ns: on the device's boot clock.
        clock_error_ns: bound of the claimed time.
        crop_sha256: of the crop.
        frame_sha256: of the frame.
        overview_sha256: of the overview, if it names one.
    """

    id: int
    device: str
    epoch: int
    track: int
    revision: int
    seen: Seen
    camera: str
    site: str
    direction: str | None
    passed_at_ns: int
    captured_at_ns: int
    captured_boot_ns: int
    clock_error_ns: int
    crop_sha256: bytes
    frame_sha256: bytes
    overview_sha256: bytes | None

    @property
    def files(self) -> set[bytes]:
        """The hashes of the files that it names."""
        return {self.crop_sha256, self.frame_sha256} | ({self.overview_sha256} if self.overview_sha256 else set())


@dataclass(frozen=True, slots=True)
class ReadMessage:
    """One verified plate read or revision, with what the store adds.

    Attributes:
        device: who signed it.
        agency: whose device it is now.
        site: where it stands now.
        message_id: the row of its bytes.
        header: the message's header.
        body: the message's body.
        received_at_ns: UTC when it came.
        received_boot_ns: our boot clock then.
    """

    device: str
    agency: str
    site: str
    message_id: int
    header: Header
    body: PlateRead
    received_at_ns: int
    received_boot_ns: int

    @property
    def track(self) -> tuple[str, int, int]:
        """What the collector keeps one read for."""
        return self.device, self.header.epoch, self.body.track


def seen_of(body: PlateRead) -> Seen:
    """Return what a message saw."""
    return Seen(body.text, body.slots, body.regions, body.calibration)


async def rows_of_tracks(
    tx: AsyncConnection, tracks: Iterable[tuple[str, int, int]]
) -> dict[tuple[str, int, int], ReadRow]:
    """Return the stored reads of ``tracks``, given as (device, epoch, track)."""
    wanted = set(tracks)
    rows = await _OF_TRACKS.rows(tx, wanted)
    return {track: _row(row) for row in rows if (track := (row.device, row.epoch, row.track)) in wanted}


async def rows_by_id(tx: AsyncConnection, ids: Sequence[int]) -> list[ReadRow]:
    """Return the stored reads ``ids``, ascending."""
    read = tables.read
    return [_row(row) for row in await tx.execute(select(read).where(read.c.id.in_(ids)).order_by(read.c.id))]


async def insert_reads(
    tx: AsyncConnection, latest: Sequence[ReadMessage], passed_at_ns: Sequence[int], matched_version: int
) -> list[int]:
    """Insert one read for each message, the latest of its track, with when it passed; return their ids in order."""
    values = [
        (*_first(one, passed), *_latest(one, matched_version)) for one, passed in zip(latest, passed_at_ns, strict=True)
    ]
    await _READS.insert(tx, values)
    tracks = [one.track for one in latest]
    ids: dict[tuple[Any, ...], int] = {tuple(row[1:]): row.id for row in await _IDS.rows(tx, tracks)}
    return [ids[track] for track in tracks]


async def update_reads(tx: AsyncConnection, latest: Sequence[tuple[int, ReadMessage]], matched_version: int) -> None:
    """Bring the reads with these ids to a later revision."""
    await _CHANGES.update(tx, [(*_latest(one, matched_version), read_id) for read_id, one in latest])


async def keep_revisions(tx: AsyncConnection, revisions: Sequence[tuple[int, ReadMessage]]) -> None:
    """Keep every revision that came, beside the id of its read."""
    await _REVISIONS.insert(
        tx,
        [(read_id, one.message_id, one.body.revision, one.body.text, one.received_at_ns) for read_id, one in revisions],
    )


async def await_match(tx: AsyncConnection, ages: Mapping[int, Age], at_ns: int) -> None:
    """Note reads, with their ages at ``at_ns``, that were matched with an older hotlist than the store already has."""
    table = tables.match_pending
    here = set((await tx.execute(select(table.c.read_id).where(table.c.read_id.in_(sorted(ages))))).scalars())
    fresh = [
        {"read_id": read_id, "historical": age.historical, "age_note": age.note, "noted_at_ns": at_ns}
        for read_id, age in sorted(ages.items())
        if read_id not in here
    ]
    if fresh:
        await tx.execute(insert(table), fresh)


async def awaiting_match(tx: AsyncConnection, limit: int) -> dict[int, tuple[Age, int]]:
    """Return up to ``limit`` reads that are to be matched again, with their ages and when these were noted."""
    table = tables.match_pending
    rows = await tx.execute(select(table).order_by(table.c.read_id).limit(limit))
    return {row.read_id: (Age(row.historical, row.age_note), row.noted_at_ns) for row in rows}


async def matched(tx: AsyncConnection, ids: Sequence[int], version: int) -> None:
    """The reads ``ids`` have been matched with ``version``."""
    if ids:
        await tx.execute(update(tables.read).where(tables.read.c.id.in_(ids)).values(matched_version=version))
        await tx.execute(delete(tables.match_pending).where(tables.match_pending.c.read_id.in_(ids)))


def _first(one: ReadMessage, passed_at_ns: int) -> tuple[Any, ...]:
    """What stays as the first message of a track that came has it, as ``_FIRST`` names it."""
    return one.device, one.header.epoch, one.body.track, one.agency, one.site, one.received_at_ns, passed_at_ns


def _latest(one: ReadMessage, matched_version: int) -> tuple[Any, ...]:
    """What follows the latest revision, as ``_LATEST`` names it."""
    body, header, overview = one.body, one.header, one.body.overview
    return (
        one.message_id,
        body.revision,
        body.final,
        body.text,
        to_json(body.slots),
        to_json(body.regions),
        body.calibration,
        body.camera,
        body.role,
        body.pair,
        body.lane,
        body.direction,
        body.face,
        body.deployment,
        to_json(tuple(body.box)),
        body.detection_score,
        body.frames,
        body.crop_sha256,
        body.frame_sha256,
        header.captured_at_ns,
        header.captured_boot_ns,
        header.clock_error_ns,
        body.first_readable_ns,
        matched_version,
        body.travel,
        to_json(body.marks),
        None if overview is None else overview.camera,
        None if overview is None else overview.sha256,
        None if overview is None else overview.offset_ns,
        body.vehicle_body,
        body.vehicle_colour,
        body.vehicle_make,
    )


def _row(row: Row[Any]) -> ReadRow:
    return ReadRow(
        id=row.id,
        device=row.device,
        epoch=row.epoch,
        track=row.track,
        revision=row.revision,
        seen=Seen(
            row.text,
            tuple(tuple((character, p) for character, p in slot) for slot in row.slots),
            tuple((code, p) for code, p in row.regions),
            row.calibration,
        ),
        camera=row.camera,
        site=row.site,
        direction=row.direction,
        passed_at_ns=row.passed_at_ns,
        captured_at_ns=row.captured_at_ns,
        captured_boot_ns=row.captured_boot_ns,
        clock_error_ns=row.clock_error_ns,
        crop_sha256=row.crop_sha256,
        frame_sha256=row.frame_sha256,
        overview_sha256=row.overview_sha256,
    )
