"""Notices are made of changes once each, sent at least once, and one that hangs holds up no other; on both stores."""

import asyncio
from collections.abc import Iterator
from contextlib import asynccontextmanager
from typing import Any

import alert_rows
import pytest
from sqlalchemy import select

from collector.alerts.sending.carriers import CarryError
from collector.alerts.sending.following import NoticeFollower
from collector.alerts.sending.making import NoticeMaker
from collector.alerts.sending.records import Message, NoticeState
from collector.alerts.sending.routes import Route
from collector.alerts.sending.sender import Sender, again_in_s
from collector.errors import StoreError
from collector.store import alert_facts, notices, tables
from collector.store.database import Store
from collector.store.notices import Choice

OCCASIONS = frozenset({"raised", "trail", "escalated", "recalled", "closed"})
CAD = Route("all", OCCASIONS, people=("jane",), targets=("webhook:cad",))


class FakeCarrier:
    """Carries to a list; refuses or hangs where it is told to."""

    def __init__(self, *targets: str, at_once: int = 2) -> None:
        self.targets = frozenset(targets)
        self.at_once = at_once
        self.carried: list[tuple[int, str]] = []
        self.failing: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.most_at_once = 0
        self.closed = False
        self.told = asyncio.Semaphore(0)
        self._now = 0

    async def carry(self, message: Message) -> None:
        self._now += 1
        self.most_at_once = max(self.most_at_once, self._now)
        try:
            await self.gate.wait()
            if self.failing is not None:
                raise self.failing
            self.carried.append((message.facts.id, message.notice.occasion))
            self.told.release()
        finally:
            self._now -= 1

    async def close(self) -> None:
        self.closed = True


class Rows:
    """A store with one entry, whose reads raise alerts."""

    def __init__(self, store: Store, entry_id: int) -> None:
        self.store = store
        self.entry_id = entry_id
        self._tracks: Iterator[int] = iter(range(1, 1_000_000))

    async def raised(self, **columns: Any) -> int:
        async with self.store.write() as tx:
            read_id = await alert_rows.read(tx, next(self._tracks))
            return await alert_rows.alert(tx, read_id, self.entry_id, **columns)

    async def changed(self, alert_id: int, action: str) -> None:
        async with self.store.write() as tx:
            await alert_rows.change(tx, alert_id, action)

    async def kept(self, **choice: Any) -> list[tuple[int, str, str, str, str]]:
        async with self.store.read() as tx:
            found = await notices.newest(tx, Choice(**choice), limit=1_000)
        return [(one.alert_id, one.route, one.target, one.occasion, str(one.state)) for one in reversed(found)]


@pytest.fixture
async def rows(store: Store) -> Rows:
    async with store.write() as tx:
        await alert_rows.hotlist(tx)
        return Rows(store, await alert_rows.entry(tx))


def sender(store: Any, clock: Any, *carriers: FakeCarrier, attempts: int = 3) -> Sender:
    return Sender(store, carriers, attempts, clock, jitter=lambda: 1.0)


async def sent(one: Sender) -> None:
    """Send what is due, and keep what came of it."""
    await one.look()
    if one.under_way:
        await asyncio.wait(one.under_way)
    await one.look()


async def test_each_change_makes_its_notices_once(rows: Rows, clock: Any) -> None:
    alert_id = await rows.raised()
    maker = NoticeMaker(rows.store, [CAD], clock)
    assert await maker.look()
    assert not await maker.look()
    await rows.changed(alert_id, "trail")
    await rows.changed(alert_id, "trail")
    await rows.changed(alert_id, "image-check")
    # Another holder of the lease goes on where this one stopped.
    assert await NoticeMaker(rows.store, [CAD], clock).look()
    assert not await maker.look()
    assert await rows.kept() == [
        (1, "all", "person:jane", "raised", "sent"),
        (1, "all", "webhook:cad", "raised", "waiting"),
        (1, "all", "person:jane", "trail 2", "sent"),
        (1, "all", "webhook:cad", "trail 2", "waiting"),
        (1, "all", "person:jane", "trail 3", "sent"),
        (1, "all", "webhook:cad", "trail 3", "waiting"),
    ]


