"""The drill: a collector is lost with its disk, brought back from last night's backup, and devices fill the gap."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from chain import AGENCY, Chain
from support import eventually
from wire_samples import UP

from edge_agent.outbox import Outbox, OutboxSettings
from edge_agent.provisioning import device_key
from edge_agent.records import CaptureTime
from edge_agent.uplink import Uplink, UplinkSettings
from edge_wire.clock import SystemClock
from edge_wire.messages import PlateRead

DEVICE = "trailer-1"
HELD_NO_LONGER = 8


def collector(chain: Chain, *arguments: str | Path) -> tuple[int, list[Any]]:
    """Run one of the collector's commands with --json; return its exit code and what it printed."""
    command = [str(Path(sys.executable).parent / "collector"), *map(str, arguments), "--json"]
    if "--verify" not in command:
        command += ["--config", str(chain.collector_config)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def ask(chain: Chain, token: str, path: str) -> Any:
    request = urllib.request.Request(f"{chain.url}{path}", headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


class Trailer:
    """A device's outbox and uplink, as one start of its agent after another; used with ``async with``."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._clock = SystemClock()
        self.settings = OutboxSettings(chain.folder / "outbox", DEVICE, ballast_bytes=0)

    async def __aenter__(self) -> Trailer:
        files = self._chain.broker.client(DEVICE)
        self.outbox = await Outbox.open(self.settings, device_key.load(files.key), self._clock)
        settings = UplinkSettings(
            host=self._chain.broker.host,
            port=self._chain.broker.port,
            ca_path=self._chain.broker.authority,
            cert_path=files.certificate,
            key_path=files.key,
            device=DEVICE,
            agency=AGENCY,
            collector_key_paths=(self._chain.folder / "collector" / "collector-key.pub.pem",),
        )
        self._uplink = Uplink(settings, self.outbox, self._clock)
        self._sending = asyncio.create_task(self._uplink.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._uplink.stop()
        await self._sending
        await self.outbox.close()

    async def detect(self, tracks: Iterable[int]) -> None:
        """Put a read of each track into the outbox, and wait until the collector has acked all that waits."""
        _, sample = UP["plate_read"]
        assert isinstance(sample, PlateRead)
        for track in tracks:
            captured = CaptureTime(self._clock.utc_ns(), self._clock.boot_ns(), 1_000_000)
            await self.outbox.put(replace(sample, track=track, revision=0, final=True), captured)
        async with asyncio.timeout(60):
            while (await self.outbox.state()).pending:  # noqa: ASYNC110 - the outbox tells nobody that it is empty
                await asyncio.sleep(0.05)

    def forget(self, sequence: int) -> None:
        """Let the stopped device lose an acked row, as its quota would."""
        with closing(sqlite3.connect(self.settings.database)) as database:
            gone = database.execute("DELETE FROM rows WHERE stream = 1 AND state <> 0 AND sequence = ?", (sequence,))
            assert gone.rowcount == 1
            database.commit()


def hotlist(folder: Path) -> Path:
    _, sample = UP["plate_read"]
    assert isinstance(sample, PlateRead)
    file = folder / "hotlist.csv"
    file.write_text(f"plate,reason\n{sample.text},drill\n", encoding="utf-8")
    return file


def test_what_devices_still_hold_comes_back_and_the_rest_is_missing_by_name(tmp_path: Path) -> None:
    """PROTOCOL invariants 3 and 4 over a collector that goes back in time; PROTOCOL invariant 3: what it acked then is
    in the store that store_id names, or comes again. PROTOCOL invariant 4: what does not come is named."""
    with Chain(tmp_path / "chain", [DEVICE]) as chain:
        chain.import_hotlist(hotlist(tmp_path), "drill")
        token, _ = chain.operator("ada")
        archive = tmp_path / "backups" / "night.tar"
        first = asyncio.run(before_the_loss(chain, archive))
        assert collector(chain, "backup", archive, "--verify")[0] == 0
        asyncio.run(through_the_loss(chain, archive, token))
        reads, alerts = (ask(chain, token, f"/api/{what}?limit=200")[what] for what in ("reads", "alerts"))
        # What repeats at one site belongs to one alert.
        attached = [one for alert in alerts for one in ask(chain, token, f"/api/alerts/{alert['id']}")["reads"]]
        code, lines = collector(chain, "ledger", "--device", DEVICE)
    expected = sorted(set(range(1, 16)) - {HELD_NO_LONGER})
    assert sorted(read["track"] for read in reads) == expected
    assert sorted(one["read"]["track"] for one in attached) == expected
    missing = {(one["epoch"], one["stream"]): one["missing"] for one in lines if one["missing"]}
    assert (code, missing) == (1, {(str(first), "detection"): [[HELD_NO_LONGER, HELD_NO_LONGER]]})
    words = {one["stream"]: one["word"] for one in lines if one["epoch"] == str(first)}
    assert words == {"detection": "missing", "media": "complete", "report": "complete"}
    with closing(sqlite3.connect(chain.folder / "collector" / "collector.db")) as database:
        assert database.execute("SELECT count(*) FROM loss").fetchone() == (0,)
        assert database.execute("SELECT action FROM audit WHERE action = 'store.restore'").fetchall() != []


async def before_the_loss(chain: Chain, archive: Path) -> int:
    """Five reads, a backup while the collector serves, five more reads; return the epoch."""
    trailer = Trailer(chain)
    async with trailer:
        await trailer.detect(range(1, 6))
        code, (made,) = await asyncio.to_thread(collector, chain, "backup", archive)
        assert (code, made["absent"]) == (0, [])
        await trailer.detect(range(6, 11))
        epoch = trailer.outbox.epoch
    trailer.forget(HELD_NO_LONGER)
    return epoch


async def through_the_loss(chain: Chain, archive: Path, token: str) -> None:
    """Another start of the agent, so an epoch that the backup does not know; then the collector's disk is lost."""
    async with Trailer(chain) as trailer:
        await trailer.detect(range(11, 16))
        await asyncio.to_thread(chain.kill_collector)
        chain.folder.joinpath("collector").rename(chain.folder / "lost")
        assert (await asyncio.to_thread(collector, chain, "restore", archive))[0] == 0
        await asyncio.to_thread(chain.start_collector)
        # Nothing new is detected: the device learns by itself that another store acks now.
        await asyncio.to_thread(eventually, lambda: len(ask(chain, token, "/api/reads?limit=200")["reads"]) == 14, 60)
        await trailer.detect([])
        # What may still be on its way is in flight, until the device has said what it holds no longer.
        ledger = ("ledger", "--device", DEVICE)
        await asyncio.to_thread(eventually, lambda: collector(chain, *ledger)[0] == 1, 60)
