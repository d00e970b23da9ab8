"""What a backlog costs: the collector's memory while it drains one, and how long a hit's crop waits behind one.

    .venv/bin/python bench/backlog.py memory [--count 1000000] [--json]
    .venv/bin/python bench/backlog.py crop [--hits 20] [--rows 10000] [--every 6] [--metered] [--json]

``memory``: four devices' signed reads (no pictures) are put into the collector's session at the broker while the
collector is away, by processes of their own; then the collector, a process as in production with SQLite and TLS, drains
them, and its resident memory is read every half second. Flat means that the fitted line rises by less than a tenth
of the median over the whole drain. The broker's two bounds on memory are lifted for this: production never queues a
million messages, since the outboxes do not send more than their windows.

``crop``: a device's outbox, with so many rows of an hour ago (half reads, half crops), is drained by the real uplink
through a link of so many kilobits a second each way, to a real broker and collector. Meanwhile wanted cars are read,
one every six seconds, each with crop and frame. Timed is from before the read is put into the outbox until the
operators' API serves its crop. Wanted (issue 7): 3 s at the 95th percentile at 1 Mbit/s, metered or not.
Metered, mostly reads are sent, and 10,000 rows are gone within a minute: ``--rows 12000 --every 2`` lasts for 15 hits.
"""

import argparse
import asyncio
import contextlib
import hashlib
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
from pathlib import Path
from typing import Any

import numpy as np
import paho.mqtt.client as paho
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from asking import fetch
from chain import AGENCY, Chain
from private_broker import PrivateBroker
from slow_link import SlowLink

from edge_agent.outbox import Entry, EvidenceFile, Outbox, OutboxSettings
from edge_agent.provisioning.device_key import FileDeviceKey
from edge_agent.records import CaptureTime
from edge_agent.uplink import Uplink, UplinkSettings
from edge_wire import codec, cose
from edge_wire.clock import SystemClock
from edge_wire.messages import Header, Open, Part, PixelBox, PlateRead, Stream
from edge_wire.topics import Channel, Topic

EPOCH = 7
SAMPLE_S = 0.5
CROP_BYTES, FRAME_BYTES = 8_000, 120_000
"""Of a wanted car: a plate crop at JPEG quality 90, and a 1080p frame."""
BACKLOG_CROP_BYTES = (1_500, 9_000)


class AnHourAgo(SystemClock):
    """The clocks as they stood when the backlog began: what was queued just now counts as live."""

    def utc_ns(self) -> int:
        """UTC an hour ago."""
        return super().utc_ns() - 3_600_000_000_000

    def boot_ns(self) -> int:
        """The boot clock an hour ago."""
        return super().boot_ns() - 3_600_000_000_000


CLOCK, AN_HOUR_AGO = SystemClock(), AnHourAgo()


class RoomyBroker(PrivateBroker):
    """Holds whatever one puts into it."""

    def _fill(self, template: str) -> str:
        lines = super()._fill(template).splitlines()
        bounds = ("max_queued_bytes", "memory_limit")
        return "\n".join([*(line for line in lines if not line.startswith(bounds)), ""])


def a_read(track: int, text: str, crop: bytes, frame: bytes) -> PlateRead:
    """A read as the vote leaves it, about 400 bytes signed."""
    slots = tuple(((c, 0.93), ("B", 0.03), ("R", 0.01), ("H", 0.005))[: 2 + at % 3] for at, c in enumerate(text))
    box = PixelBox(100, 200, 220, 240)
    return PlateRead(track, 0, True, text, slots, "plates-eu-us", "north", "lpr", "d1", frame, crop, box, 0.9, 5)


# --- memory ----------------------------------------------------------------------------------------------------------


