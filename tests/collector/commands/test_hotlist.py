import contextlib
import csv
import errno
import io
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from collector.commands import hotlist_import, hotlist_lists, hotlist_search
from collector.commands.hotlist import app
from collector.errors import StoreRefusedError
from collector.store.database import sqlite_url


@pytest.fixture(autouse=True)
def made_store(migrated_file: Path, tmp_path: Path) -> None:
    shutil.copy(migrated_file, tmp_path / "c.db")


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
    for content in (b"number\n7\n", b"plate\n?\n"):
        result = run(tmp_path, content)
        assert (result.exit_code, result.stdout) == (2, "")
        assert "stolen.csv" in result.stderr
    assert json.loads(run(tmp_path, b"plate\n7ABC123\n", "--json").stdout)["unchanged"] == 1


MANY = b"plate\n" + b"".join(b"AA%d\n" % at for at in range(100))


def fewer(plates: int) -> bytes:
    return b"\n".join(MANY.splitlines()[: plates + 1]) + b"\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is empty, and the list has 100 entries"),
        (b"plate\n", "it is empty, and the list has 100 entries"),
        (fewer(89), "it has 89 entries, 11% fewer than the list, which has 100: was it cut off on its way?"),
    ],
)
def test_a_file_that_would_un_list_much_changes_nothing_until_somebody_approves_it(
    tmp_path: Path, content: bytes, said: str
) -> None:
    run(tmp_path, MANY)
    held = run(tmp_path, content)
    assert (held.exit_code, held.stdout) == (4, "")
    assert (
        f"stolen.csv: {said}\nnothing was imported; look at the file, then run this again with --approve\n"
        in held.stderr
    )
    as_json = run(tmp_path, content, "--json")
    told = json.loads(as_json.stdout)
    assert (as_json.exit_code, told["imported"], told["doubts"]) == (4, False, [said])
    assert lines(ask(tmp_path, "list", "--json"))[0]["entries"] == 100
    done = run(tmp_path, content, "--approve")
    assert (done.exit_code, f"approved although {said}" in done.stdout) == (0, True)
    assert lines(ask(tmp_path, "list", "--json"))[0]["version"] == 2
    assert audited(tmp_path)[-1][1]["despite"] == [said]
    # Approved is approved: the next one is compared with it.
    assert run(tmp_path, content).exit_code == 0 or not content.strip(b"plate\n")


def test_a_file_of_which_most_rows_are_bad_does_not_un_list_the_others(tmp_path: Path) -> None:
    run(tmp_path, MANY)
    held = run(tmp_path, fewer(80) + b"?\n" * 20)
    assert held.exit_code == 4
    assert "stolen.csv: it has 80 entries, 20% fewer than the list" in held.stderr
    assert "stolen.csv: 20 of its rows were not taken: --check names them" in held.stderr


def test_what_shrinks_a_little_is_imported_and_what_does_so_again_and_again_is_not(tmp_path: Path) -> None:
    assert [run(tmp_path, fewer(plates)).exit_code for plates in (100, 92, 90, 89)] == [0, 0, 0, 4]
    assert "11% fewer than version 1 of" in run(tmp_path, fewer(89)).stderr
    assert run(tmp_path, fewer(89), "--approve").exit_code == 0
    assert run(tmp_path, fewer(81)).exit_code == 0


def test_how_much_a_list_may_shrink_is_as_its_feed_has_it(tmp_path: Path) -> None:
    config = tmp_path / "collector.yaml"
    feed = "{name: f, list: stolen, folder: {path: in}, expected_every_h: 24, shrink_percent: 50, shrink_days: 0}"
    config.write_text(f"broker: {{host: h, ca: c, certificate: c, key: k}}\nhotlists: {{feeds: [{feed}]}}\n")
    more = ("--config", str(config))
    assert [run(tmp_path, fewer(plates), *more).exit_code for plates in (100, 60, 40, 19)] == [0, 0, 0, 4]


