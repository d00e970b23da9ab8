from typing import Any

import pytest
from sqlalchemy import select

from collector.config import HotlistRules
from collector.domain.hotlists import Entry
from collector.errors import ConfigurationError, NotFoundError
from collector.hotlists.csv_file import parse
from collector.hotlists.importing import import_hotlist
from collector.hotlists.looking import age_h, age_word, compare, may_see, note_look, search, standing_of
from collector.store import tables
from collector.store.database import Store
from collector.store.hotlist_history import Standing

HOUR_NS = 3_600 * 1_000_000_000


async def import_text(store: Store, text: str, name: str = "stolen") -> None:
    await import_hotlist(store, parse(text.encode(), "f"), name=name, source="f.csv", who="cli:t", at_ns=5)


async def found(store: Store, wanted: str, **more: Any) -> list[str]:
    async with store.read() as tx:
        portions = search(tx, wanted, **{"ended": False} | more)
        return sorted([one.entry.plate async for portion in portions for one in portion])


async def test_a_plate_is_found_in_all_lists_however_o_and_0_are_written_and_with_the_patterns_it_fits(
    store: Store,
) -> None:
    await import_text(store, "plate,pattern\n7OB0123,\n7ABC123,\n7?B*,yes\n")
    await import_text(store, "plate\n70BO123\n", "wanted")
    assert await found(store, "7ob-0123") == ["70BO123", "7?B*", "7OB0123"]
    assert await found(store, "7A?C[0-3]23") == ["7ABC123"]
    assert await found(store, "7?B*") == ["70BO123", "7?B*", "7ABC123", "7OB0123"]
    assert await found(store, "ZZ99") == []
    await import_text(store, "plate\nAA11\n")
    assert await found(store, "7ABC123") == []
    assert await found(store, "7ABC123", ended=True) == ["7?B*", "7ABC123"]


async def test_one_may_search_as_widely_as_one_likes_and_a_pattern_finds_itself(store: Store) -> None:
    await import_text(store, "plate,pattern\n7ABC123,\n8DEF456,\n7O,\n[7-8]A0,yes\n")
    assert await found(store, "7*") == ["7ABC123", "7O"]
    assert await found(store, "?[O8]") == ["7O"]
    assert await found(store, "*") == ["7ABC123", "7O", "8DEF456", "[7-8]A0"]
    assert await found(store, "[7-8] a-0") == ["[7-8]A0"]


@pytest.mark.parametrize("wanted", ["", "-", "[AB", "[F-A]1", "7%*", "?" * 25])
async def test_what_is_neither_plate_nor_pattern_is_refused(store: Store, wanted: str) -> None:
    with pytest.raises(ConfigurationError):
        await found(store, wanted)


async def test_two_versions_compared(store: Store) -> None:
    await import_text(store, "plate,reason\nAA1,x\nBB2,x\nCC3,x\n")
    await import_text(store, "plate\nWW1\n", "wanted")
    await import_text(store, "plate,reason\nAA1,x\nBB2,y\nDD4,x\n")
    async with store.read() as tx:
        compared = await compare(tx, "stolen", None, None, 10)
        back = await compare(tx, "stolen", 3, 1, 10)
        short = await compare(tx, "stolen", 1, 3, 2)
        for older, newer in ((2, 3), (1, 4)):
            with pytest.raises(NotFoundError, match="never had version"):
                await compare(tx, "stolen", older, newer, 10)
        with pytest.raises(NotFoundError, match="no such list"):
            await compare(tx, "nothing", None, None, 10)
    assert (compared.older, compared.newer) == (1, 3)
    assert (compared.added, compared.changed, compared.removed, compared.unchanged) == (1, 1, 1, 1)
    sides = [(one.older and one.older.plate, one.newer and one.newer.plate) for one in compared.differences]
    assert sides == [(None, "DD4"), ("BB2", "BB2"), ("CC3", None)]
    assert (back.added, back.changed, back.removed) == (1, 1, 1)
    assert len(short.differences) == 2


async def test_that_a_covert_entry_is_shown_is_in_the_audit_log(store: Store) -> None:
    plain, covert = Entry(1, "l", "AA1", None), Entry(2, "l", "BB2", None, covert_to=("ada",))
    assert [may_see(covert, who) for who in ("ada", "bob", "")] == [True, False, False]
    assert may_see(plain, "bob")
    await note_look(store, [plain], who="cli:bob", how="search", at_ns=7)
    await note_look(store, [plain, covert], who="cli:ada", how="search", at_ns=7)
    async with store.read() as tx:
        (row,) = await tx.execute(select(tables.audit))
    assert (row.who, row.action, row.subject) == ("cli:ada", "hotlist.look", "l")
    assert row.detail == {"how": "search", "entries": [2]}


async def test_the_age_of_a_list_is_by_its_source(store: Store) -> None:
    await import_text(store, "plate\nAA1\n")
    async with store.read() as tx:
        one = await standing_of(tx, "stolen")
    assert age_h(one, 5 + 3 * HOUR_NS) == 3
    by_hand = Standing("l", 1, 1, 0, "", "", False, False)
    assert age_h(by_hand, HOUR_NS) is None
    rules = HotlistRules(soft_age_h=2, hard_age_h=4)
    assert [age_word(age, rules) for age in (None, 1.0, 3.0, 4.0)] == ["made by hand", "current", "old", "expired"]
    assert age_word(1e6, HotlistRules()) == "current"
