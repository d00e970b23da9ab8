"""How each device is connected, and its latest health: one row a device, latest wins."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.store import tables

_OF_DEVICES = select(tables.device_link).where(tables.device_link.c.device.in_(bindparam("devices", expanding=True)))
MADE_AT, MADE_IN = "captured_boot_ns", "epoch"
"""Under which names a stored health keeps its header's time on the device's boot clock, and its epoch."""


@dataclass(frozen=True, slots=True)
class LinkRow:
    """What is known of a device's connection.

    Attributes:
        epoch: in which it was opened.
        connection: its number within the epoch.
        online: whether it is up.
        reason: the last word about it.
        heard_at_ns: when something verified last came.
        health: the latest health, field by field, with ``captured_boot_ns``.
        health_at_ns: UTC when that came, live.
    """

    epoch: int
    connection: int
    online: bool
    reason: str
    heard_at_ns: int
    health: Mapping[str, Any] | None = None
    health_at_ns: int | None = None

    @property
    def made(self) -> tuple[int, int] | None:
        """In which epoch the device made its latest health, and when on its boot clock; None if unknown."""
        if self.health is None or MADE_IN not in self.health:
            return None
        return self.health[MADE_IN], self.health[MADE_AT]


async def links(tx: AsyncConnection, devices: Iterable[str]) -> dict[str, LinkRow]:
    """Return the links of those of ``devices`` that have been heard."""
    rows = await tx.execute(_OF_DEVICES, {"devices": sorted(set(devices))})
    return {
        row.device: LinkRow(
            row.epoch, row.connection, row.online, row.reason, row.heard_at_ns, row.health, row.health_at_ns
        )
        for row in rows
    }


async def keep_links(tx: AsyncConnection, changed: Mapping[str, LinkRow], fresh: Collection[str]) -> None:
    """Write devices' links; those of ``fresh`` have none yet."""
    table = tables.device_link
    rows = {device: _columns(link) for device, link in sorted(changed.items())}
    new = [{"device": device, **row} for device, row in rows.items() if device in fresh]
    if new:
        await tx.execute(insert(table), new)
    known = [{"b_device": device, **row} for device, row in rows.items() if device not in fresh]
    if known:
        await tx.execute(update(table).where(table.c.device == bindparam("b_device")), known)


def _columns(link: LinkRow) -> dict[str, Any]:
    return {
        "epoch": link.epoch,
        "connection": link.connection,
        "online": link.online,
        "reason": link.reason,
        "heard_at_ns": link.heard_at_ns,
        "health": None if link.health is None else dict(link.health),
        "health_at_ns": link.health_at_ns,
    }
