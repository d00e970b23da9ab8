"""Which devices there are and the keys that vouch for them. Rows are never removed, so an id is never reused."""

from __future__ import annotations

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.domain import DeviceStatus
from collector.store import tables


async def status_of(tx: AsyncConnection, device: str) -> DeviceStatus | None:
    """Return whether a device's messages are taken, None for one that never existed."""
    table = tables.device
    status = (await tx.execute(select(table.c.status).where(table.c.id == device))).scalar_one_or_none()
    return None if status is None else DeviceStatus(status)


async def owner_of(tx: AsyncConnection, kid: bytes) -> str | None:
    """Return whose device key ``kid`` is."""
    table = tables.device_key
    return (await tx.execute(select(table.c.device).where(table.c.kid == kid))).scalars().first()


async def add(tx: AsyncConnection, *, device: str, agency: str, site: str, kid: bytes, spki: bytes, at_ns: int) -> None:
    """Enrol a device with its first key."""
    status = str(DeviceStatus.ENROLLED)
    await tx.execute(
        insert(tables.device).values(id=device, agency=agency, site=site, status=status, added_at_ns=at_ns)
    )
    await tx.execute(insert(tables.device_key).values(device=device, kid=kid, spki=spki, added_at_ns=at_ns))


async def site_of(tx: AsyncConnection, device: str) -> str | None:
    """Return where a device stands, None for one that never existed."""
    table = tables.device
    return (await tx.execute(select(table.c.site).where(table.c.id == device))).scalar_one_or_none()


async def move(tx: AsyncConnection, device: str, site: str) -> None:
    """From now on what comes from this device is of another site."""
    table = tables.device
    await tx.execute(update(table).where(table.c.id == device).values(site=site))


async def revoke(tx: AsyncConnection, device: str) -> None:
    """From now on nothing of this device is taken."""
    await _set_status(tx, device, DeviceStatus.REVOKED)


async def reinstate(tx: AsyncConnection, device: str) -> None:
    """From now on what this device sends is taken again, by the keys that it had."""
    await _set_status(tx, device, DeviceStatus.ENROLLED)


async def _set_status(tx: AsyncConnection, device: str, status: DeviceStatus) -> None:
    table = tables.device
    await tx.execute(update(table).where(table.c.id == device).values(status=str(status)))
