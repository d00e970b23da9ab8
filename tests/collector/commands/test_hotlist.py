import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from collector.commands import hotlist
from collector.commands.hotlist import app
from collector.errors import StoreRefusedError
from collector.store.database import sqlite_url


def run(tmp_path: Path, content: bytes, *more: str) -> Result:
    file = tmp_path / "stolen.csv"
    file.write_bytes(content)
    store = sqlite_url(tmp_path / "c.db")
    return CliRunner().invoke(app, ["import", str(file), "--list", "stolen", "--store", store, *more])


def test_a_good_file_exits_0_and_says_what_changed(tmp_path: Path) -> None:
    result = run(tmp_path, b"plate;state\n7abc123;TX\n")
    assert result.exit_code == 0
    assert "read as utf-8, delimiter ';'" in result.stdout
    assert "stolen is version 1: 1 added, 0 changed, 0 removed, 0 unchanged, 0 rejected" in result.stdout
    assert "plates put into capitals without separators: 1" in result.stdout


def test_bad_rows_are_listed_the_others_load_and_it_exits_1(tmp_path: Path) -> None:
    result = run(tmp_path, b"plate,state\n7ABC123,TX\n?,TX\n", "--json")
    assert result.exit_code == 1
    shown = json.loads(result.stdout)
    assert (shown["added"], shown["rejected"], shown["version"]) == (1, 1, 1)
    assert shown["bad_rows"] == [{"line": 3, "reason": "plate: got '?', expected 2 to 12 letters or digits"}]
    assert "line 3: plate" in run(tmp_path, b"plate,state\n7ABC123,TX\n?,TX\n").stdout


def test_a_file_that_is_no_hotlist_changes_nothing_and_exits_2(tmp_path: Path) -> None:
    run(tmp_path, b"plate\n7ABC123\n")
    for content in (b"", b"number\n7\n", b"plate\n?\n"):
        result = run(tmp_path, content)
        assert (result.exit_code, result.stdout) == (2, "")
        assert "stolen.csv" in result.stderr
    assert json.loads(run(tmp_path, b"plate\n7ABC123\n", "--json").stdout)["unchanged"] == 1


def test_states_that_were_given_a_country_are_counted(tmp_path: Path) -> None:
    result = run(tmp_path, b"plate,state\n7ABC123,TX\n8ABC123,ON\n")
    assert "taken as CA-…: 1" in result.stdout
    assert "taken as US-…: 1" in result.stdout
    assert json.loads(run(tmp_path, b"plate,state\n7ABC123,TX\n", "--json").stdout)["taken_as"] == {"US": 1}


def test_an_import_that_was_not_done_does_not_exit_as_one_that_left_out_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def overtaken(*_: Any, **__: Any) -> None:
        raise StoreRefusedError("hotlist stolen: another import of it came between")

    monkeypatch.setattr(hotlist, "import_hotlist", overtaken)
    result = run(tmp_path, b"plate\n7ABC123\n?\n")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "another import of it came between" in result.stderr


def test_a_missing_file_exits_2(tmp_path: Path) -> None:
    store = sqlite_url(tmp_path / "c.db")
    result = CliRunner().invoke(app, ["import", str(tmp_path / "no.csv"), "--list", "x", "--store", store])
    assert result.exit_code == 2
    assert "No such file" in result.stderr
