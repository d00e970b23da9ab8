import os
import pwd

import pytest

from collector.commands.on_store import who


@pytest.fixture
def accounts(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    def named(uid: int) -> object:
        return type("Account", (), {"pw_name": {0: "root", 1001: "ada"}[uid]})

    monkeypatch.setattr(pwd, "getpwuid", named)
    for name in ("SUDO_UID", "LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_nobody_chooses_their_name_in_the_audit_log(accounts: pytest.MonkeyPatch) -> None:
    accounts.setattr(os, "getuid", lambda: 1001)
    for name in ("LOGNAME", "USER", "SUDO_USER"):
        accounts.setenv(name, "chief")
    accounts.setenv("SUDO_UID", "0")
    assert who() == "cli:ada"


def test_an_account_without_a_name_is_named_by_its_number(accounts: pytest.MonkeyPatch) -> None:
    accounts.setattr(os, "getuid", lambda: 4711)
    accounts.setenv("LOGNAME", "chief")
    assert who() == "cli:4711"


def test_whoever_became_root_by_sudo_is_named_too(accounts: pytest.MonkeyPatch) -> None:
    accounts.setattr(os, "getuid", lambda: 0)
    assert who() == "cli:root"
    accounts.setenv("SUDO_UID", "1001")
    assert who() == "cli:root (sudo ada)"
    accounts.setenv("SUDO_UID", "9" * 30)
    assert who().startswith("cli:root (sudo 99")
    accounts.setenv("SUDO_UID", "ada")
    assert who() == "cli:root"
