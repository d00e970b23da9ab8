"""Changes of state that devices tell: kept once, shown with their device, and the console is told."""

from typing import Any

from sqlalchemy import select

from collector.store import queries, tables
from collector.store.feed import FeedKind
from edge_wire.messages import Change


async def test_a_change_is_kept_once_and_the_console_is_told(bench: Any, make: Any) -> None:
    device = await make.device().enrol(bench.store)
    opened, line = device.open(), device.publish(Change("power", "line", ""))
    failed = device.publish(Change("camera", "failed", "no route to host", id="north", before="ok"))
    await bench.settle(opened, line, failed)
    await bench.settle(failed)
    async with bench.store.read() as tx:
        told = await queries.device_changes(tx, device.id, limit=10)
        of_feed = [tuple(row) for row in await tx.execute(select(tables.feed.c.kind, tables.feed.c.ref))]
    assert [(one.subject, one.ref, one.before, one.state, one.reason) for one in told] == [
        ("camera", "north", "ok", "failed", "no route to host"),
        ("power", None, None, "line", ""),
    ]
    assert told[0].received_at_ns == failed.received_at_ns
    assert (FeedKind.DEVICE, device.id) in of_feed


async def test_health_keeps_how_far_the_devices_clock_may_be_off(bench: Any, make: Any) -> None:
    device = await make.device().enrol(bench.store)
    await bench.settle(device.open())
    await bench.settle(device.publish(make.health()))
    async with bench.store.read() as tx:
        (shown,) = await queries.devices(tx)
    assert shown.health["clock_error_ns"] >= 0
