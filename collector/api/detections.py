"""Routes: what devices detected, what was made of it, and the stream of all of it."""

from typing import Annotated, Any, Final, cast

from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.responses import StreamingResponse

from collector.api import present
from collector.api.answers import MISSING, REFUSED
from collector.api.guard import Asking
from collector.api.pictures import Pictures, jpeg
from collector.api.schema import Passage, Passages, Reads, Shots
from collector.api.stream import Streams
from collector.errors import NotFoundError
from collector.store import queries
from collector.store.database import Store

router = APIRouter(prefix="/api", responses=REFUSED, tags=["detections"])

_LARGEST: Final = 2**63 - 1  # what a row's id and a feed number can be
FILE_IS_FOR_EVER: Final = "private, max-age=31536000, immutable"

Sha256 = Annotated[str, Path(pattern="^[0-9a-f]{64}$")]
Id = Annotated[int, Path(ge=1, le=_LARGEST)]
Limit = Annotated[int, Query(ge=1, le=queries.MAX_PAGE, description="at most so many")]
Plate = Annotated[
    str | None, Query(min_length=1, max_length=24, description="only this text; case and separators do not count")
]
Before = Annotated[int | None, Query(ge=1, le=_LARGEST, description="only ids below: the last id of the page before")]


@router.get("/reads")
async def list_reads(
    request: Request, _: Asking, plate: Plate = None, limit: Limit = 50, before: Before = None
) -> Reads:
    """Plate reads, newest first."""
    async with store_of(request).read() as tx:
        found = await queries.reads(tx, plate=plate, limit=limit, before=before)
    return Reads(reads=[present.read(read) for read in found])


@router.get("/passages")
async def list_passages(
    request: Request, _: Asking, plate: Plate = None, limit: Limit = 50, before: Before = None
) -> Passages:
    """Vehicles that several reads of one site saw, each with those reads, newest first.

    With `plate` those of which a read says so.
    """
    async with store_of(request).read() as tx:
        found = await queries.passages(tx, plate=plate, limit=limit, before=before)
    return Passages(passages=[present.passage(one) for one in found])


@router.get("/passages/{passage_id}", responses=MISSING)
async def show_passage(request: Request, _: Asking, passage_id: Id) -> Passage:
    """One passage with its reads."""
    async with store_of(request).read() as tx:
        found = (await queries.passages_by_id(tx, [passage_id])).get(passage_id)
    if found is None:
        raise NotFoundError(f"passage {passage_id}: there is no such passage")
    return present.passage(found)


@router.get("/shots")
async def list_shots(request: Request, _: Asking, limit: Limit = 50, before: Before = None) -> Shots:
    """Shots as single sensors heard them, newest first."""
    async with store_of(request).read() as tx:
        found = await queries.shots(tx, limit=limit, before=before)
    return Shots(shots=[present.shot(shot) for shot in found])


@router.get(
    "/pictures/{sha256}",
    response_class=Response,
    responses={**MISSING, 200: {"content": {"image/jpeg": {}}, "description": "exactly the bytes with this hash"}},
)
async def show_picture(request: Request, _: Asking, sha256: Sha256) -> Response:
    """A crop, frame or overview; 404 while it has not arrived."""
    content = await jpeg(cast(Pictures, request.app.state.pictures), bytes.fromhex(sha256))
    return Response(content, media_type="image/jpeg", headers={"Cache-Control": FILE_IS_FOR_EVER})


_STREAM_ANSWER: Final[dict[str, Any]] = {
    "description": (
        "Server-sent events. `id:` is the feed number, one ascending number over everything; `event:` is `alert`, "
        "`read`, `passage`, `shot`, `incident`, `picture` or `device`; `data:` is the object as it is now, as the "
        "other routes show it (`picture`: `{sha256, part, read}`). `event: heartbeat` with `{at, ingest}` comes at the "
        "beginning and every 5 s; `ingest` is `disconnected` while nothing that devices say can arrive."
    ),
    "content": {"text/event-stream": {"schema": {"type": "string"}}},
}


@router.get("/stream", response_class=StreamingResponse, responses={200: _STREAM_ANSWER})
async def follow(
    request: Request,
    principal: Asking,
    after: Annotated[int | None, Query(ge=0, le=_LARGEST, description="begin behind this feed number")] = None,
    last_event_id: Annotated[
        int | None, Header(ge=0, le=_LARGEST, description="the same, as browsers send it; it wins over `after`")
    ] = None,
) -> StreamingResponse:
    """Everything as it changes. With neither number it begins now."""
    streams = cast(Streams, request.app.state.streams)
    cursor = await streams.first(after if last_event_id is None else last_event_id)
    return StreamingResponse(streams.follow(principal, cursor), media_type="text/event-stream")


def store_of(request: Request) -> Store:
    """The store that is served."""
    return cast(Store, request.app.state.store)
