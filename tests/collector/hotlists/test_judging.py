from typing import Any

import pytest

from collector.config import HotlistFeed, Hotlists
from collector.hotlists.csv_file import parse
from collector.hotlists.importing import import_hotlist, roll_back
from collector.hotlists.judging import Limits, Standing, limits_of, shrinking, standing_of
from collector.store import hotlist_history, hotlists
from collector.store.database import Store
from collector.store.entries import EntryRow
from collector.store.hotlist_history import Largest

DAY_NS = 86_400 * 10**9


def test_a_file_that_is_much_smaller_or_empty_is_doubted() -> None:
    def of(rows: int, standing: int, most: int | None = None) -> list[str]:
        largest = None if most is None else Largest(41, 10**18, most)
        return list(shrinking(rows, Standing(standing, largest), Limits(10, 7)))

    assert of(900, 1_000) == of(1_000, 0) == of(5_000, 1_000) == of(900, 1_000, 1_000) == []
    assert "899 entries, 10% fewer than the list" in of(899, 1_000)[0]
    assert "is empty" in of(0, 10)[0]
    assert "is empty" in of(0, 0, 5)[0]
    assert of(899, 950, 1_000) == [
        "it has 899 entries, 10% fewer than version 41 of 2001-09-09T01:46:40Z, which had 1000: does the list lose "
        "some with every file?"
    ]
    # Once is enough.
    assert len(of(89, 100, 1_000)) == 1


def test_a_list_is_judged_as_its_feed_has_it() -> None:
    feed = {"name": "f", "list": "stolen", "folder": {"path": "/in"}, "expected_every_h": 1}
    settings = Hotlists.model_validate({"feeds": [feed | {"shrink_percent": 3, "shrink_days": 1}]})
    assert limits_of(settings, "stolen") == Limits(3, 1)
    told = HotlistFeed.model_validate(feed)
    assert limits_of(settings, "other") == Limits() == Limits(told.shrink_percent, told.shrink_days) == Limits(10, 7)


async def import_plates(store: Store, plates: int, day: int, **more: Any) -> int:
    text = "plate\n" + "".join(f"A{at:04}\n" for at in range(plates))
    parsed = parse(text.encode(), "f")
    how = {"name": "stolen", "source": "f", "who": "t", "at_ns": day * DAY_NS} | more
    return (await import_hotlist(store, parsed, **how)).version


async def largest(store: Store, since_day: float) -> tuple[int, int] | None:
    async with store.read() as tx:
        found = await hotlist_history.largest(tx, "stolen", round(since_day * DAY_NS))
    return None if found is None else (found.version, found.entries)


async def test_the_most_that_a_list_had_in_some_days(store: Store) -> None:
    assert await largest(store, 0) is None
    for day, plates in ((1, 50), (2, 40), (3, 38), (4, 36)):
        await import_plates(store, plates, day)
    await import_plates(store, 99, 4, name="another")
    assert await largest(store, 0) == (1, 50)
    # The one of the first day was in force for half of it.
    assert await largest(store, 1.5) == (1, 50)
    assert await largest(store, 2.5) == (2, 40)
    assert await largest(store, 100) == (4, 36)
    async with store.read() as tx:
        now_ns = round(4.5 * DAY_NS)
        assert await standing_of(tx, "stolen", Limits(10, 2), now_ns) == Standing(36, Largest(2, 2 * DAY_NS, 40))
        assert await standing_of(tx, "stolen", Limits(10, 0), now_ns) == Standing(36)


@pytest.mark.parametrize("how", ["approved", "rollback"])
async def test_what_was_before_somebody_decided_does_not_count(store: Store, how: str) -> None:
    await import_plates(store, 30, 1)
    await import_plates(store, 50, 2)
    if how == "approved":
        await import_plates(store, 30, 3, despite=["it is smaller"])
    else:
        await roll_back(store, name="stolen", version=1, who="t", at_ns=3 * DAY_NS)
    await import_plates(store, 28, 4)
    assert await largest(store, 0) == (3, 30)


async def test_what_people_entered_does_not_count(store: Store) -> None:
    await import_plates(store, 10, 1)
    added = [EntryRow(f"HH{at}", None, added_by="ada", added_at_ns=7) for at in range(20)]
    async with store.write() as tx:
        await hotlists.change(tx, "stolen", add=added, action="add", by="ada", source="ada", at_ns=7)
    assert await largest(store, 0) == (1, 10)
    await import_plates(store, 9, 2)
    async with store.read() as tx:
        judged = await standing_of(tx, "stolen", Limits(), 2 * DAY_NS)
    # By its record the second version is the larger one.
    assert judged == Standing(9, Largest(3, 2 * DAY_NS, 9))
