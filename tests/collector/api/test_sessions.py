import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from argon2 import PasswordHasher

from collector.api.app import create_app
from collector.api.passwords import Passwords
from collector.store.users import CredentialKind, Role

# What these ask of the store, its own tests ask on both databases.
STORES = ("sqlite",)

SECOND_NS = 1_000_000_000
PASSWORD = "correct horse battery"
OWN = {"Origin": "http://desk.test"}
GOOD = {"username": "operator", "password": PASSWORD}


async def test_a_password_logs_in_and_the_cookie_is_kept_from_scripts_and_other_sites(desk: Any) -> None:
    async with desk.client() as client:
        answer = await client.post("/api/login", json=GOOD)
        assert answer.status_code == 200
        assert answer.json() == {"user": "operator", "role": "operator"}
        parts = {part.strip().lower() for part in answer.headers["set-cookie"].split(";")}
        assert {"httponly", "samesite=strict", "path=/", "max-age=43200"} <= parts
        assert "secure" not in parts
        assert (await client.get("/api/me")).json() == {"user": "operator", "role": "operator"}


async def test_under_https_the_cookie_is_secure_and_browsers_are_told_to_stay(desk: Any, clock: Any) -> None:
    cheap = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    desk.app = create_app(
        desk.store,
        desk.users,
        desk.store.committed,
        desk.pictures,
        None,
        clock,
        secure=True,
        hearing=lambda: True,
        verdicts=desk.verdicts,
        passwords=cheap,
    )
    async with desk.client() as client:
        answer = await client.post("/api/login", json=GOOD, headers={"Origin": "https://desk.test"})
    assert "secure" in answer.headers["set-cookie"].lower()
    assert answer.headers["strict-transport-security"].startswith("max-age=")


async def test_a_session_ends_after_twelve_hours_and_at_logout(desk: Any, clock: Any) -> None:
    async with desk.client() as client:
        await client.post("/api/login", json=GOOD)
        assert (await client.post("/api/logout", headers=OWN)).status_code == 204
        assert (await client.get("/api/me")).status_code == 401
        secret = (await client.post("/api/login", json=GOOD)).cookies["nightjar_session"]
        assert (await client.get("/api/me")).status_code == 200
        clock.advance(12 * 3_600 * SECOND_NS)
        assert (await client.get("/api/me", headers={"Cookie": f"nightjar_session={secret}"})).status_code == 401


async def test_a_login_code_is_good_once(desk: Any) -> None:
    code = await desk.users.issue("supervisor", CredentialKind.CODE, "login code", 600 * SECOND_NS, by="test")
    async with desk.client() as client:
        answers = await asyncio.gather(*(client.post("/api/login", json={"code": code}) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401]


@pytest.mark.parametrize(
    "proof",
    [
        {"username": "operator", "password": "wrong"},
        {"username": "nobody", "password": PASSWORD},
        {"username": "(code)", "password": PASSWORD},
        {"username": "opérator", "password": PASSWORD},
        {"code": "0" * 64},
    ],
)
async def test_refusals_are_audited_and_tell_nothing_about_what_was_wrong(desk: Any, proof: dict[str, str]) -> None:
    before = len(await desk.audited())
    async with desk.client() as client:
        answer = await client.post("/api/login", json=proof)
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers
    if "username" in proof:
        assert answer.json() == {"detail": "user name or password: wrong"}
    who = "operator" if proof.get("username") == "operator" else "(unknown)"
    assert (await desk.audited())[before:] == [(who, "login.refuse", who)]


async def test_a_user_without_password_or_disabled_cannot_log_in(desk: Any) -> None:
    await desk.users.add("cad", Role.INTEGRATION, None, by="test")
    await desk.users.disable("operator", by="test")
    async with desk.client() as client:
        for name in ("cad", "operator"):
            for password in ("", PASSWORD):
                answer = await client.post("/api/login", json={"username": name, "password": password})
                assert answer.status_code in (401, 422)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"username": "\\ud800", "password": "s3cret-typed"}',
        b'{"username": "a\\u0000b", "password": 5}',
        b'{"username": "operator", "password": "s3cret-typed", "more": 1}',
        b'{"username": "' + b"a" * 65 + b'", "password": "s3cret-typed"}',
    ],
)
async def test_what_is_no_login_is_refused_without_repeating_the_password(desk: Any, body: bytes) -> None:
    async with desk.client() as client:
        answer = await client.post("/api/login", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert "s3cret" not in answer.text


async def test_a_login_as_large_as_a_film_is_not_read(desk: Any) -> None:
    async def film() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"x" * 10_000

    async with desk.client() as client:
        for content in (b"x" * 20_000, film()):
            answer = await client.post("/api/login", content=content, headers={"Content-Type": "application/json"})
            assert answer.status_code == 413
            assert "content-security-policy" in answer.headers


async def test_guessing_is_slowed_down_by_user_and_address(desk: Any, clock: Any) -> None:
    wrong = GOOD | {"password": "wrong"}
    async with desk.client() as client, desk.client(address="203.0.113.8") as elsewhere:
        statuses = [(await client.post("/api/login", json=wrong)).status_code for _ in range(6)]
        assert statuses == [401] * 5 + [429]
        refused = await client.post("/api/login", json=GOOD)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
        assert (await elsewhere.post("/api/login", json=GOOD)).status_code == 200
        clock.advance(SECOND_NS)
        assert (await client.post("/api/login", json=GOOD)).status_code == 200


async def test_guesses_made_at_once_are_counted_before_they_are_answered(desk: Any) -> None:
    wrong = GOOD | {"password": "wrong"}
    async with desk.client() as client:
        answers = await asyncio.gather(*(client.post("/api/login", json=wrong) for _ in range(20)))
    assert sum(answer.status_code == 401 for answer in answers) == 5


@pytest.mark.parametrize("origin", ["http://evil.test", "https://desk.test", "null", "http://desk.test.evil.test", ""])
async def test_another_page_cannot_act_with_the_cookie(desk: Any, origin: str) -> None:
    async with desk.client() as client:
        assert (await client.post("/api/login", json=GOOD, headers={"Origin": origin})).status_code == 403
        await client.post("/api/login", json=GOOD, headers=OWN)
        assert (await client.post("/api/alerts/1/acknowledge", headers={"Origin": origin})).status_code == 403
        assert (await client.post("/api/alerts/1/acknowledge")).status_code == 403
        assert (await client.post("/api/alerts/1/acknowledge", headers=OWN)).status_code == 200


async def test_a_token_needs_no_origin_and_wins_over_a_cookie(desk: Any) -> None:
    async with desk.client(Role.SUPERVISOR) as client:
        await client.post("/api/login", json=GOOD)
        assert (await client.get("/api/me")).json()["user"] == "supervisor"
        answer = await client.post("/api/alerts/1/acknowledge", headers={"Origin": "http://evil.test"})
        assert answer.json()["acknowledged_by"] == "supervisor"


async def test_a_form_of_another_site_is_no_login(desk: Any) -> None:
    async with desk.client() as client:
        for kind in ("text/plain", "application/x-www-form-urlencoded"):
            body = b'{"username": "operator", "password": "correct horse battery"}'
            answer = await client.post("/api/login", content=body, headers={"Content-Type": kind})
            assert answer.status_code == 422
