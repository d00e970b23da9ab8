import asyncio
import contextlib
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import structlog
from sqlalchemy import select
from support import FakeClock

from collector.config import HotlistFeed, Hotlists
from collector.errors import ConfigurationError, ConflictError, StoreError, StoreRefusedError
from collector.hotlists import reviewing
from collector.hotlists.attention import attention
from collector.hotlists.feeds import following
from collector.hotlists.feeds.following import FeedFollower
from collector.hotlists.feeds.records import Delivery, FeedError
from collector.hotlists.feeds.snapshot_folder import SnapshotFolder
from collector.hotlists.room import NoRoomError
from collector.store import back_searches, drafts, feeds, tables
from collector.store.database import Store
from collector.store.entries import EntryRow, values
from collector.store.feeds import FeedStanding, SnapshotState
from collector.store.hotlists import Made

HOUR_NS = 3_600 * 10**9


class Deliverer:
    """A source that has what it is told to have."""

    where = "test://list"

    def __init__(self) -> None:
        self.has: tuple[bytes, str, int | None] | FeedError | None = None
        self.asked = 0

    async def fetch(self, modified: str, into: SnapshotFolder, most_bytes: int) -> Delivery | None:
        self.asked += 1
        if isinstance(self.has, FeedError):
            raise self.has
        if self.has is None or self.has[1] == modified:
            return None
        content, said, made_at_ns = self.has
        with into.writing(most_bytes) as kept:
            kept.write(content)
        return Delivery(into.path_of(kept.sha256), kept.sha256, len(content), "list.txt", said, made_at_ns)


