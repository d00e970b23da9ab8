from typing import Any

import pytest
from sqlalchemy import func, select

from collector.domain.hotlists import Vehicle
from collector.errors import StoreRefusedError
from collector.match.patterns import MOST
from collector.store import drafts, entries, hotlist_history, hotlists, tables
from collector.store.database import Store
from collector.store.hotlists import EntryRow, Made

MADE = Made(action="import", by="cli:t", at_ns=3, source="f.csv", confirmed_at_ns=3)
FULL = EntryRow(
    "7AB?1*",
    "US-TX",
    reason="fled",
    severity="high",
    notes="n",
    reference="V1",
    is_pattern=True,
    plate_type="PC",
    category="felony-vehicle",
    case_number="26-1",
    vehicle=Vehicle("HOND", "ACC", "SIL", 2003, "1HG"),
    owner="Springfield PD",
    effective_ns=1,
    expires_ns=2**62,
    handling="wait for backup",
    covert_to=("ada", "bob"),
    canary=True,
    added_by="ada",
    added_at_ns=4,
    requester="Sgt. Diaz",
    review_due_ns=5,
    reviewed_by="bob",
    reviewed_at_ns=6,
)


async def change(store: Store, add: list[EntryRow], end: tuple[int, ...] = (), **more: Any) -> int:
    how = {"action": "add", "by": "ada", "source": "ada", "at_ns": 7} | more
    async with store.write() as tx:
        return await hotlists.change(tx, "local", add=add, end=end, **how)


async def standing(store: Store) -> dict[str, int]:
    """Return plate and id of what is in force."""
    async with store.read() as tx:
        found = hotlist_history.find(tx, like="%", ended=False)
        return {one.entry.plate: one.entry.id async for portion in found for one in portion}


async def test_an_entry_comes_back_as_it_was_written(store: Store) -> None:
    assert await change(store, [FULL]) == 1
    async with store.read() as tx:
        (found,) = [one async for portion in hotlist_history.find(tx, patterns=True, ended=False) for one in portion]
        (values,) = [row async for portion in hotlist_history.values_at(tx, "local", 1) for row in portion]
    assert EntryRow(*(getattr(found.entry, name) for name in entries.COLUMNS)) == FULL
    assert (found.entry.list, found.first_version, found.end_version) == ("local", 1, None)
    # What is bound is what comes back, so that equal entries have equal digests.
    assert values[1:] == entries.values(FULL)
    assert entries.from_values(values[1:]) == FULL


async def test_single_entries_are_one_short_transaction_and_a_version_each(store: Store) -> None:
    assert await change(store, [EntryRow("AA1", None), EntryRow("BB2", None)]) == 1
    numbers = await standing(store)
    edited = EntryRow("AA1", None, reason="armed")
    assert await change(store, [edited], (numbers["AA1"],), action="edit") == 2
    assert await change(store, [], (numbers["BB2"],), action="withdraw") == 3
    assert list(await standing(store)) == ["AA1"]
    async with store.read() as tx:
        kept = await hotlist_history.versions(tx, "local")
        assert await hotlists.size(tx, "local") == 1
        (one,) = await hotlist_history.standing(tx)
    counted = [(each.made.action, each.made.added, each.made.changed, each.made.removed) for each in kept]
    assert counted == [("withdraw", 0, 0, 1), ("edit", 0, 1, 0), ("add", 2, 0, 0)]
    # No source has confirmed it.
    assert (one.confirmed_at_ns, one.version) == (0, 3)


async def test_what_is_not_in_force_cannot_end_and_what_is_cannot_come_twice(store: Store) -> None:
    await change(store, [EntryRow("AA1", None)])
    (number,) = (await standing(store)).values()
    with pytest.raises(StoreRefusedError, match="got entries 99 to end"):
        await change(store, [], (number, 99))
    for twice in ([EntryRow("AA1", None)], [EntryRow("BB2", "US-TX"), EntryRow("BB2", "US-TX", reason="other")]):
        with pytest.raises(StoreRefusedError, match="is on it already"):
            await change(store, twice)
    assert await change(store, [EntryRow("AA1", "US-TX"), EntryRow("AA1", None, reference="26-2")]) == 2
    await change(store, [], (number,))
    with pytest.raises(StoreRefusedError, match=f"got entries {number} to end"):
        await change(store, [], (number,))


async def test_no_more_patterns_come_in_force_than_are_looked_for(store: Store) -> None:
    patterns = [EntryRow(f"7A{number:03}*", None, is_pattern=True) for number in range(MOST)]
    await change(store, patterns)
    one_more = EntryRow("7AB?1*", None, is_pattern=True)
    with pytest.raises(StoreRefusedError, match=f"got {MOST + 1} patterns on all lists"):
        await change(store, [one_more])
    async with store.write() as tx:
        draft = await drafts.begin(tx, "file")
        await drafts.add(tx, draft, [entries.values(one_more)])
    with pytest.raises(StoreRefusedError, match=f"got {MOST + 1} patterns on all lists"):
        async with store.write() as tx:
            await drafts.publish(tx, draft, MADE)
    found = await standing(store)
    assert len(found) == MOST
    await change(store, [], (found["7A000*"],))
    await change(store, [one_more])


