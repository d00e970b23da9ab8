"""What is open: the page, the description, the health; and the headers on all of it."""

import re
from pathlib import Path
from typing import Any

import pytest

from collector.api.app import create_app
from collector.api.docs_page import render
from collector.api.headers import CONTENT_SECURITY_POLICY
from collector.api.permissions import ALLOWED, EVERYBODY
from collector.store.users import Role

# What these ask of the store, its own tests ask on both databases.
STORES = ("sqlite",)


@pytest.fixture
def console(tmp_path: Path) -> Path:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<!doctype html><title>desk</title>")
    (tmp_path / "assets" / "index-abc.js").write_text("void 0;")
    (tmp_path / "secret.txt").write_text("no")
    return tmp_path


@pytest.mark.parametrize(
    "path", ["/", "/healthz", "/docs", "/openapi.json", "/api/me", "/api/nothing", "/api/alerts?limit=x"]
)
async def test_every_answer_carries_the_security_headers(desk: Any, path: str) -> None:
    async with desk.client() as client:
        answer = await client.get(path)
    assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    assert "strict-transport-security" not in answer.headers
    assert "access-control-allow-origin" not in answer.headers


async def test_a_failure_of_ours_is_said_without_its_reason_and_with_the_headers(desk: Any) -> None:
    desk.pictures.folder = None
    async with desk.client(Role.OPERATOR) as client:
        answer = await client.get("/api/pictures/" + "0" * 64)
    assert answer.status_code == 500
    assert answer.json() == {"detail": "the collector failed; its log says why"}
    assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY


async def test_health_follows_the_store_and_tells_nothing_else(desk: Any) -> None:
    async with desk.client() as client:
        well = await client.get("/healthz")
        async with desk.store.write() as tx:
            await tx.exec_driver_sql("DROP TABLE feed")
        ill = await client.get("/healthz")
    assert (well.status_code, well.json()) == (200, {"ok": True, "store": "ok", "broker": "connected"})
    assert (ill.status_code, ill.json()) == (503, {"ok": False, "store": "failing", "broker": "connected"})


async def test_health_says_when_no_device_can_be_heard(desk: Any) -> None:
    desk.hearing = False
    async with desk.client() as client:
        answer = await client.get("/healthz")
    assert (answer.status_code, answer.json()) == (503, {"ok": False, "store": "ok", "broker": "disconnected"})


async def test_the_page_and_its_assets_are_served_and_nothing_beside_them(desk: Any, console: Path, clock: Any) -> None:
    desk.app = create_app(
        desk.store,
        desk.users,
        desk.store.committed,
        desk.pictures,
        console,
        clock,
        secure=False,
        hearing=lambda: True,
        verdicts=desk.verdicts,
    )
    async with desk.client() as client:
        page = await client.get("/")
        script = await client.get("/assets/index-abc.js")
        others = [
            await client.get(path)
            for path in ("/assets/../secret.txt", "/assets/%2e%2e/secret.txt", "/assets/", "/secret.txt")
        ]
    assert "desk" in page.text
    assert page.headers["cache-control"] == "no-store"
    assert script.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert script.headers["content-type"].startswith("text/javascript")
    assert [answer.status_code for answer in others] == [404] * 4


async def test_what_a_request_calls_this_host_is_never_repeated(desk: Any) -> None:
    async with desk.client() as client:
        for path in ("/", "/docs", "/docs/", "/api/me", "/api/me/", "/assets", "/openapi.json", "//evil.test/"):
            answer = await client.get(path, headers={"Host": "evil.test", "X-Forwarded-Host": "evil.test"})
            assert "evil.test" not in f"{answer.headers} {answer.text}"


async def test_without_a_built_page_it_says_so(desk: Any) -> None:
    async with desk.client() as client:
        answer = await client.get("/")
    assert answer.status_code == 404
    assert "has not been built" in answer.text


async def test_openapi_describes_every_route_with_its_answer_and_what_it_needs(desk: Any) -> None:
    async with desk.client() as client:
        document = (await client.get("/openapi.json")).json()
    assert set(document["components"]["securitySchemes"]) == {"HTTPBearer", "APIKeyCookie"}
    described = {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    hidden = {"GET /openapi.json", "GET /docs", "GET /docs/style.css", "GET /", "GET /assets"}
    assert set(described) == set(ALLOWED) - hidden
    for name, operation in described.items():
        assert operation["description"], name
        assert bool(operation.get("security")) is (ALLOWED[name] is not EVERYBODY), name
        answers = operation["responses"]
        if "204" not in answers:
            content = (answers.get("200") or answers["202"])["content"]
            assert all(one.get("schema") != {} for one in content.values()) or "image/jpeg" in content, name
        if ALLOWED[name] is not EVERYBODY:
            assert {"401", "403", "503"} <= set(answers), name


async def test_the_description_names_every_route_and_loads_nothing_from_elsewhere(desk: Any) -> None:
    async with desk.client() as client:
        page = (await client.get("/docs")).text
        style = await client.get("/docs/style.css")
        for path, methods in desk.app.openapi()["paths"].items():
            for method in methods:
                assert f"<code>{method.upper()} {path}</code>" in page
    assert style.headers["content-type"].startswith("text/css")
    assert "url(" not in style.text
    links = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert links
    assert all(link.startswith(("/docs/", "/openapi.json", "#")) for link in links)
    assert not re.search(r"<script|style=|onclick", page)
    for anchor in {link for link in links if link.startswith("#")}:
        assert f'id="{anchor[1:]}"' in page


def test_the_description_escapes_what_it_shows() -> None:
    page = render(
        {
            "info": {"title": "<b>", "description": "a & `b<c`"},
            "paths": {"/<x>": {"get": {"description": "<i>", "responses": {"200": {"description": "<u>"}}}}},
        }
    )
    assert "<b>" not in page
    assert "<i>" not in page
    assert "<u>" not in page
    assert "a &amp; <code>b&lt;c</code>" in page
