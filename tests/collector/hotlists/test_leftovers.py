import asyncio
import contextlib
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import structlog
from sqlalchemy import func, select

from collector.errors import StoreError
from collector.hotlists import importing, leftovers, room
from collector.hotlists.csv_file import parse
from collector.hotlists.importing import Changes, import_hotlist
from collector.store import drafts, hotlist_history, sqlite, tables
from collector.store.database import Store, sqlite_url
from collector.store.entries import EntryRow, values


async def import_plates(store: Store, plates: int, first: str = "A", **more: Any) -> Changes:
    text = "plate,notes\n" + "".join(f"{first}{at:06},{'x' * 100}\n" for at in range(plates))
    return await import_hotlist(store, parse(text.encode(), "f"), name="stolen", source="f", who="t", at_ns=5, **more)


async def rows(store: Store) -> int:
    async with store.read() as tx:
        return int((await tx.execute(select(func.count()).select_from(tables.hotlist_entry))).scalar_one())


async def standing(store: Store) -> tuple[int, int, bool]:
    async with store.read() as tx:
        (one,) = await hotlist_history.standing(tx, "stolen")
    return one.version, one.entries, one.drafting


async def broken_off(store: Store, plates: int = 3) -> drafts.Draft:
    """Leave what a killed import leaves."""
    async with store.write() as tx:
        draft = await drafts.begin(tx, "stolen")
    await write(store, draft, plates)
    return draft


async def write(store: Store, draft: drafts.Draft, plates: int) -> None:
    async with store.write() as tx:
        await drafts.add(tx, draft, [values(EntryRow(f"BB{at}", None)) for at in range(plates)])


async def test_a_store_that_is_full_changes_nothing_and_keeps_nothing(
    migrated_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(migrated_file, tmp_path / "c.db")
    pages = (tmp_path / "c.db").stat().st_size // 4096 + 500
    monkeypatch.setattr(sqlite, "_WRITER_PRAGMAS", (*sqlite._WRITER_PRAGMAS, f"max_page_count={pages}"))
    monkeypatch.setattr(importing, "_CHUNK", 1_000)
    store = await Store.open(sqlite_url(tmp_path / "c.db"))
    try:
        await import_plates(store, 100)
        written: list[int] = []
        with pytest.raises(StoreError, match="database or disk is full"):
            await import_plates(store, 20_000, "B", progress=lambda done, _of: written.append(done))
        assert written[-1] > 1_000
        assert (await standing(store), await rows(store)) == ((1, 100, False), 100)
        # What was written is free again.
        assert (await import_plates(store, 101)).added == 1
    finally:
        await store.close()


class _Usage(NamedTuple):
    free: int


async def test_an_import_for_which_there_is_no_room_writes_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room.shutil, "disk_usage", lambda _: _Usage(2_000_000))
    if store.shared:
        # Of a server's disk nothing is known here.
        await room.check_room(store, 10**9, 0)
        return
    with pytest.raises(
        room.NoRoomError,
        match=r"has 2 MB free, and the file 0 MB within it, expected at least 5 MB for 10,000 entries; nothing was",
    ):
        await import_plates(store, 10_000)
    assert await rows(store) == 0
    assert (await import_plates(store, 100)).added == 100


async def test_what_was_cleared_away_is_room_for_the_next_import(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    if store.shared:
        # Of a server's disk nothing is known here.
        return
    await import_plates(store, 5)
    await broken_off(store, 20_000)
    assert await importing.clear_away(store, "stolen")
    # What it wrote is not given back to the disk, which has no more.
    monkeypatch.setattr(room.shutil, "disk_usage", lambda _: _Usage(0))
    assert (await import_plates(store, 1_000)).added == 995
    with pytest.raises(room.NoRoomError, match=r"has 0 MB free, and the file [1-9]"):
        await import_plates(store, 20_000)


async def test_a_draft_that_was_closed_is_cleared_away_at_once(store: Store) -> None:
    await import_plates(store, 5)
    await broken_off(store)
    async with store.write() as tx:
        await drafts.close(tx, "stolen")
    assert await standing(store) == (1, 5, True)
    with structlog.testing.capture_logs() as logs:
        await leftovers.clear(store, {})
    assert [(one["event"], one["list"]) for one in logs] == [("broken_import_cleared_away", "stolen")]
    assert (await standing(store), await rows(store)) == ((1, 5, False), 5)


async def test_a_draft_that_stands_still_is_cleared_away_and_one_that_grows_is_not(store: Store) -> None:
    await import_plates(store, 5)
    draft = await broken_off(store)
    first = await leftovers.clear(store, {})
    await write(store, draft, 2)
    second = await leftovers.clear(store, first)
    assert (await standing(store), await rows(store)) == ((1, 5, True), 10)
    await leftovers.clear(store, second)
    assert (await standing(store), await rows(store)) == ((1, 5, False), 5)
    assert await leftovers.clear(store, second) == {}


@pytest.mark.parametrize("how", ["begun anew", "cleared"])
async def test_what_somebody_else_cleared_away_is_not_said_to_be(
    store: Store, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    clear_away = leftovers.clear_away

    async def overtaken(*arguments: Any) -> bool:
        if how == "cleared":
            assert await clear_away(store, "stolen")
        else:
            async with store.write() as tx:
                await drafts.begin(tx, "stolen")
        return await clear_away(*arguments)

    monkeypatch.setattr(leftovers, "clear_away", overtaken)
    await import_plates(store, 5)
    await broken_off(store)
    with structlog.testing.capture_logs() as logs:
        await leftovers.clear(store, await leftovers.clear(store, {}))
    assert logs == []


async def test_an_import_whose_draft_was_taken_for_dead_begins_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_draft = importing._write_draft

    async def slow(*arguments: Any) -> None:
        monkeypatch.setattr(importing, "_write_draft", write_draft)
        await leftovers.clear(store, await leftovers.clear(store, {}))
        await write_draft(*arguments)

    monkeypatch.setattr(importing, "_write_draft", slow)
    assert (await import_plates(store, 5)).added == 5
    assert (await standing(store), await rows(store)) == ((1, 5, False), 5)


async def test_the_serving_collector_does_so(store: Store) -> None:
    await import_plates(store, 5)
    await broken_off(store)
    following = asyncio.create_task(leftovers.follow(store, every_s=0.001))
    async with asyncio.timeout(10):
        seen = store.committed.count
        while (await standing(store))[2]:
            await store.committed.changed(seen)
            seen = store.committed.count
    following.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await following
    assert await rows(store) == 5
