from contextlib import asynccontextmanager
from typing import Any

import pytest

from collector.config import HotlistEntries
from collector.errors import StoreError
from collector.hotlists import entering
from collector.hotlists.csv_file import parse
from collector.hotlists.entering import Edited
from collector.hotlists.importing import import_hotlist
from collector.store import back_searches, drafts
from collector.store.entries import EntryRow, values
from collector.store.hotlists import Made

DAY_NS = 86_400 * 10**9


async def finish(searcher: Any) -> int:
    """Look until there is nothing left to do at once; how often that was."""
    looks = 0
    while await searcher.look():
        looks += 1
    return looks


class Interrupted:
    """A store that fails at some write, as a collector does that is killed."""

    def __init__(self, store: Any, writes: int) -> None:
        self.committed, self._store, self._writes = store.committed, store, writes

    def read(self) -> Any:
        return self._store.read()

    @asynccontextmanager
    async def write(self) -> Any:
        self._writes -= 1
        async with self._store.write() as tx:
            yield tx
            if self._writes < 0:
                raise StoreError("killed")


async def test_reads_of_the_last_days_raise_historical_alerts(desk: Any) -> None:
    await desk.sees("7ABC123", "OTHER1", first_track=1)
    done = await desk.adds(days=7)
    assert await desk.alerts() == []
    assert await finish(desk.searcher()) == 1
    [alert] = await desk.alerts()
    assert alert.historical
    assert (alert.about.read.text, alert.about.entry.id) == ("7ABC123", done.entry.id)
    assert any("searching earlier reads" in one for one in alert.why)
    search = await desk.search(done.search)
    assert (search.looked_at, search.raised, search.ended_at_ns) == (2, 1, desk.clock.utc_ns())
    assert desk.asked == ["lpr-1"]


async def test_reads_from_before_are_not_looked_at(desk: Any) -> None:
    await desk.sees("7ABC123")
    desk.clock.advance(DAY_NS)
    done = await desk.adds(days=0.5)
    await finish(desk.searcher())
    assert await desk.alerts() == []
    assert (await desk.search(done.search)).looked_at == 0


async def test_without_days_nothing_is_searched(desk: Any) -> None:
    assert (await desk.adds(days=0)).search is None
    assert not await desk.searcher().look()


async def test_a_search_goes_on_where_it_stood_after_a_kill(desk: Any) -> None:
    await desk.sees(*["7ABC123", *(f"OTHER{at}" for at in range(30)), "7ABC123"])
    done = await desk.adds(days=7)
    killed = desk.searcher()
    assert await killed.look()
    assert await killed.look()
    before = await desk.search(done.search)
    assert (before.looked_at, before.ended_at_ns) == (20, None)
    assert await finish(desk.searcher()) == 2
    after = await desk.search(done.search)
    assert (after.looked_at, after.raised) == (32, len(await desk.alerts()))
    assert after.ended_at_ns is not None
    assert not await desk.searcher().look()


@pytest.mark.parametrize("writes", [0, 1])
async def test_a_kill_in_the_middle_of_a_portion_raises_nothing_twice(desk: Any, writes: int) -> None:
    await desk.sees("7ABC123", "OTHER1")
    done = await desk.adds(days=7)
    with pytest.raises(StoreError, match="killed"):
        await desk.searcher(Interrupted(desk.store, writes)).look()
    assert len(await desk.alerts()) == writes
    await finish(desk.searcher())
    assert len(await desk.alerts()) == (await desk.search(done.search)).raised == 1


async def test_it_ends_only_when_no_read_that_was_matched_with_an_older_version_is_left(desk: Any) -> None:
    """PROTOCOL, Ingest: a back-search for version v ends only when nobody still matches with an older one."""
    await desk.sees("OTHER1")
    done = await desk.adds(days=7)
    # A collector that has not taken up the new version stores a read: the search cannot know it.
    await desk.sees("7ABC123", first_track=5, captured_at_ns=desk.make.now_ns)
    searcher = desk.searcher()
    assert await finish(searcher) == 0
    assert ((await desk.search(done.search)).ended_at_ns, await desk.alerts()) == (None, [])
    await desk.rematch()
    [alert] = await desk.alerts()
    assert not alert.historical
    assert await finish(searcher) == 1
    assert (await desk.search(done.search)).ended_at_ns is not None
    assert len(await desk.alerts()) == 1


