import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from collector.errors import ConfigurationError, NotFoundError, StoreError, StoreRefusedError
from collector.hotlists import importing
from collector.hotlists.csv_file import parse
from collector.hotlists.importing import Changes, import_hotlist, roll_back
from collector.store import drafts, hand_entries, hotlist_history, hotlists, tables
from collector.store.database import Store, sqlite_url
from collector.store.hotlists import EntryRow


async def import_text(store: Store, text: str, name: str = "stolen", **more: Any) -> Changes:
    content = text.encode()
    return await import_hotlist(store, parse(content, "f"), name=name, source="f.csv", who="cli:t", at_ns=5, **more)


async def in_force(store: Store) -> list[tuple[str, str]]:
    entry, of = tables.hotlist_entry, tables.hotlist
    async with store.read() as tx:
        rows = await tx.execute(
            select(entry.c.list, entry.c.plate).join(of, of.c.name == entry.c.list).where(hotlists.in_force())
        )
        return [(row.list, row.plate) for row in rows]


async def versions(store: Store) -> dict[str, int]:
    async with store.read() as tx:
        return {one.name: one.version for one in await hotlist_history.standing(tx)}


async def test_a_version_says_what_it_changed(store: Store) -> None:
    assert await import_text(store, "plate,reason\nAA1,x\nBB2,x\nCC3,x\n") == Changes(1, 3, 0, 0, 0)
    assert await import_text(store, "plate,reason\nAA1,x\nBB2,y\nDD4,x\n") == Changes(2, 1, 1, 1, 1)
    assert sorted(await in_force(store)) == [("stolen", "AA1"), ("stolen", "BB2"), ("stolen", "DD4")]


async def test_one_counter_runs_over_all_lists(store: Store) -> None:
    await import_text(store, "plate\nAA1\n")
    assert (await import_text(store, "plate\nBB2\n", "wanted")).version == 2
    assert (await import_text(store, "plate\nCC3\n")).version == 3
    assert await versions(store) == {"stolen": 3, "wanted": 2}
    assert sorted(await in_force(store)) == [("stolen", "CC3"), ("wanted", "BB2")]


async def test_it_is_audited_once_with_what_it_did(store: Store) -> None:
    await import_text(store, "plate\nAA1\n-\n")
    async with store.read() as tx:
        (row,) = await tx.execute(select(tables.audit))
    assert (row.who, row.action, row.subject) == ("cli:t", "hotlist.import", "stolen")
    assert row.detail == {
        "version": 1,
        "source": "f.csv",
        "added": 1,
        "changed": 0,
        "removed": 0,
        "rejected": 1,
        "recalled": [],
    }


