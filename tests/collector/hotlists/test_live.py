import asyncio
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from collector.alerts.raising import Raising
from collector.alerts.rematching import rematch
from collector.hotlists.csv_file import parse
from collector.hotlists.importing import import_hotlist
from collector.hotlists.live import LiveMatcher
from collector.ingest.intake import Intake
from collector.ingest.media import MediaIntake
from collector.ingest.picture_folder import PictureFolder
from collector.ingest.verdicts import VerifyingKey, judge
from collector.match import packing
from collector.match.records import ListedPlate, ListState
from collector.store import drafts, hotlists, listing, queries, reads, tables
from collector.store.database import Store
from collector.store.drafts import Draft
from collector.store.entries import values
from collector.store.hotlists import EntryRow, Made
from edge_wire import cose

_MINUTE_NS = 60_000_000_000


async def import_text(store: Store, text: str, name: str = "l") -> None:
    await import_hotlist(store, parse(text.encode(), "f"), name=name, source="f", who="cli:t", at_ns=5)


async def begin(store: Store, name: str = "l") -> Draft:
    async with store.write() as tx:
        return await drafts.begin(tx, name)


async def write(store: Store, draft: Draft, added: Sequence[EntryRow] = (), ended: Sequence[int] = ()) -> None:
    async with store.write_of(()) as tx:
        await drafts.add(tx, draft, [values(one) for one in added])
        await drafts.end(tx, draft, ended)


async def publish(store: Store, draft: Draft) -> int | None:
    async with store.write() as tx:
        return await drafts.publish(tx, draft, Made("import", "cli:t", 5, "f", confirmed_at_ns=5))


async def change(store: Store, name: str = "l", add: Sequence[EntryRow] = (), end: Sequence[int] = ()) -> int:
    async with store.write() as tx:
        return await hotlists.change(tx, name, add=add, end=end, action="edit", by="t", source="t", at_ns=6)


def plates(*texts: str) -> list[EntryRow]:
    return [EntryRow(text, None) for text in texts]


def found(live: LiveMatcher, *texts: str) -> list[str]:
    _, rows = live.index.find(packing.pack(texts))
    return [live.index.listed(row).plate for row in rows.tolist()]


async def test_a_new_version_takes_the_place_of_the_old_one(store: Store) -> None:
    live = LiveMatcher(store)
    assert not await live.load()
    await import_text(store, "plate\nAA1\n")
    before = live.matcher
    assert await live.load()
    assert (len(before), before.generation) == (0, 0)
    assert (len(live.matcher), live.matcher.generation) == (1, 1)
    assert live.index.versions == {"l": ListState(1, 5)}
    assert not await live.load()


async def test_an_entry_comes_with_all_that_matching_needs(store: Store) -> None:
    rows = [
        EntryRow("7ABC12O", "US-TX", category="stolen-vehicle", reference="NIC 1", effective_ns=5, expires_ns=9),
        EntryRow("7ABC120", None, reference="Ä"),
        EntryRow("7AB*", "US-CA", is_pattern=True, category="missing-person", expires_ns=9),
        EntryRow("ÄB1234567890123", None, effective_ns=7),
    ]
    await change(store, "a\x1eb", rows)
    first = LiveMatcher(store)
    await first.load()
    assert [one.category for one in first.index.patterns.entries] == ["missing-person"]
    _, at = first.index.find(packing.pack(["7ABC120", "ÄB1234567890123"]))
    assert [first.index.listed(row) for row in at.tolist()] == [
        ListedPlate(1, "a\x1eb", "7ABC12O", "US-TX", False, 5, 9, "stolen-vehicle", "NIC 1"),
        ListedPlate(2, "a\x1eb", "7ABC120", None, reference="Ä"),
        ListedPlate(4, "a\x1eb", "ÄB1234567890123", None, effective_ns=7),
    ]


