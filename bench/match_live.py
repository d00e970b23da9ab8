"""Stages of ``bench/match.py`` that need a store: new versions in force under load, and the search of earlier reads."""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import structlog
from cryptography.hazmat.primitives.asymmetric import ec
from match_made import STATES_OF_PLATES, confident, plates, resident_bytes, texts_of
from sqlalchemy import select

from collector.alerts.raising import Raising
from collector.alerts.rematching import rematch
from collector.fleet.devices import add_device
from collector.hotlists.back_search import BackSearcher
from collector.hotlists.live import LiveMatcher
from collector.ingest.intake import Intake
from collector.ingest.media import MediaIntake
from collector.ingest.picture_folder import PictureFolder
from collector.ingest.received import Received
from collector.ingest.verdicts import VerifyingKey, judge
from collector.match.policy import Policy
from collector.match.records import Seen
from collector.store import back_searches, hotlists, reads, tables
from collector.store.database import Store, sqlite_url
from collector.store.entries import EntryRow
from edge_wire import codec, cose
from edge_wire.clock import SystemClock
from edge_wire.messages import Header, Open, PixelBox, PlateRead, Stream
from edge_wire.topics import Channel, Topic

DEVICE, AGENCY, EPOCH = "bench-1", "bench", 7
_TICK_S = 0.001
_CALM_S = 3.0
_READS_A_BATCH = 10
_BETWEEN_BATCHES_S = 0.05
_WATCHER = """
import sqlite3, sys, time
known = 0
store = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)
while True:
    (version,) = store.execute("SELECT max(version) FROM hotlist").fetchone()
    if version != known:
        print(version, time.time(), flush=True)
        known = version
    time.sleep(0.005)
"""


