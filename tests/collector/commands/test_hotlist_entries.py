import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert
from typer.testing import CliRunner, Result

from collector.commands import hotlist_entries, hotlist_review, hotlist_shown
from collector.commands.hotlist import app
from collector.hotlists.back_search import BackSearcher
from collector.match.policy import Policy
from collector.store import feeds, tables
from collector.store.database import Store, sqlite_url

ADD = ["--state", "TX", "--reason", "stolen", "--case", "26-118", "--requester", "Sgt. Diaz"]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    def made(*arguments: str, who: str = "cli:ann") -> Result:
        for module in (hotlist_entries, hotlist_review, hotlist_shown):
            monkeypatch.setattr(module, "who", lambda: who)
        return CliRunner().invoke(app, [*arguments, "--store", sqlite_url(tmp_path / "c.db")])

    return made


def work_on(tmp_path: Path, work: Callable[[Store], Any]) -> Any:
    async def run() -> Any:
        store = await Store.open(sqlite_url(tmp_path / "c.db"))
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(run())


def know(tmp_path: Path, **roles: str) -> None:
    """These are users of the collector."""

    async def add(store: Store) -> None:
        async with store.write() as tx:
            users = [{"name": name, "role": role, "active": True, "added_at_ns": 1} for name, role in roles.items()]
            await tx.execute(insert(tables.user), users)

    work_on(tmp_path, add)


def test_one_plate_at_two_in_the_morning(run: Any) -> None:
    done = run("add", "7abc-123", *ADD, "--no-wait")
    assert done.exit_code == 0, done.output
    assert "entry 1: 7ABC123 (US-TX) is on local from version 1; collectors take it up within 5 s" in done.stdout
    assert "a supervisor, not you, is to review it by" in done.stdout
    assert "collector hotlist review 1 --approve" in done.stdout
    assert "waits for a serving collector: collector hotlist searches --wait 1" in done.stdout


def test_state_reason_case_and_requester_are_mandatory_and_all_that_is_missing_is_said_at_once(run: Any) -> None:
    for missing in ADD[::2]:
        at = ADD.index(missing)
        done = run("add", "7ABC123", *ADD[:at], *ADD[at + 2 :])
        assert (done.exit_code, len(done.stderr.splitlines())) == (2, 1)
        assert done.stderr.startswith(f"{missing}: got nothing, expected")
    bare = run("add", "7ABC123")
    assert [line.partition(":")[0] for line in bare.stderr.splitlines()] == ADD[::2]
    assert bare.exit_code == 2


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--hours", "1", "--until", "2030-01-01T00:00Z"], "--hours or --until, not both"),
        (["--until", "2030-01-01"], "--until: got '2030-01-01', expected a time with its zone"),
        (["--category", "fancy"], "--category: got 'fancy'"),
    ],
)
def test_what_cannot_be_exits_2_and_changes_nothing(run: Any, more: list[str], said: str) -> None:
    done = run("add", "7ABC123", *ADD, *more)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr
    assert "nothing wants attention" in run("review").stdout


def test_a_category_that_is_switched_off_is_said(run: Any) -> None:
    done = run("add", "7ABC123", *ADD, "--category", "wanted-person", "--no-wait", "--json")
    assert done.exit_code == 0
    assert "does not alert: `hotlists.categories` has wanted-person switched off" in done.stderr
    assert json.loads(done.stdout)["entry"]["category"] == "wanted-person"


def test_it_is_edited_reviewed_by_somebody_else_and_withdrawn(run: Any, tmp_path: Path) -> None:
    know(tmp_path, ann="supervisor", ben="supervisor", cat="operator")
    run("add", "7ABC123", *ADD, "--no-wait", "--make", "Ford", "--back-search", "0")
    edited = json.loads(run("edit", "1", "--hours", "1", "--colour", "red", "--json").stdout)
    assert (edited["entry"]["id"], edited["entry"]["vehicle"]["make"], edited["entry"]["vehicle"]["colour"]) == (
        2,
        "Ford",
        "red",
    )
    own = run("review", "2", "--approve", who="cli:root (sudo ann)")
    assert (own.exit_code, own.stdout) == (2, "")
    assert "somebody else is to review it" in own.stderr
    operator = run("review", "2", "--approve", who="cli:cat")
    assert (operator.exit_code, "is reviewed by a supervisor" in operator.stderr) == (2, True)
    [due] = [json.loads(line) for line in run("review", "--json").stdout.splitlines()]
    assert (due["subject"], due["entry"], due["urgent"]) == ("review-due", 2, False)
    assert "entry 2 was reviewed by cli:ben" in run("review", "--approve", "2", who="cli:ben").stdout
    assert "nothing wants attention" in run("review").stdout
    withdrawn = run("withdraw", "2", "--reason", "recovered")
    assert "entry 2: 7ABC123 (US-TX) of local was withdrawn, version 3; no alert was open" in withdrawn.stdout
    assert run("withdraw", "2", "--reason", "again").exit_code == 2


def test_it_is_rejected(run: Any, tmp_path: Path) -> None:
    know(tmp_path, ben="supervisor")
    run("add", "7ABC123", *ADD, "--no-wait")
    assert "was rejected" in run("review", "1", "--reject", "--reason", "no case", who="cli:ben").stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["1"],
        ["1", "--approve", "--reject"],
        ["1", "--refuse"],
        ["--approve"],
        ["--snapshot", "1"],
        ["--snapshot", "1", "--reject"],
        ["1", "--snapshot", "1", "--approve"],
    ],
)
def test_what_is_to_be_decided_must_be_clear(run: Any, arguments: list[str]) -> None:
    done = run("review", *arguments)
    assert done.exit_code == 2
    assert "expected" in done.stderr


