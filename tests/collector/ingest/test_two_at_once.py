"""Two collectors that take the same rows at the same moment, over one store."""

import asyncio
import random
from pathlib import Path
from typing import Any

from collector.store import tables
from collector.store.database import Store
from edge_wire.messages import Stream, Verdict


async def test_invariant_5_two_collectors_with_the_same_rows_store_and_ack_each_once(
    bench: Any, make: Any, store_url: str, tmp_path: Path, clock: Any
) -> None:
    """PROTOCOL invariants 3 and 5: neither fails, nothing is doubled, and each acks what it was given."""
    devices = [await make.device(f"lpr-{number}").enrol(bench.store) for number in (1, 2)]
    await bench.settle(*(device.open() for device in devices))
    bench.sent()
    rows = [device.read(track=track) for device in devices for track in range(1, 16)]
    second_store = await Store.open(store_url)
    second = type(bench)(second_store, tmp_path, clock)
    try:
        for _ in range(3):
            shuffled = [random.Random(seed).sample(rows, len(rows)) for seed in (1, 2)]
            await asyncio.gather(bench.settle(*shuffled[0]), second.settle(*shuffled[1]))
            for each in (bench, second):
                assert each.acked() == {(7, Stream.DETECTION): {Verdict.STORED: ((1, 15),)}}
                assert each.pipeline.counts["poison"] == 0
    finally:
        second.pipeline.close()
        await second_store.close()
    assert len(await bench.rows(tables.read)) == len(rows)
    assert len(await bench.rows(tables.message)) == len(rows) + 2
    assert await bench.rows(tables.dead_letter) == []
