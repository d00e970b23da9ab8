"""What a device's traffic costs, TLS and TCP/IP headers included: for each message, and for a day of 6,000 reads.

    python bench/on_the_wire.py [--count 60] [--crop-bytes 4000] [--json]

A real outbox and uplink talk to a real mosquitto with the production configuration, through a proxy that counts, and a
stand-in for the collector acks each row. Messages go one at a time, as they do at a road side, where a read comes
every 14 seconds: so each has its own ack and its own TCP acknowledgements. What is measured for each: bytes of TLS up
and down as the proxy saw them, and with TCP/IP headers (IPv4, packets of at most 1,400 bytes) as the kernel counted.

The day is made of these: reads, their crops where they are pushed, health, hourly Statements, pings (at most: traffic
replaces them) and four connections.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import logging
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec
from far_side import AGENCY, DEVICE, CountingProxy, FarSide

from edge_agent.outbox import Entry, EvidenceFile, Outbox, OutboxSettings
from edge_agent.provisioning.device_key import FileDeviceKey
from edge_agent.records import CaptureTime
from edge_agent.uplink import Uplink, UplinkSettings
from edge_agent.uplink.carried import Carried
from edge_agent.uplink.link import Link, Outbound, open_link
from edge_agent.uplink.settings import METERED_HEALTH_S, METERED_KEEPALIVE_S
from edge_wire.clock import SystemClock
from edge_wire.logs import set_up_log
from edge_wire.messages import Health, Part, PixelBox, PlateRead, SourceState

READS_A_DAY, CONNECTIONS_A_DAY, DAY_S, MONTH_DAYS = 6_000, 4, 86_400, 30.4
# Longer than a delayed TCP acknowledgement, so that each is counted with what it confirms.
QUIET_S = 0.12
PINGS_FOR_S = 8.0


class Cost(NamedTuple):
    """Bytes of one message and its answers: TLS alone, and with TCP/IP headers."""

    tls_up: float
    tls_down: float
    up: float
    down: float


@dataclass(slots=True)
class Device:
    """A running uplink and where its bytes are counted."""

    outbox: Outbox
    uplink: Uplink
    clock: SystemClock
    proxy: CountingProxy
    links: list[Link]

    def carried(self) -> Cost:
        """What was carried so far."""
        kernel = self.links[-1].carried() if self.links else Carried()
        return Cost(self.proxy.up_bytes, self.proxy.down_bytes, *kernel)

    async def settle(self) -> None:
        """Wait until everything is acked and the line is quiet."""
        async with asyncio.timeout(30):
            while (await self.outbox.state()).pending or self.uplink.status.under_way:  # noqa: ASYNC110 - no such event
                await asyncio.sleep(0.005)
        await asyncio.sleep(QUIET_S)

    async def each(self, count: int, work: Callable[[int], Awaitable[object]]) -> Cost:
        """Do ``work`` so many times, each to its end, and return what one cost."""
        before = self.carried()
        for number in range(count):
            await work(number)
            await self.settle()
        return Cost(*((after - earlier) / count for after, earlier in zip(self.carried(), before, strict=True)))


def read_of(track: int, crop: bytes) -> PlateRead:
    """A read as a fixed camera fills it: 407 bytes signed, the median over data/match/dev."""
    slot = (("A", 0.9), ("4", 0.04), ("R", 0.02), ("H", 0.01), ("N", 0.005))
    return PlateRead(
        track=track,
        revision=0,
        final=True,
        text="ABC1234",
        slots=(slot,) * 7,
        calibration="raw-8031afb5",
        camera="north-1",
        role="lpr",
        deployment="main-st-2026-11",
        frame_sha256=os.urandom(32),
        crop_sha256=hashlib.sha256(crop).digest(),
        box=PixelBox(900, 500, 1_100, 560),
        detection_score=0.91,
        frames=6,
        regions=(("US-TX", 0.9), ("US-OK", 0.05)),
        first_readable_ns=-340_000_000,
        lane=1,
        pair="north-1-colour",
        direction="NW",
        face="rear",
    )


@asynccontextmanager
async def device(folder: Path, far: FarSide, **changes: object) -> AsyncIterator[Device]:
    """An outbox and an uplink, connected through a proxy; settled when it is handed over."""
    clock, files, links = SystemClock(), far.broker.client(DEVICE), []
    proxy = CountingProxy(far.broker.host, far.broker.port)
    settings = UplinkSettings(
        far.broker.host,
        proxy.port,
        far.broker.authority,
        files.certificate,
        files.key,
        DEVICE,
        AGENCY,
        (far.pinned,),
        health_every_s=3_600.0,
    )
    key = FileDeviceKey(ec.generate_private_key(ec.SECP256R1()))

    async def connect(asked: UplinkSettings, will: Outbound | None) -> Link:
        links.append(await open_link(asked, will))
        return links[-1]

    async def health() -> Health:
        sources = tuple(SourceState(f"north-{n}", "camera", "ok", "", 15_000) for n in (1, 2))
        models = (("plates", "us-eu-2026-11"),)
        return Health(1, 86_400, 0, 0, 3, 30_000_000_000, "kernel", sources, models, "0.1.0", link="working")

    outbox_settings = OutboxSettings(folder / f"outbox-{proxy.port}", DEVICE, ballast_bytes=0)
    async with await Outbox.open(outbox_settings, key, clock) as outbox:
        changed = replace(settings, **changes)  # type: ignore[arg-type]  # whatever a caller names
        uplink = Uplink(changed, outbox, clock, health, connect=connect)
        running = asyncio.create_task(uplink.run())
        try:
            await uplink.wait_until_working()
            opened = Device(outbox, uplink, clock, proxy, links)
            await opened.settle()
            yield opened
        finally:
            uplink.stop()
            await running
            proxy.close()


async def measure(folder: Path, far: FarSide, count: int, crop_bytes: int) -> dict[str, Cost]:
    """What each kind of message costs."""
    async with device(folder, far) as line:
        connection = line.carried()

        def now() -> CaptureTime:
            return CaptureTime(line.clock.utc_ns(), line.clock.boot_ns(), 1_200_000)

        async def with_crop(number: int) -> None:
            crop = os.urandom(crop_bytes)
            read = read_of(100_000 + number, crop)
            await line.outbox.put_with_files(Entry(read, now()), [EvidenceFile(Part.CROP, crop)])

        async def one_health(_: int) -> None:
            line.uplink.health_changed()

        read = await line.each(count, lambda number: line.outbox.put(read_of(50_000 + number, b""), now()))
        both = await line.each(count, with_crop)
        health = await line.each(count, one_health)
        statement = await line.each(count // 2, lambda _: line.outbox.enqueue_statement())
    async with device(folder, far, keepalive_s=1) as line:
        before = line.carried()
        await asyncio.sleep(PINGS_FOR_S)
        pinged = [after - earlier for after, earlier in zip(line.carried(), before, strict=True)]
        pings = pinged[0] / 24  # a PINGREQ is 2 bytes in a record of TLS 1.3
    return {
        "connection": connection,
        "read": read,
        "read with crop": both,
        "health": health,
        "statement": statement,
        "ping": Cost(*(each / pings for each in pinged)),
    }


def days(costs: dict[str, Cost]) -> dict[str, dict[str, float]]:
    """Bytes a day, both directions with headers, by kind, for four ways to run a device."""

    def total(kind: str) -> float:
        return costs[kind].up + costs[kind].down

    def day(read: str, health_every_s: float, ping_every_s: float) -> dict[str, float]:
        parts = {
            "reads": READS_A_DAY * total("read"),
            "crops": READS_A_DAY * (total(read) - total("read")),
            "health": DAY_S / health_every_s * total("health"),
            "statements": 24 * total("statement"),
            "pings": DAY_S / ping_every_s * total("ping"),
            "connections": CONNECTIONS_A_DAY * total("connection"),
        }
        return {**parts, "a day": sum(parts.values()), "a month": MONTH_DAYS * sum(parts.values())}

    return {
        "crops pushed": day("read with crop", 60, 30),
        "crops on demand": day("read", 60, 30),
        "metered, crops pushed": day("read with crop", METERED_HEALTH_S, METERED_KEEPALIVE_S),
        "metered, crops on demand": day("read", METERED_HEALTH_S, METERED_KEEPALIVE_S),
    }


def show(costs: dict[str, Cost], by_way: dict[str, dict[str, float]]) -> None:
    """Print both tables."""
    print(
        f"{'bytes of one':<16}{'TLS up':>10}{'TLS down':>10}{'up':>10}{'down':>10}   (the last two with TCP/IP headers)"
    )
    for kind, cost in costs.items():
        print(f"{kind:<16}" + "".join(f"{each:>10,.0f}" for each in cost))
    print(f"\n{f'MB, {READS_A_DAY:,} reads':<26}" + "".join(f"{part:>13}" for part in by_way["crops pushed"]))
    for way, parts in by_way.items():
        print(f"{way:<26}" + "".join(f"{each / 1e6:>13,.2f}" for each in parts.values()))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=60, help="messages of each kind")
    parser.add_argument("--crop-bytes", type=int, default=4_000, help="size of a crop")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    arguments = parser.parse_args()
    set_up_log(level=logging.WARNING)
    with tempfile.TemporaryDirectory() as temporary, FarSide(Path(temporary)) as far:
        costs = asyncio.run(measure(Path(temporary), far, arguments.count, arguments.crop_bytes))
    by_way = days(costs)
    if arguments.json:
        each = {kind: {name: round(value, 1) for name, value in cost._asdict().items()} for kind, cost in costs.items()}
        rounded = {way: {part: round(value) for part, value in parts.items()} for way, parts in by_way.items()}
        print(json.dumps({"crop_bytes": arguments.crop_bytes, "bytes": each, "bytes_a_day": rounded}))
    else:
        show(costs, by_way)


if __name__ == "__main__":
    main()