def test_a_delivery_that_waits_is_urgent_and_is_decided_about(run: Any, tmp_path: Path) -> None:
    async def hold(store: Store) -> None:
        async with store.write() as tx:
            await feeds.hold(tx, feed="f", name="stolen", source="s.csv", sha256=bytes(32), rows=3, why="w", at_ns=1)

    work_on(tmp_path, hold)
    shown = run("review")
    assert shown.exit_code == 1
    assert shown.stdout.startswith("! snapshot-waits (stolen): Snapshot 1 of feed f (s.csv)")
    done = run("review", "--snapshot", "1", "--refuse")
    assert "snapshot 1 of f is refused, and is not in force" in done.stdout
    assert run("review", "--snapshot", "1", "--approve").exit_code == 2
    assert run("review").exit_code == 0


def test_what_has_expired(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "nothing has expired" in run("expire").stdout
    run("add", "7ABC123", *ADD, "--no-wait", "--hours", "1")
    now_ns = hotlist_entries.time.time_ns()
    monkeypatch.setattr(hotlist_entries.time, "time_ns", lambda: now_ns + 2 * 3_600 * 10**9)
    assert "entry 1: 7ABC123 (US-TX) of local has expired" in run("expire").stdout


def test_the_feeds_of_the_configuration(run: Any, tmp_path: Path) -> None:
    config = tmp_path / "collector.yaml"
    config.write_text(
        "broker: {host: h, ca: c, certificate: c, key: k}\n"
        "hotlists: {feeds: [{name: county, list: stolen, folder: {path: in}, expected_every_h: 24}]}\n"
    )
    assert "county (stolen): not asked yet" in run("feeds", "--config", str(config)).stdout
    assert "no collector has had it" in run("feeds", "--config", str(config), "--pull", "county").stderr

    async def know(store: Store) -> None:
        async with store.write() as tx:
            await feeds.know(tx, ["county"], 1)
            await feeds.note_tried(tx, "county", 10**9, "no answer")

    work_on(tmp_path, know)
    shown = json.loads(run("feeds", "--config", str(config), "--json").stdout)
    assert (shown["problem"], shown["tried_at"]) == ("no answer", "1970-01-01T00:00:01Z")
    assert "is asked within two seconds" in run("feeds", "--config", str(config), "--pull", "county").stdout


def test_searches_of_earlier_reads(run: Any, tmp_path: Path) -> None:
    assert run("searches").stdout == ""
    assert run("searches", "--wait", "1").exit_code == 2
    run("add", "7ABC123", *ADD, "--no-wait")

    async def search(store: Store) -> None:
        async def ask(_: str) -> None:
            raise AssertionError("there is no read")

        searcher = BackSearcher(store, Policy(), lambda _: pytest.fail("nothing hits"), ask, lambda: 5)
        while await searcher.look():
            pass

    work_on(tmp_path, search)
    assert "0 reads since" in run("searches", "--wait", "1").stdout
    assert json.loads(run("searches", "--json").stdout)["ended_at"] == "1970-01-01T00:00:00Z"


def test_who_is_not_named_by_a_covert_entry_neither_sees_nor_changes_it(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    know(tmp_path, ann="operator", bob="supervisor")
    monkeypatch.setattr(hotlist_shown, "person", lambda: "bob")
    for plate, case in (("7ABC123", "case-one"), ("8DEF456", "case-two")):
        made = run("add", plate, *ADD, "--case", case, "--covert-to", "ann", "--no-wait", who="cli:cat")
        # Whoever made it knows what it is.
        assert plate in made.stdout, made.output
    refused = run("edit", "1", "--overt", who="cli:bob")
    assert (refused.exit_code, refused.stderr) == (2, "entry 1: only those that it names may change it\n")
    told = [
        run("review", "1", "--approve", "--json", who="cli:bob"),
        run("withdraw", "1", "--reason", "r", "--json", who="cli:bob"),
        run("review", "2", "--reject", "--reason", "r", who="cli:bob"),
    ]
    assert [one.exit_code for one in told] == [0, 0, 0]
    assert not any(plate in one.output for one in told for plate in ("7ABC123", "8DEF456"))
    shown = CliRunner().invoke(app, ["show", "local", "--store", sqlite_url(tmp_path / "c.db")])
    assert "a covert entry" in shown.stdout
    assert "case-one" not in shown.stdout


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--hours", "nan"], "--hours: got nan"),
        (["--hours", "1e300"], "--hours: got 1e+300"),
        (["--from", "9000-01-01T00:00Z"], "--from: got more than 8760 hours from now"),
        (["--until", "0001-01-01T00:00+14:00"], "expiry: got a time before it begins"),
        (["--list", " local"], "--list: got ' local'"),
        (["--list", "lo\x1b[1mcal"], "--list: got"),
        (["--notes", "half \udce9"], "--notes: holds bytes that are no text"),
        (["--covert-to", " "], "--covert-to: got nobody"),
    ],
)
def test_what_no_store_could_keep_is_said_and_not_thrown(run: Any, more: list[str], said: str) -> None:
    done = run("add", "7ABC123", *ADD, *more, "--no-wait")
    assert (done.exit_code, done.exception is None or isinstance(done.exception, SystemExit)) == (2, True), done.output
    assert said in done.stderr
