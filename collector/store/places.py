"""Where devices stand: as their latest health says, else as their latest shot arrival did."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.domain import DeviceStatus
from collector.incidents.records import Listener, Place
from collector.locate.projection import LocalFrame
from collector.store import tables

Point = tuple[float, float]
"""Latitude and longitude, degrees."""

_E7 = 10_000_000
_MICROPHONE = "microphone"
_OK = "ok"
# Of no use for locating: who is not known to a kilometre, a hundred kilometres from the origin, or above all mountains.
_MOST_ERROR_CM = 100_000
_MOST_MM = 100_000_000
_MOST_UP_MM = 9_000_000


def place_of(position: Sequence[int] | None, offset: Sequence[int] | None) -> Place | None:
    """Return where a wire ``Position`` and ``Offset`` put something; None without a position, or if that is absurd.

    Without an offset its height is not known. What one device says of itself must not keep its neighbours' shots from
    being located, so whatever could not be computed with counts as not known.
    """
    if position is None or not _is_plausible(position, offset):
        return None
    latitude_e7, longitude_e7, error_cm = position
    latitude, longitude = latitude_e7 / _E7, longitude_e7 / _E7
    if offset is None:
        return Place(latitude, longitude, None, error_cm / 100)
    east_mm, north_mm, up_mm = offset
    if east_mm or north_mm:
        latitude, longitude = _frame(latitude_e7, longitude_e7).to_geographic(east_mm / 1_000, north_mm / 1_000)
    return Place(latitude, longitude, up_mm / 1_000, error_cm / 100)


def _is_plausible(position: Sequence[int], offset: Sequence[int] | None) -> bool:
    east_mm, north_mm, up_mm = offset or (0, 0, 0)
    return position[2] <= _MOST_ERROR_CM and max(abs(east_mm), abs(north_mm)) <= _MOST_MM and abs(up_mm) <= _MOST_UP_MM


async def places(tx: AsyncConnection, agency: str) -> tuple[dict[str, Place], tuple[Listener, ...]]:
    """Return where the enrolled devices of an agency stand, as far as that is known, and those that listen now.

    A device listens if it is connected, and one of its microphones was well when it last said so.
    """
    device, link, shot = tables.device, tables.device_link, tables.shot
    query = (
        select(device.c.id, link.c.online, link.c.health)
        .outerjoin(link, link.c.device == device.c.id)
        .where(device.c.agency == agency, device.c.status == str(DeviceStatus.ENROLLED))
        .order_by(device.c.id)
    )
    rows = (await tx.execute(query)).all()
    found: dict[str, Place] = {}
    for row in rows:
        place = _of_health(row.health or {})
        if place is not None:
            found[row.id] = place
    unknown = [row.id for row in rows if row.id not in found]
    if unknown:
        latest = (
            select(func.max(shot.c.id))
            .where(shot.c.agency == agency, shot.c.device.in_(unknown), shot.c.position.is_not(None))
            .group_by(shot.c.device)
        )
        for one in await tx.execute(select(shot.c.device, shot.c.position, shot.c.offset).where(shot.c.id.in_(latest))):
            place = place_of(one.position, one.offset)
            if place is not None:
                found[one.device] = place
    listening = [row.id for row in rows if row.online and row.id in found and _listens(row.health or {})]
    return found, tuple(Listener(one, found[one]) for one in listening)


async def points(tx: AsyncConnection, devices: Collection[str]) -> dict[str, Point]:
    """Return where those of ``devices`` stand that say so in their health."""
    link = tables.device_link
    rows = await tx.execute(select(link.c.device, link.c.health).where(link.c.device.in_(sorted(devices))))
    found = {row.device: _of_health(row.health or {}) for row in rows}
    return {device: (place.latitude, place.longitude) for device, place in found.items() if place is not None}


def _of_health(health: Mapping[str, Any]) -> Place | None:
    position, offset = health.get("position"), health.get("offset")
    if position is None:
        return None
    return place_of(
        (position["latitude_e7"], position["longitude_e7"], position["error_cm"]),
        None if offset is None else (offset["east_mm"], offset["north_mm"], offset["up_mm"]),
    )


def _listens(health: Mapping[str, Any]) -> bool:
    return any(one["kind"] == _MICROPHONE and one["state"] == _OK for one in health.get("sources", ()))


@lru_cache(maxsize=256)
def _frame(latitude_e7: int, longitude_e7: int) -> LocalFrame:
    return LocalFrame(latitude_e7 / _E7, longitude_e7 / _E7)
