"""Routes: log in, log out, who am I."""

from typing import cast

from fastapi import APIRouter, Request, Response

from collector.api.answers import REFUSED
from collector.api.guard import COOKIE, Asking, check_origin
from collector.api.login import SESSION_LASTS_S, Login
from collector.api.schema import CodeLogin, Me, PasswordLogin, Problem
from collector.store.users import Users

router = APIRouter(prefix="/api", tags=["sessions"])


@router.post(
    "/login",
    responses={
        401: {"model": Problem, "description": "Wrong name, password or code"},
        403: REFUSED[403],
        422: REFUSED[422],
        429: {"model": Problem, "description": "Too many failures; Retry-After says how long to wait"},
        503: REFUSED[503],
    },
)
async def log_in(request: Request, response: Response, proof: PasswordLogin | CodeLogin) -> Me:
    """Log in with a password or a one-time code; sets the session cookie."""
    # Without this another site could log its visitor in here as somebody else.
    check_origin(request, required=False)
    login = cast(Login, request.app.state.login)
    address = request.client.host if request.client is not None else "unknown"
    if isinstance(proof, PasswordLogin):
        secret = await login.with_password(proof.username, proof.password, address)
    else:
        secret = await login.with_code(proof.code, address)
    response.set_cookie(
        COOKIE, secret, max_age=SESSION_LASTS_S, httponly=True, samesite="strict", secure=request.app.state.secure
    )
    principal = await cast(Users, request.app.state.users).identify(secret)
    return Me(user=principal.name, role=principal.role.value)


@router.post("/logout", status_code=204, responses=REFUSED)
async def log_out(request: Request, response: Response, principal: Asking) -> None:
    """End the session; a bearer token stays good until it is revoked by command."""
    await cast(Users, request.app.state.users).end_session(principal)
    response.delete_cookie(COOKIE, httponly=True, samesite="strict", secure=request.app.state.secure)


@router.get("/me", responses=REFUSED)
async def who_am_i(principal: Asking) -> Me:
    """Who is asking."""
    return Me(user=principal.name, role=principal.role.value)
