from pathlib import Path
from typing import Any

import pytest

from collector.domain import AlertState
from collector.ingest.intake import Intake
from collector.ingest.media import MediaIntake
from collector.ingest.picture_folder import PictureFolder
from collector.ingest.verdicts import VerifyingKey, judge
from collector.ports import Alerted
from collector.store import queries
from collector.store.database import Store
from edge_wire import cose


class NoHotlists:
    generation = 0

    async def raise_and_revise(self, tx: Any, passed: Any, at_ns: int) -> Any:
        return Alerted((), ())


@pytest.fixture
async def filled(store: Store, make: Any, clock: Any, tmp_path: Path) -> Store:
    device = await make.device().enrol(store)
    keys = {
        (device.id, cose.key_id(key.public_key())): VerifyingKey(key.public_key(), epoch)
        for key, epoch in ((device.key, None), (device.epoch_key, 7))
    }
    intake = Intake(store, MediaIntake(PictureFolder(tmp_path)), NoHotlists, clock.utc_ns, 120)
    came = [device.open(), *(device.read(f"7ABC12{at}", track=at, p=0.9) for at in range(1, 6))]
    came += [device.publish(make.shot()) for _ in range(3)]
    await intake.commit([judge(one, keys) for one in came])
    return store


async def test_reads_come_newest_first_and_page_by_id(filled: Store) -> None:
    async with filled.read() as tx:
        first = await queries.reads(tx, limit=2)
        assert [read.text for read in first] == ["7ABC125", "7ABC124"]
        assert [read.text for read in await queries.reads(tx, limit=2, before=first[-1].id)] == ["7ABC123", "7ABC122"]
        assert list(await queries.reads_by_id(tx, [1, 99])) == [1]


async def test_a_plate_is_found_however_it_is_written(filled: Store) -> None:
    async with filled.read() as tx:
        assert [read.text for read in await queries.reads(tx, plate="7abc-123")] == ["7ABC123"]
        assert await queries.reads(tx, plate="9ZZZ999") == []


async def test_a_read_says_how_sure_it_is_of_the_whole(filled: Store) -> None:
    async with filled.read() as tx:
        (read,) = await queries.reads(tx, limit=1)
    assert read.confidence == pytest.approx(0.9**7, rel=0.05)
    assert read.slots[0][0][0] == "7"
    assert read.regions[0][0] == "US-TX"


async def test_shots_carry_the_gun_classes_together(filled: Store) -> None:
    async with filled.read() as tx:
        shots = await queries.shots(tx, limit=2)
        assert [shot.id for shot in shots] == [3, 2]
        assert shots[0].probability == pytest.approx(0.9, abs=0.01)
        assert (shots[0].peak_dbfs, shots[0].rms_dbfs) == (-1.2, -18.0)
        assert shots[0].error_ns == round((500_000**2 + 1_000_000**2) ** 0.5)
        assert [shot.id for shot in await queries.shots(tx, before=2)] == [1]
        assert list(await queries.shots_by_id(tx, [2])) == [2]


async def test_nothing_is_found_where_nothing_is(filled: Store) -> None:
    async with filled.read() as tx:
        assert await queries.alerts(tx, queries.Wanted(state=AlertState.NEW), before=9) == []
        assert await queries.alerts_by_id(tx, [1]) == {}
        assert await queries.picture_arrival(tx, f"lpr-1/{bytes(32).hex()}") is None
        assert not await queries.picture_is_here(tx, bytes(32))
        assert await queries.devices(tx, ["other"]) == []
