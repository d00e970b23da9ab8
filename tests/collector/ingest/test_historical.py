"""How late a hit came, told where it is shown."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from collector.hotlists.csv_file import parse
from collector.hotlists.importing import import_hotlist
from collector.hotlists.live import LiveMatcher
from collector.ingest.intake import Intake
from collector.ingest.media import MediaIntake
from collector.ingest.picture_folder import PictureFolder
from collector.store import queries, tables

S = 1_000_000_000
MINUTE = 60 * S


async def look_for(bench: Any, plate: str) -> None:
    content = f"plate,state,reason\n{plate},TX,stolen vehicle".encode()
    await import_hotlist(bench.store, parse(content, "t"), name="stolen", source="t", who="cli:test", at_ns=1)
    live = LiveMatcher(bench.store)
    await live.load()
    bench.matcher = live.matcher


def later(received: Any, by_ns: int) -> Any:
    return replace(
        received,
        received_at_ns=received.received_at_ns + by_ns,
        received_boot_ns=received.received_boot_ns + by_ns,
    )


async def the_alert(bench: Any) -> Any:
    async with bench.store.read() as tx:
        (alert,) = await queries.alerts(tx)
    return alert


@pytest.mark.parametrize("wall_clock_off_ns", [0, -60 * MINUTE, 60 * MINUTE])
async def test_pains_22_a_hit_that_comes_late_says_so_on_its_alert(
    bench: Any, make: Any, wall_clock_off_ns: int
) -> None:
    """PAINS 22: an alert that fires 23 minutes late is historical and says how late, whatever the device's clock."""
    await look_for(bench, "7ABC123")
    device = await make.device().enrol(bench.store)
    await bench.settle(device.open(), device.publish(make.health()))
    read = device.read(captured_at_ns=make.now_ns + wall_clock_off_ns)
    await bench.settle(later(read, 23 * MINUTE))
    alert = await the_alert(bench)
    assert alert.historical
    assert alert.why[-1] == "Historical: it was captured 23 min before it arrived here."


async def test_pains_22_a_hit_that_comes_at_once_is_live(bench: Any, make: Any) -> None:
    """PAINS 22: nothing live is taken for late, be the device's clock an hour slow."""
    await look_for(bench, "7ABC123")
    device = await make.device().enrol(bench.store)
    await bench.settle(device.open(), device.publish(make.health()))
    await bench.settle(device.read(captured_at_ns=make.now_ns - 60 * MINUTE))
    alert = await the_alert(bench)
    assert not alert.historical
    assert not any("Historical" in why for why in alert.why)


async def test_a_collector_that_has_just_started_knows_the_boot_clock_from_the_store(
    bench: Any, make: Any, tmp_path: Path, clock: Any
) -> None:
    await look_for(bench, "7ABC123")
    device = await make.device().enrol(bench.store)
    await bench.settle(device.open(), device.publish(make.health()))
    bench.pipeline._intake = Intake(
        bench.store, MediaIntake(PictureFolder(tmp_path)), bench.intake._plates._raising, clock.utc_ns, 120
    )
    # Its own boot clock is another: it runs on another machine.
    read = device.read(captured_at_ns=make.now_ns - 60 * MINUTE)
    await bench.settle(replace(read, received_boot_ns=5))
    assert not (await the_alert(bench)).historical
    (row,) = await bench.rows(tables.read)
    assert abs(row.passed_at_ns - make.now_ns) < S


async def test_health_that_a_broker_kept_tells_nothing_of_the_time(bench: Any, make: Any) -> None:
    await look_for(bench, "7ABC123")
    device = await make.device().enrol(bench.store)
    kept = replace(later(device.publish(make.health()), 23 * MINUTE), retained=True)
    await bench.settle(device.open(), kept)
    await bench.settle(later(device.read(), 23 * MINUTE))
    alert = await the_alert(bench)
    assert not alert.historical
    assert alert.why[-1].startswith("Age unknown: ")
    assert all(row.health is None for row in await bench.rows(tables.device_link))


@pytest.mark.parametrize("wall_clock_off_ns", [0, -60 * MINUTE, 60 * MINUTE])
async def test_a_boot_that_was_never_heard_live_is_of_unknown_age_whatever_its_wall_clock_says(
    bench: Any, make: Any, wall_clock_off_ns: int
) -> None:
    """PROTOCOL, Time: alerted, labelled, never silently historical."""
    await look_for(bench, "7ABC123")
    device = await make.device().enrol(bench.store)
    await bench.settle(device.open(), device.read(captured_at_ns=make.now_ns + wall_clock_off_ns))
    alert = await the_alert(bench)
    assert not alert.historical
    assert alert.why[-1].startswith("Age unknown: ")


async def test_a_backlog_of_a_boot_that_is_over_dates_itself(bench: Any, make: Any) -> None:
    """What came of the boot before, newest first, proves the age of what comes after it."""
    await look_for(bench, "7ABC123")
    device = await make.device().enrol(bench.store)
    await bench.settle(device.open(), device.read("5XYZ987", track=2))
    await bench.settle(later(device.read(captured_boot_ns=make.boot_ns - 23 * MINUTE), S))
    alert = await the_alert(bench)
    assert alert.historical
    assert alert.why[-1] == "Historical: it was captured at least 23 min before it arrived here."


async def test_the_first_live_word_of_a_boot_ends_the_doubt(bench: Any, make: Any) -> None:
    await look_for(bench, "7ABC123")
    device = await make.device().enrol(bench.store)
    await bench.settle(device.open(), device.read("5XYZ987", track=2))
    await bench.settle(device.publish(make.health()))
    await bench.settle(device.read(captured_at_ns=make.now_ns - 60 * MINUTE))
    alert = await the_alert(bench)
    assert not alert.historical
    assert not any("unknown" in why for why in alert.why)
