import asyncio
import json
import stat
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from typer.testing import CliRunner, Result

from collector.api.passwords import Passwords
from collector.commands.user import app
from collector.config import Http
from collector.store import tables
from collector.store.database import Store, sqlite_url
from collector.store.users import Users
from edge_wire.clock import SystemClock

PASSWORD = "correct horse battery"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "collector.yaml"
    path.write_text(
        "data_dir: data\n"
        "broker: {host: localhost, ca: ca.pem, certificate: c.pem, key: k.pem}\n"
        "http: {host: 127.0.0.1, port: 8443}\n"
    )
    return path


@pytest.fixture
def run(config: Path) -> Callable[..., Result]:
    def run(*arguments: str, **kwargs: Any) -> Result:
        return CliRunner().invoke(app, [*arguments, "--config", str(config)], **kwargs)

    return run


@pytest.fixture
def store_of(config: Path) -> Callable[[Callable[[Store], Awaitable[Any]]], Any]:
    def ask(question: Callable[[Store], Awaitable[Any]]) -> Any:
        async def asked() -> Any:
            store = await Store.open(sqlite_url(config.parent / "data" / "collector.db"))
            try:
                return await question(store)
            finally:
                await store.close()

        return asyncio.run(asked())

    return ask


def _last(ran: Result) -> dict[str, Any]:
    assert ran.exit_code == 0, ran.output
    shown: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return shown


def test_from_nobody_to_a_token_that_is_good(run: Any, store_of: Any, tmp_path: Path) -> None:
    assert run("list").stdout == ""
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    added = _last(run("add", "ada", "--role", "operator", "--password-file", str(tmp_path / "password"), "--json"))
    assert added == {"user": "ada", "role": "operator"}
    token = run("token", "ada", "--label", "desk", "--days", "3").stdout.strip()
    principal = store_of(lambda store: Users(store, SystemClock()).identify(token))
    assert principal.name == "ada"
    listed = _last(run("list", "--json"))
    assert (listed["name"], listed["role"], listed["active"], listed["has_password"]) == ("ada", "operator", True, True)
    assert [one["label"] for one in listed["tokens"]] == ["desk"]
    assert token not in run("list", "--json").stdout
    assert run("list").stdout == "ada  operator  active  password, token 'desk'\n"


def test_the_password_is_asked_for_twice_and_not_shown(run: Any) -> None:
    ran = run("add", "ada", "--role", "auditor", input=f"{PASSWORD}\n{PASSWORD}\n")
    assert ran.exit_code == 0
    assert PASSWORD not in ran.output
    assert ran.stdout.splitlines()[-1] == "added ada as auditor"


def test_a_login_code_comes_as_a_link_and_logs_in_once(run: Any, store_of: Any) -> None:
    run("add", "ada", "--role", "operator", "--no-password")
    shown = _last(run("login-code", "ada", "--json"))
    assert shown["link"] == f"http://127.0.0.1:8443/#login={shown['code']}"
    assert shown["lasts_s"] == 600

    async def log_in(store: Store) -> str:
        users = Users(store, SystemClock())
        return (await users.identify(await users.take_code(shown["code"], "::1", 10**12))).name

    assert store_of(log_in) == "ada"


def test_revoke_and_disable(run: Any) -> None:
    run("add", "cad", "--role", "integration", "--no-password")
    run("token", "cad", "--label", "bridge", "--days", "3")
    assert _last(run("revoke", "cad", "--label", "bridge", "--json"))["tokens"] == 1
    assert run("revoke", "cad", "--label", "bridge").exit_code == 2
    assert _last(run("disable", "cad", "--json")) == {"user": "cad", "active": False}
    assert run("list").stdout == "cad  integration  disabled\n"
    assert run("token", "cad", "--label", "bridge", "--days", "3").exit_code == 2


def test_each_change_is_audited_by_the_account_that_ran_it(run: Any, store_of: Any) -> None:
    run("add", "ada", "--role", "operator", "--no-password")
    run("token", "ada", "--label", "desk", "--days", "3")
    run("login-code", "ada")
    run("disable", "ada")

    async def audited(store: Store) -> list[tuple[str, str]]:
        async with store.read() as tx:
            rows = await tx.execute(select(tables.audit).order_by(tables.audit.c.number))
            return [(row.who.partition(":")[0], row.action) for row in rows]

    assert store_of(audited) == [
        ("cli", "user.add"),
        ("cli", "token.issue"),
        ("cli", "code.issue"),
        ("cli", "user.disable"),
    ]


