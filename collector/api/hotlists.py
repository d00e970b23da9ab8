"""Routes: what hotlists want of people, and what these decide."""

from typing import Annotated, cast

from fastapi import APIRouter, Body, Request

from collector.api.answers import CONFLICTING, MISSING, REFUSED
from collector.api.detections import Id, store_of
from collector.api.guard import Asking
from collector.api.schema.hotlists import Attention, Attentions, Decided, Rejection, Reviewed
from collector.api.times import rfc3339
from collector.config import Hotlists
from collector.hotlists import reviewing
from collector.hotlists.attention import attention
from edge_wire.clock import Clock

router = APIRouter(prefix="/api", responses=REFUSED, tags=["hotlists"])
_STEP = {**MISSING, **CONFLICTING}


@router.get("/hotlists/attention")
async def list_attention(request: Request, _: Asking) -> Attentions:
    """Entries to review or about to end, deliveries held back or missed, feeds that fail, lists that grow old."""
    settings = cast(Hotlists, request.app.state.hotlists)
    async with store_of(request).read() as tx:
        found = await attention(tx, settings, _now_ns(request))
    return Attentions(
        attention=[
            Attention(
                subject=one.subject.value,
                urgent=one.urgent,
                list=one.list,
                text=one.text,
                since=rfc3339(one.since_ns),
                due=None if one.due_ns is None else rfc3339(one.due_ns),
                entry=one.entry,
                snapshot=one.snapshot,
                feed=one.feed,
            )
            for one in found
        ]
    )


@router.post("/hotlists/entries/{entry_id}/approve", responses=_STEP)
async def approve_entry(request: Request, principal: Asking, entry_id: Id) -> Reviewed:
    """Let an entry stand that somebody else has added."""
    done = await reviewing.approve(store_of(request), entry_id, who=principal.name, at_ns=_now_ns(request))
    return Reviewed(entry=entry_id, stands=True, reviewed_by=done.reviewed_by or principal.name, recalled=[])


@router.post("/hotlists/entries/{entry_id}/reject", responses=_STEP)
async def reject_entry(
    request: Request, principal: Asking, entry_id: Id, given: Annotated[Rejection, Body()]
) -> Reviewed:
    """Take an entry off its list that somebody else has added, and recall its open alerts."""
    at_ns = _now_ns(request)
    done = await reviewing.reject(store_of(request), entry_id, given.reason, who=principal.name, at_ns=at_ns)
    return Reviewed(entry=entry_id, stands=False, reviewed_by=principal.name, recalled=list(done.recalled))


@router.post("/hotlists/snapshots/{snapshot_id}/approve", responses=_STEP)
async def approve_snapshot(request: Request, principal: Asking, snapshot_id: Id) -> Decided:
    """Put a delivery in force that was held back: it is within seconds."""
    return await _decide(request, snapshot_id, approved=True, who=principal.name)


@router.post("/hotlists/snapshots/{snapshot_id}/refuse", responses=_STEP)
async def refuse_snapshot(request: Request, principal: Asking, snapshot_id: Id) -> Decided:
    """Leave a delivery out that was held back; nobody is asked about the same bytes again."""
    return await _decide(request, snapshot_id, approved=False, who=principal.name)


async def _decide(request: Request, snapshot_id: int, *, approved: bool, who: str) -> Decided:
    at_ns = _now_ns(request)
    done = await reviewing.decide(store_of(request), snapshot_id, approved=approved, who=who, at_ns=at_ns)
    return Decided(snapshot=done.id, feed=done.feed, list=done.list, state="approved" if approved else "refused")


def _now_ns(request: Request) -> int:
    return cast(Clock, request.app.state.clock).utc_ns()
