"""How fast one collector takes plate reads, as ratios to the ceilings of the same run, and how long its acks take.

    .venv/bin/python bench/ingest.py [--count N] [--rounds R] [--no-postgresql] [--json]
    .venv/bin/python bench/ingest.py --acks-at RATE [--rounds R] [--json]

Everything is over TLS and a mosquitto with the production configuration, with envelopes that were signed beforehand, of
four devices. Before each round a process of its own publishes them into the collector's session at the broker, and
ends: what is timed is the draining of that backlog, from the connect on, by one process.

    bare subscriber    paho, QoS 1, manual ack, and nothing else: what Python can take from this broker
    SQLite alone       the same envelopes into one table (key and blob), 500 a transaction, ``synchronous=FULL``
    ingest             the collector's whole way: inbox, verification, decoding, one transaction a batch with identity,
                       envelope, read, revision and feed, confirmation to the broker, signed ack published to the device
    ... unverified     the same with the check of signatures taken out, for this bench alone
    ... PostgreSQL     verified, into a server on this machine (fsync on); by one collector, and by two that share the
                       subscription: on two cores they, the broker and the server have to share those, too

A ratio is to the slower of the first two. Wanted (issue 7): 0.5 unverified, 0.33 verified.

Acks: at 30 % of the verified rate (or at RATE, without the rest) one process publishes for the four devices, one row
after the other at even times, whatever comes back. A row's way is from when it was due until its device has the ack
that names it. The first 5 s do not count; 15 s do. Wanted: p99 25 ms at most. Beside it, what the disk can do: as many
bytes as the collector wrote a commit, written and synchronised as often.
"""

import argparse
import itertools
import json
import math
import os
import queue
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

from ingest_acks import STAGES, account, spread
from ingest_fleet import DEVICES, Fleet, Signed, keep
from ingest_roles import PATIENCE_S, Task, running
from private_broker import ClientFiles, PrivateBroker
from private_postgresql import PrivatePostgresql
from private_postgresql import installed as postgresql_installed

from collector.fleet import broker_access
from collector.store.database import sqlite_url

COLLECTOR, SECOND = broker_access.COLLECTOR, f"{broker_access.COLLECTOR}-2"
BATCH = 500
SHARE_OF_CEILING = 0.3
WARM_S, PACED_S = 5.0, 15.0


@dataclass(frozen=True)
class Site:
    """A broker, a fleet, a folder, and how many reads a backlog has."""

    broker: PrivateBroker
    fleet: Fleet
    folder: Path
    count: int

    def task(self, role: str, files: ClientFiles, **more: Any) -> Task:
        """What a process is to do that connects with these files."""
        broker = self.broker
        common = (broker.host, broker.port, str(broker.authority), str(files.certificate), str(files.key))
        return Task(role, *common, str(self.folder), **more)

    def subscribe(self, name: str = COLLECTOR, **more: Any) -> None:
        """Make an empty session at the broker, as a collector's."""
        with running(self.task("bare", self.broker.client(name), client_id=name, **more)) as process:
            assert process.wait(PATIENCE_S) == 0

    def publish(self, signed: list[Signed]) -> None:
        """Put these into the sessions that are subscribed, from a process of their own."""
        file = keep(self.folder / "publish", signed)
        with running(self.task("publish", self.broker.collector, envelopes=str(file))) as publisher:
            assert publisher.wait(PATIENCE_S) == 0

    def open(self, url: str) -> None:
        """Make a store in which every epoch is open: to which of several collectors an Open comes is chance."""
        self.fleet.enrol(url)
        self.subscribe()
        self.publish(self.fleet.openings)
        with running(self.task("collect", self.broker.collector, store=url)) as process:
            for _ in _answered([process], len(DEVICES)):
                pass


def bare_rate(site: Site) -> float:
    site.subscribe()
    site.publish(site.fleet.reads(site.count))
    with running(site.task("bare", site.broker.collector, count=site.count)) as process:
        assert process.stdout is not None
        return site.count / float(process.stdout.readline())


