"""Two collectors take the same messages at once into one PostgreSQL: as if there were one."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from collector.alerts.raising import Raising
from collector.hotlists.live import LiveMatcher
from collector.ingest.intake import Intake, Settled
from collector.ingest.media import MediaIntake
from collector.ingest.picture_folder import PictureFolder
from collector.ingest.verdicts import VerifyingKey, judge
from collector.store import tables
from collector.store.database import Store
from edge_wire import cose
from edge_wire.messages import Verdict

STORES = ("postgresql",)
TRACKS = 20


@pytest.fixture
async def other(store_url: str) -> AsyncIterator[Store]:
    other = await Store.open(store_url)
    yield other
    await other.close()


async def intake_on(store: Store, folder: Path, clock: Any) -> Intake:
    live = LiveMatcher(store)
    await live.load()
    return Intake(store, MediaIntake(PictureFolder(folder)), lambda: Raising(live.matcher), clock.utc_ns, 120)


async def counted(store: Store, *what: Any) -> tuple[int, ...]:
    async with store.read() as tx:
        return tuple([(await tx.execute(select(func.count()).select_from(one))).scalar_one() for one in what])


async def test_the_same_messages_at_both_are_stored_and_alerted_once(
    store: Store, other: Store, make: Any, clock: Any, tmp_path: Path, listing: Any
) -> None:
    """PROTOCOL invariants 1, 3 and 5: whoever was second finds what the first has committed, and acks it."""
    await listing.put("7ABC123")
    devices = [await make.device(f"lpr-{number}").enrol(store) for number in range(3)]
    keys = {
        (device.id, cose.key_id(key.public_key())): VerifyingKey(key.public_key(), epoch)
        for device in devices
        for key, epoch in ((device.key, None), (device.epoch_key, 7))
    }
    first, second = [await intake_on(one, tmp_path, clock) for one in (store, other)]
    opened = [judge(device.open(), keys) for device in devices]
    revisions = [
        [judge(device.read(track=track, revision=revision), keys) for device in devices]
        for track in range(TRACKS)
        for revision in (0, 1)
    ]

    async def take(intake: Intake, batches: list[Any]) -> Settled:
        settled = Settled()
        for batch in batches:
            settled = settled.joined(await intake.commit(batch))
        return settled

    # Each gets everything, in the opposite order: devices within a batch, and later revisions first.
    backwards = [batch[::-1] for batch in reversed(revisions)]
    one, two = await asyncio.gather(take(first, [opened, *revisions]), take(second, [opened[::-1], *backwards]))

    sent = 3 * (1 + 2 * TRACKS)
    assert await counted(store, tables.identity, tables.message) == (sent, sent)
    # One vehicle that passes three sites: one alert, to which every read belongs once.
    assert await counted(store, tables.read, tables.alert_read, tables.alert) == (3 * TRACKS, 3 * TRACKS, 1)
    assert await counted(store, tables.dead_letter, tables.read_revision) == (0, 6 * TRACKS)
    assert one.stored + two.stored == sent
    assert {answer.verdict for answer in one.answers + two.answers} == {Verdict.STORED}
    async with store.read() as tx:
        assert set((await tx.execute(select(tables.read.c.revision))).scalars()) == {1}
        again = (await tx.execute(select(func.sum(tables.stream_state.c.redelivered)))).scalar_one()
    assert again == sent
