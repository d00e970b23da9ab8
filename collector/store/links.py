"""How each device is connected, and its latest health: one row a device, latest wins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.store import tables


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
        health_at_ns: when that came.
    """

    epoch: int
    connection: int
    online: bool
    reason: str
    heard_at_ns: int
    health: Mapping[str, Any] | None = None
    health_at_ns: int | None = None


async def links(tx: AsyncConnection, devices: Iterable[str]) -> dict[str, LinkRow]:
    """Return the links of those of ``devices`` that have been heard."""
    table = tables.device_link
    rows = await tx.execute(select(table).where(table.c.device.in_(sorted(set(devices)))))
    return {
        row.device: LinkRow(
            row.epoch, row.connection, row.online, row.reason, row.heard_at_ns, row.health, row.health_at_ns
        )
        for row in rows
    }


async def keep_link(tx: AsyncConnection, device: str, link: LinkRow, *, fresh: bool) -> None:
    """Write a device's link; ``fresh`` if it has none yet."""
    table = tables.device_link
    values = {
        "epoch": link.epoch,
        "connection": link.connection,
        "online": link.online,
        "reason": link.reason,
        "heard_at_ns": link.heard_at_ns,
        "health": None if link.health is None else dict(link.health),
        "health_at_ns": link.health_at_ns,
    }
    if fresh:
        await tx.execute(insert(table).values(device=device, **values))
    else:
        await tx.execute(update(table).where(table.c.device == device).values(**values))
