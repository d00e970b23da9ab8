"""Two `collector serve` on one PostgreSQL and one shared subscription, killed in turn while devices send."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from chain import AGENCY
from private_broker import PrivateBroker
from private_postgresql import PrivatePostgresql, installed
from support import eventually
from wire_samples import UP

from collector.fleet import devices
from collector.store.database import Store
from edge_agent.outbox import Outbox, OutboxSettings
from edge_agent.provisioning import device_key
from edge_agent.records import CaptureTime
from edge_agent.uplink import Uplink, UplinkSettings
from edge_wire.clock import SystemClock
from edge_wire.messages import PlateRead

pytestmark = pytest.mark.skipif(not installed(), reason="no PostgreSQL server: ./scripts/setup --for-tests")

COLLECTORS = ("nightjar.collector", "nightjar.collector-2")
DEVICES = ("trailer-1", "trailer-2")
READS = 100
PLATE = "8ABC123"
PROGRAM = Path(sys.executable).parent / "collector"
START_S = 60.0


class Site:
    """A database, a broker, two collectors that share both, and two devices."""

    def __init__(self, folder: Path, server: PrivatePostgresql) -> None:
        self.folder = folder
        self.server = server
        self.url = server.create("nightjar")
        self.broker = PrivateBroker(folder / "broker", DEVICES, COLLECTORS).start()
        self.running: dict[str, subprocess.Popen[str]] = {}
        asyncio.run(self._enrol())
        self._list_the_plate()
        with ThreadPoolExecutor() as pool:  # side by side, each on a core
            list(pool.map(self.start, COLLECTORS))

    def _config(self, name: str) -> Path:
        files, probe = self.broker.client(name), self.broker.probe
        settings = {
            "data_dir": str(self.folder / "collector"),
            "store_url": self.url,
            "broker": {
                "host": self.broker.host,
                "port": self.broker.port,
                "ca": str(self.broker.authority),
                "certificate": str(files.certificate),
                "key": str(files.key),
                "probe_certificate": str(probe.certificate),
                "probe_key": str(probe.key),
                "share": "nightjar",
            },
            "http": {"port": 0},
        }
        path = self.folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump(settings), encoding="utf-8")
        return path

    async def _enrol(self) -> None:
        store = await Store.open(self.url)
        for device in DEVICES:
            key = devices.load_public_key(self.broker.client(device).certificate)
            await devices.add_device(store, device, AGENCY, key, who="cli:test", at_ns=SystemClock().utc_ns())
        await store.close()

    def _list_the_plate(self) -> None:
        file = self.folder / "stolen.csv"
        file.write_text(f"plate\n{PLATE}\n", encoding="utf-8")
        command = [str(PROGRAM), "hotlist", "import", str(file), "--list", "stolen", "--store", self.url]
        subprocess.run(command, check=True, capture_output=True)

    def start(self, name: str) -> None:
        """Start a collector and wait until it serves."""
        with (self.folder / f"{name}.log").open("a") as log:
            command = [str(PROGRAM), "serve", "--config", str(self._config(name)), "--json"]
            started = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        killer = threading.Timer(START_S, started.kill)
        killer.start()
        assert started.stdout is not None
        line = started.stdout.readline()
        killer.cancel()
        assert line, (self.folder / f"{name}.log").read_text()[-3000:]
        json.loads(line)
        self.running[name] = started

    def kill(self, name: str) -> None:
        """End a collector as a power cut would."""
        started = self.running.pop(name)
        started.kill()
        started.wait()
        assert started.stdout is not None
        started.stdout.close()

    def holder(self, lease: str) -> str:
        """Which collector has said last that it holds a lease."""
        said = []
        for name in COLLECTORS:
            for line in (self.folder / f"{name}.log").read_text().splitlines():
                if f'{{"lease": "{lease}", "event": "lease_held"' in line and line.endswith("}"):
                    said.append((json.loads(line)["timestamp"], name))
        return max(said)[1]

    def stop(self) -> None:
        """End everything in order."""
        for started in self.running.values():
            started.terminate()
        for started in self.running.values():
            started.wait(20)
            assert started.stdout is not None
            started.stdout.close()
        self.broker.stop()

    def select(self, query: str) -> list[str]:
        """Return what the database says, a line a row."""
        return self.server.sql(query, "nightjar").splitlines()

    def uplink(self, device: str, outbox: Outbox, clock: SystemClock) -> Uplink:
        """The uplink of a device."""
        files = self.broker.client(device)
        settings = UplinkSettings(
            host=self.broker.host,
            port=self.broker.port,
            ca_path=self.broker.authority,
            cert_path=files.certificate,
            key_path=files.key,
            device=device,
            agency=AGENCY,
            collector_key_paths=(self.folder / "collector" / "collector-key.pub.pem",),
        )
        return Uplink(settings, outbox, clock)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with PrivatePostgresql() as server:
        made = Site(tmp_path_factory.mktemp("site"), server)
        yield made
        made.stop()


def a_read(track: int) -> PlateRead:
    _, body = UP["plate_read"]
    assert isinstance(body, PlateRead)
    slots = tuple(((character, 0.99),) for character in PLATE)
    return replace(body, track=track, revision=0, final=True, text=PLATE, slots=slots)


async def send(site: Site, device: str) -> set[str]:
    """Put reads into a device's outbox and wait until all are acknowledged; return their identities."""
    clock = SystemClock()
    key = device_key.load(site.broker.client(device).key)
    put = set()
    async with await Outbox.open(OutboxSettings(site.folder / f"outbox-{device}", device), key, clock) as outbox:
        uplink = site.uplink(device, outbox, clock)
        sending = asyncio.create_task(uplink.run())
        for track in range(1, READS + 1):
            one = await outbox.put(a_read(track), CaptureTime(clock.utc_ns(), clock.boot_ns(), 1_000_000))
            put.add(f"{device}|{one.epoch}|{one.sequence}")
            await asyncio.sleep(0.05)  # as vehicles come: the collectors die while there is something to do
        async with asyncio.timeout(90):
            while (await outbox.state()).pending:  # noqa: ASYNC110 - the outbox tells nobody that it is empty
                await asyncio.sleep(0.05)
        uplink.stop()
        await sending
    return put


