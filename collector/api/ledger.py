"""Route: the loss ledger."""

import asyncio
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request

from collector.api import present
from collector.api.answers import MISSING, REFUSED
from collector.api.detections import store_of
from collector.api.guard import Asking
from collector.api.schema import Ledger
from collector.errors import NotFoundError
from collector.ledger.judging import judge_device
from collector.store import ledger

router = APIRouter(prefix="/api", responses=REFUSED, tags=["ledger"])

# Counting tens of millions of identities takes seconds of a processor; whoever asks meanwhile waits.
_one_at_a_time: Final = asyncio.Lock()


@router.get("/ledger", responses=MISSING)
async def show_ledger(
    request: Request,
    _: Asking,
    device: Annotated[str | None, Query(min_length=1, max_length=40, description="only this device")] = None,
) -> Ledger:
    """What of every stream is here, and what became of the rest; of a large fleet ask for one device at a time."""
    async with _one_at_a_time, store_of(request).read() as tx:
        known = await ledger.devices(tx)
        if device is not None and device not in known:
            raise NotFoundError("device: there is no such device")
        streams = [
            present.account(account)
            for one in (known if device is None else [device])
            for account in judge_device(await ledger.facts_of(tx, one))
        ]
    return Ledger(streams=streams)
