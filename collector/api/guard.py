"""What every request passes: who asks, whether they may, and whether a page of ours asked.

Order: the permission table names the route or it is refused; a bearer token or the session cookie must be good; a
cookie on a method that changes something needs this page's own Origin; the role must be in the table.
"""

from typing import Annotated, cast

from fastapi import Depends, Request
from fastapi.routing import APIRoute
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer

from collector.api.permissions import may
from collector.errors import AuthenticationError, PermissionDeniedError
from collector.store.users import Principal, Users

COOKIE = "nightjar_session"
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

_bearer = HTTPBearer(auto_error=False, description="`collector user token NAME --label L --days N` makes one.")
_cookie = APIKeyCookie(name=COOKIE, auto_error=False, description="What /api/login sets; 12 hours.")


async def authorise(
    request: Request,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    cookie: Annotated[str | None, Depends(_cookie)],
) -> Principal:
    """Return who asks, once they may.

    Raises:
        AuthenticationError: no credential, or one that is not good.
        PermissionDeniedError: the role may not, or the Origin is another page.
    """
    secret = bearer.credentials if bearer is not None else cookie
    if not secret:
        raise AuthenticationError("log in, or send Authorization: Bearer TOKEN")
    users = cast(Users, request.app.state.users)
    principal = await users.identify(secret)
    if bearer is None and request.method not in _SAFE_METHODS:
        check_origin(request, required=True)
    if not may(principal.role, route_name(request)):
        raise PermissionDeniedError(f"role {principal.role}: may not {route_name(request)}")
    return principal


Asking = Annotated[Principal, Depends(authorise)]
"""A route's parameter that makes it guarded, and says who asks."""


def route_name(request: Request) -> str:
    """The request's route as the permission table names it."""
    route = cast(APIRoute, request.scope["route"])
    return f"{request.method} {route.path}"


def check_origin(request: Request, *, required: bool) -> None:
    """Refuse another page's request.

    Raises:
        PermissionDeniedError: the Origin is not the page's own, or absent where it is required.
    """
    origin = request.headers.get("origin")
    if origin is None and not required:
        return
    scheme = "https" if request.app.state.secure else "http"
    # Compared and never echoed: a browser that was led here under another name sends no cookie of ours either.
    own = f"{scheme}://{request.headers.get('host', '')}"
    if origin != own:
        raise PermissionDeniedError(
            "Origin: expected this collector's own page (or a bearer token instead of a cookie)"
        )