async def test_what_changed_before_there_was_a_route_is_not_told_afterwards(rows: Rows, clock: Any) -> None:
    alert_id = await rows.raised()
    await NoticeMaker(rows.store, [], clock).look()
    await NoticeMaker(rows.store, [CAD], clock).look()
    assert await rows.kept() == []
    await rows.changed(alert_id, "recalled")
    await rows.changed(alert_id, "escalated")
    await NoticeMaker(rows.store, [CAD], clock).look()
    assert [one[3] for one in await rows.kept()] == ["escalated 3", "escalated 3"]


async def test_a_recall_reaches_those_who_were_told_in_the_same_look(rows: Rows, clock: Any) -> None:
    alert_id = await rows.raised()
    await rows.changed(alert_id, "recalled")
    await NoticeMaker(rows.store, [CAD], clock).look()
    assert [one[3] for one in await rows.kept(target="webhook:cad")] == ["raised", "recalled 2"]


async def test_each_step_of_a_trail_is_told_where_it_was_though_the_vehicle_has_gone_on(
    store: Store, rows: Rows, clock: Any
) -> None:
    alert_id = await rows.raised()
    async with store.write() as tx:
        for number, agency in enumerate(("shelbyville", "ogdenville"), start=2):
            at = {"agency": agency, "device": f"lpr-{number}", "passed_at_ns": alert_rows.at_s(number)}
            read_id = await alert_rows.read(tx, number, **at)
            await alert_rows.attach(tx, alert_id, read_id, "trail", (40.0, -88.0 - number))
            await alert_rows.change(tx, alert_id, "trail", detail={"read": read_id, "site": "9th"})
    routes = [
        Route(one, OCCASIONS, agencies=frozenset({one}), people=("jane",))
        for one in ("shelbyville", "ogdenville", "capital-city")
    ]
    await NoticeMaker(store, routes, clock).look()
    assert [(route, occasion) for _, route, _, occasion, _ in await rows.kept()] == [
        ("shelbyville", "trail 2"),
        ("shelbyville", "trail 3"),
        ("ogdenville", "trail 3"),
    ]
    async with store.read() as tx:
        occasions = await notices.changes(tx, 0, most=9)
    assert [one.seen and (one.seen.device, one.seen.longitude) for one in occasions] == [
        None,
        ("lpr-2", -90.0),
        ("lpr-3", -91.0),
    ]


async def test_the_page_shows_who_was_told_and_consoles_hear_of_it(rows: Rows, clock: Any) -> None:
    alert_id, other = await rows.raised(), await rows.raised()
    routes = [CAD, Route("two", OCCASIONS, people=("ann", "jane"))]
    await NoticeMaker(rows.store, routes, clock).look()
    async with rows.store.read() as tx:
        told = await notices.notified(tx, [alert_id, other, 99])
        refs = (await tx.execute(select(tables.feed.c.ref).order_by(tables.feed.c.number))).scalars().all()
    assert told == {alert_id: ("jane", "ann"), other: ("jane", "ann")}
    assert refs == ["1", "2", "1", "2"]


async def test_facts_are_the_alerts_own(store: Store, clock: Any) -> None:
    async with store.write() as tx:
        await alert_rows.hotlist(tx, "ncic", criminal_justice=True)
        entry_id = await alert_rows.entry(tx, "ncic", covert_to=["jane"])
        read_id = await alert_rows.read(tx, 1, regions=[["US-OK", 0.2], ["US-TX", 0.7]])
        hit = await alert_rows.alert(tx, read_id, entry_id)
        onward = await alert_rows.read(tx, 2, device="lpr-2", passed_at_ns=alert_rows.at_s(60))
        doubted = await alert_rows.read(tx, 3, device="lpr-3", passed_at_ns=alert_rows.at_s(90))
        await alert_rows.attach(tx, hit, onward, "trail", (40.1, -88.2))
        await alert_rows.attach(tx, hit, doubted, "trail", (41.0, -87.0), supports=False)
        check = {"status": "active", "reference": "N1", "by": "jane", "at_ns": 1}
        await alert_rows.set_alert(tx, hit, {"record_check": check, "disposition": "confirmed"})
        shot = await alert_rows.shot_alert(tx)
    async with store.read() as tx:
        found = await alert_facts.facts(tx, [hit, shot, 99])
    assert set(found) == {hit, shot}
    of_hit, of_shot = found[hit], found[shot]
    assert of_hit.listed is not None
    assert (of_hit.listed.list, of_hit.listed.criminal_justice, of_hit.listed.covert_to) == ("ncic", True, ("jane",))
    assert (of_hit.first.device, of_hit.first.latitude, of_hit.first.region) == ("lpr-1", 39.8, "US-TX")
    assert (of_hit.latest.device, of_hit.latest.longitude) == ("lpr-2", -88.2)
    assert (of_hit.confirmed, of_hit.recalled, of_hit.disposition) == (True, False, "confirmed")
    assert (of_shot.listed, of_shot.about, of_shot.probability) == (None, "shot", 0.97)
    assert (of_shot.first.agency, of_shot.first.device, of_shot.first.latitude) == ("springfield", None, 39.8)


