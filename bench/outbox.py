"""How fast the outbox takes reads, beside what the disk alone allows in the same run.

    .venv/bin/python bench/outbox.py [--folder DIR] [--count N]

A put is on disk when it returns. One at a time it costs one commit; several at a time share commits. The yardstick is
an append of a row's size and an fsync, in the same folder, before and after: compare ratios, not times.
"""

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from edge_agent.outbox import Outbox, OutboxSettings
from edge_agent.provisioning.device_key import FileDeviceKey
from edge_agent.records import CaptureTime
from edge_wire.clock import SystemClock
from edge_wire.messages import PixelBox, PlateRead

ROW_BYTES = 400


def bare_fsync_ms(folder: Path, count: int) -> list[float]:
    took_ms = []
    with (folder / "yardstick").open("wb") as file:
        for _ in range(count):
            began = time.perf_counter()
            file.write(bytes(ROW_BYTES))
            file.flush()
            os.fsync(file.fileno())
            took_ms.append((time.perf_counter() - began) * 1e3)
    return took_ms


def a_read(track: int) -> PlateRead:
    slot = (("A", 0.9), ("4", 0.04), ("R", 0.02), ("H", 0.01), ("N", 0.005))
    box = PixelBox(100, 200, 220, 240)
    return PlateRead(
        track, 0, False, "ABC1234", (slot,) * 7, "cal", "north", "lpr", "d1", bytes(32), bytes(32), box, 0.9, 5
    )


async def put_one_by_one(outbox: Outbox, clock: SystemClock, count: int) -> list[float]:
    took_ms = []
    for track in range(count):
        captured = CaptureTime(clock.utc_ns(), clock.boot_ns(), 0)
        began = time.perf_counter()
        await outbox.put(a_read(track), captured)
        took_ms.append((time.perf_counter() - began) * 1e3)
    return took_ms


async def put_at_once(outbox: Outbox, clock: SystemClock, count: int, at_once: int) -> float:
    """Rows a second with ``at_once`` callers that each wait for their put before the next."""

    async def caller() -> None:
        for track in range(count // at_once):
            await outbox.put(a_read(track), CaptureTime(clock.utc_ns(), clock.boot_ns(), 0))

    began = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(at_once)))
    return count / (time.perf_counter() - began)


def show(name: str, took_ms: list[float]) -> None:
    p50, p99 = statistics.median(took_ms), statistics.quantiles(took_ms, n=100)[98]
    print(f"{name:<28} {1e3 / statistics.mean(took_ms):8,.0f}/s   p50 {p50:.3f} ms   p99 {p99:.3f} ms")


async def main(folder: Path, count: int) -> None:
    before = bare_fsync_ms(folder, count)
    show("append + fsync, before", before)
    clock = SystemClock()
    key = FileDeviceKey(ec.generate_private_key(ec.SECP256R1()))
    async with await Outbox.open(OutboxSettings(folder / "outbox", "bench"), key, clock) as outbox:
        one = await put_one_by_one(outbox, clock, count)
        show("put, one at a time", one)
        for at_once in (10, 50, 200):
            rate = await put_at_once(outbox, clock, 10 * count, at_once)
            print(f"put, {at_once:>3} callers at once     {rate:8,.0f}/s")
    after = bare_fsync_ms(folder, count)
    show("append + fsync, after", after)
    print(f"one put / one fsync, p50     {statistics.median(one) / statistics.median(before + after):8.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, help="a folder on the disk to measure; default: a temporary one")
    parser.add_argument("--count", type=int, default=1_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as temporary:
        asyncio.run(main(Path(temporary), arguments.count))