async def send_while_killing(site: Site) -> set[str]:
    async def kill_in_turn() -> None:
        for name in (*COLLECTORS, COLLECTORS[0]):
            await asyncio.sleep(1)
            await asyncio.to_thread(site.kill, name)
            await asyncio.to_thread(site.start, name)

    killing = asyncio.create_task(kill_in_turn())
    sent = await asyncio.gather(*(send(site, device) for device in DEVICES))
    await killing
    return set().union(*sent)


def test_killed_in_turn_they_lose_nothing_and_double_nothing(site: Site) -> None:
    """PROTOCOL invariants 3 and 5: what was acked is committed, and every read alerts once, whoever took it."""
    put = asyncio.run(send_while_killing(site))
    stored = site.select("SELECT device, epoch, sequence FROM message WHERE kind = 2 ORDER BY id")
    assert sorted(stored) == sorted(put)
    assert len(site.select("SELECT device, track FROM read")) == len(put)
    alerted = site.select("SELECT read_id FROM alert_read")
    assert len(alerted) == len(set(alerted)) == len(put)
    # All of them are of one vehicle on its way between two sites; what came late is an alert of its own.
    assert site.select("SELECT historical FROM alert ORDER BY 1") in (["f"], ["f", "t"])
    assert site.select("SELECT count(*) FROM dead_letter") == ["0"]


def test_a_lease_moves_within_five_seconds_of_a_kill_and_back(site: Site) -> None:
    for _ in COLLECTORS:
        before = site.holder("passages")
        site.kill(before)
        eventually(lambda before=before: site.holder("passages") != before, 5.0)
        site.start(before)