def test_an_older_file_is_not_imported_by_mistake(tmp_path: Path) -> None:
    run(tmp_path, b"plate\nAA11\nBB22\n")
    # The same file again says that it still holds.
    assert run(tmp_path, b"plate\nAA11\nBB22\n").exit_code == 0
    run(tmp_path, b"plate\nAA11\nCC33\n")
    again = run(tmp_path, b"plate\nAA11\nBB22\n")
    assert (again.exit_code, "it is the file of version 2, and version 3 came after that" in again.stderr) == (4, True)
    old = tmp_path / "old.csv"
    old.write_bytes(b"plate\nAA11\nDD44\n")
    os.utime(old, (1_000_000_000, 1_000_000_000))
    store = sqlite_url(tmp_path / "c.db")
    arguments = ["import", str(old), "--list", "stolen", "--store", store]
    held = CliRunner().invoke(app, arguments)
    assert (held.exit_code, "it was last written 2001-09-09T01:46:40Z" in held.stderr) == (4, True)
    assert CliRunner().invoke(app, [*arguments, "--approve"]).exit_code == 0
    # One that was written later is newer, however long ago that was.
    later = tmp_path / "later.csv"
    later.write_bytes(b"plate\nAA11\nEE55\n")
    os.utime(later, (1_000_000_001, 1_000_000_001))
    assert CliRunner().invoke(app, ["import", str(later), *arguments[2:]]).exit_code == 0
    # After going back, a file that was mended meanwhile is newer; the one that was gone back from is not.
    ask(tmp_path, "rollback", "stolen", "3")
    assert CliRunner().invoke(app, arguments).exit_code == 4
    assert run(tmp_path, b"plate\nAA11\nFF66\n").exit_code == 0


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

    monkeypatch.setattr(hotlist_import, "import_hotlist", overtaken)
    result = run(tmp_path, b"plate\n7ABC123\n?\n")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "another import of it came between" in result.stderr


def test_a_missing_file_exits_2(tmp_path: Path) -> None:
    store = sqlite_url(tmp_path / "c.db")
    result = CliRunner().invoke(app, ["import", str(tmp_path / "no.csv"), "--list", "x", "--store", store])
    assert result.exit_code == 2
    assert "No such file" in result.stderr


@pytest.mark.parametrize(
    ("path", "said"),
    [("x" * 300, "File name too long"), ("loop/stolen.csv", "symbolic links"), ("dir", "Is a directory")],
)
def test_a_file_that_cannot_be_looked_at_exits_2_and_says_why(tmp_path: Path, path: str, said: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "dir").mkdir()
    store = sqlite_url(tmp_path / "c.db")
    result = CliRunner().invoke(app, ["import", str(tmp_path / path), "--list", "x", "--store", store])
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr


def test_a_folder_that_is_closed_to_whoever_imports_exits_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Not by its mode: for root every folder is open.
    stat = Path.stat

    def closed(self: Path, **how: Any) -> os.stat_result:
        if self.name == "closed.csv":
            raise PermissionError(errno.EACCES, "Permission denied", str(self))
        return stat(self, **how)

    monkeypatch.setattr(Path, "stat", closed)
    store = sqlite_url(tmp_path / "c.db")
    result = CliRunner().invoke(app, ["import", str(tmp_path / "closed.csv"), "--list", "x", "--store", store])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "closed.csv: cannot be read: Permission denied" in result.stderr


_MAIN = "from collector.cli import main; main()"
LIST = (
    b"plate,state,pattern,category,reason,case,make,year,expires,covert_to,notes\n"
    b'7abc123,TX,,stolen-vehicle,carjacking,26-1,HOND,2003,2026-12-01T06:30Z,,"a, b"\n'
    b"7AB?1*,,yes,be-on-lookout,witness,26-2,,,,,\n"
    b"CC33,,,gang,watch,26-3,,,,ada,\n"
)