def memory(args: argparse.Namespace) -> dict[str, Any]:
    """Fill, drain, and look at the collector's memory."""
    devices = [f"bench-{number}" for number in range(1, 5)]
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        chain = Chain(Path(folder), devices, broker=RoomyBroker)
        try:
            chain.start()
            chain.stop_collector()  # its session stays at the broker
            began_s = time.monotonic()
            _fill(chain, devices, args.count)
            filled_s = time.monotonic() - began_s
            began_s = time.monotonic()
            chain.start_collector()
            samples = _drain(chain, args.count, began_s)
        finally:
            chain.stop()
    return {"bench": "memory", "count": args.count, "filled_s": round(filled_s, 1), **_flatness(samples, args.count)}


def _fill(chain: Chain, devices: list[str], count: int) -> None:
    share = -(-count // len(devices))
    command = [sys.executable, __file__, "publish", str(chain.folder), str(chain.broker.port), str(share)]
    for first, second in zip(devices[::2], devices[1::2], strict=True):  # two at a time: signing takes a core each
        publishers = [subprocess.Popen([*command, device]) for device in (first, second)]
        codes = [publisher.wait() for publisher in publishers]
        assert codes == [0, 0]


def publish(folder: Path, port: int, count: int, device: str) -> None:
    """Sign and publish an Open and ``count`` reads as ``device``; keeps none that the broker has taken."""
    clients = folder / "broker" / "clients"
    device_key = load_pem_private_key((clients / f"{device}.key").read_bytes(), None)
    assert isinstance(device_key, ec.EllipticCurvePrivateKey)
    epoch_key = ec.generate_private_key(ec.SECP256R1())
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id=device, protocol=paho.MQTTv5)
    client.tls_set(str(folder / "broker" / "ca.pem"), str(clients / f"{device}.pem"), str(clients / f"{device}.key"))
    client.max_inflight_messages_set(500)
    room, connected = threading.Semaphore(2_000), threading.Event()
    client.on_publish = lambda *_: room.release()
    client.on_connect = lambda *_: connected.set()
    client.connect(PrivateBroker.host, port)
    client.loop_start()
    assert connected.wait(30)
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho leaves it untyped
    properties.CorrelationData = codec.encode_connection(EPOCH, 1)

    def send(channel: Channel, header: Header, body: Open | PlateRead, key: ec.EllipticCurvePrivateKey) -> None:
        envelope = cose.sign(codec.encode(header, body), key, cose.external_aad(device, channel))
        assert room.acquire(timeout=60)
        client.publish(str(Topic(AGENCY, device, channel)), envelope, 1, properties=properties)

    opening = Open(cose.spki(epoch_key.public_key()), bytes(16), CLOCK.boot_ns(), CLOCK.utc_ns())
    send(Channel.REPORT, Header(EPOCH, CLOCK.utc_ns(), CLOCK.boot_ns(), 1_000, Stream.REPORT, 1), opening, device_key)
    for sequence in range(1, count + 1):
        header = Header(EPOCH, CLOCK.utc_ns(), CLOCK.boot_ns(), 1_000, Stream.DETECTION, sequence)
        digest = sequence.to_bytes(32, "big")
        send(Channel.DETECTION, header, a_read(sequence, f"{sequence % 10_000_000:07d}", digest, digest), epoch_key)
    for _ in range(2_000):
        assert room.acquire(timeout=60)
    client.disconnect()


def _drain(chain: Chain, count: int, began_s: float) -> list[tuple[float, int, float, float]]:
    """Return (seconds, reads stored, resident MB, of it anonymous MB), until all are stored."""
    samples: list[tuple[float, int, float, float]] = []
    with contextlib.closing(sqlite3.connect(f"file:{chain.folder}/collector/collector.db?mode=ro", uri=True)) as store:
        while not samples or samples[-1][1] < count:
            chain.fail_if_any_died()
            stored = store.execute("SELECT coalesce(max(id), 0) FROM read").fetchone()[0]
            samples.append((time.monotonic() - began_s, stored, *_resident_mb(chain.collector_pid)))
            time.sleep(SAMPLE_S)
    return samples