def sqlite_rate(site: Site) -> float:
    file = site.folder / f"alone-{time.monotonic_ns()}.db"
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
        database.execute(
            "CREATE TABLE m (id INTEGER PRIMARY KEY, device TEXT, sequence INTEGER, envelope BLOB, "
            "UNIQUE (device, sequence))"
        )
        reads = site.fleet.reads(site.count)
        began = time.perf_counter()
        for at in range(0, len(reads), BATCH):
            rows = [(one.device, one.sequence, one.envelope) for one in reads[at : at + BATCH]]
            database.execute("BEGIN")
            database.executemany("INSERT INTO m (device, sequence, envelope) VALUES (?, ?, ?)", rows)
            database.execute("COMMIT")
        return len(reads) / (time.perf_counter() - began)


def ingest_rate(site: Site, url: str, *, verified: bool = True, names: Sequence[str] = (COLLECTOR,)) -> float:
    """Drain the backlog into an empty store; of several collectors each has its share of it."""
    share = broker_access.SHARE_GROUP if len(names) > 1 else None
    site.open(url)
    for name in names:
        site.subscribe(name, share=share)
    site.publish(site.fleet.reads(site.count))
    with ExitStack() as stack:
        collectors = []
        for name in names:
            files = site.broker.client(name)
            task = site.task("collect", files, store=url, verified=verified, client_id=name, share=share)
            collectors.append(stack.enter_context(running(task)))
        *_, (began, ended) = _answered(collectors, site.count)
        return site.count / (ended - began)


