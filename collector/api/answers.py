"""How failures are said: one status for each class of error, and a text under ``detail``.

What a client sent is never repeated in full: a login's answer must not hold its password.
"""

from typing import Any, Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from collector.api.schema import Problem
from collector.api.throttle import TooManyAttemptsError
from collector.errors import AuthenticationError, ConflictError, NotFoundError, PermissionDeniedError, StoreError

_RETRY_AFTER_S: Final = 5
_log = structlog.get_logger()

Responses = dict[int | str, dict[str, Any]]
REFUSED: Final[Responses] = {
    401: {"model": Problem, "description": "Nobody we know: no token or session, or one that is no longer good"},
    403: {"model": Problem, "description": "The role may not, or another site's page asked"},
    422: {"model": Problem, "description": "A parameter is not what it should be"},
    503: {"model": Problem, "description": "The store does not answer; try again"},
}
"""What every guarded route may answer besides."""
MISSING: Final[Responses] = {404: {"model": Problem, "description": "There is none"}}
CONFLICTING: Final[Responses] = {409: {"model": Problem, "description": "It cannot be done to it as it stands"}}


def install(app: FastAPI) -> None:
    """Give every class of error its answer."""

    @app.exception_handler(TooManyAttemptsError)
    async def wait(_: Request, error: TooManyAttemptsError) -> JSONResponse:
        return _answer(429, str(error), {"Retry-After": str(error.wait_s)})

    @app.exception_handler(AuthenticationError)
    async def unknown(_: Request, error: AuthenticationError) -> JSONResponse:
        return _answer(401, str(error), {"WWW-Authenticate": "Bearer"})

    @app.exception_handler(PermissionDeniedError)
    async def forbidden(_: Request, error: PermissionDeniedError) -> JSONResponse:
        return _answer(403, str(error))

    @app.exception_handler(NotFoundError)
    async def missing(_: Request, error: NotFoundError) -> JSONResponse:
        return _answer(404, str(error))

    @app.exception_handler(ConflictError)
    async def conflicting(_: Request, error: ConflictError) -> JSONResponse:
        return _answer(409, str(error))

    @app.exception_handler(StoreError)
    async def unavailable(request: Request, error: StoreError) -> JSONResponse:
        # The reason names files of the machine: it is for the log, not for whoever asks.
        _log.error("a request failed: the store does not answer", path=request.url.path, reason=str(error))
        return _answer(503, "the store does not answer", {"Retry-After": str(_RETRY_AFTER_S)})

    @app.exception_handler(RequestValidationError)
    async def malformed(_: Request, error: RequestValidationError) -> JSONResponse:
        found = (f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        return _answer(422, "; ".join(found))

    @app.exception_handler(Exception)
    async def broken(_: Request, _error: Exception) -> JSONResponse:
        # uvicorn logs the traceback; the client learns only that it was not its fault.
        return _answer(500, "the collector failed; its log says why")


def _answer(status: int, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"detail": detail}, status, headers)