def ask(tmp_path: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--store", sqlite_url(tmp_path / "c.db")])


def lines(result: Result) -> list[Any]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def audited(tmp_path: Path) -> list[tuple[str, Any]]:
    with contextlib.closing(sqlite3.connect(tmp_path / "c.db")) as store:
        return [(action, json.loads(detail)) for action, detail in store.execute("SELECT action, detail FROM audit")]


@pytest.fixture
def ada(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (hotlist_lists, hotlist_search):
        monkeypatch.setattr(module, "person", lambda: "ada")


def test_only_checking_changes_nothing(tmp_path: Path) -> None:
    result = run(tmp_path, LIST, "--check")
    assert (result.exit_code, "only checked: 3 entries, 0 rejected" in result.stdout) == (0, True)
    assert lines(ask(tmp_path, "list", "--json")) == []
    assert json.loads(run(tmp_path, LIST, "--check", "--json").stdout)["imported"] is False


def test_rejected_rows_go_to_a_file_for_their_owner_alone(tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    result = run(tmp_path, b'plate,reason\n7ABC123,\n?,"x, y"\n' + b"-,z\n" * 30, "--rejected", str(bad))
    assert result.exit_code == 1
    assert f"… and 11 more; {bad} has them all" in result.stdout
    rows = list(csv.reader(io.StringIO(bad.read_text())))
    assert rows[:2] == [
        ["line", "reason", "row"],
        ["3", "plate: got '?', expected 2 to 12 letters or digits", "?", "x, y"],
    ]
    assert len(rows) == 32
    assert bad.stat().st_mode & 0o777 == 0o600
    # What is no file stays what it is.
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(["cat", tmp_path / "pipe"], stdout=subprocess.PIPE, text=True) as reader:
        run(tmp_path, b"plate,reason\n7ABC123,\n?,y\n", "--rejected", str(tmp_path / "pipe"))
        assert reader.communicate(timeout=30)[0].startswith("line,reason,row\n3,")
    assert (tmp_path / "pipe").is_fifo()
    # Also in the place of a file that others could read.
    bad.chmod(0o644)
    run(tmp_path, b"plate,reason\n7ABC123,\n?,y\n", "--rejected", str(bad))
    assert (bad.stat().st_mode & 0o777, len(bad.read_text().splitlines())) == (0o600, 2)


def test_wrong_usage_exits_2_and_says_what_is_right(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text("columns: {LIC: number}\n")
    for more, said in (
        (("--preset", "excel"), "--preset: got 'excel', expected one of generic, plate-state, ncic"),
        (("--mapping", str(tmp_path / "m.yaml")), "m.yaml:1: columns.LIC"),
        (("--mapping", str(tmp_path / "m.yaml"), "--preset", "ncic"), "expected one of them"),
        (("--member", "a"), "--member names a file of a zip archive"),
        (("--rejected", str(tmp_path / "no" / "bad.csv")), "bad.csv: No such file or directory"),
    ):
        result = run(tmp_path, b"plate\n7ABC123\n", *more)
        assert (result.exit_code, said in result.stderr) == (2, True), result.stderr
    assert "there are no lists yet" in ask(tmp_path, "list").stdout


def test_presets_and_mappings_are_said(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text("columns: {KZ: plate}\n")
    assert "preset generic with m.yaml" in run(tmp_path, b"KZ\nAB12\n", "--mapping", str(tmp_path / "m.yaml")).stdout
    result = run(tmp_path, b"LIC,LIS\nAB12,TX\n", "--preset", "ncic")
    assert "unverified until your state supplies a sample" in result.stdout
    assert (
        json.loads(run(tmp_path, b"AB12;TX\n", "--preset", "plate-state", "--json").stdout)["layout"] == "plate-state"
    )


def test_lists_their_versions_and_differences(tmp_path: Path) -> None:
    run(tmp_path, b"plate,reason\nAA11,x\nBB22,x\n")
    run(tmp_path, b"plate,reason\nAA11,y\nCC33,x\n?,\n")
    (one,) = lines(ask(tmp_path, "list", "--json"))
    assert (one["list"], one["version"], one["entries"], one["age"]) == ("stolen", 2, 2, "current")
    assert "stolen  version 2  2 entries  current, confirmed 0 min ago by stolen.csv" in ask(tmp_path, "list").stdout
    (shown,) = lines(ask(tmp_path, "show", "stolen", "--json"))
    assert [(each["version"], each["rejected"]) for each in shown["versions"]] == [(2, 1), (1, 0)]
    assert "1 added, 1 changed, 1 removed, 0 unchanged, 1 rejected" in ask(tmp_path, "show", "stolen").stdout
    (compared,) = lines(ask(tmp_path, "diff", "stolen", "--json"))
    assert [each["change"] for each in compared["differences"]] == ["added", "changed", "removed"]
    assert compared["differences"][1]["was"] == {"reason": "x"}
    text = ask(tmp_path, "diff", "stolen", "1", "2").stdout
    assert "+ CC33" in text
    assert "- BB22" in text
    assert "~ AA11  any state  reason: 'x' to 'y'" in text
    assert "… and 2 more" in ask(tmp_path, "diff", "stolen", "--limit", "1").stdout


def test_going_back(tmp_path: Path) -> None:
    run(tmp_path, b"plate\nAA11\nBB22\n")
    run(tmp_path, b"plate\nCC33\n", "--approve")
    assert "stolen is version 3, as it was in version 1: 2 added" in ask(tmp_path, "rollback", "stolen", "1").stdout
    (done,) = lines(ask(tmp_path, "rollback", "stolen", "2", "--json"))
    assert (done["version"], done["added"], done["removed"]) == (4, 1, 2)
    result = ask(tmp_path, "rollback", "stolen", "9")
    assert (result.exit_code, "got version 9, but it has versions 1, 2, 3, 4" in result.stderr) == (2, True)
    assert [action for action, _ in audited(tmp_path)] == ["hotlist.import"] * 2 + ["hotlist.rollback"] * 2


@pytest.mark.usefixtures("ada")
def test_covert_entries_are_shown_to_those_they_name_and_audited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path, LIST)
    (found,) = lines(ask(tmp_path, "search", "CC33", "--json"))
    number = str(found["id"])
    assert (found["covert_to"], found["in_force"]) == (["ada"], True)
    assert "covert: ada" in ask(tmp_path, "show", "--entry", number).stdout
    assert "CC33" in ask(tmp_path, "diff", "stolen").stdout
    looks = [detail for action, detail in audited(tmp_path) if action == "hotlist.look"]
    assert [look["how"] for look in looks] == ["search", "show", "diff"]
    assert all(look["entries"] == [int(number)] for look in looks)
    for module in (hotlist_lists, hotlist_search):
        monkeypatch.setattr(module, "person", lambda: "bob")
    assert lines(ask(tmp_path, "search", "CC33", "--json")) == []
    hidden, missing = ask(tmp_path, "show", "--entry", number), ask(tmp_path, "show", "--entry", "999")
    assert (hidden.exit_code, hidden.stderr) == (2, missing.stderr.replace("999", number))
    assert "CC33" not in ask(tmp_path, "diff", "stolen").stdout
    assert "CC33" not in ask(tmp_path, "export", "stolen", "--covert").stdout
    assert len([1 for action, _ in audited(tmp_path) if action == "hotlist.look"]) == 3


@pytest.mark.usefixtures("ada")
@pytest.mark.parametrize(("format_", "suffix"), [("csv", "csv"), ("json-lines", "jsonl")])
def test_what_is_exported_imports_as_the_same_list(tmp_path: Path, format_: str, suffix: str) -> None:
    run(tmp_path, LIST)
    out = tmp_path / f"out.{suffix}"
    result = ask(tmp_path, "export", "stolen", "--output", str(out), "--format", format_, "--covert")
    assert (result.exit_code, result.stdout) == (0, "")
    assert out.stat().st_mode & 0o777 == 0o600
    again = CliRunner().invoke(
        app, ["import", str(out), "--list", "stolen", "--store", sqlite_url(tmp_path / "c.db"), "--json"]
    )
    shown = json.loads(again.stdout)
    assert (shown["unchanged"], shown["added"], shown["changed"], shown["removed"]) == (3, 0, 0, 0)
    exports = [detail for action, detail in audited(tmp_path) if action == "hotlist.export"]
    assert exports == [{"version": 1, "to": str(out), "covert": [3]}]


def test_without_covert_those_entries_are_left_out(tmp_path: Path) -> None:
    run(tmp_path, LIST)
    rows = list(csv.DictReader(io.StringIO(ask(tmp_path, "export", "stolen").stdout)))
    assert [row["plate"] for row in rows] == ["7ABC123", "7AB?1*"]
    assert (rows[0]["state"], rows[0]["notes"], rows[0]["expires"]) == ("US-TX", "a, b", "2026-12-01T06:30:00+00:00")
    assert ask(tmp_path, "export", "stolen", "--version", "7").exit_code == 2


def test_searching_says_when_there_is_nothing_and_when_there_is_more(tmp_path: Path) -> None:
    run(tmp_path, LIST)
    assert "no list has ZZ99" in ask(tmp_path, "search", "ZZ99").stdout
    result = ask(tmp_path, "search", "7AB?1*", "--limit", "1")
    assert ("more than 1" in result.stderr, len(result.stdout.splitlines())) == (True, 1)
    assert len(lines(ask(tmp_path, "search", "*3", "--json"))) == 1
    wide = ask(tmp_path, "search", "7*", "--limit", "1")
    assert ("there are more than 1; --limit shows more of them" in wide.stderr, len(wide.stdout.splitlines())) == (
        True,
        1,
    )
    for wrong in ("[", "[F-A]1", "7%*", "7" * 30 + "*"):
        assert ask(tmp_path, "search", wrong).exit_code == 2
    run(tmp_path, b"plate\nAA11\n", "--approve")
    (ended,) = [one for one in lines(ask(tmp_path, "search", "7ABC123", "--all", "--json")) if not one["is_pattern"]]
    assert (ended["in_force"], ended["end_version"], ended["case_number"]) == (False, 2, "26-1")


def test_every_command_has_an_example() -> None:
    for name in ("import", "list", "show", "diff", "rollback", "search", "export"):
        result = CliRunner().invoke(app, [name, "--help"])
        assert (result.exit_code, f"Example: collector hotlist {name}" in result.stdout) == (0, True)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_an_import_that_is_stopped_changes_nothing_and_is_in_nobodys_way(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    run(tmp_path, b"plate\nAA11\n")
    large = tmp_path / "large.csv"
    large.write_text("plate\n" + "".join(f"B{at:06}\n" for at in range(60_000)))
    url = sqlite_url(tmp_path / "c.db")
    command = [sys.executable, "-c", _MAIN, "hotlist", "import", str(large), "--list", "stolen", "--store", url]
    with (
        contextlib.closing(sqlite3.connect(tmp_path / "c.db")) as looking,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running,
    ):
        # Stopped once some of it is written.
        while looking.execute("SELECT count(*) FROM hotlist_entry").fetchone()[0] < 5_000 and running.poll() is None:
            time.sleep(0.01)
        running.send_signal(number)
        assert running.wait(60) == code
    (one,) = lines(ask(tmp_path, "list", "--json"))
    assert (one["version"], one["entries"], one["drafting"]) == (1, 1, number is signal.SIGKILL)
    assert lines(ask(tmp_path, "search", "B000001", "--all", "--json")) == []
    assert json.loads(run(tmp_path, b"plate\nAA11\nCC33\n", "--json").stdout)["version"] == 2
    with contextlib.closing(sqlite3.connect(tmp_path / "c.db")) as looking:
        assert looking.execute("SELECT plate FROM hotlist_entry ORDER BY 1").fetchall() == [("AA11",), ("CC33",)]
