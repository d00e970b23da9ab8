"""Plate reads near an incident, and until when they are held for it."""

from typing import Any

import pytest
from sqlalchemy import select

from collector.domain import VerdictWord
from collector.errors import NotFoundError
from collector.incidents.rules import Rules
from collector.incidents.verdicts import Verdicts
from collector.store import feed, queries, tables
from collector.store.feed import FeedKind

S = 1_000_000_000
HOUR_NS = 3_600 * S
PLACE = (20.0, 30.0)


async def see(street: Any, name: str, at_s: float, text: str = "7ABC123", track: int = 1) -> None:
    """A device reads a plate so many seconds after the beginning."""
    device, at_ns = street.devices[name], round(at_s * S)
    made = {"captured_at_ns": street.begin_ns + at_ns, "captured_boot_ns": street.make.boot_ns + at_ns}
    await street.take((name, device.publish(street.make.plate_read(text, track), **made)))


async def fire(street: Any, at_s: float = 0.0, *heard_by: str) -> None:
    await street.take(*street.shot(PLACE, at_s, heard_by or ("ear-1", "ear-2", "ear-3", "ear-4")))
    await street.look()


@pytest.fixture
async def block(street: Any) -> Any:
    """Four microphones that hear, and cameras near and far."""
    await street.corners("ear-1", "ear-2", "ear-3", "ear-4")
    await street.device("lpr-near", (60.0, 50.0))
    await street.device("lpr-far", (900.0, 0.0))
    await street.device("lpr-lost", None)
    street.clock.advance(30 * S)
    return street


async def nearby(street: Any) -> list[tuple[str, str]]:
    return [(one.read.device, one.read.text) for one in (await street.incident()).nearby]


async def test_reads_near_in_place_and_time_are_attached_and_held_for_a_day(block: Any) -> None:
    await see(block, "lpr-near", 12.0)
    await see(block, "lpr-near", -400.0, "OLD0001", track=2)
    await see(block, "lpr-far", 3.0)
    await see(block, "lpr-lost", 3.0)
    await fire(block)
    (one,) = (await block.incident()).nearby
    assert one.read.text == "7ABC123"
    assert one.distance_m == pytest.approx(45, abs=6)
    assert one.offset_ns == pytest.approx(12 * S, abs=20_000_000)
    assert (one.held_until_ns, one.provisional) == (block.clock.utc_ns() + 24 * HOUR_NS, True)


async def test_a_read_that_comes_later_is_attached_then_and_told_of(block: Any) -> None:
    await fire(block)
    assert await nearby(block) == []
    block.clock.advance(60 * S)
    await block.look()
    async with block.store.read() as tx:
        before = await feed.last(tx)
    await see(block, "lpr-near", 12.0)
    await block.look()
    assert await nearby(block) == [("lpr-near", "7ABC123")]
    async with block.store.read() as tx:
        told = [row.kind for row in await feed.after(tx, before)]
    assert told == [FeedKind.READ, FeedKind.INCIDENT, FeedKind.ALERT]
    # Again changes nothing.
    block.follower = block.new_follower()
    async with block.store.write() as tx:
        await tx.execute(tables.incident_cursor.update().values(number=0))
    await block.look()
    async with block.store.read() as tx:
        assert await feed.last(tx) == before + 3


async def test_a_revision_that_moves_the_place_lets_go_of_what_is_no_longer_near(block: Any) -> None:
    block.rules = Rules(nearby_m=50.0)
    block.follower = block.new_follower()
    await see(block, "lpr-near", 12.0)
    await fire(block)
    assert await nearby(block) == [("lpr-near", "7ABC123")]
    async with block.store.write() as tx:
        health = (
            await tx.execute(select(tables.device_link.c.health).where(tables.device_link.c.device == "lpr-near"))
        ).scalar_one()
        moved = {**health, "offset": {"east_mm": 500_000, "north_mm": 0, "up_mm": 0}}
        await tx.execute(
            tables.device_link.update().where(tables.device_link.c.device == "lpr-near").values(health=moved)
        )
    await see(block, "lpr-near", 13.0, track=2)
    await block.look()
    assert await nearby(block) == []
    async with block.store.read() as tx:
        assert (await tx.execute(select(tables.hold))).all() == []