def stage_live(options: argparse.Namespace) -> dict[str, Any]:
    """Load, add, import."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_live(options, Path(folder)))


async def _live(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    path = folder / "collector.db"
    store = await Store.open(sqlite_url(path))
    characters = plates(options.entries, 1)
    _fill(path, texts_of(characters))
    found: dict[str, Any] = {}
    live = LiveMatcher(store)
    before, began_s, cpu = resident_bytes(), time.perf_counter(), time.process_time()
    await live.load()
    found["load_s"], found["load_cpu_s"] = time.perf_counter() - began_s, time.process_time() - cpu
    found["loaded_resident_bytes_an_entry"] = (resident_bytes() - before) / options.entries
    assert len(live.index) == options.entries
    clock = SystemClock()

    async def match_again() -> None:
        await rematch(store, Raising(live.matcher), clock.utc_ns)

    following = asyncio.create_task(live.follow(match_again))
    reader = confident(texts_of(plates(200, 4)))
    async with _pauses(live, reader, found, "calm"):
        await asyncio.sleep(_CALM_S)
    async with _pauses(live, reader, found, "add"):
        async with store.write() as tx:
            added = [EntryRow("0NE0NE", None, reason="by hand")]
            await hotlists.change(tx, "local", add=added, action="add", by="cli:bench", source="", at_ns=1)
        found["add_in_force_s"] = await _in_force(live, time.time(), 2)
    new = texts_of(plates(options.import_rows, 21))
    watcher = _watch(path)
    try:
        async with _pauses(live, reader, found, "import"):
            found["import"] = await _import(live, store, watcher, folder, path, new, "imported")
        few = texts_of(plates(min(50_000, options.import_rows), 22))
        found["no_read_missed"] = await _beside_reads(live, store, clock, watcher, folder, path, few)
    finally:
        watcher.terminate()
        live.stop()
        await following
        await store.close()
    return found


def _watch(path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", _WATCHER, path], stdout=subprocess.PIPE, text=True)


def _fill(path: Path, texts: Sequence[str]) -> None:
    """Write a list as an import leaves it, by the shortest way."""
    with sqlite3.connect(path) as store:
        store.execute("PRAGMA synchronous=OFF")
        indexes = store.execute(
            "SELECT name, sql FROM sqlite_master WHERE type='index' AND tbl_name='hotlist_entry' AND sql IS NOT NULL"
        ).fetchall()
        for name, _ in indexes:
            store.execute(f'DROP INDEX "{name}"')
        store.execute(
            "INSERT INTO hotlist (name, version, imported_at_ns, imported_by, source, source_sha256) "
            "VALUES ('stolen', 1, 1, 'bench', 'bench', zeroblob(32))"
        )
        store.execute(
            "INSERT INTO hotlist_version (version, list, action, at_ns, by, source, confirmed_at_ns, added, changed, "
            "removed, unchanged, rejected) VALUES (1, 'stolen', 'import', 1, 'bench', 'bench', 1, ?, 0, 0, 0, 0)",
            (len(texts),),
        )
        store.executemany(
            "INSERT INTO hotlist_entry (list, plate, region, reason, severity, notes, first_version, category) "
            "VALUES ('stolen', ?, ?, 'stolen vehicle', 'high', '', 1, 'stolen-vehicle')",
            zip(texts, random.Random(3).choices(STATES_OF_PLATES, k=len(texts)), strict=True),
        )
        for _, statement in indexes:
            store.execute(statement)
    store.close()


async def _in_force(live: LiveMatcher, since_s: float, generation: int) -> float:
    # Nothing tells: it is swapped in by an assignment.
    while live.matcher.generation < generation:  # noqa: ASYNC110 - a matcher tells nobody that it changed
        await asyncio.sleep(_TICK_S)
    return time.time() - since_s


@asynccontextmanager
async def _pauses(live: LiveMatcher, reader: Sequence[Seen], found: dict[str, Any], name: str) -> AsyncIterator[None]:
    """Note how long the loop and a reader of the matcher stood still at most."""
    ticks: list[float] = []
    lookups: list[float] = []
    swaps: list[float] = []

    async def tick() -> None:
        last = time.perf_counter()
        while True:
            await asyncio.sleep(_TICK_S)
            now = time.perf_counter()
            ticks.append(now - last - _TICK_S)
            last = now

    async def read() -> None:
        before = live.matcher
        at = 0
        while True:
            began = time.perf_counter()
            matcher = live.matcher
            matcher.match_many([(reader[at % len(reader)], f"{DEVICE}/north")], 2)
            took = time.perf_counter() - began
            (lookups if matcher is before else swaps).append(took)
            before = matcher
            at += 1
            await asyncio.sleep(0.005)

    tasks = [asyncio.create_task(tick()), asyncio.create_task(read())]
    try:
        yield
        await asyncio.sleep(0.1)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    found[f"{name}_pauses_ms"] = {
        "loop_p999": round(1e3 * _quantile(ticks, 0.999), 2),
        "loop_most": round(1e3 * max(ticks), 2),
        "reader_p50": round(1e3 * statistics.median(lookups), 2),
        "reader_most": round(1e3 * max(lookups), 2),
        "reader_first_with_new_most": round(1e3 * max(swaps), 2) if swaps else None,
        "swaps": len(swaps),
    }


def _quantile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


async def _import(
    live: LiveMatcher,
    store: Store,
    watcher: subprocess.Popen[str],
    folder: Path,
    path: Path,
    texts: Sequence[str],
    name: str,
) -> dict[str, Any]:
    """Import a file of which one row in a hundred is broken, by the command line."""
    file = folder / f"{name}.csv"
    with file.open("w") as out:
        out.write("plate,state,reason\n")
        for at, text in enumerate(texts):
            out.write(f"{'' if at % 100 == 99 else text},TX,stolen vehicle\n")
    async with store.read() as tx:
        next_version = await hotlists.generation(tx) + 1
    began_s = time.perf_counter()
    command = ("hotlist", "import", str(file), "--list", name, "--store", sqlite_url(path), "--json")
    importing = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from collector.cli import main; main()",
        *command,
        stdout=asyncio.subprocess.PIPE,
        env=os.environ,
    )
    # Its output is read while it runs: it names every broken row.
    output = asyncio.create_task(importing.communicate())
    published_s = await asyncio.to_thread(_published, watcher, next_version)
    after_publish_s = await _in_force(live, published_s, next_version)
    out_text, _ = await output
    told = json.loads(out_text)
    return {
        "rows": len(texts),
        "seconds": round(time.perf_counter() - began_s, 2),
        "exit_code": importing.returncode,
        "added": told["added"],
        "rejected": told["rejected"],
        "in_force_after_publish_s": round(after_publish_s, 3),
    }


def _published(watcher: subprocess.Popen[str], version: int) -> float:
    assert watcher.stdout is not None
    for line in watcher.stdout:
        number, at_s = line.split()
        if int(number) >= version:
            return float(at_s)
    raise SystemExit("the watcher of the store has ended")


class Device:
    """Signs reads."""

    def __init__(self, clock: SystemClock) -> None:
        self._clock = clock
        self._key, self._epoch_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        self._sequence = {Stream.REPORT: 0, Stream.DETECTION: 0}
        self.keys = {
            (DEVICE, cose.key_id(key.public_key())): VerifyingKey(key.public_key(), epoch)
            for key, epoch in ((self._key, None), (self._epoch_key, EPOCH))
        }

    async def enrol(self, store: Store) -> None:
        """Make it known."""
        await add_device(store, DEVICE, AGENCY, self._key.public_key(), who="cli:bench", at_ns=1)

    def open(self) -> Received:
        """Open its epoch."""
        body = Open(cose.spki(self._epoch_key.public_key()), bytes(16), self._clock.boot_ns(), self._clock.utc_ns())
        return self._signed(body, Stream.REPORT, Channel.REPORT, self._key)

    def read(self, text: str, track: int) -> Received:
        """Send a read."""
        slots = tuple(((character, 0.998), ("_", 0.001)) for character in text)
        digests = (hashlib.sha256(text.encode()).digest(), bytes(32))
        box = PixelBox(100, 200, 220, 240)
        body = PlateRead(
            track, 0, True, text, slots, "none", "north", "lpr", "d1", *digests, box, 0.9, 5, (("US-TX", 0.9),)
        )
        return self._signed(body, Stream.DETECTION, Channel.DETECTION, self._epoch_key)

    def _signed(
        self, body: Open | PlateRead, stream: Stream, channel: Channel, key: ec.EllipticCurvePrivateKey
    ) -> Received:
        self._sequence[stream] += 1
        clock = self._clock
        header = Header(EPOCH, clock.utc_ns(), clock.boot_ns(), 1_000, stream, self._sequence[stream])
        envelope = cose.sign(codec.encode(header, body), key, cose.external_aad(DEVICE, channel))
        topic = str(Topic(AGENCY, DEVICE, channel))
        return Received(topic, envelope, codec.encode_connection(EPOCH, 1), False, clock.utc_ns(), clock.boot_ns())


async def _beside_reads(
    live: LiveMatcher,
    store: Store,
    clock: SystemClock,
    watcher: subprocess.Popen[str],
    folder: Path,
    path: Path,
    texts: Sequence[str],
) -> dict[str, Any]:
    """Import a list while reads of its plates are stored; whether each one stored under it has raised its alert."""
    device = Device(clock)
    await device.enrol(store)
    intake = Intake(store, MediaIntake(PictureFolder(folder)), lambda: Raising(live.matcher), clock.utc_ns, 120)
    await intake.commit([judge(device.open(), device.keys)])
    good = [text for at, text in enumerate(texts) if at % 100 != 99]
    asked = iter(random.Random(9).sample(sorted(set(good)), min(len(set(good)), 20_000)))
    at_version: dict[int, int] = {}

    async def store_reads() -> None:
        track = 0
        while True:
            async with store.read() as tx:
                version = await hotlists.generation(tx)
            batch = []
            for text, _ in zip(asked, range(_READS_A_BATCH), strict=False):
                track += 1
                at_version[track] = version
                batch.append(judge(device.read(text, track), device.keys))
            await intake.commit(batch)
            await asyncio.sleep(_BETWEEN_BATCHES_S)

    async with store.read() as tx:
        new_version = await hotlists.generation(tx) + 1
    storing = asyncio.create_task(store_reads())
    found = await _import(live, store, watcher, folder, path, texts, "beside")
    await asyncio.sleep(1.0)
    storing.cancel()
    await asyncio.gather(storing, return_exceptions=True)
    async with asyncio.timeout(30):
        while True:
            async with store.read() as tx:
                if not await reads.awaiting_match(tx, 1):
                    break
            await asyncio.sleep(0.05)
    read, alert = tables.read.c, tables.alert.c
    async with store.read() as tx:
        stored = {row.track: row.id for row in await tx.execute(select(read.track, read.id))}
        alerts = [
            row.read_id for row in await tx.execute(select(alert.read_id).where(alert.list_version == new_version))
        ]
    under_it = [track for track, version in at_version.items() if version >= new_version and track in stored]
    return found | {
        "reads": len(stored),
        "stored_under_the_new_version": len(under_it),
        "of_them_alerted": sum(stored[track] in set(alerts) for track in under_it),
        "alerted_twice": len(alerts) - len(set(alerts)),
    }


def stage_back_search(options: argparse.Namespace) -> dict[str, Any]:
    """Search stored reads for a new pattern."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_back_search(options, Path(folder)))


