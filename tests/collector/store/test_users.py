import asyncio
from typing import Any

import pytest
from sqlalchemy import select

from collector.errors import AuthenticationError, CollectorError, ConfigurationError, NotFoundError
from collector.store import tables
from collector.store.database import Store
from collector.store.users import CredentialKind, Role, Users

SECOND_NS = 1_000_000_000
DAY_NS = 86_400 * SECOND_NS


@pytest.fixture
async def users(store: Store, clock: Any) -> Users:
    users = Users(store, clock)
    await users.add("ada", Role.OPERATOR, "hash", by="cli:root")
    return users


async def audited(store: Store) -> list[tuple[str, str, str]]:
    async with store.read() as tx:
        rows = await tx.execute(select(tables.audit).order_by(tables.audit.c.number))
        return [(row.who, row.action, row.subject) for row in rows]


async def test_a_new_store_has_no_user(store: Store, clock: Any) -> None:
    assert await Users(store, clock).everybody() == []


async def test_a_token_says_who_it_is_until_it_expires(users: Users, clock: Any) -> None:
    token = await users.issue("ada", CredentialKind.TOKEN, "desk", DAY_NS, by="cli:root")
    principal = await users.identify(token)
    assert (principal.name, principal.role, principal.kind) == ("ada", Role.OPERATOR, CredentialKind.TOKEN)
    assert principal.expires_at_ns == clock.utc_ns() + DAY_NS
    clock.advance(DAY_NS)
    with pytest.raises(AuthenticationError, match="expired"):
        await users.identify(token)
    with pytest.raises(AuthenticationError):
        await users.confirm(principal)


async def test_only_a_digest_of_a_secret_is_kept(users: Users, store: Store) -> None:
    token = await users.issue("ada", CredentialKind.TOKEN, "desk", DAY_NS, by="cli:root")
    assert len(bytes.fromhex(token)) == 32
    async with store.read() as tx:
        dump = [repr(row) for table in (tables.credential, tables.audit) for row in await tx.execute(select(table))]
    assert dump
    assert not any(token in row or repr(bytes.fromhex(token)) in row for row in dump)


async def test_what_nobody_issued_is_refused(users: Users) -> None:
    for secret in ("", "0" * 64, "ä", "x" * 100_000):
        with pytest.raises(AuthenticationError):
            await users.identify(secret)


async def test_a_login_code_is_no_token(users: Users) -> None:
    code = await users.issue("ada", CredentialKind.CODE, "login code", 600 * SECOND_NS, by="cli:root")
    with pytest.raises(AuthenticationError):
        await users.identify(code)


async def test_a_login_code_is_good_once_whoever_comes_at_the_same_moment(users: Users) -> None:
    code = await users.issue("ada", CredentialKind.CODE, "login code", 600 * SECOND_NS, by="cli:root")
    results = await asyncio.gather(*(users.take_code(code, "::1", DAY_NS) for _ in range(5)), return_exceptions=True)
    sessions = [result for result in results if isinstance(result, str)]
    assert len(sessions) == 1
    assert all(isinstance(result, AuthenticationError) for result in results if not isinstance(result, str))
    assert (await users.identify(sessions[0])).kind is CredentialKind.SESSION


async def test_a_login_code_expires(users: Users, clock: Any) -> None:
    code = await users.issue("ada", CredentialKind.CODE, "login code", 600 * SECOND_NS, by="cli:root")
    clock.advance(600 * SECOND_NS)
    with pytest.raises(AuthenticationError):
        await users.take_code(code, "::1", DAY_NS)


async def test_disabling_ends_everything_at_once(users: Users) -> None:
    token = await users.issue("ada", CredentialKind.TOKEN, "desk", DAY_NS, by="cli:root")
    code = await users.issue("ada", CredentialKind.CODE, "login code", DAY_NS, by="cli:root")
    await users.disable("ada", by="cli:root")
    with pytest.raises(AuthenticationError):
        await users.identify(token)
    with pytest.raises(AuthenticationError):
        await users.take_code(code, "::1", DAY_NS)
    with pytest.raises(NotFoundError):
        await users.issue("ada", CredentialKind.TOKEN, "desk", DAY_NS, by="cli:root")
    assert await users.password_hash("ada") is None
    assert [(user.name, user.active) for user in await users.everybody()] == [("ada", False)]


async def test_disabling_again_changes_and_audits_nothing(users: Users, store: Store) -> None:
    for _ in range(2):
        await users.disable("ada", by="cli:root")
    assert [action for _, action, _ in await audited(store)] == ["user.add", "user.disable"]


async def test_a_disabled_user_comes_back_with_the_password_and_without_what_was_ended(
    users: Users, store: Store
) -> None:
    token = await users.issue("ada", CredentialKind.TOKEN, "desk", DAY_NS, by="cli:root")
    await users.enable("ada", by="cli:root")
    await users.disable("ada", by="cli:root")
    await users.enable("ada", by="cli:root")
    assert await users.password_hash("ada") == "hash"
    with pytest.raises(AuthenticationError):
        await users.identify(token)
    await users.issue("ada", CredentialKind.TOKEN, "desk", DAY_NS, by="cli:root")
    actions = [action for _, action, _ in await audited(store)]
    assert actions == ["user.add", "token.issue", "user.disable", "user.enable", "token.issue"]