@pytest.mark.parametrize(("asked_at_ns", "confirmed"), [(4, False), (6, True)])
async def test_what_was_confirmed_before_a_recall_is_so_no_longer(
    store: Store, asked_at_ns: int, confirmed: bool
) -> None:
    async with store.write() as tx:
        await alert_rows.hotlist(tx)
        hit = await alert_rows.alert(tx, await alert_rows.read(tx, 1), await alert_rows.entry(tx))
        check = {"status": "active", "reference": "N1", "by": "jane", "at_ns": asked_at_ns}
        await alert_rows.set_alert(tx, hit, {"record_check": check, "recalled_at_ns": 5})
    async with store.read() as tx:
        found = (await alert_facts.facts(tx, [hit]))[hit]
    assert (found.recalled, found.confirmed) == (True, confirmed)


async def test_a_notice_is_sent_and_not_sent_again(rows: Rows, clock: Any) -> None:
    await rows.raised()
    await NoticeMaker(rows.store, [CAD], clock).look()
    cad = FakeCarrier("webhook:cad")
    one = sender(rows.store, clock, cad)
    await sent(one)
    await sent(one)
    assert cad.carried == [(1, "raised")]
    assert await rows.kept(target="webhook:cad") == [(1, "all", "webhook:cad", "raised", "sent")]


async def test_what_fails_is_tried_again_later_and_given_up_in_the_end(rows: Rows, clock: Any) -> None:
    await rows.raised()
    await NoticeMaker(rows.store, [CAD], clock).look()
    cad = FakeCarrier("webhook:cad")
    cad.failing = CarryError("webhook cad: got status 503, expected 2xx")
    one = sender(rows.store, clock, cad)
    await sent(one)
    async with rows.store.read() as tx:
        (kept,) = await notices.newest(tx, Choice(target="webhook:cad"), limit=9)
    assert (kept.attempts, kept.problem, kept.ended_at_ns) == (1, str(cad.failing), None)
    assert kept.due_at_ns - clock.utc_ns() == 5_000_000_000
    await sent(one)
    assert (await rows.kept(target="webhook:cad"))[0][4] == "waiting"
    for pause_s in (5, 10):
        clock.advance(pause_s * 1_000_000_000)
        await sent(one)
    assert (await rows.kept(state=NoticeState.DEAD)) == [(1, "all", "webhook:cad", "raised", "dead")]
    clock.advance(10**15)
    cad.failing = None
    await sent(one)
    assert cad.carried == []
    async with rows.store.write() as tx:
        assert await notices.revive(tx, Choice(), clock.utc_ns()) == [kept.id]
        assert await notices.revive(tx, Choice(), clock.utc_ns()) == []
    await sent(one)
    assert cad.carried == [(1, "raised")]


@pytest.mark.parametrize("mistake", [ValueError, RuntimeError, AttributeError, RecursionError, asyncio.CancelledError])
async def test_a_carriers_mistake_is_its_notices_failure_and_holds_up_no_other(
    rows: Rows, clock: Any, mistake: type[Exception]
) -> None:
    await rows.raised()
    route = Route("all", OCCASIONS, targets=("webhook:cad", "webhook:other"))
    await NoticeMaker(rows.store, [route], clock).look()
    cad, other = FakeCarrier("webhook:cad"), FakeCarrier("webhook:other")
    cad.failing = mistake("SECRET")
    one = sender(rows.store, clock, cad, other, attempts=2)
    await sent(one)
    assert other.carried == [(1, "raised")]
    assert (await rows.kept(target="webhook:cad"))[0][4] == "waiting"
    clock.advance(5_000_000_000)
    await sent(one)
    async with rows.store.read() as tx:
        (kept,) = await notices.newest(tx, Choice(state=NoticeState.DEAD), limit=9)
    said = "it was broken off"
    if mistake is not asyncio.CancelledError:
        said = f"a mistake of ours: {mistake.__name__} in test_following.py, line "
    assert kept.problem.startswith(said)
    assert "SECRET" not in kept.problem