async def _back_search(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    path = folder / "collector.db"
    store = await Store.open(sqlite_url(path))
    clock = SystemClock()
    device = Device(clock)
    await device.enrol(store)
    intake = Intake(
        store, MediaIntake(PictureFolder(folder)), lambda: Raising(LiveMatcher(store).matcher), clock.utc_ns, 120
    )
    await intake.commit([judge(one, device.keys) for one in (device.open(), device.read("7ABC123", 1))])
    _copy_reads(path, options.reads, clock.utc_ns())
    async with store.write() as tx:
        now_ns = clock.utc_ns()
        pattern = EntryRow("7AB?12*", None, reason="witness", is_pattern=True)
        version = await hotlists.change(
            tx, "local", add=[pattern], action="add", by="cli:bench", source="", at_ns=now_ns
        )
        number = await back_searches.ask(
            tx, name="local", version=version, entry_ids=(), days=30, by="cli:bench", at_ns=now_ns
        )

    async def ask(_device: str) -> None:
        """Nobody is there to send a picture."""

    searcher = BackSearcher(store, Policy(), Raising, ask, clock.utc_ns)
    began_s, cpu = time.perf_counter(), time.process_time()
    seen = 0
    while await searcher.look():
        async with store.read() as tx:
            one = await back_searches.search(tx, number)
        assert one is not None
        if sys.stderr.isatty() and one.looked_at - seen >= 50_000:
            seen = one.looked_at
            print(f"\rearlier reads looked at: {one.looked_at:,}, alerts {one.raised}", end="", file=sys.stderr)
    async with store.read() as tx:
        one = await back_searches.search(tx, number)
    assert one is not None
    await store.close()
    seconds, cpu = time.perf_counter() - began_s, time.process_time() - cpu
    return {
        "reads": one.looked_at,
        "alerts": one.raised,
        "ended": one.ended_at_ns is not None,
        "seconds": round(seconds, 2),
        "reads_a_s": one.looked_at / seconds,
        "cpu_seconds": round(cpu, 2),
    }


def _copy_reads(path: Path, count: int, now_ns: int) -> None:
    """Make many reads of the one that is there: other plates, other tracks, over the last 20 days."""
    texts = texts_of(plates(count, 31))
    with sqlite3.connect(path) as store:
        store.execute("PRAGMA synchronous=OFF")
        store.row_factory = sqlite3.Row
        (row,) = store.execute("SELECT * FROM read").fetchall()
        chance = random.Random(5)
        of = dict(row)
        columns = [name for name in of if name != "id"]

        def made() -> Any:
            for track, text in enumerate(texts, start=2):
                passed_ns = now_ns - 20 * 86_400 * 10**9 + track * (20 * 86_400 * 10**9 // count)
                slots = json.dumps(
                    [[[c, p := chance.choice((0.999, 0.997, 0.98, 0.8))], ["8", (1 - p) / 2]] for c in text]
                )
                of.update(track=track, text=text, slots=slots, captured_at_ns=passed_ns, passed_at_ns=passed_ns)
                of.update(received_at_ns=passed_ns)
                yield tuple(of[name] for name in columns)

        store.executemany(f"INSERT INTO read ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})", made())
    store.close()


def quiet() -> None:
    """No word in the log: what stages print is read by others."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