def _resident_mb(pid: int) -> tuple[float, float]:
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    resident_kb, anonymous_kb = (int(lines[name].split()[0]) for name in ("VmRSS", "RssAnon"))
    return resident_kb / 1024, anonymous_kb / 1024


def _flatness(samples: list[tuple[float, int, float, float]], count: int) -> dict[str, Any]:
    # The first tenth is starting up: imports, caches that fill, SQLite's page cache.
    steady = [one for one in samples if one[1] >= count / 10]
    stored = np.array([one[1] for one in steady], float)
    resident = np.array([one[2] for one in steady])
    slope_mb = float(np.polyfit(stored, resident, 1)[0]) * count if len(steady) > 2 else float("nan")
    median_mb = statistics.median(resident.tolist())
    return {
        "drained_s": round(samples[-1][0], 1),
        "per_s": round(count / samples[-1][0]),
        "samples": len(samples),
        "first_mb": round(samples[0][2], 1),
        "at_a_tenth_mb": round(float(resident[0]), 1),
        "median_mb": round(median_mb, 1),
        "max_mb": round(float(max(one[2] for one in samples)), 1),
        "last_mb": round(float(resident[-1]), 1),
        "anonymous_last_mb": round(samples[-1][3], 1),
        "rise_over_the_drain_mb": round(slope_mb, 1),
        "flat": abs(slope_mb) < median_mb / 10,
    }


# --- crop ------------------------------------------------------------------------------------------------------------


def crop(args: argparse.Namespace) -> dict[str, Any]:
    """Wanted cars behind a backlog."""
    device = "trailer-1"
    with tempfile.TemporaryDirectory(dir=args.folder) as folder, Chain(Path(folder), [device]) as chain:
        plates = [f"HIT{number:04d}" for number in range(args.hits)]
        hotlist = Path(folder) / "hotlist.csv"
        hotlist.write_text("plate,reason\n" + "".join(f"{plate},wanted\n" for plate in plates))
        chain.import_hotlist(hotlist, "bench")
        token, _ = chain.operator("ada")
        with SlowLink(chain.broker.host, chain.broker.port, args.kbps) as link:
            waited, before, left = asyncio.run(_hits(chain, token, device, link.port, plates, args))
            carried = link.carried_bytes
        alerts = json.loads(fetch(chain, token, "/api/alerts?limit=200")[0])["alerts"]
    raised = {alert["entry"]["plate"]: alert["latency_ms"] / 1_000 for alert in alerts}
    slowest = sorted(zip(waited, (raised[plate] for plate in plates), strict=True), reverse=True)[:3]
    p95 = float(np.percentile(waited, 95))
    return {
        "bench": "crop",
        "metered": args.metered,
        "kbps": args.kbps,
        "rows_before": before,
        "rows_left": left,
        "carried_mb": round(carried / 1e6, 1),
        "hits": len(waited),
        "raised_p50_s": round(statistics.median(raised.values()), 2),
        "p50_s": round(statistics.median(waited), 2),
        "p95_s": round(p95, 2),
        "max_s": round(max(waited), 2),
        "slowest": [{"crop_s": round(crop_s, 2), "raised_s": round(raised_s, 2)} for crop_s, raised_s in slowest],
        "good": p95 <= 3.0 and left > 0,
    }


