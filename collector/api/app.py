"""The HTTP application: routes, what guards them, and how errors are said.

One application serves one store. Nothing here keeps state but the login throttle and the open streams; both may be
lost at any time. Owned by the event loop.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from fastapi import FastAPI
from starlette.types import ASGIApp

from collector.alerts.acting import Acting
from collector.alerts.rules import Rules
from collector.api import alerts, answers, detections, devices, hotlists, incidents, ledger, page, sessions
from collector.api.headers import SecurityHeaders
from collector.api.login import Login
from collector.api.passwords import Passwords
from collector.api.pictures import Pictures
from collector.api.stream import HEARTBEAT_S, Streams
from collector.config import Hotlists
from collector.incidents.verdicts import Verdicts
from collector.store.database import Store
from collector.store.feed import FeedSignal
from collector.store.users import Users
from edge_wire.clock import Clock

# The largest body that any route takes is a login.
_MOST_BODY_BYTES: Final = 16_384
_DESCRIPTION: Final = """\
Plate reads, shots and alerts of one collector. Send `Authorization: Bearer TOKEN`; an administrator makes one with
`collector user token NAME --label L --days N`. Browsers log in and get a session cookie instead.

`GET /api/stream` says everything that changes as it changes: follow it rather than asking again and again.
"""


class _Application(FastAPI):
    """FastAPI, with the security headers outside of everything, the answers to its own failures included."""

    def build_middleware_stack(self) -> ASGIApp:
        return SecurityHeaders(super().build_middleware_stack(), secure=self.state.secure)


def create_app(
    store: Store,
    users: Users,
    feed_signal: FeedSignal,
    pictures: Pictures,
    console_folder: Path | None,
    clock: Clock,
    *,
    secure: bool,
    hearing: Callable[[], bool],
    verdicts: Verdicts,
    rules: Rules | None = None,
    lists: Hotlists | None = None,
    passwords: Passwords | None = None,
    heartbeat_s: float = HEARTBEAT_S,
) -> FastAPI:
    """Make the application.

    Args:
        store: what is served.
        users: who may ask.
        feed_signal: wakes the streams; ``store.committed``.
        pictures: the files that have arrived.
        console_folder: the built operators' page; None answers ``/`` with how to build it.
        clock: UTC for what is stored and shown, boot time for the login throttle.
        secure: whether browsers reach it by HTTPS: cookies and Origin depend on it.
        hearing: whether what devices say can arrive now.
        verdicts: takes what people say of incidents, and their requests for recordings.
        rules: who sees which alerts, and how long a confirmation may take.
        lists: the settings of hotlists, by which they want attention.
        passwords: how passwords are verified.
        heartbeat_s: how often a quiet stream says that it lives.
    """
    app = _Application(
        title="Nightjar collector",
        version="1",
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        max_body_size=_MOST_BODY_BYTES,
        redirect_slashes=False,  # The redirect would lead to whatever host the request named.
    )
    app.state.secure = secure
    app.state.store = store
    app.state.users = users
    app.state.pictures = pictures
    app.state.clock = clock
    app.state.hearing = hearing
    app.state.verdicts = verdicts
    app.state.hotlists = lists or Hotlists()
    acting = Acting(store, rules or Rules())
    app.state.acting = acting
    app.state.login = Login(users, passwords or Passwords(), clock)
    app.state.streams = Streams(store, users, feed_signal, clock, hearing, acting.rules, heartbeat_s=heartbeat_s)
    answers.install(app)
    for router in (
        sessions.router,
        alerts.router,
        detections.router,
        devices.router,
        incidents.router,
        hotlists.router,
        ledger.router,
        page.router,
    ):
        # Taken as they are rather than included, so that `app.routes` is the flat list that a test can hold against
        # the permission table.
        app.router.routes.extend(router.routes)
    page.install(app, console_folder)
    return app


def stop_streams(app: FastAPI) -> None:
    """End every open stream, so that the server can end."""
    streams: Streams = app.state.streams
    streams.stop()
