from dataclasses import replace
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from collector.domain import Link
from collector.store import queries, tables
from edge_wire.messages import Resend, Stream


async def device_of(bench: Any) -> Any:
    async with bench.store.read() as tx:
        (device,) = await queries.devices(tx)
    return device


async def test_a_birth_before_its_open_waits_for_it(bench: Any, make: Any) -> None:
    device = await make.device().enrol(bench.store)
    assert (await device_of(bench)).link is Link.NEVER_HEARD
    await bench.settle(device.publish(make.presence(1, True, "connected")))
    assert [message.body for message in bench.sent()] == [Resend(7, Stream.REPORT, ((1, 1),))]
    assert await bench.rows(tables.dead_letter) == []
    await bench.settle(device.open())
    assert (await device_of(bench)).link is Link.ONLINE


async def test_a_will_of_the_connection_before_changes_nothing(bench: Any, make: Any) -> None:
    device = await make.device(connection=2).enrol(bench.store)
    await bench.settle(device.open(), device.publish(make.presence(2, True, "connected")))
    await bench.settle(device.publish(make.presence(1, False, "connection lost")))
    assert (await device_of(bench)).link is Link.ONLINE
    await bench.settle(device.publish(make.presence(2, False, "connection lost")))
    assert (await device_of(bench)).link is Link.OFFLINE


async def test_the_epoch_that_follows_is_newer_whichever_open_came_first(bench: Any, make: Any) -> None:
    old = await make.device(connection=9).enrol(bench.store)
    new = replace(
        old, epoch=8, previous=7, connection=1, epoch_key=ec.generate_private_key(ec.SECP256R1()), sequences={}
    )
    await bench.settle(new.open(), new.publish(make.presence(1, True, "connected")))
    await bench.settle(old.open(), old.publish(make.presence(9, False, "connection lost")))
    assert (await device_of(bench)).link is Link.ONLINE


async def test_health_is_shown_and_told_of_once(bench: Any, make: Any) -> None:
    device = await make.device().enrol(bench.store)
    await bench.settle(device.open(), device.publish(make.presence(1, True, "connected")))
    health = device.publish(make.health())
    await bench.settle(health)
    shown = await device_of(bench)
    assert shown.health["version"] == "0.1.0"
    assert shown.health_at_ns == health.received_at_ns
    told = len(await bench.rows(tables.feed))
    await bench.settle(health)
    assert len(await bench.rows(tables.feed)) == told


async def test_invariant_6_a_replayed_row_revives_nothing(bench: Any, make: Any) -> None:
    device = await make.device().enrol(bench.store)
    read = device.read()
    await bench.settle(device.open(), device.publish(make.presence(1, True, "connected")), read)
    await bench.settle(device.publish(make.presence(1, False, "connection lost")))
    await bench.settle(read)
    assert (await device_of(bench)).link is Link.OFFLINE
    await bench.settle(device.read(track=2))
    assert (await device_of(bench)).link is Link.ONLINE


async def test_a_birth_that_waited_for_its_open_is_confirmed_to_the_broker_once(bench: Any, make: Any) -> None:
    device = await make.device().enrol(bench.store)
    birth = replace(device.publish(make.presence(1, True, "connected")), ticket="ticket")
    await bench.settle(birth)
    await bench.settle(device.open())
    assert (await device_of(bench)).link is Link.ONLINE
    assert [one.ticket for one in bench.link.confirmed].count("ticket") == 1


async def test_health_of_a_device_that_is_not_in_the_fleet_waits_for_nothing(bench: Any, make: Any) -> None:
    stranger = make.device("stranger")
    await bench.settle(stranger.publish(make.health()))
    assert [row.reason for row in await bench.rows(tables.dead_letter)] == ["unknown_key"]
    await stranger.enrol(bench.store)
    await bench.settle(stranger.open())
    assert (await device_of(bench)).health is None


async def test_a_birth_that_came_before_its_open_is_found_after_another_collector_took_the_open(
    bench: Any, make: Any, tmp_path: Path, clock: Any
) -> None:
    device = await make.device().enrol(bench.store)
    await bench.settle(device.publish(make.presence(1, True, "connected")))
    other = type(bench)(bench.store, tmp_path, clock)
    await other.settle(device.open())
    other.pipeline.close()
    await bench.settle(device.publish(make.health()))
    assert bench.pipeline._addresses.keys() == {device.id}