def _answered(collectors: list[subprocess.Popen[str]], count: int) -> Iterator[tuple[float, float]]:
    """Read what collectors tell until they have answered ``count``; yield when the first began and when it was told."""
    lines: queue.SimpleQueue[tuple[int, str]] = queue.SimpleQueue()

    def read(number: int, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.put((number, line))

    for number, process in enumerate(collectors):
        threading.Thread(target=read, args=(number, process), daemon=True).start()
    began, answered = math.inf, dict.fromkeys(range(len(collectors)), 0)
    while sum(answered.values()) < count:
        number, line = lines.get(timeout=PATIENCE_S)
        word, at = line.split()
        if word == "began":
            began = min(began, float(at))
            continue
        answered[number] = int(word)
        yield began, float(at)


def acks(site: Site, url: str, rate: float) -> dict[str, Any]:
    """Publish at ``rate`` while a collector runs; return how long acks took, and where the time went."""
    site.open(url)
    reads = keep(site.folder / "paced", site.fleet.reads(int((WARM_S + PACED_S) * rate)))
    device_side, collector_side = site.folder / "device-side", site.folder / "collector-side"
    collector = site.broker.collector
    with running(site.task("collect", collector, store=url, trace=str(collector_side))) as process:
        written = Path(f"/proc/{process.pid}/io")
        pacing = site.task("pace", collector, envelopes=str(reads), rate=rate, trace=str(device_side))
        with running(pacing) as pacer:
            assert pacer.wait(WARM_S + PACED_S + PATIENCE_S) == 0
        counted = dict(line.split(": ") for line in written.read_text().splitlines())
    found = account(device_side, collector_side, WARM_S)
    a_commit = int(counted["write_bytes"]) / found["batches"] * PACED_S / (WARM_S + PACED_S)
    found["bytes_a_commit"] = round(a_commit)
    found["bare_sync_ms"] = bare_sync_ms(site, round(a_commit), PACED_S / found["batches"])
    return {"rate": rate, **found}


def bare_sync_ms(site: Site, size_bytes: int, every_s: float, times: int = 500) -> dict[str, float]:
    """Write and synchronise so many bytes so often, round and round in a file that is there already, as a log is."""
    file = os.open(site.folder / "bare-sync", os.O_RDWR | os.O_CREAT)
    try:
        took = []
        content = os.urandom(size_bytes)
        for number in range(2 * times):
            began = time.monotonic()
            os.pwrite(file, content, number % times * size_bytes)
            os.fdatasync(file)
            took.append(time.monotonic() - began)
            time.sleep(max(0.0, every_s - took[-1]) if number >= times else 0.0)
        return spread(took[times:])
    finally:
        os.close(file)


def measure(site: Site, rounds: int, postgresql: PrivatePostgresql | None, acks_at: float | None) -> dict[str, Any]:
    """Measure everything, in turn so that whatever else the machine does is shared; medians of the rounds."""
    numbers = itertools.count()

    def file() -> str:
        return sqlite_url(site.folder / f"collector-{next(numbers)}.db")

    ways: dict[str, Callable[[], float]] = {
        "bare": lambda: bare_rate(site),
        "sqlite": lambda: sqlite_rate(site),
        "verified": lambda: ingest_rate(site, file()),
        "unverified": lambda: ingest_rate(site, file(), verified=False),
    }
    if postgresql is not None:
        server = postgresql
        ways["postgresql"] = lambda: ingest_rate(site, server.create(f"bench_{next(numbers)}"))
        ways["postgresql_two"] = lambda: ingest_rate(
            site, server.create(f"bench_{next(numbers)}"), names=(COLLECTOR, SECOND)
        )
    found: dict[str, Any] = {"count": site.count, "rounds": rounds}
    if acks_at is None:
        rates: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(rounds):
            for name, way in ways.items():
                rates[name].append(way())
        found |= {name: statistics.median(some) for name, some in rates.items()}
        ceiling = min(found["bare"], found["sqlite"])
        found |= {f"{name}_ratio": found[name] / ceiling for name in ways if name not in ("bare", "sqlite")}
        acks_at = SHARE_OF_CEILING * found["verified"]
    tried = sorted([acks(site, file(), acks_at) for _ in range(rounds)], key=lambda one: float(one["p99_ms"]))
    return found | {"acks": tried[len(tried) // 2], "acks_p99_ms": [one["p99_ms"] for one in tried]}


def show(found: dict[str, Any]) -> None:
    for name, what in (
        ("bare", "bare QoS 1 subscriber"),
        ("sqlite", "SQLite alone"),
        ("unverified", "ingest, unverified"),
        ("verified", "ingest"),
        ("postgresql", "ingest, PostgreSQL"),
        ("postgresql_two", "ingest, PostgreSQL, two collectors"),
    ):
        if name in found:
            ratio = f"{found[f'{name}_ratio']:8.2f}" if f"{name}_ratio" in found else ""
            print(f"{what:36} {found[name]:10,.0f} messages/s {ratio}")
    acked = found["acks"]
    way = ", ".join(f"{name} {acked[f'{name}_ms']:.1f}" for name in ("p50", "p95", "p99", "max"))
    rounds = ", ".join(f"{one:.1f}" for one in found["acks_p99_ms"])
    print(f"publish to ack at {acked['rate']:,.0f}/s, {WARM_S:.0f} s to warm up and then {PACED_S:.0f} s that count:")
    print(f"  {way} ms (p99 of each round: {rounds})")
    late = f"sent late by {acked['sender_late_p99_ms']:.2f} ms (p99)"
    print(f"  {acked['rows']:,} rows in {acked['batches']:,} batches; {late}")
    for stage in STAGES:
        print(
            f"  {stage:32} {acked['mean_ms'][stage]:7.2f} ms, of the slowest 1 % {acked['slowest_ms'][stage]:7.2f} ms"
        )
    for what, one in (("a commit", acked["commit_ms"]), ("a bare write of as many bytes", acked["bare_sync_ms"])):
        print(f"  {what:32} p50 {one['p50']:.2f}, p99 {one['p99']:.2f}, max {one['max']:.2f} ms")
    print(f"  a commit takes {acked['commit_ms']['p50'] / acked['bare_sync_ms']['p50']:.1f} times as long as ", end="")
    print(f"a bare write of its {acked['bytes_a_commit']:,} bytes (p50)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=12_000, help="reads in the backlog")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-postgresql", action="store_true", help="only SQLite")
    parser.add_argument("--acks-at", type=float, metavar="RATE", help="only how long acks take, at so many a second")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        with_server = postgresql_installed() and not options.no_postgresql and options.acks_at is None
        postgresql = stack.enter_context(PrivatePostgresql()) if with_server else None
        broker = PrivateBroker(folder / "broker", DEVICES)
        broker.add_collector(SECOND)
        stack.enter_context(broker)
        site = Site(broker, Fleet(), folder, options.count)
        found = measure(site, options.rounds, postgresql, options.acks_at)
    if options.json:
        print(json.dumps(found))
    else:
        show(found)


if __name__ == "__main__":
    main()
