"""Routes: devices, how each was when it was last heard, and what changed on it."""

from typing import Annotated

from fastapi import APIRouter, Path, Request

from collector.api import present
from collector.api.answers import MISSING, REFUSED
from collector.api.detections import Before, Limit, store_of
from collector.api.guard import Asking
from collector.api.schema import Device, DeviceChanges, Devices
from collector.errors import NotFoundError
from collector.store import queries

router = APIRouter(prefix="/api", responses=REFUSED, tags=["devices"])

DeviceId = Annotated[str, Path(pattern="^[a-z0-9-]{1,40}$")]


@router.get("/devices")
async def list_devices(request: Request, _: Asking) -> Devices:
    """Every device, by id, and how it was when it was last heard."""
    async with store_of(request).read() as tx:
        found = await queries.devices(tx)
    return Devices(devices=[present.device(device) for device in found])


@router.get("/devices/{device_id}", responses=MISSING)
async def show_device(request: Request, _: Asking, device_id: DeviceId) -> Device:
    """One device, and how it was when it was last heard."""
    async with store_of(request).read() as tx:
        found = await queries.devices(tx, [device_id])
    if not found:
        raise _missing(device_id)
    return present.device(found[0])


@router.get("/devices/{device_id}/changes", responses=MISSING)
async def list_device_changes(
    request: Request, _: Asking, device_id: DeviceId, limit: Limit = 50, before: Before = None
) -> DeviceChanges:
    """What changed on a device, as it says itself: its sources, power, outbox, clock, disk, data plan, agent."""
    async with store_of(request).read() as tx:
        if not await queries.devices(tx, [device_id]):
            raise _missing(device_id)
        found = await queries.device_changes(tx, device_id, limit=limit, before=before)
    return DeviceChanges(changes=[present.device_change(change) for change in found])


def _missing(device_id: str) -> NotFoundError:
    return NotFoundError(f"device {device_id}: there is no such device")
