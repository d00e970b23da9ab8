import json
from pathlib import Path

from click.testing import Result
from typer.testing import CliRunner

from collector.commands.hotlist import app
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


def test_a_missing_file_exits_2(tmp_path: Path) -> None:
    store = sqlite_url(tmp_path / "c.db")
    result = CliRunner().invoke(app, ["import", str(tmp_path / "no.csv"), "--list", "x", "--store", store])
    assert result.exit_code == 2
    assert "No such file" in result.stderr
