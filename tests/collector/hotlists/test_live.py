import asyncio
from pathlib import Path
from typing import Any

from collector.alerts.raising import Raising
from collector.alerts.rematching import rematch
from collector.hotlists.csv_file import parse
from collector.hotlists.importing import import_hotlist
from collector.hotlists.live import LiveMatcher
from collector.ingest.intake import Intake
from collector.ingest.media import MediaIntake
from collector.ingest.picture_folder import PictureFolder
from collector.ingest.verdicts import VerifyingKey, judge
from collector.store import queries, reads
from collector.store.database import Store
from edge_wire import cose


async def import_text(store: Store, text: str) -> None:
    content = text.encode()
    await import_hotlist(store, parse(content, "f"), name="l", source="f", content=content, who="cli:t", at_ns=5)


async def test_a_new_version_takes_the_place_of_the_old_one(store: Store) -> None:
    live = LiveMatcher(store)
    assert not await live.load()
    await import_text(store, "plate\nAA1\n")
    before = live.matcher
    assert await live.load()
    assert (len(before), before.generation) == (0, 0)
    assert (len(live.matcher), live.matcher.generation) == (1, 1)
    assert not await live.load()


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
    await intake.commit([judge(one, keys) for one in (device.open(), device.read(track=1))])
    # Another process publishes a hotlist; a read is stored before this one has taken it up.
    await import_text(store, "plate\n7ABC123\n")
    old = make.now_ns - 3_600_000_000_000
    between = [device.read(track=2), device.read(track=3, captured_at_ns=old), device.read("OTHER", track=4)]
    await intake.commit([judge(one, keys) for one in between])
    assert await rematch(store, Raising(live.matcher), clock.utc_ns) == set()
    await live.load()
    assert await rematch(store, Raising(live.matcher), clock.utc_ns) == {"lpr-1"}
    async with store.read() as tx:
        alerts = await queries.alerts(tx)
        assert [(alert.about.read.track, alert.historical) for alert in alerts] == [(3, True), (2, False)]
        assert await reads.awaiting_match(tx, 10) == {}
    # Matched again, alerted once.
    await intake.commit([judge(device.read(track=2, revision=1), keys)])
    assert await rematch(store, Raising(live.matcher), clock.utc_ns) == set()
    async with store.read() as tx:
        assert len(await queries.alerts(tx)) == 2


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