async def test_only_a_persons_gunshot_lets_reads_be_held_for_longer_and_another_verdict_takes_it_back(
    block: Any,
) -> None:
    await see(block, "lpr-near", 12.0)
    await fire(block)
    made_ns = block.clock.utc_ns()
    verdicts = Verdicts(block.store, block.rules, block.ask)
    day_ns = 24 * HOUR_NS
    for word, until_ns, provisional in (
        (VerdictWord.PROBABLE, made_ns + day_ns, True),
        (VerdictWord.GUNSHOT, made_ns + 5 * S + 30 * day_ns, False),
        (VerdictWord.FIREWORKS, made_ns + day_ns, True),
    ):
        shown = await verdicts.give(1, word, None, by="ada", at_ns=made_ns + 5 * S)
        (one,) = shown.nearby
        assert (one.held_until_ns, one.provisional) == (until_ns, provisional)
    await verdicts.give(1, VerdictWord.GUNSHOT, None, by="ada", at_ns=made_ns + 5 * S)
    # What comes afterwards is held as long.
    await see(block, "lpr-near", 20.0, "KGV5501", track=3)
    await block.look()
    assert [one.provisional for one in (await block.incident()).nearby] == [False, False]


async def test_a_verdict_is_a_revision_of_its_own_and_stays_whatever_comes(block: Any) -> None:
    await fire(block, 0.0, "ear-1", "ear-2", "ear-3")
    verdicts = Verdicts(block.store, block.rules, block.ask)
    shown = await verdicts.give(1, VerdictWord.OTHER, "nail gun", by="ada", at_ns=block.clock.utc_ns() + 7 * S)
    assert (shown.stage, shown.revision) == ("reviewed", 2)
    assert (shown.verdict.verdict, shown.verdict.what, shown.verdict.by) == ("other", "nail gun", "ada")
    await fire(block, 0.0, "ear-4")
    after = await block.incident()
    assert (after.stage, after.revision, len(after.sensors)) == ("reviewed", 3, 4)
    assert after.verdict == shown.verdict
    await verdicts.give(1, VerdictWord.UNSURE, None, by="bob", at_ns=block.clock.utc_ns() + 9 * S)
    async with block.store.read() as tx:
        revisions = await queries.incident_revisions(tx, 1)
        kept = (await tx.execute(select(tables.incident_verdict.c.verdict))).scalars().all()
        audited = [
            (row.who, row.action, row.subject, row.detail)
            for row in await tx.execute(select(tables.audit))
            if row.action.startswith("incident")
        ]
    assert [str(one.stage) for one in revisions] == ["located", "reviewed", "reviewed", "reviewed"]
    assert revisions[1].known == {"verdict": "other", "what": "nail gun", "by": "ada"}
    assert kept == ["other", "unsure"]
    assert audited == [
        ("ada", "incident.verdict", "1", {"verdict": "other", "what": "nail gun"}),
        ("bob", "incident.verdict", "1", {"verdict": "unsure", "what": None}),
    ]


async def test_what_does_not_exist_or_has_gone_elsewhere_cannot_be_judged(block: Any) -> None:
    verdicts = Verdicts(block.store, block.rules, block.ask)
    with pytest.raises(NotFoundError, match="incident 9: there is no such"):
        await verdicts.give(9, VerdictWord.GUNSHOT, None, by="ada", at_ns=1)
    with pytest.raises(NotFoundError, match="incident 9: there is no such"):
        await verdicts.ask_for_recordings(9, by="ada", at_ns=1)
    await fire(block)
    async with block.store.write() as tx:
        await tx.execute(tables.incident.update().values(merged_into=4))
    with pytest.raises(NotFoundError, match="belong to incident 4"):
        await verdicts.give(1, VerdictWord.GUNSHOT, None, by="ada", at_ns=1)


async def test_a_device_without_health_stands_where_it_last_heard_a_shot(block: Any) -> None:
    await block.device("ear-5", (0.0, 210.0), listening=False)
    await see(block, "ear-5", 12.0)
    await fire(block, 0.0, "ear-1", "ear-2", "ear-3", "ear-5")
    (one,) = (await block.incident()).nearby
    assert one.read.device == "ear-5"
    assert one.distance_m == pytest.approx(181, abs=6)
