"""How fast the outbox takes reads, beside what the disk alone allows in the same run.

    .venv/bin/python bench/outbox.py [--folder DIR] [--count N] [--backlog ROWS] [--json]

A put is on disk, signed, when it returns. One at a time each costs a commit; several at a time share commits. The
yardstick is the same bytes (the envelopes) written to a file, each followed by an fdatasync, in the same folder, before
and after: compare ratios, not times. With ``--backlog`` so many rows wait already (a million are a week of reads that
were never sent), and what the uplink asks and the collector answers is timed too.
"""

import argparse
import asyncio
import json
import os
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from edge_agent.outbox import Outbox, OutboxSettings
from edge_agent.provisioning.device_key import FileDeviceKey
from edge_agent.records import CaptureTime
from edge_wire.clock import SystemClock
from edge_wire.messages import Ack, PixelBox, PlateRead, Stream, Verdict
from edge_wire.packing import ranges_of

AT_ONCE = 50
WINDOW = 200


def a_read(track: int) -> PlateRead:
    slot = (("A", 0.9), ("4", 0.04), ("R", 0.02), ("H", 0.01), ("N", 0.005))
    box = PixelBox(100, 200, 220, 240)
    return PlateRead(
        track, 0, False, "ABC1234", (slot,) * 7, "cal", "north", "lpr", "d1", bytes(32), bytes(32), box, 0.9, 5
    )