def test_role_password_and_enable(run: Any, store_of: Any, tmp_path: Path) -> None:
    run("add", "ada", "--role", "operator", "--no-password")
    assert _last(run("role", "ada", "--role", "auditor", "--json")) == {"user": "ada", "role": "auditor"}
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    assert _last(run("password", "ada", "--password-file", str(tmp_path / "password"), "--json")) == {"user": "ada"}
    run("disable", "ada")
    assert _last(run("enable", "ada", "--json")) == {"user": "ada", "active": True}
    assert run("list").stdout == "ada  auditor  active  password\n"
    password_hash = store_of(lambda store: Users(store, SystemClock()).password_hash("ada"))
    assert asyncio.run(Passwords().match(password_hash, PASSWORD))


def test_a_password_is_not_asked_for_where_there_is_no_terminal(config: Path) -> None:
    program = "from collector.cli import main; main()"
    command = [sys.executable, "-c", program, "user", "add", "ada", "--role", "operator", "--config", str(config)]
    ran = subprocess.run(
        command, input=PASSWORD, capture_output=True, text=True, start_new_session=True, check=False, timeout=60
    )
    assert ran.returncode == 2
    assert "--password-file" in ran.stderr
    assert "Warning" not in ran.stderr


def test_what_the_program_stores_is_closed_to_other_accounts(config: Path) -> None:
    data = config.parent / "data"
    data.mkdir(mode=0o755)
    program = "import os; os.umask(0o022); from collector.cli import main; main()"
    command = [sys.executable, "-c", program, "user", "add", "ada", "--role", "operator", "--no-password"]
    subprocess.run([*command, "--config", str(config)], check=True, timeout=60)
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in (data, *data.iterdir())} == {
        "data": 0o700,
        "collector.db": 0o600,
    }


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["add", "Ada", "--role", "operator", "--no-password"], "user name"),
        (
            ["add", "ada", "--role", "king", "--no-password"],
            "Invalid value for --role: got 'king', expected one of operator, supervisor",
        ),
        (["role", "bob", "--role", "auditor"], "bob"),
        (["enable", "bob"], "bob"),
        (["add", "ada", "--role", "operator", "--password-file", "/nonexistent"], "--password-file"),
        (["token", "bob", "--label", "x", "--days", "3"], "bob"),
        (["token", "bob", "--label", "x", "--days", "0"], "--days"),
        (["disable", "bob"], "bob"),
    ],
)
def test_what_has_to_be_changed_exits_2_and_is_said(run: Any, arguments: list[str], said: str) -> None:
    ran = run(*arguments, env={"COLUMNS": "200"})
    assert ran.exit_code == 2
    assert ran.stdout == ""
    assert said in ran.stderr


def test_a_short_password_is_refused(run: Any, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("hunter2\n")
    ran = run("add", "ada", "--role", "operator", "--password-file", str(tmp_path / "password"))
    assert ran.exit_code == 2
    assert "password: got 7 characters" in ran.stderr
    assert "hunter2" not in ran.output


def test_without_a_configuration_it_says_which(tmp_path: Path) -> None:
    ran = CliRunner().invoke(app, ["list", "--config", str(tmp_path / "missing.yaml")])
    assert ran.exit_code == 2
    assert "missing.yaml" in ran.stderr


def test_the_link_follows_the_configuration_or_what_was_said(run: Any, config: Path) -> None:
    assert Http(host="::1", port=9, certificate=Path("c"), key=Path("k")).page_address == "https://[::1]:9"
    assert Http(port=0).page_address is None
    run("add", "ada", "--role", "operator", "--no-password")
    assert run("login-code", "ada", "--url", "https://rtcc.example/").stdout.startswith("https://rtcc.example/#login=")
    store = ["--store", sqlite_url(config.parent / "data" / "collector.db")]
    assert CliRunner().invoke(app, ["login-code", "ada", *store]).stdout.startswith("/#login=")