async def test_one_that_hangs_holds_up_nobody_else(rows: Rows, clock: Any) -> None:
    for _ in range(7):
        await rows.raised()
    route = Route("all", OCCASIONS, targets=("webhook:hangs", "webhook:cad"))
    await NoticeMaker(rows.store, [route], clock).look()
    hangs, cad = FakeCarrier("webhook:hangs"), FakeCarrier("webhook:cad")
    hangs.gate.clear()
    one = sender(rows.store, clock, hangs, cad)
    await one.look()
    while len(cad.carried) < 7:
        await asyncio.wait(one.under_way, return_when=asyncio.FIRST_COMPLETED)
        await one.look()
    assert (hangs.most_at_once, hangs.carried) == (2, [])
    await one.stop()
    assert hangs.closed


async def test_what_was_sent_but_not_noted_is_sent_again_with_its_number(rows: Rows, clock: Any) -> None:
    """As if the power went between the two."""
    await rows.raised()
    await NoticeMaker(rows.store, [CAD], clock).look()
    cad = FakeCarrier("webhook:cad")
    first = sender(rows.store, clock, cad)
    await first.look()
    await asyncio.wait(first.under_way)
    assert cad.carried == [(1, "raised")]
    again = FakeCarrier("webhook:cad")
    await sent(sender(rows.store, clock, again))
    assert again.carried == [(1, "raised")]
    assert len(await rows.kept(target="webhook:cad")) == 1


class Falling:
    """A store whose next writes fail."""

    def __init__(self, store: Store) -> None:
        self.committed = store.committed
        self.read = store.read
        self.down = False
        self._store = store

    @asynccontextmanager
    async def write(self) -> Any:
        if self.down:
            raise StoreError("the store is away")
        async with self._store.write() as tx:
            yield tx


async def test_outcomes_wait_for_the_store(rows: Rows, clock: Any) -> None:
    await rows.raised()
    await NoticeMaker(rows.store, [CAD], clock).look()
    falling, cad = Falling(rows.store), FakeCarrier("webhook:cad")
    one = sender(falling, clock, cad)
    await one.look()
    await asyncio.wait(one.under_way)
    falling.down = True
    for _ in range(3):
        with pytest.raises(StoreError):
            await one.look()
    falling.down = False
    await sent(one)
    assert cad.carried == [(1, "raised")]
    assert (await rows.kept(target="webhook:cad"))[0][4] == "sent"


async def test_what_waits_for_a_target_that_is_gone_is_given_up(rows: Rows, clock: Any) -> None:
    await rows.raised()
    await NoticeMaker(rows.store, [CAD], clock).look()
    await sent(sender(rows.store, clock, FakeCarrier("webhook:other")))
    async with rows.store.read() as tx:
        (kept,) = await notices.newest(tx, Choice(state=NoticeState.DEAD), limit=9)
    assert kept.problem == "its target is not in the configuration any more"


async def test_the_follower_keeps_up_by_itself(rows: Rows, clock: Any) -> None:
    cad = FakeCarrier("webhook:cad")
    one = sender(rows.store, clock, cad)
    following = asyncio.create_task(NoticeFollower(rows.store, NoticeMaker(rows.store, [CAD], clock), one).follow())
    for _ in range(3):
        await rows.raised()
        async with asyncio.timeout(15):
            await cad.told.acquire()
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    assert sorted(cad.carried) == [(1, "raised"), (2, "raised"), (3, "raised")]
    assert cad.closed


def test_pauses_double_up_to_a_quarter_of_an_hour() -> None:
    assert [again_in_s(one, 1.0) for one in (1, 2, 3, 8, 9, 1_000)] == [5, 10, 20, 640, 900, 900]
    assert again_in_s(1, 0.0) == 2.5
    assert 50 * 60 < sum(again_in_s(one, 0.5) for one in range(1, 12)) + 900 * 0.75 < 80 * 60
