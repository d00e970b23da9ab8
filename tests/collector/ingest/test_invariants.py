"""What the protocol promises whatever arrives in whatever order, and late."""

import random
from typing import Any

import pytest

from collector.domain import Support
from collector.hotlists.csv_file import parse
from collector.hotlists.importing import import_hotlist
from collector.hotlists.live import LiveMatcher
from collector.store import queries, tables
from edge_wire import codec, cose

MINUTE = 60 * 1_000_000_000


async def look_for(bench: Any, plate: str) -> None:
    content = f"plate,state,reason\n{plate},TX,stolen vehicle".encode()
    await import_hotlist(bench.store, parse(content, "t"), name="stolen", source="t", who="cli:test", at_ns=1)
    live = LiveMatcher(bench.store)
    await live.load()
    bench.matcher = live.matcher


def identity(received: Any) -> tuple[int, int, int]:
    header = codec.decode_header(cose.parse(received.payload).payload)
    return header.epoch, header.stream, header.sequence


async def send_until_acked(bench: Any, rows: list[Any], dice: random.Random) -> None:
    """As outboxes do: whatever is not acked is sent again, in any order and any batches, some of it twice."""
    pending = {identity(row): row for row in rows}
    for _ in range(20):
        if not pending:
            return
        order = dice.sample(sorted(pending), len(pending)) + dice.choices(sorted(pending), k=2)
        while order:
            batch, order = order[: (size := dice.randint(1, 4))], order[size:]
            await bench.settle(*(pending[one] for one in batch))
        for (epoch, stream), verdicts in bench.acked().items():
            for ranges in verdicts.values():
                for first, last in ranges:
                    for sequence in range(first, last + 1):
                        pending.pop((epoch, stream, sequence), None)
    raise AssertionError(f"never acked: {sorted(pending)}")


@pytest.mark.parametrize("seed", range(6))
async def test_invariant_7_any_order_of_arrival_ends_in_the_same_store(bench: Any, make: Any, seed: int) -> None:
    """PROTOCOL invariants 5 and 7: rows before their Open, revisions before what they revise, everything twice."""
    await look_for(bench, "7ABC123")
    device = await make.device().enrol(bench.store)
    rows = [device.open()]
    rows += [device.read(text, track, 0) for track, text in enumerate(("7ABC123", "9XYZ987", "7ABC123"), 1)]
    rows += [device.read("7ABC123", 1, 1), device.read("9XYZ98J", 2, 1), device.read("7ABC128", 3, 1)]
    await send_until_acked(bench, rows, random.Random(seed))
    reads = {row.track: (row.text, row.revision) for row in await bench.rows(tables.read)}
    assert reads == {1: ("7ABC123", 1), 2: ("9XYZ98J", 1), 3: ("7ABC128", 1)}
    assert len(await bench.rows(tables.identity)) == len(rows)
    async with bench.store.read() as tx:
        supports = {}
        for alert in await queries.alerts(tx):
            attached = await queries.reads_of_alert(tx, alert.id)
            supports |= {one.read.track: one.supports for one in attached}
            assert (alert.support is Support.UNSUPPORTED) is (not any(one.supports for one in attached))
    # Whether the car of track 3 was alerted at all hangs on whether its first reading was seen before it was revised;
    # if it was, its alert says now that this read does not support it.
    assert supports in ({1: True}, {1: True, 3: False})


async def test_pains_22_an_alert_that_is_late_says_so(bench: Any, make: Any) -> None:
    """PAINS 22: an alert fired 23 minutes late. It is not held back, and nobody is sent after a car long gone."""
    await look_for(bench, "7ABC123")
    device = await make.device().enrol(bench.store)
    ago = {"captured_at_ns": make.now_ns - 23 * MINUTE, "captured_boot_ns": make.boot_ns - 23 * MINUTE}
    await bench.settle(device.open(), device.publish(make.health()))
    await bench.settle(device.read("7ABC123", 1, **ago), device.read("7ABC123", 2))
    async with bench.store.read() as tx:
        alerts = {alert.about.read.track: alert for alert in await queries.alerts(tx)}
    assert (alerts[1].historical, alerts[2].historical) == (True, False)
    assert alerts[1].raised_at_ns - alerts[1].about.read.captured_at_ns >= 23 * MINUTE
