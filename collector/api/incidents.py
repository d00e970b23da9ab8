"""Routes: shot incidents, their sound, and what people say of them."""

from typing import Annotated, cast

from fastapi import APIRouter, Body, Request, Response

from collector.api import present
from collector.api.answers import MISSING, REFUSED
from collector.api.detections import FILE_IS_FOR_EVER, Before, Id, Limit, Sha256, store_of
from collector.api.guard import Asking
from collector.api.pictures import Pictures, sound
from collector.api.schema import Incident, Incidents, Revisions, VerdictGiven
from collector.domain import VerdictWord
from collector.errors import NotFoundError
from collector.incidents.verdicts import Verdicts
from collector.store import queries
from edge_wire.clock import Clock

router = APIRouter(prefix="/api", responses=REFUSED, tags=["incidents"])


@router.get("/incidents")
async def list_incidents(request: Request, _: Asking, limit: Limit = 50, before: Before = None) -> Incidents:
    """Shot incidents, newest first, also those that raised no alert."""
    async with store_of(request).read() as tx:
        found = await queries.incidents(tx, limit=limit, before=before)
    return Incidents(incidents=[present.incident(one) for one in found])


@router.get("/incidents/{incident_id}", responses=MISSING)
async def show_incident(request: Request, _: Asking, incident_id: Id) -> Incident:
    """One shot incident as it stands now."""
    async with store_of(request).read() as tx:
        found = (await queries.incidents_by_id(tx, [incident_id])).get(incident_id)
    if found is None:
        raise NotFoundError(f"incident {incident_id}: there is no such incident")
    return present.incident(found)


@router.get("/incidents/{incident_id}/revisions", responses=MISSING)
async def list_revisions(request: Request, _: Asking, incident_id: Id) -> Revisions:
    """Everything that was ever known of an incident, and when: nothing that people acted on is overwritten."""
    async with store_of(request).read() as tx:
        found = await queries.incident_revisions(tx, incident_id)
    if not found:
        raise NotFoundError(f"incident {incident_id}: there is no such incident")
    return Revisions(revisions=[present.revision(one) for one in found])


@router.post("/incidents/{incident_id}/verdict", responses=MISSING)
async def give_verdict(
    request: Request, principal: Asking, incident_id: Id, given: Annotated[VerdictGiven, Body()]
) -> Incident:
    """Say what it was. A later verdict takes the place of an earlier one; all are kept.

    Only `gunshot` lets the plate reads nearby be held beyond the first day.
    """
    verdicts, now_ns = _verdicts(request), cast(Clock, request.app.state.clock).utc_ns()
    word = VerdictWord(given.verdict)
    return present.incident(await verdicts.give(incident_id, word, given.what, by=principal.name, at_ns=now_ns))


@router.post("/incidents/{incident_id}/recordings", status_code=202, responses=MISSING)
async def ask_for_recordings(request: Request, principal: Asking, incident_id: Id) -> Incident:
    """Ask the devices for the same seconds as they were heard (FLAC), as far as they still hold them.

    They come as their links allow; the stream tells of each (`picture`, then `incident`).
    """
    verdicts, now_ns = _verdicts(request), cast(Clock, request.app.state.clock).utc_ns()
    return present.incident(await verdicts.ask_for_recordings(incident_id, by=principal.name, at_ns=now_ns))


@router.get(
    "/clips/{sha256}",
    response_class=Response,
    responses={
        **MISSING,
        200: {"content": {"audio/ogg": {}, "audio/flac": {}}, "description": "exactly the bytes with this hash"},
    },
)
async def play_clip(request: Request, _: Asking, sha256: Sha256) -> Response:
    """The seconds around a shot: a clip (Ogg Opus) or a recording (FLAC); 404 while it has not arrived."""
    content, kind = await sound(cast(Pictures, request.app.state.pictures), bytes.fromhex(sha256))
    return Response(content, media_type=kind, headers={"Cache-Control": FILE_IS_FOR_EVER})


def _verdicts(request: Request) -> Verdicts:
    return cast(Verdicts, request.app.state.verdicts)
