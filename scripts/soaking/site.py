"""Everything that runs during a soak, and everything that can be done to it. ``faults`` says what is done when."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml
from chain import AGENCY, Chain
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from collector.fleet import broker_access, devices
from collector.store.database import Store
from edge_agent.provisioning import device_key
from edge_wire.clock import SystemClock
from soaking.bodies import LISTED, Bodies
from soaking.broker import SoakBroker
from soaking.captures import Capture, read_log
from soaking.databases import DATA, DISK, Database, ask
from soaking.disk import SmallDisk
from soaking.intruder import Intruder, Pending
from soaking.link import FaultyLink
from soaking.programs import Keeper, Program, program, say
from soaking.rogue import ROGUE, Rogue
from soaking.settings import Settings
from soaking.trailer import TrailerSettings
from soaking.trailers import Trailer
from soaking.verdict import Identity
from soaking.yesterday import PASSES, YESTERDAY, capture_yesterday

_START_S = 60.0
_TRAILER_START_S = 30.0
_DISK_MIB = 192
_COLLECTOR_DISK_MIB = 1_024
_WHO = "soak"
# A JPEG of one grey pixel (ITU-T T.81, baseline): the smallest that is one. Comments make it weigh something.
_PICTURE = bytes.fromhex(
    "ffd8ffdb004300" + "01" * 64 + "ffc0000b080001000101011100"
    "ffc40014000100000000000000000000000000000000ffc40014100100000000000000000000000000000000ffda0008010100003f0037ffd9"
)


class Site:
    """Broker, collectors, trailers, an intruder and a rogue, in one folder.

    Args:
        folder: everything lies here; must be new.
        database: the store.
        settings: how many trailers, and what they detect.

    Attributes:
        storage: held by whoever spoils a trailer's storage, and while a collector goes back in time: what is stored
            nowhere but on a trailer must not be destroyed there at that moment, or nobody could bring it back.
        taken: what restores took from the store, and was not there again when last looked.
        clones: cloned cards; each is run once more at the end, until it has nothing left to say.
    """

    def __init__(self, folder: Path, database: Database, settings: Settings) -> None:
        self.folder = folder.resolve()
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.database = database
        self.storage = threading.RLock()
        self.taken: set[Identity] = set()
        self.clones: list[Trailer] = []
        self.trailers: list[Trailer] = []
        self.collectors: list[Program] = []
        self.collector_links: list[FaultyLink] = []
        self.keeper = Keeper()
        self.yesterday: list[Pending] = []
        self._settings = settings
        self._names = [f"trailer-{number}" for number in range(1, settings.agents + 1)]
        self._open = contextlib.ExitStack()
        self._collector_names = [
            broker_access.COLLECTOR + (f"-{number}" if number > 1 else "")
            for number in range(1, database.collectors + 1)
        ]

    @property
    def data_dir(self) -> Path:
        """The collectors' folder."""
        return self.folder / DATA

    @property
    def collector_key(self) -> ec.EllipticCurvePublicKey:
        """The key that trailers pin."""
        key = load_pem_public_key(self._pinned.read_bytes())
        assert isinstance(key, ec.EllipticCurvePublicKey)
        return key

    @property
    def devices(self) -> set[str]:
        """Whose detections count."""
        return {*self._names, YESTERDAY}

    def __enter__(self) -> Self:
        try:
            self._build()
        except BaseException:
            self._open.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    # --- The whole -----------------------------------------------------------------------------------------------

    def _build(self) -> None:
        enter = self._open.enter_context
        known = [*self._names, YESTERDAY, ROGUE]
        chain = Chain(self.folder, known)
        self.broker = SoakBroker(self.folder / "broker", known, self._collector_names)
        self.collector_disk = enter(SmallDisk(self.folder / DISK, _COLLECTOR_DISK_MIB, keep=self._settings.keep))
        enter(self.database)
        self._open.callback(self.broker.stop)
        self.broker.start()
        for name in ("captures", "trailers", "clones", "backups"):
            (self.folder / name).mkdir(exist_ok=True, mode=0o700)
        (self.folder / "picture.jpg").write_bytes(_PICTURE)
        say("the broker runs")
        asyncio.run(self._enrol(known))
        self._write_collectors(yaml.safe_load(chain.collector_config.read_text(encoding="utf-8")))
        self._import_hotlist()
        say("devices and hotlist are in the store")
        self._open.callback(self.keeper.stop)
        for collector in self.collectors:
            self._open.callback(collector.stop)
            collector.launch()
        for collector in self.collectors:
            collector.start(_START_S)
        say("the collectors serve")
        shutil.copy(self.data_dir / "collector-key.pub.pem", self._pinned)
        self.keeper.programs += self.collectors
        self.intruder = enter(Intruder(self.broker, AGENCY))
        self.intruder.wait_until_connected(10.0)
        self._store_yesterday()
        say(f"yesterday is stored: {len(self.yesterday)} envelopes")
        for number, name in enumerate(self._names):
            self.trailers.append(self._trailer(name, name, self.folder / "trailers" / name, number))
        for trailer in self.trailers:
            trailer.program.launch()
        for trailer in self.trailers:
            trailer.program.start(_TRAILER_START_S)
        self.keeper.start()
        key = device_key.load(self.broker.client(ROGUE).key)
        self.rogue = enter(Rogue(self.broker, AGENCY, key, rate_hz=10.0))

    async def _enrol(self, names: list[str]) -> None:
        self.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        store = await Store.open(self.database.url)
        try:
            for name in names:
                key = devices.load_public_key(self.broker.client(name).certificate)
                await devices.add_device(store, name, AGENCY, key, who=_WHO, at_ns=SystemClock().utc_ns())
        finally:
            await store.close()

    def _write_collectors(self, settings: dict[str, object]) -> None:
        for number, name in enumerate(self._collector_names, 1):
            link = self._open.enter_context(FaultyLink(self.broker.host, self.broker.port))
            files = self.broker.client(name)
            broker = settings["broker"]
            assert isinstance(broker, dict)
            path = self.folder / f"collector-{number}.yaml"
            share = {"share": broker_access.SHARE_GROUP} if self.database.collectors > 1 else {}
            reached = {"port": link.port, "certificate": str(files.certificate), "key": str(files.key), **share}
            own = {
                **settings,
                "data_dir": str(self.data_dir),
                "store_url": self.database.url,
                "broker": {**broker, **reached},
            }
            path.write_text(yaml.safe_dump(own, sort_keys=False), encoding="utf-8")
            command = program("soaking.serving", "serve", "--config", str(path), "--json")
            self.collectors.append(Program(f"collector-{number}", command, self.folder / f"collector-{number}.log"))
            self.collector_links.append(link)

    def collector_command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one of the collector's own commands on this store."""
        config = ["--config", str(self.folder / "collector-1.yaml")]
        command = [str(Path(sys.executable).parent / "collector"), *arguments, *config]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def back_up(self, to: Path) -> None:
        """Make a backup while the collectors run.

        Raises:
            RuntimeError: the command failed.
        """
        self._command("backup", str(to))

    def go_back_to(self, backup: Path) -> tuple[set[Identity], set[Identity]]:
        """Kill the collectors, bring the store back to a backup, and let them start again.

        Returns:
            what had been stored, and what of it the backup does not have; that is in ``taken`` from now on.

        Raises:
            RuntimeError: the command failed.
        """
        for collector in self.collectors:
            collector.kill()
        stored = self.stored_identities()  # nothing more can be acked
        before = self.data_dir.with_name("collector.before")
        self.data_dir.rename(before)
        self.database.clear()
        self._command("restore", str(backup))
        shutil.rmtree(before)
        gone = stored - self.stored_identities()
        self.taken = (self.taken - stored) | gone
        for collector in self.collectors:
            collector.launch()  # side by side
        for collector in self.collectors:
            collector.start(_START_S)
        return stored, gone

    def stored_identities(self) -> set[Identity]:
        """The identity of every detection of a trailer that the store knows."""
        question = "SELECT device, epoch, stream, sequence FROM identity WHERE stream = 1 AND verdict = 1"
        return {tuple(row) for row in ask(self.database, question) if row.device in self.devices}

    def _command(self, *arguments: str) -> None:
        done = self.collector_command(*arguments)
        if done.returncode:
            raise RuntimeError(f"collector {' '.join(arguments)}: exit {done.returncode}: {done.stderr.strip()}")

    def _import_hotlist(self) -> None:
        path = self.folder / "hotlist.csv"
        path.write_text("plate,reason\n" + "".join(f"{plate},stolen vehicle\n" for plate in LISTED), encoding="utf-8")
        self._command("hotlist", "import", str(path), "--list", "soak")

    @property
    def _pinned(self) -> Path:
        return self.folder / "pinned.pem"

    # --- Trailers ------------------------------------------------------------------------------------------------

    def _trailer(self, name: str, device: str, folder: Path, number: int) -> Trailer:
        disk = self._open.enter_context(SmallDisk(folder, _DISK_MIB, keep=self._settings.keep))
        link = self._open.enter_context(FaultyLink(self.broker.host, self.broker.port))
        files = self.broker.client(device)
        settings = TrailerSettings(
            name=name,
            device=device,
            agency=AGENCY,
            host=self.broker.host,
            port=link.port,
            ca=str(self.broker.authority),
            certificate=str(files.certificate),
            key=str(files.key),
            collector_key=str(self._pinned),
            outbox=str(folder / "outbox"),
            log=str(self.folder / "captures" / f"{name}.jsonl"),
            status=str(self.folder / f"{name}.status.json"),
            picture=str(self.folder / "picture.jpg"),
            seed=self._settings.seed * 1_000 + number,
            rate_hz=self._settings.rate_hz,
        )
        return self._with_program(settings, link, disk)

    def _with_program(self, settings: TrailerSettings, link: FaultyLink, disk: SmallDisk) -> Trailer:
        path = self.folder / f"{settings.name}.json"
        settings.write(path)
        running = Program(settings.name, program("soaking.trailer", str(path)), self.folder / f"{settings.name}.log")
        self._open.callback(running.stop)
        self.keeper.programs.append(running)
        return Trailer(settings, running, link, disk)

    def clone(self, trailer: Trailer) -> Trailer:
        """Copy a trailer's card while it is down; the clone is the same device, with a link of its own."""
        name = f"{trailer.settings.device}-clone-{len(self.clones) + 1}"
        folder = self.folder / "clones" / name
        folder.mkdir(mode=0o700)
        shutil.copytree(trailer.folder, folder / "outbox")
        (folder / "outbox").chmod(0o700)
        link = self._open.enter_context(FaultyLink(self.broker.host, self.broker.port))
        settings = replace(
            trailer.settings,
            name=name,
            port=link.port,
            outbox=str(folder / "outbox"),
            log=str(self.folder / "captures" / f"{name}.jsonl"),
            status=str(self.folder / f"{name}.status.json"),
            seed=trailer.settings.seed + 500 + len(self.clones),
        )
        # Not on a disk of its own: nothing is filled there.
        clone = self._with_program(settings, link, SmallDisk(folder, _DISK_MIB))
        self.clones.append(clone)
        return clone

    def _store_yesterday(self) -> None:
        """Let the collector store what a device captured a day ago, and keep the bytes to replay them."""
        bodies = Bodies(YESTERDAY, "0", self._settings.seed, _PICTURE)
        key = device_key.load(self.broker.client(YESTERDAY).key)
        log = self.folder / "captures" / f"{YESTERDAY}.jsonl"
        self.yesterday = asyncio.run(capture_yesterday(self.folder / "yesterday", log, key, bodies))
        connection = (self.yesterday[0].epoch, 1)
        count = "SELECT count(*) FROM read WHERE device = :device"
        until_s = time.monotonic() + 20
        while ask(self.database, count, {"device": YESTERDAY})[0][0] < PASSES and time.monotonic() < until_s:
            for row in self.yesterday:  # the Open first: what follows is judged by it
                self.intruder.publish(YESTERDAY, [row], connection)
                time.sleep(0.02)
            time.sleep(0.5)

    # --- At the end ----------------------------------------------------------------------------------------------

    def ledger(self) -> list[dict[str, Any]]:
        """What the collector's own ledger says of the trailers' streams."""
        said = [json.loads(line) for line in self.collector_command("ledger", "--json").stdout.splitlines()]
        return [stream for stream in said if stream["device"] in self.devices]

    def captures(self) -> dict[str, list[Capture]]:
        """The logs of captures, by device."""
        logs: dict[str, list[Capture]] = {}
        named = [(trailer.settings.device, Path(trailer.settings.log)) for trailer in (*self.trailers, *self.clones)]
        named.append((YESTERDAY, self.folder / "captures" / f"{YESTERDAY}.jsonl"))
        for device, path in named:
            if path.exists():
                logs.setdefault(device, []).extend(read_log(path))
        return logs
