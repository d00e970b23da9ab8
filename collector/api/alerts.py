"""Routes: alerts, and what people do with them.

An alert that somebody may not see (a covert entry, a category of other roles) is not in their lists, and answers 404.
"""

from typing import Annotated, cast

from fastapi import APIRouter, Body, Query, Request

from collector import domain
from collector.alerts.acting import Acting
from collector.alerts.hand_off import with_handling
from collector.api import present
from collector.api.answers import CONFLICTING, MISSING, REFUSED
from collector.api.detections import Before, Id, Limit, store_of
from collector.api.guard import Asking
from collector.api.schema import (
    Alert,
    AlertInFull,
    Alerts,
    Closing,
    Exclusion,
    ImageChecked,
    OutcomeTold,
    RecordChecked,
    Reopening,
)
from collector.errors import NotFoundError
from collector.store import alert_changes, queries
from edge_wire.clock import Clock

router = APIRouter(prefix="/api", responses=REFUSED, tags=["alerts"])

# PostgreSQL knows no text with NUL in it.
_Name = Annotated[str | None, Query(min_length=1, max_length=64, pattern="^[^\\x00]*$")]
_STEP = {**MISSING, **CONFLICTING}


@router.get("/alerts")
async def list_alerts(
    request: Request,
    principal: Asking,
    state: Annotated[domain.AlertState | None, Query(description="what people did with them")] = None,
    listed: Annotated[_Name, Query(alias="list", description="only of this hotlist")] = None,
    severity: Annotated[_Name, Query(description="only of this severity, in the list's own word")] = None,
    site: Annotated[_Name, Query(description="only those whose latest read was there")] = None,
    limit: Limit = 50,
    before: Before = None,
) -> Alerts:
    """Alerts, newest first."""
    wanted = queries.Wanted(state, listed, severity, site)
    async with store_of(request).read() as tx:
        found = await queries.alerts(tx, wanted, sees=_acting(request).sees(principal), limit=limit, before=before)
    return Alerts(alerts=[_shown(request, alert) for alert in found])


@router.get("/alerts/{alert_id}", responses=MISSING)
async def show_alert(request: Request, principal: Asking, alert_id: Id) -> AlertInFull:
    """One alert with all its reads and everything that was done to it."""
    async with store_of(request).read() as tx:
        found = (await queries.alerts_by_id(tx, [alert_id])).get(alert_id)
        if found is None or not _acting(request).sees(principal)(found):
            raise NotFoundError(f"alert {alert_id}: there is no such alert")
        reads = await queries.reads_of_alert(tx, alert_id)
        changes = await alert_changes.of_alert(tx, alert_id)
    return present.alert_in_full(with_handling(found, _acting(request).rules.handling_of), reads, changes)


@router.post("/alerts/{alert_id}/acknowledge", responses=MISSING)
async def acknowledge_alert(request: Request, principal: Asking, alert_id: Id) -> Alert:
    """Say that a person has seen it. Of several who do, the first one's name stays."""
    return _shown(request, await _acting(request).acknowledge(alert_id, principal, _now_ns(request)))


@router.post("/alerts/{alert_id}/close", responses=_STEP)
async def close_alert(request: Request, principal: Asking, alert_id: Id, given: Annotated[Closing, Body()]) -> Alert:
    """Say what became of it; nothing closes by itself. Closing what nobody has acknowledged acknowledges it.

    Again with the same disposition changes nothing; another one answers 409, unless it is reopened first.
    """
    disposition = domain.Disposition(given.disposition)
    return _shown(request, await _acting(request).close(alert_id, disposition, given.note, principal, _now_ns(request)))


@router.post("/alerts/{alert_id}/reopen", responses=_STEP)
async def reopen_alert(request: Request, principal: Asking, alert_id: Id, given: Annotated[Reopening, Body()]) -> Alert:
    """Take a disposition back, in the open: it stays among the changes."""
    return _shown(request, await _acting(request).reopen(alert_id, given.note, principal, _now_ns(request)))


@router.post("/alerts/{alert_id}/image-check", responses=_STEP)
async def check_image(
    request: Request, principal: Asking, alert_id: Id, given: Annotated[ImageChecked, Body()]
) -> Alert:
    """Say what the picture shows: plate, state and vehicle, each compared with the entry."""
    plate, state, vehicle = (domain.Check(one) for one in (given.plate, given.state, given.vehicle))
    return _shown(
        request, await _acting(request).check_image(alert_id, plate, state, vehicle, principal, _now_ns(request))
    )


@router.post("/alerts/{alert_id}/record-check", responses=_STEP)
async def check_record(
    request: Request, principal: Asking, alert_id: Id, given: Annotated[RecordChecked, Body()]
) -> Alert:
    """Say what the entry's source said when it was asked again. Until that is `active` nothing is confirmed."""
    status = domain.RecordStatus(given.status)
    return _shown(
        request, await _acting(request).check_record(alert_id, status, given.reference, principal, _now_ns(request))
    )


@router.post("/alerts/{alert_id}/field-outcome", responses=_STEP)
async def tell_outcome(
    request: Request, principal: Asking, alert_id: Id, given: Annotated[OutcomeTold, Body()]
) -> Alert:
    """Say what happened in the field.

    After `stopped`, `recovered` or `arrest` a timer runs until the record is checked (`confirm_by`). After `recovered`
    `ask` says what to ask next.
    """
    outcome, urgent = domain.Outcome(given.outcome), given.priority == "urgent"
    return _shown(
        request, await _acting(request).tell_outcome(alert_id, outcome, principal, _now_ns(request), urgent=urgent)
    )


@router.post("/alerts/{alert_id}/mute", responses=_STEP)
async def mute_entry(request: Request, principal: Asking, alert_id: Id) -> Alert:
    """Let the entry not alert until its list's next version: its source learns late that the vehicle was found."""
    return _shown(request, await _acting(request).mute(alert_id, principal, _now_ns(request)))


@router.post("/alerts/{alert_id}/exclusion", responses=_STEP)
async def exclude_look_alike(
    request: Request, principal: Asking, alert_id: Id, given: Annotated[Exclusion, Body()]
) -> Alert:
    """After a misread: keep that the plate that is truly there is not the entry.

    It demotes only reads that favour the true plate; a read that favours the entry always alerts.
    """
    return _shown(
        request,
        await _acting(request).exclude(
            alert_id, given.true_plate, given.reason, given.days, principal, _now_ns(request)
        ),
    )


def _shown(request: Request, alert: domain.Alert) -> Alert:
    return present.alert(with_handling(alert, _acting(request).rules.handling_of))


def _acting(request: Request) -> Acting:
    return cast(Acting, request.app.state.acting)


def _now_ns(request: Request) -> int:
    return cast(Clock, request.app.state.clock).utc_ns()