async def test_an_import_that_breaks_off_changes_nothing_and_leaves_nothing_to_the_next(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await import_text(store, "plate\nAA1\nBB2\n")
    monkeypatch.setattr(importing, "_CHUNK", 2)
    with pytest.raises(StoreError, match="pulled"):
        await import_text(store, "plate\nCC3\nDD4\nEE5\n", progress=_pulling_the_plug_at(2))
    assert sorted(await in_force(store)) == [("stolen", "AA1"), ("stolen", "BB2")]
    with pytest.raises(StoreError, match="pulled"):
        await import_text(store, "plate\nCC3\nDD4\nEE5\n", progress=_pulling_the_plug_at(5))
    assert sorted(await in_force(store)) == [("stolen", "AA1"), ("stolen", "BB2")]
    assert await import_text(store, "plate\nAA1\nEE5\n") == Changes(2, 1, 0, 1, 1)
    assert sorted(await in_force(store)) == [("stolen", "AA1"), ("stolen", "EE5")]


def _pulling_the_plug_at(rows: int) -> Any:
    def progress(done: int, _of: int) -> None:
        if done == rows:
            raise StoreError("pulled")

    return progress


async def test_two_imports_at_once_do_not_mix(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    write_draft = importing._write_draft

    async def overtaken(*arguments: Any) -> None:
        monkeypatch.setattr(importing, "_write_draft", write_draft)
        await import_text(store, "plate\nXX9\n")
        await write_draft(*arguments)

    monkeypatch.setattr(importing, "_write_draft", overtaken)
    with pytest.raises(StoreRefusedError, match="run it again"):
        await import_text(store, "plate\nAA1\n")
    assert await in_force(store) == [("stolen", "XX9")]


async def test_an_import_that_one_overtook_which_then_broke_off_begins_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await import_text(store, "plate\nAA1\n")
    write_draft = importing._write_draft

    async def overtaken_between_the_last_row_and_publishing(*arguments: Any) -> None:
        await write_draft(*arguments)
        monkeypatch.setattr(importing, "_write_draft", cut_short)
        with pytest.raises(StoreError, match="pulled"):
            await import_text(store, "plate\nZZ9\n")
        monkeypatch.setattr(importing, "_write_draft", write_draft)
        # As many rows in both: it is not their number that tells them apart.
        assert await in_force(store) == [("stolen", "AA1")]

    async def cut_short(*arguments: Any) -> None:
        await write_draft(*arguments)
        raise StoreError("pulled")

    monkeypatch.setattr(importing, "_write_draft", overtaken_between_the_last_row_and_publishing)
    assert await import_text(store, "plate\nXX9\n") == Changes(2, 1, 0, 1, 0)
    assert await in_force(store) == [("stolen", "XX9")]


async def test_imports_of_different_lists_at_once_both_come_into_force(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await import_text(store, "plate\nAA1\nBB2\n")
    write_draft = importing._write_draft

    async def interleaved(*arguments: Any) -> None:
        monkeypatch.setattr(importing, "_write_draft", write_draft)
        await import_text(store, "plate\nWW1\n", "wanted")
        await write_draft(*arguments)
        # What is written and not published is not in force, though its number is the other list's by now.
        assert sorted(await in_force(store)) == [("stolen", "AA1"), ("stolen", "BB2"), ("wanted", "WW1")]
        await import_text(store, "plate\nWW2\n", "wanted")

    monkeypatch.setattr(importing, "_write_draft", interleaved)
    assert await import_text(store, "plate\nBB2\nCC3\n") == Changes(4, 1, 0, 1, 1)
    assert sorted(await in_force(store)) == [("stolen", "BB2"), ("stolen", "CC3"), ("wanted", "WW2")]
    # Whoever follows the highest version hears of it, and the next import begins from it.
    assert await versions(store) == {"stolen": 4, "wanted": 3}
    assert await import_text(store, "plate\nBB2\n") == Changes(5, 0, 0, 1, 1)
    assert sorted(await in_force(store)) == [("stolen", "BB2"), ("wanted", "WW2")]


async def test_progress_is_told_in_rows(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "_CHUNK", 2)
    told: list[tuple[int, int]] = []
    await import_text(store, "plate\nAA1\nBB2\nCC3\n", progress=lambda done, of: told.append((done, of)))
    assert told == [(2, 3), (3, 3)]


@pytest.mark.parametrize("name", ["", " ", "x" * 65, "a\nb", " a"])
async def test_a_list_needs_a_name(store: Store, name: str) -> None:
    with pytest.raises(ConfigurationError, match="--list"):
        await import_text(store, "plate\nAA1\n", name)


async def add_by_hand(store: Store, *plates: str, name: str = "stolen") -> int:
    added = [EntryRow(plate, None, added_by="ada", added_at_ns=7, reference="26-1") for plate in plates]
    async with store.write() as tx:
        return await hotlists.change(tx, name, add=added, action="add", by="ada", source="ada", at_ns=7)


async def test_what_people_entered_is_none_of_a_files_business(store: Store) -> None:
    await import_text(store, "plate\nAA1\n")
    await add_by_hand(store, "HH1")
    assert await import_text(store, "plate\nBB2\nHH1\n") == Changes(3, 2, 0, 1, 1, by_hand=1)
    assert sorted(await in_force(store)) == [("stolen", "BB2"), ("stolen", "HH1"), ("stolen", "HH1")]
    async with store.read() as tx:
        assert await hotlists.size(tx, "stolen") == 3


async def test_a_single_entry_goes_first_and_the_import_begins_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "_CHUNK", 2)
    write_draft = importing._write_draft

    async def add_meanwhile(*arguments: Any) -> None:
        monkeypatch.setattr(importing, "_write_draft", write_draft)
        await write_draft(*arguments)
        await add_by_hand(store, "HH1")
        # It is in force, and nothing of what the import has written so far.
        assert sorted(await in_force(store)) == [("stolen", "AA1"), ("stolen", "HH1")]

    await import_text(store, "plate\nAA1\n")
    monkeypatch.setattr(importing, "_write_draft", add_meanwhile)
    changes = await import_text(store, "plate\nBB1\nBB2\nBB3\n")
    assert (changes.added, changes.removed, changes.by_hand) == (3, 1, 1)
    listed = [plate for _, plate in sorted(await in_force(store))]
    assert listed == ["BB1", "BB2", "BB3", "HH1"]
    async with store.read() as tx:
        kept = await hotlist_history.versions(tx, "stolen")
    assert [one.made.action for one in kept] == ["import", "add", "import"]


async def test_an_import_that_a_single_entry_stopped_does_not_stop_one_that_began_since(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_draft = importing._write_draft

    async def stopped_and_overtaken(*arguments: Any) -> None:
        monkeypatch.setattr(importing, "_write_draft", write_draft)
        await add_by_hand(store, "HH1")
        async with store.write() as tx:
            await drafts.begin(tx, "stolen")
        await write_draft(*arguments)

    monkeypatch.setattr(importing, "_write_draft", stopped_and_overtaken)
    with pytest.raises(StoreRefusedError, match="another import of it began meanwhile"):
        await import_text(store, "plate\nAA1\n")
    async with store.read() as tx:
        assert await drafts.is_being_written(tx, "stolen")


async def test_an_import_that_is_overtaken_says_by_which_version_of_what(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_draft = importing._write_draft

    async def overtaken(*arguments: Any) -> None:
        monkeypatch.setattr(importing, "_write_draft", write_draft)
        content = parse(b"plate\nXX9\n", "f")
        await import_hotlist(store, content, name="stolen", source="other.csv", who="feed:x", at_ns=5)
        await write_draft(*arguments)

    monkeypatch.setattr(importing, "_write_draft", overtaken)
    # As many rows in both: it is not their number that tells them apart.
    with pytest.raises(StoreRefusedError, match=r"version 1 of other.csv by feed:x, 1970-01-01T00:00:00Z"):
        await import_text(store, "plate\nAA1\n")
    assert await in_force(store) == [("stolen", "XX9")]


async def test_every_version_says_what_made_it(store: Store) -> None:
    await import_text(store, "plate,reason\nAA1,x\nBB2,x\n?,\n")
    await add_by_hand(store, "HH1")
    await import_text(store, "plate,reason\nAA1,y\n")
    async with store.read() as tx:
        kept = await hotlist_history.versions(tx, "stolen")
        (standing,) = await hotlist_history.standing(tx)
    said = [(one.number, one.made.action, one.made.source, one.made.added, one.made.changed) for one in kept]
    assert said == [(3, "import", "f.csv", 0, 1), (2, "add", "ada", 1, 0), (1, "import", "f.csv", 2, 0)]
    assert [(one.made.removed, one.made.unchanged, one.made.rejected) for one in kept] == [
        (1, 1, 0),
        (0, 2, 0),
        (0, 0, 1),
    ]
    # Who adds an entry does not confirm the list.
    assert [one.made.confirmed_at_ns for one in kept] == [5, 5, 5]
    assert (standing.entries, standing.confirmed_at_ns, standing.drafting) == (2, 5, False)


async def test_a_list_goes_back_to_what_its_file_said(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "_CHUNK", 2)
    await import_text(store, "plate,make\nAA1,x\nBB2,x\nCC3,x\nDD4,x\n")
    await add_by_hand(store, "HH1")
    await import_text(store, "plate,make\nAA1,x\nBB2,y\nEE5,x\n")
    done = await roll_back(store, name="stolen", version=1, who="cli:t", at_ns=9)
    assert done == Changes(4, 2, 1, 1, 2, by_hand=1)
    assert [plate for _, plate in sorted(await in_force(store))] == ["AA1", "BB2", "CC3", "DD4", "HH1"]
    async with store.read() as tx:
        (latest, *_) = await hotlist_history.versions(tx, "stolen")
        again = [row async for portion in hotlist_history.values_at(tx, "stolen", 1) for row in portion]
        now = [row async for portion in hotlist_history.values_at(tx, "stolen", 4, by_hand=False) for row in portion]
    assert (latest.made.action, latest.made.source, latest.made.confirmed_at_ns) == ("rollback", "version 1: f.csv", 5)
    assert sorted(row[1:] for row in again) == sorted(row[1:] for row in now)


async def test_going_back_to_what_never_was_is_refused(store: Store) -> None:
    await import_text(store, "plate\nAA1\n")
    await import_text(store, "plate\nBB2\n", "wanted")
    for name, version in (("stolen", 2), ("nothing", 1)):
        with pytest.raises(NotFoundError, match=f"hotlist {name}: got version {version}"):
            await roll_back(store, name=name, version=version, who="cli:t", at_ns=9)


async def test_what_is_done_besides_is_done_in_the_same_transaction_or_not_at_all(store: Store) -> None:
    async def fails(_tx: Any, version: int) -> None:
        assert version == 1
        raise StoreRefusedError("no")

    with pytest.raises(StoreRefusedError, match="no"):
        await import_text(store, "plate\nAA1\n", also=fails)
    assert await in_force(store) == []
    async with store.read() as tx:
        assert await hotlist_history.standing(tx) == []
        # It has cleared away after itself.
        assert not await drafts.is_drafting(tx, "stolen")
        assert (await tx.execute(select(func.count()).select_from(tables.hotlist_entry))).scalar_one() == 0


@given(st.lists(st.dictionaries(st.sampled_from(["AA1", "BB2", "CC3", "DD4"]), st.sampled_from("xy")), max_size=5))
@settings(max_examples=10, deadline=None)
def test_whatever_comes_in_force_is_what_the_last_file_says(migrated_file: Path, files: list[dict[str, str]]) -> None:
    async def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(migrated_file, Path(folder) / "c.db")
            store = await Store.open(sqlite_url(Path(folder) / "c.db"))
            try:
                for file in files:
                    parsed = parse(
                        "\n".join(["plate,reason", *(f"{plate},{why}" for plate, why in file.items())]).encode(),
                        "f",
                        may_be_empty=True,
                    )
                    await import_hotlist(store, parsed, name="l", source="f", who="t", at_ns=1)
                for version, file in enumerate(files, start=1):
                    async with store.read() as tx:
                        rows = [row async for some in hotlist_history.values_at(tx, "l", version) for row in some]
                    assert {row[1]: row[3] for row in rows} == file
                    assert len(rows) == len(file)
            finally:
                await store.close()

    asyncio.run(run())


async def test_open_alerts_of_what_a_file_no_longer_has_are_recalled(desk: Any) -> None:
    await import_text(desk.store, "plate\n7ABC123\n8DEF456\n9GHK789\n")
    await desk.live.load()
    await desk.sees("7ABC123", "8DEF456", "9GHK789")
    changes = await import_text(desk.store, "plate,reason\n7ABC123,armed\n9GHK789,\n")
    assert (changes.removed, changes.changed, changes.recalled) == (1, 1, 1)
    (recalled,) = [one for one in await desk.alerts() if one.recalled is not None]
    assert recalled.about.entry.plate == "8DEF456"
    assert recalled.recalled.why == "No longer on stolen since version 2 (f.csv)."


async def test_an_alert_is_recalled_also_when_its_entry_had_another_number_meanwhile(desk: Any) -> None:
    await import_text(desk.store, "plate\n7ABC123\n8DEF456\n")
    await desk.live.load()
    await desk.sees("7ABC123", "8DEF456")
    # Both say something else, which makes another entry of each; then one of them is recovered.
    assert (await import_text(desk.store, "plate,reason\n7ABC123,armed\n8DEF456,armed\n")).recalled == 0
    assert (await import_text(desk.store, "plate,reason\n8DEF456,armed\n")).recalled == 1
    (recalled,) = [one for one in await desk.alerts() if one.recalled is not None]
    assert recalled.about.entry.plate == "7ABC123"


async def test_going_back_recalls_what_stands_no_more(desk: Any) -> None:
    await import_text(desk.store, "plate\n9GHK789\n")
    await import_text(desk.store, "plate,state,reference\n9GHK789,,\n7ABC123,TX,26-118\n")
    await desk.live.load()
    await desk.sees("7ABC123", "9GHK789")
    done = await roll_back(desk.store, name="stolen", version=1, who="cli:t", at_ns=9)
    assert (done.removed, done.recalled) == (1, 1)
    (recalled,) = [one for one in await desk.alerts() if one.recalled is not None]
    assert recalled.about.entry.plate == "7ABC123"


async def test_what_a_file_says_of_the_same_plate_is_not_what_somebody_entered(desk: Any) -> None:
    entered = (await desk.adds("7ABC123")).entry
    await import_text(desk.store, "plate,state,case\n7ABC123,TX,26-118\n", name="local")
    async with desk.store.read() as tx:
        assert await hand_entries.all_numbers(tx, entered) == [entered.id]