class PlainLists:
    """One plate a line; every import ends what was there and begins anew."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.fails: Exception | None = None

    def read(self, path: Path, name: str, feed: HotlistFeed) -> tuple[list[str], int]:
        lines = path.read_text().split()
        if "?" in lines:
            raise ConfigurationError(f"{name}: this is no list")
        return lines, len(lines)

    async def put_in_force(
        self,
        file: list[str],
        path: Path,
        name: str,
        feed: HotlistFeed,
        at_ns: int,
        written_at_ns: int | None,
        despite: Sequence[str],
    ) -> int:
        if self.fails is not None:
            raise self.fails
        assert path.name == hashlib.sha256("\n".join(file).encode()).hexdigest()
        async with self._store.write() as tx:
            draft = await drafts.begin(tx, feed.list)
            entry = tables.hotlist_entry
            before = select(entry.c.id).where(entry.c.list == feed.list, entry.c.end_version.is_(None))
            await drafts.end(tx, draft, list((await tx.execute(before)).scalars()))
            await drafts.add(tx, draft, [values(EntryRow(plate, None)) for plate in file])
            made = Made(
                "approved" if despite else "import",
                f"feed:{feed.name}",
                at_ns,
                name,
                confirmed_at_ns=at_ns,
                added=len(file),
            )
            version = await drafts.publish(tx, draft, made)
        assert version is not None
        return version


class Bench:
    """A feed, its source and its store."""

    def __init__(self, store: Store, clock: FakeClock, folder: Path) -> None:
        self.store, self.clock, self.source = store, clock, Deliverer()
        self.feed = HotlistFeed.model_validate(
            {"name": "f", "list": "stolen", "folder": {"path": "/in"}, "expected_every_h": 24}
        )
        self.folder = SnapshotFolder(folder / "hotlists")
        self.lists = PlainLists(store)
        self.follower = FeedFollower(store, self.feed, self.source, self.lists, self.folder, clock)

    async def deliver(self, plates: int | bytes, said: str, made_at_ns: int | None = None) -> None:
        content = b"\n".join(b"AA%d" % one for one in range(plates)) if isinstance(plates, int) else plates
        self.source.has = (content, said, made_at_ns)
        self.clock.advance(HOUR_NS)
        await self.follower.ask()

    async def standing(self) -> FeedStanding:
        async with self.store.read() as tx:
            return (await feeds.standings(tx))["f"]

    async def listed(self) -> int:
        async with self.store.read() as tx:
            return await feeds.file_entries(tx, "stolen")

    async def confirmed_at_ns(self) -> int:
        async with self.store.read() as tx:
            return (await back_searches.list_states(tx, "stolen"))["stolen"].confirmed_at_ns

    async def waiting(self) -> list[Any]:
        async with self.store.read() as tx:
            return await feeds.snapshots(tx, [SnapshotState.WAITING])

    async def state_of(self, snapshot_id: int) -> SnapshotState:
        async with self.store.read() as tx:
            found = await feeds.snapshot(tx, snapshot_id)
        assert found is not None
        return found.state

    async def wants(self) -> list[str]:
        async with self.store.read() as tx:
            found = await attention(tx, Hotlists(feeds=(self.feed,)), self.clock.utc_ns())
        return [one.subject.value for one in found]

    async def follow_until(self, met: Callable[[], Any]) -> None:
        following = asyncio.create_task(self.follower.follow())
        async with asyncio.timeout(10):
            seen = self.store.committed.count
            while not await met():
                await self.store.committed.changed(seen)
                seen = self.store.committed.count
        following.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await following


@pytest.fixture
def bench(store: Store, clock: FakeClock, tmp_path: Path) -> Bench:
    return Bench(store, clock, tmp_path)


async def test_a_delivery_takes_the_place_of_the_list(bench: Bench) -> None:
    await bench.deliver(100, "one", 1)
    assert await bench.listed() == 100
    await bench.deliver(91, "two", 2)
    assert await bench.listed() == 91
    standing = await bench.standing()
    assert (standing.modified, standing.made_at_ns, standing.delivered_at_ns) == ("two", 2, bench.clock.utc_ns())
    # Nothing of it is kept that nobody has to decide about.
    assert not list(bench.folder.path_of(bytes(32)).parent.iterdir())


async def test_a_truncated_delivery_un_lists_nothing_until_somebody_approves_it(bench: Bench) -> None:
    await bench.deliver(100, "one", 1)
    await bench.deliver(89, "two", 2)
    assert await bench.listed() == 100
    [waiting] = await bench.waiting()
    assert "89 entries, 11% fewer" in waiting.why
    assert bench.folder.path_of(waiting.sha256).is_file()
    assert await bench.wants() == ["snapshot-waits"]
    # The same bytes again ask nobody again.
    await bench.deliver(89, "two again", 3)
    assert [one.id for one in await bench.waiting()] == [waiting.id]

    decided = await reviewing.decide(bench.store, waiting.id, approved=True, who="cli:ann", at_ns=5)
    assert (decided.state, decided.decided_by) == (SnapshotState.APPROVED, "cli:ann")
    await bench.follow_until(lambda: _is(bench.state_of(waiting.id), SnapshotState.IMPORTED))
    assert (await bench.listed(), await bench.wants()) == (89, [])
    with pytest.raises(ConflictError, match="is imported by cli:ann; expected one that waits"):
        await reviewing.decide(bench.store, waiting.id, approved=False, who="cli:ben", at_ns=6)


async def test_a_list_that_crumbles_a_little_with_every_delivery_waits_until_somebody_looks(bench: Bench) -> None:
    await bench.deliver(1_000, "one")
    await bench.deliver(920, "two")
    await bench.deliver(900, "three")
    assert await bench.listed() == 900
    await bench.deliver(890, "four")
    [waiting] = await bench.waiting()
    assert waiting.why.startswith("it has 890 entries, 11% fewer than version 1 of 2026-")
    assert waiting.why.endswith("which had 1000: does the list lose some with every file?")
    await reviewing.decide(bench.store, waiting.id, approved=True, who="cli:ann", at_ns=5)
    await bench.follow_until(lambda: _is(bench.state_of(waiting.id), SnapshotState.IMPORTED))
    # From here on the approved one is what counts, by the next delivery, and for days.
    await bench.deliver(880, "five")
    await bench.deliver(801, "six")
    assert (await bench.listed(), await bench.waiting()) == (801, [])
    await bench.deliver(800, "seven")
    assert "fewer than version 4" in (await bench.waiting())[0].why


async def test_what_was_a_week_ago_is_no_measure(bench: Bench) -> None:
    await bench.deliver(1_000, "one")
    await bench.deliver(910, "two")
    bench.clock.advance(7 * 24 * HOUR_NS)
    # Version 2 was in force when the week began; version 1 was not.
    await bench.deliver(820, "three")
    assert (await bench.listed(), await bench.waiting()) == (820, [])
    await bench.deliver(818, "four")
    assert "fewer than version 2" in (await bench.waiting())[0].why


@pytest.mark.parametrize(
    "fails", [StoreRefusedError("too many patterns"), NoRoomError("no room"), ZeroDivisionError("ours")]
)
async def test_an_approved_delivery_that_cannot_be_put_in_force_waits_again_and_says_why(
    bench: Bench, fails: Exception
) -> None:
    await bench.deliver(100, "one")
    await bench.deliver(10, "two")
    [waiting] = await bench.waiting()
    bench.lists.fails = fails
    for _ in range(2):
        await reviewing.decide(bench.store, waiting.id, approved=True, who="cli:ann", at_ns=5)
        await bench.follow_until(lambda: _is(bench.state_of(waiting.id), SnapshotState.WAITING))
        [again] = await bench.waiting()
        assert again.why.startswith("it has 10 entries")
        assert again.why.count("was approved, but cannot be put in force") == 1
        assert again.why.endswith(str(fails) if isinstance(fails, StoreError) else f"{fails!r}")
        assert (again.decided_by, await bench.listed(), await bench.wants()) == (None, 100, ["snapshot-waits"])
    bench.lists.fails = None
    await reviewing.decide(bench.store, waiting.id, approved=True, who="cli:ann", at_ns=5)
    await bench.follow_until(lambda: _is(bench.state_of(waiting.id), SnapshotState.IMPORTED))


async def test_a_store_that_is_full_is_not_written_again_and_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "_LOOK_S", 0.001)
    bench.lists.fails = StoreError("database or disk is full")
    bench.source.has = (b"AA1", "one", 1)
    with structlog.testing.capture_logs() as logs:
        running = asyncio.create_task(bench.follower.follow())
        async with asyncio.timeout(10):
            while sum(one["event"] == "feed_not_followed" for one in logs) < 4:  # noqa: ASYNC110 - nothing tells when it changes
                await asyncio.sleep(0.001)
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
    pauses = [one["again_in_s"] for one in logs if one["event"] == "feed_not_followed"]
    assert pauses[:4] == [0.001, 0.002, 0.004, 0.008]


async def test_a_source_whose_clock_is_ahead_does_not_make_all_later_deliveries_look_old(bench: Bench) -> None:
    # Years after what any clock, or a column of the store, can hold.
    await bench.deliver(100, "one", 2**70)
    assert (await bench.standing()).made_at_ns == bench.clock.utc_ns()
    await bench.deliver(99, "two", bench.clock.utc_ns() + 1)
    assert (await bench.listed(), await bench.waiting()) == (99, [])


async def test_what_was_refused_stays_out_and_is_not_asked_about_again(bench: Bench) -> None:
    await bench.deliver(100, "one")
    await bench.deliver(10, "two")
    [waiting] = await bench.waiting()
    await reviewing.decide(bench.store, waiting.id, approved=False, who="cli:ann", at_ns=5)
    await bench.deliver(10, "three")
    assert (await bench.listed(), await bench.waiting()) == (100, [])
    assert not list(bench.folder.path_of(bytes(32)).parent.iterdir())


async def test_a_newer_delivery_takes_the_place_of_one_that_waits(bench: Bench) -> None:
    await bench.deliver(100, "one")
    await bench.deliver(10, "two")
    await bench.deliver(20, "three")
    [waiting] = await bench.waiting()
    assert waiting.rows == 20
    with pytest.raises(ConflictError, match="is superseded"):
        await reviewing.decide(bench.store, waiting.id - 1, approved=True, who="cli:ann", at_ns=5)


async def test_what_was_held_back_is_not_put_in_force_once_a_newer_delivery_is(bench: Bench) -> None:
    await bench.deliver(100, "one")
    await bench.deliver(10, "two")
    [waiting] = await bench.waiting()
    await bench.deliver(101, "three")
    assert (await bench.listed(), await bench.waiting()) == (101, [])
    with pytest.raises(ConflictError, match="is superseded; expected one that waits"):
        await reviewing.decide(bench.store, waiting.id, approved=True, who="cli:ann", at_ns=5)


@pytest.mark.parametrize(("content", "why"), [(b"", "it is empty"), (b"AA1\nAA2", "it is not newer")])
async def test_an_empty_or_older_delivery_waits(bench: Bench, content: bytes, why: str) -> None:
    await bench.deliver(2, "one", 10)
    await bench.deliver(content, "two", 11 if not content else 10)
    assert await bench.listed() == 2
    assert (await bench.waiting())[0].why.startswith(why)


async def test_the_same_delivery_again_confirms_the_list_if_it_is_newer(bench: Bench) -> None:
    await bench.deliver(5, "one", 1)
    first_ns = await bench.confirmed_at_ns()
    await bench.deliver(5, "one again", 1)
    assert await bench.confirmed_at_ns() == first_ns
    await bench.deliver(5, "two", 2)
    assert await bench.confirmed_at_ns() == bench.clock.utc_ns() > first_ns


async def test_what_cannot_be_fetched_or_read_changes_nothing_and_is_reported(bench: Bench) -> None:
    await bench.deliver(5, "one")
    delivered_ns = (await bench.standing()).delivered_at_ns
    await bench.deliver(b"?", "two")
    assert (await bench.standing()).problem == "list.txt: this is no list"
    since_ns = (await bench.standing()).problem_since_ns
    bench.source.has = FeedError("test://list: no answer")
    bench.clock.advance(HOUR_NS)
    await bench.follower.ask()
    standing = await bench.standing()
    assert (standing.problem, standing.problem_since_ns) == ("test://list: no answer", since_ns)
    assert (standing.delivered_at_ns, await bench.listed()) == (delivered_ns, 5)
    assert await bench.wants() == ["feed-fails"]
    bench.source.has = None
    await bench.follower.ask()
    assert (await bench.standing()).problem == ""


async def test_a_delivery_for_which_there_is_no_room_is_reported_and_asked_about_again_with_back_off(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "_LOOK_S", 0.001)
    await bench.deliver(5, "one")
    bench.lists.fails = NoRoomError("the disk has 2 MB free")
    bench.source.has = (b"AA1\nAA2\nAA3\nAA4\nAA5\nAA6", "two", None)
    bench.clock.advance(HOUR_NS)
    await bench.follow_until(lambda: _is(_problem(bench), "the disk has 2 MB free"))
    assert (await bench.wants(), await bench.listed()) == (["feed-fails"], 5)
    # It was tried, so the schedule says when it is again.
    assert (await bench.standing()).tried_at_ns == bench.clock.utc_ns()
    bench.lists.fails = None
    await bench.follower.ask()
    assert ((await bench.standing()).problem, await bench.listed()) == ("", 6)


async def test_a_delivery_that_provokes_an_error_of_ours_is_reported_and_asked_about_again(bench: Bench) -> None:
    await bench.deliver(5, "one")
    await bench.deliver(b"\xff", "two")
    assert (await bench.standing()).problem.startswith("our error, not the source's: UnicodeDecodeError")
    assert await bench.listed() == 5
    await bench.deliver(6, "three")
    assert ((await bench.standing()).problem, await bench.listed()) == ("", 6)


async def test_a_missed_delivery_alarms(bench: Bench) -> None:
    await bench.follower.ask()
    bench.clock.advance(24 * HOUR_NS)
    assert await bench.wants() == []
    bench.clock.advance(HOUR_NS)
    assert await bench.wants() == ["delivery-missed"]
    await bench.deliver(5, "one")
    assert await bench.wants() == []
    bench.clock.advance(25 * HOUR_NS)
    assert await bench.wants() == ["delivery-missed"]


async def test_approved_bytes_that_another_collector_fetched_are_fetched_again(bench: Bench) -> None:
    await bench.deliver(100, "one")
    await bench.deliver(10, "two")
    [waiting] = await bench.waiting()
    bench.folder.path_of(waiting.sha256).unlink()
    await reviewing.decide(bench.store, waiting.id, approved=True, who="cli:ann", at_ns=5)
    await bench.follow_until(lambda: _is(bench.state_of(waiting.id), SnapshotState.IMPORTED))
    assert await bench.listed() == 10


async def test_it_is_asked_on_its_schedule_and_when_somebody_wants_it_now(bench: Bench) -> None:
    await bench.follow_until(lambda: _at_least(bench.source, 1))
    asked = bench.source.asked
    async with bench.store.write() as tx:
        assert await feeds.ask_now(tx, "f")
        assert not await feeds.ask_now(tx, "g")
    await bench.follow_until(lambda: _at_least(bench.source, asked + 1))


async def _problem(bench: Bench) -> str:
    return (await bench.standing()).problem


async def _is(value: Any, expected: object) -> bool:
    return bool(await value == expected)


async def _at_least(source: Deliverer, times: int) -> bool:
    return source.asked >= times