async def test_a_draft_that_broke_off_is_in_force_in_no_version(store: Store) -> None:
    await change(store, [EntryRow("AA1", None)])
    (number,) = (await standing(store)).values()
    async with store.write() as tx:
        draft = await drafts.begin(tx, "local")
        await drafts.add(tx, draft, [entries.values(EntryRow("DD4", None))])
        await drafts.end(tx, draft, [number])
    # Versions of this list and of others go past the draft's mark.
    for plate in ("BB2", "CC3", "EE5"):
        await change(store, [EntryRow(plate, None)])
    assert sorted(await standing(store)) == ["AA1", "BB2", "CC3", "EE5"]
    async with store.write() as tx:
        assert await drafts.publish(tx, draft, MADE) is None
    async with store.read() as tx:
        for version, held in ((1, 1), (3, 2), (5, 4)):
            rows = [row async for portion in hotlist_history.values_at(tx, "local", version) for row in portion]
            assert len(rows) == held
            assert "DD4" not in {row[1] for row in rows}
        ended = [one async for portion in hotlist_history.find(tx, plates=["DD4"], ended=True) for one in portion]
    assert ended == []
    async with store.write() as tx:
        await drafts.begin(tx, "local")
    async with store.read() as tx:
        assert (await tx.execute(select(func.count()).select_from(tables.hotlist_entry))).scalar_one() == 4


async def test_what_a_draft_left_is_cleared_away_in_portions(store: Store) -> None:
    await change(store, [EntryRow(f"AA{at}", None) for at in range(5)])
    numbers = list((await standing(store)).values())
    async with store.write() as tx:
        draft = await drafts.begin(tx, "local")
        await drafts.add(tx, draft, [entries.values(EntryRow(f"DD{at}", None)) for at in range(5)])
        await drafts.end(tx, draft, numbers)
        await drafts.close(tx, "local")
    # The last of the four only makes sure that nothing came where it was clear already.
    portions, after = 0, 0
    while after is not None:
        async with store.write() as tx:
            after = await drafts.clear_closed(tx, "local", after, 4)
        portions += 1
    assert portions == 4
    async with store.read() as tx:
        assert not await drafts.is_drafting(tx, "local")
        rows = (await tx.execute(select(tables.hotlist_entry))).all()
    assert [(row.plate[:2], row.end_version) for row in rows] == [("AA", None)] * 5


async def test_whoever_clears_away_an_old_draft_takes_nothing_from_one_that_has_begun_since(store: Store) -> None:
    async with store.write() as tx:
        draft = await drafts.begin(tx, "local")
        await drafts.add(tx, draft, [entries.values(EntryRow(f"DD{at}", None)) for at in range(9)])
        await drafts.close(tx, "local", draft)
    async with store.write() as tx:
        after = await drafts.clear_closed(tx, "local", 0, 4)
    assert after is not None
    async with store.write() as tx:
        newer = await drafts.begin(tx, "local")
        await drafts.add(tx, newer, [entries.values(EntryRow(f"EE{at}", None)) for at in range(9)])
        # Given up by whoever had begun the other one.
        await drafts.close(tx, "local", draft)
    async with store.write() as tx:
        assert await drafts.clear_closed(tx, "local", after, 4) is None
        assert await drafts.clear_closed(tx, "local", 0, 4) is None
    async with store.write() as tx:
        assert await drafts.publish(tx, newer, MADE) is not None
    assert sorted(await standing(store)) == [f"EE{at}" for at in range(9)]


async def test_what_a_second_draft_left_under_numbers_already_cleared_is_cleared_too(store: Store) -> None:
    after = 0
    for plate in ("DD", "EE"):
        async with store.write() as tx:
            draft = await drafts.begin(tx, "local")
            await drafts.add(tx, draft, [entries.values(EntryRow(f"{plate}{at}", None)) for at in range(9)])
            await drafts.close(tx, "local")
            if plate == "DD":
                after = await drafts.clear_closed(tx, "local", 0, 8) or 0
    going: int | None = after
    while going is not None:
        async with store.write() as tx:
            going = await drafts.clear_closed(tx, "local", going, 8)
    async with store.read() as tx:
        assert (await tx.execute(select(func.count()).select_from(tables.hotlist_entry))).scalar_one() == 0


async def test_entries_are_found_by_plate_and_by_what_they_are_like(store: Store) -> None:
    await change(store, [EntryRow("7ABC123", None), EntryRow("7ABD124", None), EntryRow("*42X", None, is_pattern=True)])
    numbers = await standing(store)
    await change(store, [], (numbers["7ABD124"],), action="withdraw")

    async def find(**what: Any) -> list[tuple[str, int | None]]:
        async with store.read() as tx:
            found = hotlist_history.find(tx, **what)
            return [(one.entry.plate, one.end_version) async for portion in found for one in portion]

    assert await find(plates=["7ABC123", "7ABD124"], ended=False) == [("7ABC123", None)]
    assert await find(like="7AB_12_", ended=True) == [("7ABC123", None), ("7ABD124", 2)]
    assert await find(patterns=True, ended=False) == [("*42X", None)]
    async with store.read() as tx:
        one = await hotlist_history.one(tx, numbers["7ABD124"])
        assert one is not None
        assert one.end_version == 2
        assert await hotlist_history.one(tx, 10_000) is None
