"""How many signed reads a second one collector verifies, stores and acks, beside what SQLite alone allows.

    .venv/bin/python bench/ingest.py [--count N] [--batch N]

No broker: batches go straight into the pipeline. The yardsticks, in the same run: verifying alone on one thread, and
SQLite writing the same envelopes in transactions of the same size with ``synchronous=FULL``. Compare ratios.
"""

import argparse
import asyncio
import sqlite3
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from collector.alerts.raising import Raising
from collector.fleet.devices import add_device
from collector.ingest.downlink import Downlink
from collector.ingest.intake import Intake
from collector.ingest.media import MediaIntake
from collector.ingest.picture_folder import PictureFolder
from collector.ingest.pipeline import Pipeline
from collector.ingest.received import Received
from collector.match.matcher import Matcher
from collector.store.database import Store, sqlite_url
from edge_wire import codec, cose
from edge_wire.clock import SystemClock
from edge_wire.messages import Header, Open, PixelBox, PlateRead, Stream
from edge_wire.topics import Channel, Topic

DEVICE, EPOCH = "bench-1", 7


@dataclass
class NoBroker:
    """Counts what would be sent."""

    sent: int = 0

    def publish(self, _topic: str, _payload: bytes) -> None:
        """Send an ack."""
        self.sent += 1

    def confirm(self, _batch: Iterable[Received]) -> None:
        """Confirm to the broker."""


def signed(clock: SystemClock, key: ec.EllipticCurvePrivateKey, body: Open | PlateRead, sequence: int) -> Received:
    stream, channel = (
        (Stream.REPORT, Channel.REPORT) if isinstance(body, Open) else (Stream.DETECTION, Channel.DETECTION)
    )
    header = Header(EPOCH, clock.utc_ns(), clock.boot_ns(), 1_000, stream, sequence)
    envelope = cose.sign(codec.encode(header, body), key, cose.external_aad(DEVICE, channel))
    topic = str(Topic("bench", DEVICE, channel))
    return Received(topic, envelope, codec.encode_connection(EPOCH, 1), False, clock.utc_ns(), clock.boot_ns())


def a_read(track: int) -> PlateRead:
    slot = (("A", 0.9), ("4", 0.04), ("R", 0.02), ("H", 0.01), ("N", 0.005))
    box = PixelBox(100, 200, 220, 240)
    text = f"{track:07d}"
    return PlateRead(track, 0, True, text, (slot,) * 7, "cal", "north", "lpr", "d1", bytes(32), bytes(32), box, 0.9, 5)


def bare_sqlite_s(folder: Path, reads: list[Received], batch: int) -> float:
    with sqlite3.connect(folder / "yardstick.db", isolation_level=None) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
        database.execute("CREATE TABLE m (id INTEGER PRIMARY KEY, sequence INTEGER UNIQUE, envelope BLOB)")
        began = time.perf_counter()
        for at in range(0, len(reads), batch):
            rows = [(at + n, one.payload) for n, one in enumerate(reads[at : at + batch])]
            database.execute("BEGIN")
            database.executemany("INSERT INTO m (sequence, envelope) VALUES (?, ?)", rows)
            database.execute("COMMIT")
        took_s = time.perf_counter() - began
    database.close()
    return took_s


def verify_s(reads: list[Received], key: ec.EllipticCurvePrivateKey) -> float:
    public, aad = key.public_key(), cose.external_aad(DEVICE, Channel.DETECTION)
    began = time.perf_counter()
    for one in reads:
        cose.verify(cose.parse(one.payload), public, aad)
    return time.perf_counter() - began


async def pipeline_s(
    folder: Path, opening: Received, reads: list[Received], device_key: ec.EllipticCurvePrivateKey, batch: int
) -> float:
    clock, link = SystemClock(), NoBroker()
    store = await Store.open(sqlite_url(folder / "collector.db"))
    await add_device(store, DEVICE, "bench", device_key.public_key(), who="cli:bench", at_ns=1)
    intake = Intake(
        store, MediaIntake(PictureFolder(folder / "pictures")), lambda: Raising(Matcher()), clock.utc_ns, 120
    )
    downlink = Downlink(link, ec.generate_private_key(ec.SECP256R1()), store.store_id, clock.utc_ns)
    pipeline = Pipeline(store, intake, downlink, link, clock.utc_ns)
    await pipeline.settle([opening])
    began = time.perf_counter()
    for at in range(0, len(reads), batch):
        await pipeline.settle(reads[at : at + batch])
    took_s = time.perf_counter() - began
    assert pipeline.counts["stored"] == len(reads) + 1
    pipeline.close()
    await store.close()
    return took_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--batch", type=int, default=500)
    options = parser.parse_args()
    clock = SystemClock()
    device_key, epoch_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    body = Open(cose.spki(epoch_key.public_key()), bytes(16), clock.boot_ns(), clock.utc_ns())
    opening = signed(clock, device_key, body, 1)
    reads = [signed(clock, epoch_key, a_read(track), track) for track in range(1, options.count + 1)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for what, took_s in (
            ("SQLite alone", bare_sqlite_s(folder, reads, options.batch)),
            ("verifying alone, one thread", verify_s(reads, epoch_key)),
            ("verify, store, ack", asyncio.run(pipeline_s(folder, opening, reads, device_key, options.batch))),
        ):
            print(f"{what:30} {options.count / took_s:10,.0f} reads/s")


if __name__ == "__main__":
    main()
