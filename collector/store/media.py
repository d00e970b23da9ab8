"""Files that belong to reads and shots: which are here, which are on their way, which will not come."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Exists, and_, delete, exists, func, insert, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.store import tables
from edge_wire.messages import Media, Part


@dataclass(frozen=True, slots=True)
class Missing:
    """Files of an alert's read, or of a shot, that have not come.

    Attributes:
        device: who has them.
        epoch: of the read or shot.
        wanted: part and hash of each, the first things first.
        track: of the read, or
        sequence: of the shot arrival.
        read_id: which read.
    """

    device: str
    epoch: int
    wanted: tuple[tuple[Part, bytes], ...]
    track: int | None = None
    sequence: int | None = None
    read_id: int | None = None


async def is_complete(tx: AsyncConnection, device: str, sha256: bytes) -> bool:
    """Whether the device's file is here."""
    file = tables.media_file
    query = select(exists().where(file.c.device == device, file.c.sha256 == sha256, file.c.complete))
    return bool((await tx.execute(query)).scalar())


async def note_file(tx: AsyncConnection, device: str, body: Media, *, complete: bool) -> None:
    """Note a file of a device: on its way, complete, or (total 0) no longer held."""
    file = tables.media_file
    where = (file.c.device == device, file.c.sha256 == body.sha256)
    here = (await tx.execute(select(exists().where(*where)))).scalar()
    if here:
        await tx.execute(update(file).where(*where).values(total_bytes=body.total, complete=complete))
        return
    await tx.execute(
        insert(file).values(
            sha256=body.sha256,
            device=device,
            part=int(body.part),
            epoch=body.of_epoch,
            track=body.track,
            sequence=body.sequence,
            total_bytes=body.total,
            complete=complete,
        )
    )


async def keep_piece(tx: AsyncConnection, device: str, body: Media, at_ns: int) -> int:
    """Keep one piece of a file; return how many bytes the kept pieces have together, those that overlap doubly.

    Of two pieces that begin at the same place the longer one stays: a device may have changed their size in between.
    """
    piece = tables.media_piece
    where = (piece.c.device == device, piece.c.sha256 == body.sha256)
    here = and_(*where, piece.c.offset == body.offset)
    length = (await tx.execute(select(func.length(piece.c.content)).where(here))).scalar()
    if length is None:
        await tx.execute(
            insert(piece).values(
                device=device, sha256=body.sha256, offset=body.offset, content=body.content, received_at_ns=at_ns
            )
        )
    elif length < len(body.content):
        await tx.execute(update(piece).where(here).values(content=body.content, received_at_ns=at_ns))
    return int((await tx.execute(select(func.sum(func.length(piece.c.content))).where(*where))).scalar_one())


async def pieces(tx: AsyncConnection, device: str, sha256: bytes) -> list[tuple[int, bytes]]:
    """Return the pieces of a file that are here: offset and bytes, ascending."""
    piece = tables.media_piece
    rows = await tx.execute(
        select(piece.c.offset, piece.c.content)
        .where(piece.c.device == device, piece.c.sha256 == sha256)
        .order_by(piece.c.offset)
    )
    return [(row.offset, row.content) for row in rows]


async def drop_pieces(tx: AsyncConnection, device: str, sha256: bytes) -> None:
    """Forget the pieces of a file, because it is complete or because they do not make it."""
    piece = tables.media_piece
    await tx.execute(delete(piece).where(piece.c.device == device, piece.c.sha256 == sha256))


async def drop_stale_pieces(tx: AsyncConnection, before_ns: int) -> None:
    """Forget the pieces of files of which nothing has come since ``before_ns``."""
    piece = tables.media_piece
    stale = (
        select(piece.c.device, piece.c.sha256)
        .group_by(piece.c.device, piece.c.sha256)
        .having(func.max(piece.c.received_at_ns) < before_ns)
    )
    await tx.execute(delete(piece).where(tuple_(piece.c.device, piece.c.sha256).in_(stale)))


async def missing_of_alerts(
    tx: AsyncConnection, *, device: str, raised_after_ns: int, limit: int = 200
) -> Sequence[Missing]:
    """Return what has not come of the pictures of a device's reads that belong to an alert since then, newest first.

    Files that the device said it no longer holds are left out.
    """
    attached, read = tables.alert_read, tables.read
    return await _missing(tx, and_(read.c.device == device, attached.c.attached_at_ns >= raised_after_ns), limit)


async def missing_of_reads(tx: AsyncConnection, read_ids: Collection[int]) -> Sequence[Missing]:
    """Return what has not come of the pictures of those of the reads that belong to an alert, newest first.

    Files that the device said it no longer holds are left out.
    """
    if not read_ids:
        return []
    return await _missing(tx, tables.read.c.id.in_(sorted(read_ids)), len(read_ids))


async def _missing(tx: AsyncConnection, where: ColumnElement[bool], limit: int) -> Sequence[Missing]:
    attached, read, file = tables.alert_read, tables.read, tables.media_file

    def settled(sha256: ColumnElement[bytes] | ColumnElement[bytes | None]) -> Exists:
        return exists().where(
            and_(
                file.c.device == read.c.device,
                file.c.sha256 == sha256,
                or_(file.c.complete, file.c.total_bytes == 0),
            )
        )

    rows = await tx.execute(
        select(
            read.c.id,
            read.c.device,
            read.c.epoch,
            read.c.track,
            read.c.crop_sha256,
            read.c.overview_sha256,
            read.c.frame_sha256,
            settled(read.c.crop_sha256).label("crop_settled"),
            settled(read.c.overview_sha256).label("overview_settled"),
            settled(read.c.frame_sha256).label("frame_settled"),
        )
        .join(attached, attached.c.read_id == read.c.id)
        .where(where)
        .group_by(read.c.id)
        .order_by(func.max(attached.c.attached_at_ns).desc(), read.c.id.desc())
        .limit(limit)
    )
    found = []
    for row in rows:
        wanted = []
        if not row.crop_settled:
            wanted.append((Part.CROP, row.crop_sha256))
        if row.overview_sha256 is not None and not row.overview_settled:
            wanted.append((Part.OVERVIEW, row.overview_sha256))
        if not row.frame_settled:
            wanted.append((Part.FRAME, row.frame_sha256))
        if wanted:
            found.append(Missing(row.device, row.epoch, tuple(wanted), track=row.track, read_id=row.id))
    return found