async def test_what_is_withdrawn_meanwhile_raises_nothing(desk: Any) -> None:
    await desk.sees("7ABC123")
    done = await desk.adds(days=7)
    await entering.withdraw(desk.store, done.entry.id, "wrong plate", who="cli:ann", at_ns=desk.clock.utc_ns())
    await finish(desk.searcher())
    assert await desk.alerts() == []
    assert (await desk.search(done.search)).ended_at_ns is not None


async def test_an_import_searches_for_what_it_adds_and_not_for_what_it_changes(desk: Any) -> None:
    async def imports(rows: list[EntryRow], ended: list[int], added: int, most: int) -> int | None:
        async with desk.store.write() as tx:
            draft = await drafts.begin(tx, "stolen")
            await drafts.add(tx, draft, [values(row) for row in rows])
            await drafts.end(tx, draft, ended)
            made = Made("import", "cli:t", 1, "f", added=added, changed=len(rows) - added)
            version = await drafts.publish(tx, draft, made)
            assert version is not None
            return await back_searches.ask_for_added(
                tx, name="stolen", version=version, days=7, most=most, by="cli:t", at_ns=desk.clock.utc_ns()
            )

    async def sought(number: int | None) -> list[str]:
        async with desk.store.read() as tx:
            return [one.plate for one in await back_searches.entries(tx, await desk.search(number))]

    first = await imports([EntryRow("AA11", None), EntryRow("BB22", None)], [], 2, 10)
    assert await sought(first) == ["AA11", "BB22"]
    async with desk.store.read() as tx:
        ids = {one.plate: one.entry_id for one in await back_searches.entries(tx, await desk.search(first))}
    await desk.adds("CC33")
    second = await imports([EntryRow("AA11", None, "new reason"), EntryRow("DD44", None)], [ids["AA11"]], 1, 10)
    assert await sought(second) == ["DD44"]
    assert await imports([EntryRow("EE55", None), EntryRow("FF66", None)], [], 2, 1) is None
    assert await imports([], [], 0, 1) is None


async def test_the_search_of_a_pattern(desk: Any) -> None:
    await desk.sees("7ABC123", "8ABC123", "7AB2")
    await desk.sees("7ABX199", first_track=9, captured_at_ns=desk.make.now_ns - DAY_NS)
    await desk.adds("7AB?1*", state="any", days=7)
    await finish(desk.searcher())
    assert sorted(alert.about.read.text for alert in await desk.alerts()) == ["7ABC123", "7ABX199"]


async def test_a_search_goes_on_for_an_entry_that_is_edited_meanwhile(desk: Any) -> None:
    await desk.sees(*["7ABC123", *(f"OTHER{at}" for at in range(15))])
    done = await desk.adds(days=7)
    searcher = desk.searcher()
    assert await searcher.look()
    now_ns = desk.clock.utc_ns()
    edited = await entering.edit(
        desk.store, done.entry.id, Edited(notes="armed"), HotlistEntries(), who="cli:cat", at_ns=now_ns
    )
    await finish(searcher)
    [alert] = await desk.alerts()
    assert alert.about.entry.id == edited.entry.id
    assert (await desk.search(done.search)).looked_at == 16


async def test_a_search_goes_on_for_what_the_next_file_says_something_else_of(desk: Any) -> None:
    await desk.sees("7ABC123", "OTHER1")

    async def also(tx: Any, version: int) -> None:
        await back_searches.ask_for_added(
            tx, name="stolen", version=version, days=7, most=9, by="t", at_ns=desk.clock.utc_ns()
        )

    for text, more in ((b"plate\n7ABC123\n8DEF456\n", {"also": also}), (b"plate,reason\n7ABC123,armed\n", {})):
        await import_hotlist(desk.store, parse(text, "f"), name="stolen", source="f", who="t", at_ns=5, **more)
    await finish(desk.searcher())
    [alert] = await desk.alerts()
    assert alert.about.entry.reason == "armed"