async def test_a_role_changes_at_once_and_with_a_trace(users: Users, store: Store) -> None:
    token = await users.issue("ada", CredentialKind.TOKEN, "desk", DAY_NS, by="cli:root")
    for _ in range(2):
        await users.change_role("ada", Role.SUPERVISOR, by="cli:root")
    assert (await users.identify(token)).role is Role.SUPERVISOR
    async with store.read() as tx:
        rows = (await tx.execute(select(tables.audit).where(tables.audit.c.action == "user.role"))).all()
    assert [(row.subject, row.detail) for row in rows] == [("ada", {"from": "operator", "to": "supervisor"})]


async def test_a_new_password_ends_the_sessions_that_the_old_one_began(users: Users, store: Store) -> None:
    token = await users.issue("ada", CredentialKind.TOKEN, "desk", DAY_NS, by="cli:root")
    session = await users.issue("ada", CredentialKind.SESSION, "::1", DAY_NS, by="ada")
    await users.change_password("ada", "other hash", by="cli:root")
    assert await users.password_hash("ada") == "other hash"
    assert (await users.identify(token)).name == "ada"
    with pytest.raises(AuthenticationError):
        await users.identify(session)
    assert (await audited(store))[-1] == ("cli:root", "user.password", "ada")
    async with store.read() as tx:
        assert not any("hash" in str(row.detail) for row in await tx.execute(select(tables.audit)))


async def test_logging_out_ends_the_session_and_leaves_tokens(users: Users) -> None:
    token = await users.issue("ada", CredentialKind.TOKEN, "desk", DAY_NS, by="cli:root")
    session = await users.issue("ada", CredentialKind.SESSION, "::1", DAY_NS, by="ada")
    await users.end_session(await users.identify(session))
    await users.end_session(await users.identify(token))
    with pytest.raises(AuthenticationError):
        await users.identify(session)
    assert (await users.identify(token)).name == "ada"


async def test_tokens_are_revoked_by_label(users: Users) -> None:
    lost = await users.issue("ada", CredentialKind.TOKEN, "lost laptop", DAY_NS, by="cli:root")
    kept = await users.issue("ada", CredentialKind.TOKEN, "desk", DAY_NS, by="cli:root")
    assert await users.revoke_tokens("ada", "lost laptop", by="cli:root") == 1
    with pytest.raises(AuthenticationError):
        await users.identify(lost)
    assert (await users.identify(kept)).name == "ada"
    assert [token.label for user in await users.everybody() for token in user.tokens] == ["desk"]
    with pytest.raises(NotFoundError, match="lost laptop"):
        await users.revoke_tokens("ada", "lost laptop", by="cli:root")


async def test_expired_credentials_do_not_pile_up(users: Users, store: Store, clock: Any) -> None:
    for _ in range(3):
        await users.issue("ada", CredentialKind.SESSION, "::1", SECOND_NS, by="ada")
        clock.advance(SECOND_NS)
    async with store.read() as tx:
        assert len((await tx.execute(select(tables.credential))).all()) == 1


@pytest.mark.parametrize("name", ["", "Ada", "a" * 65, "a b", "(code)", "ada\n", "-x"])
async def test_a_name_that_is_none_is_refused(users: Users, name: str) -> None:
    with pytest.raises(ConfigurationError, match="user name"):
        await users.add(name, Role.OPERATOR, None, by="cli:root")


async def test_what_cannot_be_done_is_said(users: Users) -> None:
    refused: list[type[CollectorError]] = []
    for attempt in (
        users.add("ada", Role.AUDITOR, None, by="x"),
        users.issue("ada", CredentialKind.TOKEN, "", DAY_NS, by="x"),
        users.issue("bob", CredentialKind.TOKEN, "desk", DAY_NS, by="x"),
        users.disable("bob", by="x"),
        users.enable("bob", by="x"),
        users.change_role("bob", Role.AUDITOR, by="x"),
        users.change_password("bob", "hash", by="x"),
    ):
        with pytest.raises(CollectorError) as caught:
            await attempt
        refused.append(type(caught.value))
    assert refused == [ConfigurationError] * 2 + [NotFoundError] * 5


async def test_every_change_is_in_the_audit_log(users: Users, store: Store) -> None:
    await users.issue("ada", CredentialKind.TOKEN, "desk", DAY_NS, by="cli:root")
    await users.revoke_tokens("ada", "desk", by="cli:root")
    code = await users.issue("ada", CredentialKind.CODE, "login code", DAY_NS, by="cli:root")
    session = await users.take_code(code, "::1", DAY_NS)
    await users.end_session(await users.identify(session))
    await users.record_refused_login("ada", "10.0.0.9")
    await users.record_refused_login("hunter2-typed-here", "10.0.0.9")
    await users.disable("ada", by="cli:root")
    assert await audited(store) == [
        ("cli:root", "user.add", "ada"),
        ("cli:root", "token.issue", "ada"),
        ("cli:root", "token.revoke", "ada"),
        ("cli:root", "code.issue", "ada"),
        ("ada", "session.issue", "ada"),
        ("ada", "session.end", "ada"),
        ("ada", "login.refuse", "ada"),
        ("(unknown)", "login.refuse", "(unknown)"),
        ("cli:root", "user.disable", "ada"),
    ]