async def _hits(
    chain: Chain, token: str, device: str, port: int, plates: list[str], args: argparse.Namespace
) -> tuple[list[float], int, int]:
    files = chain.broker.client(device)
    key = FileDeviceKey(_private(files.key))
    settings = OutboxSettings(
        chain.folder / "outbox", device, ballast_bytes=0, crops_up_to_bytes=4_096 if args.metered else None
    )
    async with await Outbox.open(settings, key, AN_HOUR_AGO) as outbox:
        for first in range(0, args.rows // 2, 200):
            await asyncio.gather(*(_put_backlog(outbox, track) for track in range(first, first + 200)))
    uplink_settings = UplinkSettings(
        chain.broker.host,
        port,
        chain.broker.authority,
        files.certificate,
        files.key,
        device,
        AGENCY,
        (chain.folder / "collector" / "collector-key.pub.pem",),
        metered=args.metered,
    )
    waited = []
    async with await Outbox.open(settings, key, CLOCK) as outbox:
        uplink = Uplink(uplink_settings, outbox, CLOCK)
        running = asyncio.create_task(uplink.run())
        try:
            async with asyncio.timeout(60):
                await uplink.wait_until_working()
            await asyncio.sleep(args.every)  # the backlog is flowing
            before = (await outbox.state()).pending
            for number, plate in enumerate(plates):
                began_s = time.monotonic()
                waited.append(await _until_served(outbox, chain, token, 1_000_000 + number, plate))
                await asyncio.sleep(max(0.0, began_s + args.every - time.monotonic()))
            left = (await outbox.state()).pending
        finally:
            uplink.stop()
            await running
    return waited, before, left


def _private(path: Path) -> ec.EllipticCurvePrivateKey:
    key = load_pem_private_key(path.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def _now(clock: SystemClock) -> CaptureTime:
    return CaptureTime(clock.utc_ns(), clock.boot_ns(), 1_000)


async def _put_backlog(outbox: Outbox, track: int) -> None:
    low, high = BACKLOG_CROP_BYTES
    picture = _jpeg(low + track * 7_919 % (high - low))
    body = a_read(track, f"B{track:06d}", _digest(picture), bytes(32))
    await outbox.put_with_files(Entry(body, _now(AN_HOUR_AGO)), [EvidenceFile(Part.CROP, picture)])


async def _until_served(outbox: Outbox, chain: Chain, token: str, track: int, plate: str) -> float:
    """Seconds from the read to its crop at the operators' API."""
    picture, frame = _jpeg(CROP_BYTES), _jpeg(FRAME_BYTES)
    body = a_read(track, plate, _digest(picture), _digest(frame))
    began_s = time.monotonic()
    await outbox.put_with_files(
        Entry(body, _now(CLOCK)), [EvidenceFile(Part.CROP, picture), EvidenceFile(Part.FRAME, frame)]
    )
    async with asyncio.timeout(60):
        # As a browser would not: it is told by the stream. This finds what the page could show, to within 50 ms.
        while not await asyncio.to_thread(_is_served, chain, token, _digest(picture).hex()):  # noqa: ASYNC110 - the API tells nobody that a picture came
            await asyncio.sleep(0.05)
    return time.monotonic() - began_s


def _is_served(chain: Chain, token: str, digest: str) -> bool:
    try:
        fetch(chain, token, f"/api/pictures/{digest}")
    except urllib.error.HTTPError as error:
        error.close()
        if error.code != 404:
            raise
        return False
    return True


def _jpeg(size_bytes: int) -> bytes:
    """Bytes that pass for a picture and do not compress, as a JPEG does not."""
    return b"\xff\xd8\xff\xe0" + os.urandom(size_bytes - 4)


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def main() -> None:
    if sys.argv[1:2] == ["publish"]:
        folder, port, count, device = sys.argv[2:]
        publish(Path(folder), int(port), int(count), device)
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["memory", "crop"])
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--hits", type=int, default=20)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--every", type=float, default=6.0, help="seconds between hits")
    parser.add_argument("--kbps", type=int, default=1_000)
    parser.add_argument("--metered", action="store_true")
    parser.add_argument("--folder", type=Path, help="where the temporary files go; a million reads take 2 GB")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    result = memory(args) if args.what == "memory" else crop(args)
    if args.json:
        print(json.dumps(result))
    else:
        for name, value in result.items():
            print(f"{name:>24}  {value}")


if __name__ == "__main__":
    main()
