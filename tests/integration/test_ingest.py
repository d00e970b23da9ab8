"""Ingest against a real mosquitto with the production configuration, fed by the real outbox and uplink.

The collector's side runs as a program of its own, so that it can be killed as a power cut would.
"""

import asyncio
import hashlib
import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from private_broker import PrivateBroker
from support import eventually
from wire_samples import UP

from collector.fleet import signing_key
from collector.fleet.devices import add_device
from collector.hotlists.csv_file import parse
from collector.hotlists.importing import import_hotlist
from collector.store.database import Store, sqlite_url
from edge_agent.outbox import EvidenceFile, Outbox, OutboxSettings
from edge_agent.outbox.rows import Entry
from edge_agent.provisioning.device_key import FileDeviceKey
from edge_agent.records import CaptureTime
from edge_agent.uplink import Uplink, UplinkSettings
from edge_wire.clock import SystemClock
from edge_wire.messages import Part, PlateRead

DEVICE, AGENCY = "trailer-1", "springfield"

pytestmark = pytest.mark.skipif(
    shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin") is None,
    reason="mosquitto is not installed: run ./scripts/setup",
)

_PROGRAM = """
import asyncio, json, sys
from pathlib import Path
from collector.alerts.raising import Raising
from collector.fleet import signing_key
from collector.hotlists.live import LiveMatcher
from collector.ingest.ingest import Ingest
from collector.ingest.link import BrokerSettings
from collector.ingest.picture_folder import PictureFolder
from collector.store.database import Store, sqlite_url
from edge_wire.clock import SystemClock

async def main(folder, host, port, ca, certificate, key):
    folder = Path(folder)
    store = await Store.open(sqlite_url(folder / "collector.db"))
    live = LiveMatcher(store)
    await live.load()
    broker = BrokerSettings(host, port, Path(ca), Path(certificate), Path(key))
    ingest = Ingest(
        store, broker, signing_key.load_or_make(folder / "key.pem"), PictureFolder(folder / "pictures"), SystemClock(),
        lambda: Raising(live.matcher),
    )
    task = ingest.start()
    assert await ingest.wait_until_subscribed(20)
    assert ingest.hearing
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await ingest.stop()
    await task
    await store.close()

asyncio.run(main(*json.loads(sys.argv[1])))
"""


class Site:
    """A broker, a device with its outbox, and the collector's folder."""

    def __init__(self, folder: Path, broker: PrivateBroker) -> None:
        self.folder = folder
        self.broker = broker
        self.clock = SystemClock()
        self.device_key = FileDeviceKey(ec.generate_private_key(ec.SECP256R1()))
        self.collector: subprocess.Popen[bytes] | None = None
        pinned = folder / "pinned.pem"
        key = signing_key.load_or_make(folder / "key.pem")
        pinned.write_bytes(
            key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        )
        files = broker.client(DEVICE)
        self.uplink = UplinkSettings(
            broker.host,
            broker.port,
            broker.authority,
            files.certificate,
            files.key,
            DEVICE,
            AGENCY,
            (pinned,),
            reconnect_min_s=0.05,
            reconnect_max_s=0.2,
        )

    async def prepare(self) -> None:
        store = await Store.open(sqlite_url(self.folder / "collector.db"))
        await add_device(store, DEVICE, AGENCY, self.device_key.public_key, who="cli:t", at_ns=1)
        content = b"plate,state,reason\n7ABC123,CA,stolen vehicle\n"
        await import_hotlist(store, parse(content, "f"), name="stolen", source="f", who="cli:t", at_ns=1)
        await store.close()

    def start_collector(self) -> None:
        files = self.broker.collector
        arguments = [
            str(self.folder),
            self.broker.host,
            self.broker.port,
            *map(str, (self.broker.authority, files.certificate, files.key)),
        ]
        self.collector = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, json.dumps(arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )
        assert self.collector.stdout is not None
        for line in self.collector.stdout:
            if line == b"ready\n":
                return
        raise AssertionError("the collector did not start")

    def kill_collector(self) -> None:
        assert self.collector is not None
        self.collector.kill()
        self.collector.communicate()

    def stop_collector(self) -> int:
        assert self.collector is not None
        self.collector.communicate(timeout=20)
        return self.collector.returncode

    @asynccontextmanager
    async def device(self) -> AsyncIterator[Outbox]:
        async with await Outbox.open(
            OutboxSettings(self.folder / "outbox", DEVICE), self.device_key, self.clock
        ) as box:
            uplink = Uplink(self.uplink, box, self.clock)
            task = asyncio.create_task(uplink.run())
            try:
                yield box
            finally:
                uplink.stop()
                await task

    def now(self) -> CaptureTime:
        return CaptureTime(self.clock.utc_ns(), self.clock.boot_ns(), 1_000)

    def rows(self, query: str) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(self.folder / "collector.db")) as database:
            return database.execute(query).fetchall()

    def count(self, query: str) -> int:
        [(number,)] = self.rows(query)
        assert isinstance(number, int)
        return number


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    with PrivateBroker(tmp_path / "broker", [DEVICE]) as broker:
        site = Site(tmp_path, broker)
        await site.prepare()
        yield site
        if site.collector is not None and site.collector.poll() is None:
            site.kill_collector()


