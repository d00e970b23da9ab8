"""Passages over a real store: what ingest has stored is joined, in whatever order it came."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import structlog
from sqlalchemy import func, select

from collector.fleet.devices import move_device
from collector.ingest.intake import Intake
from collector.ingest.media import MediaIntake
from collector.ingest.picture_folder import PictureFolder
from collector.ingest.verdicts import VerifyingKey, judge
from collector.passages.following import PassageFollower
from collector.ports import Alerted
from collector.store import feed, passages, queries, tables
from collector.store.database import Store
from edge_wire import cose

S = 1_000_000_000
SITE = "5th-and-main"


class NoHotlists:
    generation = 0

    async def raise_and_revise(self, tx: Any, passed: Any, at_ns: int) -> Any:
        return Alerted((), ())


@dataclass
class Site:
    """Two devices at one site, what they say, and the passages that come of it."""

    store: Store
    intake: Intake
    make: Any
    devices: dict[str, Any] = field(default_factory=dict)
    within_s: float = 10

    async def device(self, name: str, agency: str = "springfield", site: str = SITE) -> Any:
        device = self.devices[name] = self.make.device(id=name, agency=agency)
        await device.enrol(self.store)
        await move_device(self.store, name, site, who="cli:t", at_ns=1)
        await self.say(device, device.open())
        return device

    async def say(self, device: Any, *received: Any) -> None:
        keys = {
            (device.id, cose.key_id(key.public_key())): VerifyingKey(key.public_key(), epoch)
            for key, epoch in ((device.key, None), (device.epoch_key, 7))
        }
        await self.intake.commit([judge(one, keys) for one in received])

    async def see(self, name: str, text: str = "7ABC123", at_s: float = 0, track: int = 1, **changes: Any) -> None:
        """A device sees a plate so many seconds after the beginning."""
        body = {key: changes.pop(key) for key in ("revision", "p") if key in changes}
        device = self.devices[name]
        read = replace(self.make.plate_read(text, track, **body), **changes)
        at_ns = self.make.now_ns + round(at_s * S)
        await self.say(device, device.publish(read, captured_at_ns=at_ns))

    async def look(self) -> None:
        follower = PassageFollower(self.store, self.within_s)
        while await follower.look():
            pass

    async def passages(self) -> list[tuple[str, list[tuple[str, str, str]]]]:
        async with self.store.read() as tx:
            found = await queries.passages(tx)
        return [(one.text, [(read.device, read.camera, read.text) for read in one.reads]) for one in reversed(found)]


@pytest.fixture
async def site(store: Store, clock: Any, make: Any, tmp_path: Path) -> AsyncIterator[Site]:
    intake = Intake(store, MediaIntake(PictureFolder(tmp_path / "p")), NoHotlists, clock.utc_ns, 120)
    site = Site(store, intake, make)
    await site.device("trailer-1")
    await site.device("trailer-2")
    return site


async def test_an_lpr_camera_its_overview_and_a_second_lpr_camera_saw_one_vehicle(site: Site) -> None:
    await site.see("trailer-1", at_s=0)
    await site.see("trailer-1", at_s=0.2, track=2, camera="north-colour", role="overview", p=0.8)
    await site.see("trailer-2", at_s=3, camera="south", p=0.9)
    await site.look()
    async with site.store.read() as tx:
        (passage,) = await queries.passages(tx)
        kinds = [(row.kind, row.ref) for row in await feed.after(tx, 0)]
    assert (passage.site, passage.agency, passage.text) == (SITE, "springfield", "7ABC123")
    assert [(read.camera, read.passage_id) for read in passage.reads] == [
        ("north", 1),
        ("north-colour", 1),
        ("south", 1),
    ]
    assert (passage.first_at_ns, passage.last_at_ns) == (site.make.now_ns, site.make.now_ns + 3 * S)
    assert passage.confidence == passage.reads[0].confidence > passage.reads[2].confidence
    assert kinds[-1] == ("passage", "1")


async def test_two_cars_with_plates_one_character_off_stay_two(site: Site) -> None:
    for at, text in ((0, "7ABC123"), (1, "7ABC124")):
        await site.see("trailer-1", text, at, track=at + 1)
        await site.see("trailer-2", text, at + 3, track=at + 1, camera="south")
    await site.look()
    assert await site.passages() == [
        (text, [("trailer-1", "north", text), ("trailer-2", "south", text)]) for text in ("7ABC123", "7ABC124")
    ]


async def test_what_comes_late_joins_where_it_belongs(site: Site) -> None:
    await site.see("trailer-2", at_s=3, camera="south")
    await site.see("trailer-1", "KGV5501", at_s=400, track=3)
    await site.look()
    assert await site.passages() == []
    await site.see("trailer-1", at_s=0)
    await site.look()
    await site.see("trailer-1", at_s=0.2, track=2, camera="north-colour", role="overview")
    await site.look()
    (passage,) = await site.passages()
    assert [camera for _, camera, _ in passage[1]] == ["north", "north-colour", "south"]


async def test_a_restart_in_the_middle_loses_and_doubles_nothing(site: Site) -> None:
    await site.see("trailer-1")
    first = PassageFollower(site.store, 10)
    assert await first.look()
    await site.see("trailer-2", at_s=3, camera="south")
    # The first one ends here; what it had not noted is looked at again.
    await site.look()
    before = await site.passages()
    async with site.store.read() as tx:
        last = await feed.last(tx)
    await site.look()
    assert len(before) == 1
    assert await site.passages() == before
    async with site.store.read() as tx:
        assert await feed.last(tx) == last


async def test_what_could_not_be_kept_is_looked_at_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    await site.see("trailer-1")
    await site.see("trailer-2", at_s=3, camera="south")
    keep = passages.keep

    async def fail_after_keeping(*arguments: Any) -> None:
        await keep(*arguments)
        raise ZeroDivisionError

    monkeypatch.setattr(passages, "keep", fail_after_keeping)
    with pytest.raises(ZeroDivisionError):
        await site.look()
    monkeypatch.undo()
    assert await site.passages() == []
    await site.look()
    assert len(await site.passages()) == 1


async def test_a_revision_moves_a_read_and_the_passage_that_it_leaves_is_empty(site: Site) -> None:
    await site.see("trailer-1", "7ABC128", p=0.6)
    await site.see("trailer-2", "7ABC128", at_s=3, camera="south")
    await site.look()
    await site.see("trailer-1", "KGV5501", revision=1)
    await site.look()
    assert await site.passages() == []
    async with site.store.read() as tx:
        left = await queries.passages_by_id(tx, [1])
        assert {read.passage_id for read in await queries.reads(tx)} == {None}
        assert [(row.kind, row.ref) for row in await feed.after(tx, 0)][-1] == ("passage", "1")
    assert left[1].reads == ()
    await site.see("trailer-2", "KGV5501", at_s=4, track=2, camera="south")
    await site.look()
    assert [text for text, _ in await site.passages()] == ["KGV5501"]


async def test_a_revision_changes_what_its_passage_shows(site: Site) -> None:
    await site.see("trailer-1", p=0.9)
    await site.see("trailer-2", at_s=3, camera="south", p=0.8)
    await site.look()
    await site.see("trailer-1", at_s=1, first_readable_ns=-S, revision=1, p=0.999)
    await site.look()
    async with site.store.read() as tx:
        (passage,) = await queries.passages(tx)
    assert passage.confidence > 0.99
    assert passage.first_at_ns == site.make.now_ns


async def test_other_sites_and_other_agencies_are_kept_apart(site: Site) -> None:
    await site.device("elsewhere", site="a-road")
    await site.device("theirs", agency="shelbyville")
    for name in ("trailer-1", "elsewhere", "theirs"):
        await site.see(name)
    await site.look()
    assert await site.passages() == []


async def test_a_device_that_moves_takes_its_earlier_reads_nowhere(site: Site) -> None:
    await site.see("trailer-1")
    await move_device(site.store, "trailer-1", "a-road", who="cli:t", at_ns=2)
    await site.see("trailer-1", at_s=0, revision=1)
    await site.see("trailer-2", at_s=3, camera="south")
    await site.look()
    assert len(await site.passages()) == 1
    async with site.store.read() as tx:
        audited = (await tx.execute(select(tables.audit.c.detail).where(tables.audit.c.action == "device.site"))).all()
    assert audited[-1].detail == {"from": SITE, "to": "a-road"}


async def test_a_device_whose_clock_is_an_hour_slow_joins_by_its_boot_clock(site: Site) -> None:
    slow = site.devices["trailer-1"]
    await site.say(slow, slow.publish(site.make.health()))
    await site.see("trailer-1", at_s=-3_600)
    await site.see("trailer-2", camera="south")
    await site.look()
    assert len(await site.passages()) == 1


async def test_it_follows_until_it_is_stopped(site: Site) -> None:
    follower = PassageFollower(site.store, 10)
    following = asyncio.create_task(follower.follow())
    await site.see("trailer-1")
    await site.see("trailer-2", at_s=3, camera="south")
    async with asyncio.timeout(5):
        seen = site.store.committed.count
        while not await site.passages():
            await site.store.committed.changed(seen)
            seen = site.store.committed.count
    follower.stop()
    await following


async def test_how_far_it_has_looked_is_noted_from_time_to_time(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collector.passages.following._NOTED_EVERY", 3)
    for track in range(5):
        await site.see("trailer-1", f"7ABC12{track}", at_s=20 * track, track=track)
    await site.look()
    async with site.store.read() as tx:
        assert await passages.looked_at(tx) >= await feed.last(tx) - 3
        assert (await tx.execute(select(func.count()).select_from(tables.passage))).scalar_one() == 0


async def test_a_read_that_the_store_refuses_to_join_keeps_no_other_from_its_passage(site: Site) -> None:
    await site.see("trailer-1")
    # Last captured so late, by its own account, that no column holds it.
    await site.see("trailer-1", at_s=1, revision=1, first_readable_ns=-(2**63))
    await site.see("trailer-2", at_s=3, camera="south")
    for name, at_s in (("trailer-1", 400), ("trailer-2", 401)):
        await site.see(name, "KGV5501", at_s, track=3)
    with structlog.testing.capture_logs() as logs:
        await site.look()
    assert [text for text, _ in await site.passages()] == ["KGV5501"]
    assert [line["read"] for line in logs if line["event"] == "read_left_out_of_passages"] == [[1], [2]]


async def test_where_there_are_too_many_reads_they_are_left_out_and_others_are_not(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collector.passages.following._MOST_AROUND", 4)
    for track in range(5):
        await site.see("trailer-1", at_s=track, track=track)
    for name, at_s in (("trailer-1", 400), ("trailer-2", 401)):
        await site.see(name, "KGV5501", at_s, track=9)
    with structlog.testing.capture_logs() as logs:
        await site.look()
    assert [text for text, _ in await site.passages()] == ["KGV5501"]
    left_out = [line for line in logs if line["event"] == "read_left_out_of_passages"]
    assert [line["read"] for line in left_out] == [[1], [2], [3], [4], [5]]
    assert "more than 4 reads within 30 s" in left_out[0]["error"]


async def test_live_reads_go_before_a_backlog_and_none_of_it_is_passed_over(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collector.passages.following._PORTION", 3)
    for track in range(3):
        for name in ("trailer-1", "trailer-2"):
            await site.see(name, f"7ABC12{track}", at_s=-7_200 + 100 * track, track=track)
    follower = PassageFollower(site.store, 10)
    joined = []
    # Live traffic does not stop, and for each two live reads one of the backlog is looked at.
    for track, text in enumerate(("KGV5501", "TAF389", "ZZT001"), start=9):
        for name in ("trailer-1", "trailer-2"):
            await site.see(name, text, at_s=-100 + 30 * (track - 9), track=track)
        await follower.look()
        joined.append({text for text, _ in await site.passages()})
    first, second = {"KGV5501", "7ABC120"}, {"KGV5501", "7ABC120", "TAF389"}
    assert joined == [first, second, second | {"ZZT001", "7ABC121"}]
    while await follower.look():
        pass
    assert {text for text, _ in await site.passages()} == joined[-1] | {"7ABC122"}
