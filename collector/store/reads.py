"""Plate reads: one row a track, as its latest revision has it, and every revision that came."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, bindparam, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.domain import Age
from collector.match.matcher import Seen
from collector.store import tables
from edge_wire.messages import Header, PlateRead


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
    return Seen(body.text, body.slots, body.regions)


async def rows_of_tracks(
    tx: AsyncConnection, tracks: Iterable[tuple[str, int, int]]
) -> dict[tuple[str, int, int], ReadRow]:
    """Return the stored reads of ``tracks``, given as (device, epoch, track)."""
    read = tables.read
    found = {}
    for (device, epoch), some in _by_epoch(tracks):
        query = select(read).where(read.c.device == device, read.c.epoch == epoch, read.c.track.in_(some))
        for row in await tx.execute(query):
            found[device, epoch, row.track] = _row(row)
    return found


async def rows_by_id(tx: AsyncConnection, ids: Sequence[int]) -> list[ReadRow]:
    """Return the stored reads ``ids``, ascending."""
    read = tables.read
    return [_row(row) for row in await tx.execute(select(read).where(read.c.id.in_(ids)).order_by(read.c.id))]


async def insert_reads(
    tx: AsyncConnection, latest: Sequence[ReadMessage], passed_at_ns: Sequence[int], matched_version: int
) -> list[int]:
    """Insert one read for each message, the latest of its track, with when it passed; return their ids in order."""
    if not latest:
        return []
    values = [
        {
            "device": one.device,
            "epoch": one.header.epoch,
            "track": one.body.track,
            "agency": one.agency,
            "site": one.site,
            "passed_at_ns": passed,
            "received_at_ns": one.received_at_ns,
            **_latest(one, matched_version),
        }
        for one, passed in zip(latest, passed_at_ns, strict=True)
    ]
    read = tables.read
    await tx.execute(insert(read), values)
    # Asked for afterwards: with RETURNING in the order of the rows, SQLite would be given one row at a time.
    ids: dict[tuple[str, int, int], int] = {}
    for (device, epoch), some in _by_epoch(one.track for one in latest):
        query = select(read.c.track, read.c.id).where(
            read.c.device == device, read.c.epoch == epoch, read.c.track.in_(some)
        )
        ids.update(((device, epoch, row.track), row.id) for row in await tx.execute(query))
    return [ids[one.track] for one in latest]


async def update_reads(tx: AsyncConnection, latest: Sequence[tuple[int, ReadMessage]], matched_version: int) -> None:
    """Bring the reads with these ids to a later revision."""
    if latest:
        values = [{"b_id": read_id, **_latest(one, matched_version)} for read_id, one in latest]
        await tx.execute(update(tables.read).where(tables.read.c.id == bindparam("b_id")), values)


async def keep_revisions(tx: AsyncConnection, revisions: Sequence[tuple[int, ReadMessage]]) -> None:
    """Keep every revision that came, beside the id of its read."""
    if revisions:
        await tx.execute(
            insert(tables.read_revision),
            [
                {
                    "read_id": read_id,
                    "message_id": one.message_id,
                    "revision": one.body.revision,
                    "text": one.body.text,
                    "received_at_ns": one.received_at_ns,
                }
                for read_id, one in revisions
            ],
        )


async def await_match(tx: AsyncConnection, ages: Mapping[int, Age]) -> None:
    """Note reads, with their ages, that were matched with an older hotlist than the store already has."""
    table = tables.match_pending
    here = set((await tx.execute(select(table.c.read_id).where(table.c.read_id.in_(sorted(ages))))).scalars())
    fresh = [
        {"read_id": read_id, "historical": age.historical, "age_note": age.note}
        for read_id, age in sorted(ages.items())
        if read_id not in here
    ]
    if fresh:
        await tx.execute(insert(table), fresh)


async def awaiting_match(tx: AsyncConnection, limit: int) -> dict[int, Age]:
    """Return up to ``limit`` reads that are to be matched again, with their ages."""
    table = tables.match_pending
    rows = await tx.execute(select(table).order_by(table.c.read_id).limit(limit))
    return {row.read_id: Age(row.historical, row.age_note) for row in rows}


async def matched(tx: AsyncConnection, ids: Sequence[int], version: int) -> None:
    """The reads ``ids`` have been matched with ``version``."""
    if ids:
        await tx.execute(update(tables.read).where(tables.read.c.id.in_(ids)).values(matched_version=version))
        await tx.execute(delete(tables.match_pending).where(tables.match_pending.c.read_id.in_(ids)))


def _by_epoch(tracks: Iterable[tuple[str, int, int]]) -> Iterator[tuple[tuple[str, int], list[int]]]:
    by_epoch: defaultdict[tuple[str, int], list[int]] = defaultdict(list)
    for device, epoch, track in tracks:
        by_epoch[device, epoch].append(track)
    yield from by_epoch.items()


def _latest(one: ReadMessage, matched_version: int) -> dict[str, Any]:
    body, header = one.body, one.header
    return {
        "message_id": one.message_id,
        "revision": body.revision,
        "final": body.final,
        "text": body.text,
        "slots": [[list(candidate) for candidate in slot] for slot in body.slots],
        "regions": [list(item) for item in body.regions],
        "calibration": body.calibration,
        "camera": body.camera,
        "role": body.role,
        "pair": body.pair,
        "lane": body.lane,
        "direction": body.direction,
        "face": body.face,
        "deployment": body.deployment,
        "box": list(body.box),
        "detection_score": body.detection_score,
        "frames": body.frames,
        "crop_sha256": body.crop_sha256,
        "frame_sha256": body.frame_sha256,
        "captured_at_ns": header.captured_at_ns,
        "captured_boot_ns": header.captured_boot_ns,
        "clock_error_ns": header.clock_error_ns,
        "first_readable_ns": body.first_readable_ns,
        "travel": body.travel,
        "marks": list(body.marks),
        "overview_camera": body.overview.camera if body.overview else None,
        "overview_sha256": body.overview.sha256 if body.overview else None,
        "overview_offset_ns": body.overview.offset_ns if body.overview else None,
        "vehicle_body": body.vehicle_body,
        "vehicle_colour": body.vehicle_colour,
        "vehicle_make": body.vehicle_make,
        "matched_version": matched_version,
    }


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
        ),
        captured_at_ns=row.captured_at_ns,
        captured_boot_ns=row.captured_boot_ns,
        clock_error_ns=row.clock_error_ns,
        crop_sha256=row.crop_sha256,
        frame_sha256=row.frame_sha256,
        overview_sha256=row.overview_sha256,
    )