def read(track: int, text: str = "8XYZ999", crop: bytes = b"crop", frame: bytes = b"frame") -> PlateRead:
    _, body = UP["plate_read"]
    assert isinstance(body, PlateRead)
    return replace(
        body,
        track=track,
        revision=0,
        text=text,
        slots=tuple(((character, 0.99),) for character in text),
        crop_sha256=hashlib.sha256(crop).digest(),
        frame_sha256=hashlib.sha256(frame).digest(),
    )


async def test_a_hit_is_stored_acked_and_its_pictures_arrive(site: Site) -> None:
    site.start_collector()
    async with site.device() as box:
        files = [EvidenceFile(Part.CROP, b"crop"), EvidenceFile(Part.FRAME, b"frame" * 20_000)]
        body = read(1, "7ABC123", b"crop", b"frame" * 20_000)
        await box.put_with_files(Entry(body, site.now(), None), files)
        await asyncio.to_thread(eventually, lambda: site.count("SELECT count(*) FROM media_file WHERE complete") == 2)
    assert site.rows("SELECT rule, support, historical FROM alert") == [("exact", "raised", 0)]
    assert site.rows("SELECT online, reason FROM device_link") != []
    assert site.stop_collector() == 0
    kept = sorted(path.stat().st_size for path in (site.folder / "pictures").rglob("*") if path.is_file())
    assert kept == [4, 100_000]


async def test_a_collector_killed_at_any_moment_loses_nothing_and_stores_nothing_twice(site: Site) -> None:
    rounds, each = 4, 150
    site.start_collector()
    async with site.device() as box:
        for turn in range(rounds):
            await box.put_all([Entry(read(turn * each + at), site.now(), None) for at in range(each)])
            # Somewhere in the middle of this turn's rows: between commit and ack as likely as anywhere.
            await asyncio.to_thread(eventually, partial(_more_than, site, turn * each + 10 * turn))
            site.kill_collector()
            site.start_collector()
        await asyncio.to_thread(eventually, lambda: site.count("SELECT count(*) FROM read") == rounds * each, 60)
        await asyncio.to_thread(eventually, lambda: _pending(site) == 0, 60)
    assert site.count("SELECT count(DISTINCT track) FROM read") == rounds * each
    assert site.count("SELECT count(*) FROM message WHERE kind = 2") == rounds * each
    assert site.count("SELECT count(*) FROM dead_letter") == 0
    assert site.stop_collector() == 0


async def test_a_restarted_broker_is_found_again(site: Site) -> None:
    site.start_collector()
    async with site.device() as box:
        await box.put(read(1), site.now())
        await asyncio.to_thread(eventually, lambda: site.count("SELECT count(*) FROM read") == 1)
        site.broker.restart()
        await box.put(read(2), site.now())
        await asyncio.to_thread(eventually, lambda: site.count("SELECT count(*) FROM read") == 2, 60)


def _more_than(site: Site, reads: int) -> bool:
    return site.count("SELECT count(*) FROM read") > reads


def _pending(site: Site) -> int:
    with closing(sqlite3.connect(site.folder / "outbox" / "outbox.db")) as database:
        (number,) = database.execute("SELECT count(*) FROM rows WHERE state = 0").fetchone()
        assert isinstance(number, int)
        return number
