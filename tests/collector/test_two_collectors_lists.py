"""Two collectors on one PostgreSQL while a list is updated under load."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from collector.alerts.raising import Raising
from collector.alerts.rematching import rematch
from collector.hotlists.csv_file import parse
from collector.hotlists.importing import import_hotlist
from collector.hotlists.live import LiveMatcher
from collector.ingest.intake import Intake
from collector.ingest.media import MediaIntake
from collector.ingest.picture_folder import PictureFolder
from collector.ingest.verdicts import VerifyingKey, judge
from collector.store import tables
from collector.store.database import Store
from edge_wire import cose

STORES = ("postgresql",)
DEVICES = 4
TRACKS = 60
BATCH = 6
PLATES = ("7ABC123", "8XYZ987", "4KLM555")
UNLISTED = "9ZZZ111"


class Collector:
    """What one collector does with reads and lists."""

    def __init__(self, store: Store, folder: Path, clock: Any) -> None:
        self.store = store
        self.live = LiveMatcher(store)
        self._clock = clock
        self.intake = Intake(store, MediaIntake(PictureFolder(folder)), self._raising, clock.utc_ns, 120)

    def _raising(self) -> Raising:
        return Raising(self.live.matcher)

    async def follow(self) -> None:
        async def again() -> None:
            await rematch(self.store, self._raising(), self._clock.utc_ns)

        await self.live.follow(again)

    async def take(self, batches: list[list[Any]]) -> None:
        for batch in batches:
            await self.intake.commit(batch)
            # Lists are followed on the same loop.
            await asyncio.sleep(0)


@pytest.fixture
async def other(store_url: str) -> AsyncIterator[Store]:
    other = await Store.open(store_url)
    yield other
    await other.close()


async def list_plates(store: Store, *plates: str) -> set[int]:
    """Make these the list; return the reads that were stored before anybody could know of it."""
    before: set[int] = set()

    async def stored_so_far(tx: Any, _: int) -> None:
        before.update((await tx.execute(select(tables.read.c.id))).scalars())

    file = parse("\n".join(["plate", *plates]).encode(), "f")
    await import_hotlist(store, file, name="l", source="f", who="cli:t", at_ns=5, also=stored_so_far)
    return before


async def test_every_read_meets_the_new_version_and_alerts_once(
    store: Store, other: Store, make: Any, clock: Any, tmp_path: Path
) -> None:
    """PROTOCOL invariant 5: one list update under load, at two collectors that take the devices' reads between them."""
    await list_plates(store, PLATES[0])
    devices = [await make.device(f"lpr-{number}").enrol(store) for number in range(DEVICES)]
    keys = {
        (device.id, cose.key_id(key.public_key())): VerifyingKey(key.public_key(), epoch)
        for device in devices
        for key, epoch in ((device.key, None), (device.epoch_key, 7))
    }
    texts = (*PLATES, UNLISTED)
    read = [
        judge(device.read(texts[(track + number) % len(texts)], track), keys)
        for track in range(TRACKS)
        for number, device in enumerate(devices)
    ]
    batches = [read[at : at + BATCH] for at in range(0, len(read), BATCH)]
    collectors = [Collector(one, tmp_path, clock) for one in (store, other)]
    for one in collectors:
        await one.live.load()
    await collectors[0].intake.commit([judge(device.open(), keys) for device in devices])
    following = [asyncio.create_task(one.follow()) for one in collectors]
    update = asyncio.create_task(_listed_meanwhile(store))
    # Every batch goes to one collector, as a shared subscription has it; some to both, as after a lost acknowledgement.
    await asyncio.gather(
        collectors[0].take(batches[::2]), collectors[1].take([*batches[1::2], *batches[:4]]), return_exceptions=False
    )
    before = await update
    async with asyncio.timeout(20):
        while await _pending(store) or any(one.live.matcher.generation != 2 for one in collectors):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    for one in collectors:
        one.live.stop()
    await asyncio.gather(*following)

    async with store.read() as tx:
        reads = {row.id: row for row in await tx.execute(select(tables.read))}
        attached = list((await tx.execute(select(tables.alert_read.c.read_id))).scalars())
        alerts = (await tx.execute(select(func.count()).select_from(tables.alert))).scalar_one()
    assert len(reads) == DEVICES * TRACKS
    assert before, "nothing was stored before the update"
    assert before != set(reads), "nothing was stored after the update"
    assert {row.matched_version for row in reads.values() if row.id not in before} == {2}
    # Each read of a listed plate belongs to an alert once: of the old list from the start, of the new one from then on.
    assert len(attached) == len(set(attached))
    expected = {
        row.id for row in reads.values() if row.text == PLATES[0] or (row.text in PLATES and row.id not in before)
    }
    also = {row.id for row in reads.values() if row.text in PLATES} - expected
    assert expected <= set(attached) <= expected | also
    # One vehicle each, at several sites within the same minute.
    assert alerts == len(PLATES)


async def _listed_meanwhile(store: Store) -> set[int]:
    async with asyncio.timeout(20):
        while True:
            async with store.read() as tx:
                stored = (await tx.execute(select(func.count()).select_from(tables.read))).scalar_one()
            if stored >= DEVICES * TRACKS // 4:
                return await list_plates(store, *PLATES)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(store.committed.changed(store.committed.count), 0.05)


async def _pending(store: Store) -> bool:
    async with store.read() as tx:
        return bool((await tx.execute(select(func.count()).select_from(tables.match_pending))).scalar_one())