async def test_a_pattern_that_is_none_is_told_and_keeps_nothing_else_from_being_looked_for(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    await change(store, add=[EntryRow("*", None, is_pattern=True), *plates("AA1")])
    live = LiveMatcher(store)
    await live.load()
    assert found(live, "AA1") == ["AA1"]
    assert capsys.readouterr().out.count("pattern_not_looked_for") == 1
    await change(store, add=plates("AA2"))
    await live.load()
    assert "pattern_not_looked_for" not in capsys.readouterr().out


async def test_an_import_of_20_000_rows_is_read_while_it_is_written(store: Store) -> None:
    live = LiveMatcher(store)
    await change(store, add=plates("OLD1", "OLD2"))
    await live.load()
    draft = await begin(store)
    for at in range(0, 20_000, 5_000):
        await write(store, draft, plates(*(f"P{number}" for number in range(at, at + 5_000))))
        await live.read_ahead()
    await write(store, draft, ended=[2])
    await live.read_ahead()
    await write(store, draft, plates("LAST"), [1])
    assert not await live.load()
    assert found(live, "OLD1", "OLD2", "P0") == ["OLD1", "OLD2"]
    await publish(store, draft)
    await live.load()
    assert len(live.index) == 20_001
    assert found(live, "OLD1", "OLD2", "P0", "P19999", "LAST") == ["P0", "P19999", "LAST"]
    async with store.read() as tx:
        standing = [portion async for portion in listing.standing(tx)]
    assert sum(len(portion.columns) for portion in standing) == 20_001


async def test_one_added_and_one_withdrawn_are_in_force_at_the_next_look(store: Store) -> None:
    live = LiveMatcher(store)
    await import_text(store, "plate\nAA1\nBB2\n")
    await live.load()
    await change(store, add=plates("CC3"))
    await live.load()
    assert found(live, "AA1", "BB2", "CC3") == ["AA1", "BB2", "CC3"]
    await change(store, end=[1, 3])
    await live.load()
    assert found(live, "AA1", "BB2", "CC3") == ["BB2"]
    assert (len(live.index), live.matcher.generation) == (1, 3)


async def test_what_was_read_of_a_draft_that_another_took_the_place_of_counts_for_nothing(store: Store) -> None:
    live = LiveMatcher(store)
    await change(store, add=plates("AA1"))
    await live.load()
    await write(store, await begin(store), plates("BB2", "CC3"), [1])
    await live.read_ahead()
    # It carries the same mark, and on SQLite its rows have the same ids.
    other = await begin(store)
    await write(store, other, plates("DD4"))
    await publish(store, other)
    await live.load()
    assert found(live, "AA1", "BB2", "CC3", "DD4") == ["AA1", "DD4"]


async def test_a_draft_that_a_single_entry_has_closed_never_counts(store: Store) -> None:
    live = LiveMatcher(store)
    await change(store, add=plates("AA1"))
    await live.load()
    await write(store, await begin(store), plates("BB2"), [1])
    await live.read_ahead()
    await change(store, add=plates("CC3"))
    await live.load()
    assert found(live, "AA1", "BB2", "CC3") == ["AA1", "CC3"]
    again = LiveMatcher(store)
    await again.load()
    assert found(again, "AA1", "BB2", "CC3") == ["AA1", "CC3"]


async def test_endings_count_in_whatever_order_they_were_written(store: Store) -> None:
    live = LiveMatcher(store)
    await change(store, add=plates("AA1", "BB2", "CC3"))
    await live.load()
    draft = await begin(store)
    await write(store, draft, ended=[3])
    await live.read_ahead()
    await write(store, draft, ended=[1])
    await publish(store, draft)
    await live.load()
    assert found(live, "AA1", "BB2", "CC3") == ["BB2"]


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_happens_to_lists_it_has_what_is_in_force(store: Store, seed: int) -> None:
    chance = random.Random(seed)
    live = LiveMatcher(store)
    open_drafts: dict[str, Draft] = {}
    names = ("a", "b")
    numbers = iter(range(1_000_000))
    for _ in range(60):
        name = chance.choice(names)
        step = chance.choice(["begin", "write", "write", "publish", "add", "withdraw", "read ahead", "load", "merge"])
        if step == "begin":
            open_drafts[name] = await begin(store, name)
        elif step in ("write", "publish") and name in open_drafts:
            async with store.read() as tx:
                is_open = await drafts.is_open(tx, open_drafts[name])
            if not is_open:
                del open_drafts[name]
            elif step == "publish":
                assert await publish(store, open_drafts.pop(name)) is not None
            else:
                standing = [one for one, _ in await in_force(store, name)]
                ended = chance.sample(standing, min(len(standing), chance.randrange(3)))
                new = [f"P{next(numbers)}" for _ in range(chance.randrange(4))]
                await write(store, open_drafts[name], plates(*new), ended)
        elif step == "add":
            await change(store, name, plates(f"P{next(numbers)}"))
        elif step == "withdraw":
            standing = [one for one, _ in await in_force(store, name)]
            if standing:
                await change(store, name, end=[chance.choice(standing)])
        elif step == "read ahead":
            await live.read_ahead()
        elif step == "merge":
            live.merge()
        await live.load()
        expected = sorted([one for name in names for one in await in_force(store, name)])
        everything = [f"P{number}" for number in range(250)]
        _, rows = live.index.find(packing.pack(everything))
        listed = [live.index.listed(row) for row in rows.tolist()]
        assert sorted((one.entry_id, one.plate) for one in listed) == expected
        assert len(live.index) == len(expected)


async def in_force(store: Store, name: str) -> list[tuple[int, str]]:
    entry = tables.hotlist_entry
    async with store.read() as tx:
        rows = await tx.execute(
            select(entry.c.id, entry.c.plate)
            .join(tables.hotlist, tables.hotlist.c.name == entry.c.list)
            .where(hotlists.in_force(), entry.c.list == name)
        )
        return [(row.id, row.plate) for row in rows]


async def test_known_look_alikes_come_and_go_without_a_new_version(store: Store) -> None:
    live = LiveMatcher(store)
    await import_text(store, "plate\n7ABC123\n")
    await live.load()
    before = live.matcher
    of = {"true_plate": "7A8C123", "list": "l", "plate": "7ABC123", "author": "t", "reason": "", "created_at_ns": 1}
    async with store.write() as tx:
        await tx.execute(insert(tables.exclusion).values(**of, expires_at_ns=9))
    assert not await live.load()
    with_it = live.matcher
    assert (with_it is before, with_it.generation) == (False, 1)
    assert not await live.load()
    assert live.matcher is with_it
    async with store.write() as tx:
        await tx.execute(update(tables.exclusion).values(ended_by="t", ended_at_ns=5))
    await live.load()
    assert live.matcher is not with_it


async def test_invariant_5_reads_stored_during_a_change_of_hotlists_are_matched_with_the_new_one(
    store: Store, make: Any, clock: Any, tmp_path: Path
) -> None:
    live = LiveMatcher(store)
    device = await make.device().enrol(store)
    keys = {
        (device.id, cose.key_id(key.public_key())): VerifyingKey(key.public_key(), epoch)
        for key, epoch in ((device.key, None), (device.epoch_key, 7))
    }
    intake = Intake(store, MediaIntake(PictureFolder(tmp_path)), lambda: Raising(live.matcher), clock.utc_ns, 120)
    await intake.commit([judge(one, keys) for one in (device.open(), device.publish(make.health()), device.read())])
    # Another process publishes a hotlist; a read is stored before this one has taken it up.
    await import_text(store, "plate\n7ABC123\n")
    old = make.boot_ns - 60 * _MINUTE_NS
    between = [device.read(track=2), device.read(track=3, captured_boot_ns=old), device.read("OTHER", track=4)]
    await intake.commit([judge(one, keys) for one in between])
    assert await rematch(store, Raising(live.matcher), clock.utc_ns) == set()
    await live.load()
    assert await rematch(store, Raising(live.matcher), clock.utc_ns) == {"lpr-1"}
    async with store.read() as tx:
        alerts = await queries.alerts(tx)
        assert sorted((alert.about.read.track, alert.historical) for alert in alerts) == [(2, False), (3, True)]
        assert await reads.awaiting_match(tx, 10) == {}
    # Matched again, alerted once.
    await intake.commit([judge(device.read(track=2, revision=1), keys)])
    assert await rematch(store, Raising(live.matcher), clock.utc_ns) == set()
    async with store.read() as tx:
        assert len(await queries.alerts(tx)) == 2


async def test_what_waited_for_a_match_while_the_collector_was_down_is_historical(
    store: Store, make: Any, clock: Any, tmp_path: Path
) -> None:
    live = LiveMatcher(store)
    device = await make.device().enrol(store)
    keys = {
        (device.id, cose.key_id(key.public_key())): VerifyingKey(key.public_key(), epoch)
        for key, epoch in ((device.key, None), (device.epoch_key, 7))
    }
    intake = Intake(store, MediaIntake(PictureFolder(tmp_path)), lambda: Raising(live.matcher), clock.utc_ns, 120)
    await intake.commit([judge(one, keys) for one in (device.open(), device.publish(make.health()))])
    await import_text(store, "plate\n7ABC123\n")
    await intake.commit([judge(device.read(), keys)])
    await live.load()
    later_ns = clock.utc_ns() + 3 * 60 * _MINUTE_NS
    assert await rematch(store, Raising(live.matcher), lambda: later_ns) == {"lpr-1"}
    async with store.read() as tx:
        (alert,) = await queries.alerts(tx)
    assert alert.historical
    assert "Historical: it came 3 h before it could be matched with this list." in alert.why


async def test_it_follows_imports_of_other_processes_until_it_is_stopped(store: Store, store_url: str) -> None:
    live = LiveMatcher(store)
    taken_up = asyncio.Event()

    async def after_each_look() -> None:
        if live.matcher.generation == 1:
            taken_up.set()

    following = asyncio.create_task(live.follow(after_each_look))
    other = await Store.open(store_url)
    await import_text(other, "plate\nAA1\n")
    await other.close()
    async with asyncio.timeout(5):
        await taken_up.wait()
    live.stop()
    await following