class Bench:
    """One outbox, and how long things took in it."""

    def __init__(self, outbox: Outbox, clock: SystemClock, folder: Path) -> None:
        self.outbox = outbox
        self.clock = clock
        self.folder = folder
        self.track = 0

    async def put(self) -> None:
        """Put the next read."""
        self.track += 1
        await self.outbox.put(a_read(self.track), CaptureTime(self.clock.utc_ns(), self.clock.boot_ns(), 0))

    async def one_by_one(self, count: int) -> list[float]:
        """Put so many, each after the one before it is on disk; return how long each took."""
        return [await timed_ms(self.put) for _ in range(count)]

    async def at_once(self, count: int) -> tuple[list[float], float]:
        """Each caller's own waiting, with ``AT_ONCE`` of them, and how many rows a second all of them put."""

        async def caller() -> list[float]:
            return await self.one_by_one(count // AT_ONCE)

        began = time.perf_counter()
        took = await asyncio.gather(*(caller() for _ in range(AT_ONCE)))
        took_ms = [each for caller_ms in took for each in caller_ms]
        return took_ms, len(took_ms) / (time.perf_counter() - began)

    async def ack_open(self) -> None:
        """Have the epoch's Open acked, so that rows may be sent."""
        opens = [row.identity for row in await self.outbox.pending(10, 10, ())]
        self.outbox.published(opens)
        await self.outbox.acked(Ack(self.outbox.epoch, Stream.REPORT, ((1, 1),), Verdict.STORED, bytes(16)))

    async def send(self, rounds: int) -> tuple[list[float], list[float]]:
        """What a full window costs to be found, and to be acked."""
        asked_ms, acked_ms = [], []
        for _ in range(rounds):
            began = time.perf_counter()
            rows = await self.outbox.pending(WINDOW, WINDOW, ())
            asked_ms.append((time.perf_counter() - began) * 1e3)
            self.outbox.published(row.identity for row in rows)
            ranges = ranges_of(row.identity.sequence for row in rows if row.identity.stream == Stream.DETECTION)
            ack = Ack(self.outbox.epoch, Stream.DETECTION, ranges, Verdict.STORED, bytes(16))
            began = time.perf_counter()
            await self.outbox.acked(ack)
            acked_ms.append((time.perf_counter() - began) * 1e3)
        return asked_ms, acked_ms

    def fill(self, rows: int) -> None:
        """Copy one read so often that ``rows`` wait, straight into the database: signing a million takes minutes."""
        with closing(sqlite3.connect(self.folder / "outbox" / "outbox.db")) as database, database:
            database.execute(
                """
                WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?),
                  one AS (SELECT * FROM rows WHERE stream = 1 ORDER BY number DESC LIMIT 1)
                INSERT INTO rows (epoch, stream, sequence, kind, urgency, queued_boot_ns, digest, envelope)
                SELECT epoch, stream, sequence + i, kind, urgency, queued_boot_ns - 1000000000000 + i, digest, envelope
                FROM one, n
                """,
                (rows,),
            )
            database.execute(
                "UPDATE counters SET next_sequence = next_sequence + ? WHERE stream = 1 AND epoch = ?",
                (rows, self.outbox.epoch),
            )


async def timed_ms(work: Callable[[], Awaitable[None]]) -> float:
    began = time.perf_counter()
    await work()
    return (time.perf_counter() - began) * 1e3


def bare_ms(folder: Path, envelopes: list[bytes]) -> list[float]:
    took_ms = []
    with (folder / "yardstick").open("wb", buffering=0) as file:
        for envelope in envelopes:
            began = time.perf_counter()
            file.write(envelope)
            os.fdatasync(file.fileno())
            took_ms.append((time.perf_counter() - began) * 1e3)
    return took_ms


def percentiles(took_ms: list[float]) -> dict[str, float]:
    hundredths = statistics.quantiles(took_ms, n=100)
    return {"p50_ms": round(statistics.median(took_ms), 3), "p99_ms": round(hundredths[98], 3)}


async def measure(folder: Path, count: int, backlog: int) -> dict[str, dict[str, float]]:
    clock = SystemClock()
    key = FileDeviceKey(ec.generate_private_key(ec.SECP256R1()))
    found: dict[str, dict[str, float]] = {}
    async with await Outbox.open(OutboxSettings(folder / "outbox", "bench"), key, clock) as outbox:
        bench = Bench(outbox, clock, folder)
        await bench.ack_open()
        await bench.put()
        if backlog:
            bench.fill(backlog)
        (row,) = await outbox.pending(1, 1, ())
        envelopes = [row.envelope] * count
        before = bare_ms(folder, envelopes)
        one = await bench.one_by_one(count)
        many, rate = await bench.at_once(10 * count)
        after = bare_ms(folder, envelopes)
        asked, acked = await bench.send(max(10, count // 20))
        state = [await timed_ms(lambda: asked_state(outbox)) for _ in range(5)]
        statement = [await timed_ms(outbox.enqueue_statement) for _ in range(5)]
    found["write + fdatasync"] = percentiles(before + after)
    found["put, one at a time"] = percentiles(one)
    found[f"put, {AT_ONCE} at once"] = {**percentiles(many), "rows_per_s": round(rate)}
    found[f"pending, {WINDOW} rows"] = percentiles(asked)
    found[f"ack, {WINDOW} rows"] = percentiles(acked)
    found["state, for health"] = percentiles(state)
    found["statement"] = percentiles(statement)
    ceiling = found["write + fdatasync"]
    for figures in found.values():
        figures["p50_ratio"] = round(figures["p50_ms"] / ceiling["p50_ms"], 2)
        figures["p99_ratio"] = round(figures["p99_ms"] / ceiling["p99_ms"], 2)
    return found


async def asked_state(outbox: Outbox) -> None:
    await outbox.state()


def show(found: dict[str, dict[str, float]], count: int, backlog: int) -> None:
    print(f"{count:,} puts, {backlog:,} rows waiting; ratios to write + fdatasync of the same bytes in this run")
    print(f"{'':<24}{'p50 ms':>10}{'p99 ms':>10}{'p50 ratio':>11}{'p99 ratio':>11}{'rows/s':>10}")
    for name, figures in found.items():
        rate = f"{figures['rows_per_s']:>10,.0f}" if "rows_per_s" in figures else ""
        ratios = f"{figures['p50_ratio']:>11.2f}{figures['p99_ratio']:>11.2f}"
        print(f"{name:<24}{figures['p50_ms']:>10.3f}{figures['p99_ms']:>10.3f}{ratios}{rate}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, help="a folder on the disk to measure; default: a temporary one")
    parser.add_argument("--count", type=int, default=1_000, help="how many puts one at a time")
    parser.add_argument("--backlog", type=int, default=0, help="how many rows wait already")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as temporary:
        found = asyncio.run(measure(Path(temporary), arguments.count, arguments.backlog))
    if arguments.json:
        print(json.dumps({"count": arguments.count, "backlog": arguments.backlog, "figures": found}))
    else:
        show(found, arguments.count, arguments.backlog)
