from typing import Any

import pytest
from sqlalchemy import select

from collector.errors import ConfigurationError, StoreError, StoreRefusedError
from collector.hotlists import importing
from collector.hotlists.csv_file import parse
from collector.hotlists.importing import Changes, import_hotlist
from collector.store import hotlists, tables
from collector.store.database import Store


async def import_text(store: Store, text: str, name: str = "stolen", **more: Any) -> Changes:
    content = text.encode()
    return await import_hotlist(
        store, parse(content, "f"), name=name, source="f.csv", content=content, who="cli:t", at_ns=5, **more
    )


async def in_force(store: Store) -> list[tuple[str, str]]:
    async with store.read() as tx:
        return [(one.list, one.plate) async for portion in hotlists.plates(tx) for one in portion]


async def test_a_version_says_what_it_changed(store: Store) -> None:
    assert await import_text(store, "plate,reason\nAA1,x\nBB2,x\nCC3,x\n") == Changes(1, 3, 0, 0, 0)
    assert await import_text(store, "plate,reason\nAA1,x\nBB2,y\nDD4,x\n") == Changes(2, 1, 1, 1, 1)
    assert sorted(await in_force(store)) == [("stolen", "AA1"), ("stolen", "BB2"), ("stolen", "DD4")]


async def test_one_counter_runs_over_all_lists(store: Store) -> None:
    await import_text(store, "plate\nAA1\n")
    assert (await import_text(store, "plate\nBB2\n", "wanted")).version == 2
    assert (await import_text(store, "plate\nCC3\n")).version == 3
    async with store.read() as tx:
        assert await hotlists.versions(tx) == {"stolen": 3, "wanted": 2}
    assert sorted(await in_force(store)) == [("stolen", "CC3"), ("wanted", "BB2")]


async def test_it_is_audited_once_with_what_it_did(store: Store) -> None:
    await import_text(store, "plate\nAA1\n-\n")
    async with store.read() as tx:
        (row,) = await tx.execute(select(tables.audit))
    assert (row.who, row.action, row.subject) == ("cli:t", "hotlist.import", "stolen")
    assert row.detail == {"version": 1, "source": "f.csv", "added": 1, "changed": 0, "removed": 0, "rejected": 1}


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


async def test_of_two_imports_of_as_many_rows_at_once_only_one_comes_into_force(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await import_text(store, "plate\nAA1\n")
    write_draft = importing._write_draft

    async def overtaken_between_the_last_row_and_publishing(*arguments: Any) -> None:
        await write_draft(*arguments)
        monkeypatch.setattr(importing, "_write_draft", _cut_short)
        with pytest.raises(StoreError, match="pulled"):
            await import_text(store, "plate\nZZ9\n")

    async def _cut_short(*arguments: Any) -> None:
        await write_draft(*arguments)
        raise StoreError("pulled")

    monkeypatch.setattr(importing, "_write_draft", overtaken_between_the_last_row_and_publishing)
    with pytest.raises(StoreRefusedError, match="run it again"):
        await import_text(store, "plate\nXX9\n")
    assert await in_force(store) == [("stolen", "AA1")]


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
    async with store.read() as tx:
        assert await hotlists.versions(tx) == {"stolen": 4, "wanted": 3}
    assert await import_text(store, "plate\nBB2\n") == Changes(5, 0, 0, 1, 1)
    assert sorted(await in_force(store)) == [("stolen", "BB2"), ("wanted", "WW2")]


async def test_progress_is_told_in_rows(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "_CHUNK", 2)
    told: list[tuple[int, int]] = []
    await import_text(store, "plate\nAA1\nBB2\nCC3\n", progress=lambda done, of: told.append((done, of)))
    assert told == [(2, 3), (3, 3)]


@pytest.mark.parametrize("name", ["", " ", "x" * 65])
async def test_a_list_needs_a_name(store: Store, name: str) -> None:
    with pytest.raises(ConfigurationError, match="--list"):
        await import_text(store, "plate\nAA1\n", name)
