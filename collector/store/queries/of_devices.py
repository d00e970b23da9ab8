"""Devices, and the files that came from them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import and_, exists, select
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.domain import Device, DeviceChange, DeviceStatus, Link, PictureArrival
from collector.store import tables
from edge_wire.messages import Part


async def devices(tx: AsyncConnection, ids: Sequence[str] | None = None) -> list[Device]:
    """Return all devices, or those named, by id."""
    device, link = tables.device, tables.device_link
    query = (
        select(device, link.c.online, link.c.reason, link.c.heard_at_ns, link.c.health, link.c.health_at_ns)
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
            last_word="" if row.online is None or row.online else row.reason,
        )
        for row in await tx.execute(query)
    ]


async def device_changes(
    tx: AsyncConnection, device: str, *, limit: int, before: int | None = None
) -> list[DeviceChange]:
    """Return what changed on ``device``, in the order in which it was told, newest first.

    Args:
        tx: the transaction.
        device: its id.
        limit: at most so many.
        before: only ids below.
    """
    change, message = tables.device_change, tables.message
    query = (
        select(change, message.c.received_at_ns)
        .select_from(change.join(message, message.c.id == change.c.message_id))
        .where(change.c.device == device)
        .order_by(change.c.id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(change.c.id < before)
    return [
        DeviceChange(
            id=row.id,
            device=row.device,
            subject=row.subject,
            ref=row.ref,
            state=row.state,
            before=row.before,
            reason=row.reason,
            at_ns=row.at_ns,
            received_at_ns=row.received_at_ns,
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
