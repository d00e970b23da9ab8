"""The permission table against the application itself, route by route and role by role."""

import re
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.routing import Mount, Route

from collector.api.guard import authorise
from collector.api.permissions import ALLOWED, EVERYBODY, STREAMED, may
from collector.store.feed import FeedKind
from collector.store.users import Role

# What these ask of the store, its own tests ask on both databases.
STORES = ("sqlite",)

OPERATORS = {Role.OPERATOR, Role.SUPERVISOR, Role.ADMINISTRATOR}
ALL = set(Role)
NOT_LISTS = ALL - {Role.HOTLIST_MANAGER}
# Written out apart from the code's own table: a change there has to be meant twice.
EXPECTED: dict[str, set[Role]] = {
    "POST /api/logout": ALL,
    "GET /api/me": ALL,
    "GET /api/alerts": NOT_LISTS,
    "GET /api/alerts/{alert_id}": NOT_LISTS,
    "POST /api/alerts/{alert_id}/acknowledge": OPERATORS,
    "POST /api/alerts/{alert_id}/close": OPERATORS,
    "POST /api/alerts/{alert_id}/reopen": {Role.SUPERVISOR, Role.ADMINISTRATOR},
    "POST /api/alerts/{alert_id}/image-check": OPERATORS,
    "POST /api/alerts/{alert_id}/record-check": OPERATORS,
    "POST /api/alerts/{alert_id}/field-outcome": OPERATORS,
    "POST /api/alerts/{alert_id}/mute": OPERATORS,
    "POST /api/alerts/{alert_id}/exclusion": {Role.SUPERVISOR, Role.ADMINISTRATOR},
    "GET /api/reads": NOT_LISTS,
    "GET /api/passages": NOT_LISTS,
    "GET /api/passages/{passage_id}": NOT_LISTS,
    "GET /api/shots": ALL,
    "GET /api/incidents": NOT_LISTS,
    "GET /api/incidents/{incident_id}": NOT_LISTS,
    "GET /api/incidents/{incident_id}/revisions": NOT_LISTS,
    "POST /api/incidents/{incident_id}/verdict": OPERATORS,
    "POST /api/incidents/{incident_id}/recordings": {Role.SUPERVISOR, Role.ADMINISTRATOR},
    "GET /api/hotlists/attention": {Role.SUPERVISOR, Role.HOTLIST_MANAGER, Role.ADMINISTRATOR},
    "POST /api/hotlists/snapshots/{snapshot_id}/approve": {
        Role.SUPERVISOR,
        Role.HOTLIST_MANAGER,
        Role.ADMINISTRATOR,
    },
    "POST /api/hotlists/snapshots/{snapshot_id}/refuse": {Role.SUPERVISOR, Role.HOTLIST_MANAGER, Role.ADMINISTRATOR},
    "POST /api/hotlists/entries/{entry_id}/approve": {Role.SUPERVISOR, Role.ADMINISTRATOR},
    "POST /api/hotlists/entries/{entry_id}/reject": {Role.SUPERVISOR, Role.ADMINISTRATOR},
    "GET /api/ledger": {Role.SUPERVISOR, Role.AUDITOR, Role.ADMINISTRATOR},
    "GET /api/clips/{sha256}": NOT_LISTS,
    "GET /api/devices": ALL,
    "GET /api/devices/{device_id}": ALL,
    "GET /api/devices/{device_id}/changes": ALL,
    "GET /api/pictures/{sha256}": NOT_LISTS,
    "GET /api/stream": ALL,
}
BODIES = {
    "verdict": {"verdict": "unsure"},
    "close": {"disposition": "no-action"},
    "reopen": {},
    "reject": {"reason": "no case"},
    "image-check": {"plate": "match", "state": "match", "vehicle": "cannot-tell"},
    "record-check": {"status": "not-run"},
    "field-outcome": {"outcome": "no-contact"},
    "exclusion": {"true_plate": "7ABC128", "reason": "an 8"},
}
OPEN = {
    "GET /healthz",
    "GET /docs",
    "GET /docs/style.css",
    "GET /openapi.json",
    "GET /",
    "GET /assets",
    "POST /api/login",
}


def routes_of(app: FastAPI) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for route in app.routes:
        if isinstance(route, Mount):
            found[f"GET {route.path}"] = route
            continue
        assert isinstance(route, Route | APIRoute), f"{route}: a kind of route that this test does not know"
        for method in (route.methods or set()) - {"HEAD"}:
            found[f"{method} {route.path}"] = route
    return found


def guarded(dependant: Dependant) -> bool:
    return any(one.call is authorise or guarded(one) for one in dependant.dependencies)


def test_every_route_is_declared(desk: Any) -> None:
    undeclared = set(routes_of(desk.app)) - set(ALLOWED)
    assert not undeclared, "say in collector/api/permissions.py who may use it"


def test_the_table_is_what_was_meant() -> None:
    assert {route: set(roles) for route, roles in ALLOWED.items() if roles is not EVERYBODY} == EXPECTED
    assert {route for route, roles in ALLOWED.items() if roles is EVERYBODY} == OPEN


def test_every_route_that_is_not_open_is_guarded(desk: Any) -> None:
    for name, route in routes_of(desk.app).items():
        if ALLOWED[name] is not EVERYBODY:
            assert isinstance(route, APIRoute)
            assert guarded(route.dependant), name


def _concrete(name: str) -> tuple[str, str]:
    method, path = name.split()
    return method, re.sub("{[a-z]+_id}", "1", path).replace("{sha256}", "0" * 64)


@pytest.mark.parametrize("name", sorted(EXPECTED))
async def test_nothing_is_told_without_a_token(desk: Any, name: str) -> None:
    method, path = _concrete(name)
    for headers in (
        {},
        {"Authorization": "Bearer " + "0" * 64},
        {"Authorization": "Basic YTpi"},
        {"Cookie": "nightjar_session=x"},
    ):
        async with desk.client() as client:
            answer = await client.request(method, path, headers=headers)
        assert answer.status_code == 401
        assert set(answer.json()) == {"detail"}
        assert "7ABC123" not in answer.text


@pytest.mark.parametrize("name", sorted(set(EXPECTED) - {"GET /api/stream"}))
async def test_each_role_gets_what_the_table_says(desk: Any, name: str) -> None:
    method, path = _concrete(name)
    answered = {}
    for role in Role:
        async with desk.client(role) as client:
            answer = await client.request(method, path, json=BODIES.get(path.rpartition("/")[2]))
        answered[role] = answer.status_code
    assert {role for role, status in answered.items() if status == 403} == ALL - EXPECTED[name]
    # 409: not to an alert as it stands.
    assert set(answered.values()) <= {200, 204, 403, 404, 409}


def test_the_stream_withholds_detections_of_listed_vehicles_from_who_keeps_the_lists() -> None:
    seen = {kind for kind, roles in STREAMED.items() if Role.HOTLIST_MANAGER in roles}
    assert seen == {FeedKind.SHOT, FeedKind.DEVICE}
    for role in NOT_LISTS:
        assert all(role in STREAMED[kind] for kind in FeedKind)


def test_a_route_that_nobody_declared_is_refused() -> None:
    assert not any(may(role, "GET /api/secret") for role in Role)
