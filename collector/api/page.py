"""Routes: the operators' page, the description of the API, and whether the collector is well. All open."""

from collections.abc import Callable
from pathlib import Path
from typing import Final, cast

import structlog
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import FileResponse, HTMLResponse, PlainTextResponse
from fastapi.staticfiles import StaticFiles
from starlette.responses import Response as StarletteResponse

from collector.api import docs_page
from collector.api.schema import Health
from collector.errors import StoreError
from collector.store import feed
from collector.store.database import Store

router = APIRouter()
_log = structlog.get_logger()

# The names carry a hash of the content, so a new build has new names.
_ASSET_IS_FOR_EVER: Final = "public, max-age=31536000, immutable"


class _Assets(StaticFiles):
    def file_response(self, *args: object, **kwargs: object) -> StarletteResponse:
        response = super().file_response(*args, **kwargs)  # type: ignore[arg-type]  # passed through untouched
        response.headers["Cache-Control"] = _ASSET_IS_FOR_EVER
        return response


def install(app: FastAPI, console_folder: Path | None) -> None:
    """Serve the built page at ``/`` and its files under ``/assets``."""

    @app.get("/", include_in_schema=False)
    async def index() -> Response:
        if console_folder is None:
            return PlainTextResponse(
                "The operators' page has not been built (scripts/setup does it). See /docs.\n", 404
            )
        return FileResponse(console_folder / "index.html")

    if console_folder is not None:
        app.mount("/assets", _Assets(directory=console_folder / "assets"), name="assets")


@router.get("/healthz", responses={503: {"model": Health, "description": "The store or the broker does not answer"}})
async def healthz(request: Request, response: Response) -> Health:
    """Whether the collector can serve and hear its devices: 200 or 503, and nothing about what it holds."""
    try:
        async with cast(Store, request.app.state.store).read() as tx:
            await feed.last(tx)
        store = True
    except StoreError as error:
        # The reason names files of the machine: it is for the log, not for whoever asks.
        _log.error("the store does not answer", reason=str(error))
        store = False
    hearing = cast(Callable[[], bool], request.app.state.hearing)()
    if not (store and hearing):
        response.status_code = 503
    return Health(
        ok=store and hearing,
        store="ok" if store else "failing",
        broker="connected" if hearing else "disconnected",
    )


@router.get("/docs", include_in_schema=False)
async def docs(request: Request) -> HTMLResponse:
    """The description of the API for people."""
    return HTMLResponse(docs_page.render(request.app.openapi()))


@router.get("/docs/style.css", include_in_schema=False)
async def docs_style() -> Response:
    """How that page looks; apart from it, because the policy allows no style inside."""
    return Response(docs_page.STYLE, media_type="text/css")
