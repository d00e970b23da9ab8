"""How fast one collector takes plate reads from a broker, as ratios to the ceilings of the same run.

    .venv/bin/python bench/ingest.py [--count N] [--rounds R] [--json]

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
    ack latency        publish to the device's receipt of the ack that names the row, at 30 % of that rate

A ratio is to the slower of the first two. Wanted (issue 7): 0.5 unverified, 0.33 verified, p99 25 ms at most.
"""

import argparse
import asyncio
import itertools
import json
import math
import queue
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec
import paho.mqtt.client as paho
import structlog
from cryptography.hazmat.primitives.asymmetric import ec
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

from private_broker import ClientFiles, PrivateBroker
from private_postgresql import PrivatePostgresql
from private_postgresql import installed as postgresql_installed

from collector.alerts.raising import Raising
from collector.fleet import broker_access, signing_key
from collector.fleet.devices import add_device
from collector.ingest import link
from collector.ingest.ingest import Ingest
from collector.ingest.link import BrokerSettings
from collector.ingest.picture_folder import PictureFolder
from collector.match.matcher import Matcher
from collector.store.database import Store, sqlite_url
from edge_wire import codec, cose
from edge_wire.clock import SystemClock
from edge_wire.messages import Ack, Header, Open, PixelBox, PlateRead, Stream
from edge_wire.topics import Channel, Topic, subscription

AGENCY, EPOCH = "bench", 7
DEVICES = tuple(f"bench-{number}" for number in range(1, 5))
COLLECTOR, SECOND = broker_access.COLLECTOR, f"{broker_access.COLLECTOR}-2"
BATCH = 500
SHARE_OF_CEILING = 0.3
PACED_S = 5.0
_PATIENCE_S = 120.0


class Signed(msgspec.Struct):
    """One envelope, and where its device publishes it."""

    device: str
    topic: str
    sequence: int
    envelope: bytes


class Task(msgspec.Struct):
    """What a process of this bench is to do."""

    role: str
    host: str
    port: int
    authority: str
    certificate: str
    key: str
    folder: str
    envelopes: str = ""
    count: int = 0
    rate: float = 0.0
    store: str = ""
    client_id: str = "nightjar.collector"
    share: str | None = None
    verified: bool = True


def a_read(track: int) -> PlateRead:
    """A read as the vote leaves it: seven slots of up to five candidates, about 400 bytes signed."""
    text = f"{track % 10_000_000:07d}"
    slots = tuple(
        ((c, 0.93), ("B", 0.03), ("R", 0.01), ("H", 0.005), ("N", 0.003))[: 2 + at % 4] for at, c in enumerate(text)
    )
    box = PixelBox(100, 200, 220, 240)
    regions = (("US-TX", 0.9), ("US-OK", 0.05))
    digests = (track.to_bytes(32, "big"), (track + 1).to_bytes(32, "little"))
    return PlateRead(track, 0, True, text, slots, "plates-eu-us", "north", "lpr", "d1", *digests, box, 0.9, 5, regions)


class Fleet:
    """Devices that have signed everything beforehand."""

    def __init__(self, folder: Path, count: int) -> None:
        clock = SystemClock()
        self.keys = {device: ec.generate_private_key(ec.SECP256R1()) for device in DEVICES}
        self.openings: list[Signed] = []
        self.reads: list[Signed] = []
        epoch_keys = {device: ec.generate_private_key(ec.SECP256R1()) for device in DEVICES}
        for device in DEVICES:
            body = Open(cose.spki(epoch_keys[device].public_key()), bytes(16), clock.boot_ns(), clock.utc_ns())
            header = Header(EPOCH, clock.utc_ns(), clock.boot_ns(), 1_000, Stream.REPORT, 1)
            self.openings.append(_sign(device, Channel.REPORT, header, body, self.keys[device]))
        for at in range(count):
            device = DEVICES[at % len(DEVICES)]
            sequence = 1 + at // len(DEVICES)
            header = Header(EPOCH, clock.utc_ns(), clock.boot_ns(), 1_000, Stream.DETECTION, sequence)
            self.reads.append(_sign(device, Channel.DETECTION, header, a_read(sequence), epoch_keys[device]))
        self.file = folder / "envelopes"
        self.file.write_bytes(msgspec.msgpack.encode(self.reads))

    async def enrol(self, url: str) -> None:
        """Make the store, and open every device's epoch in it as ingest would."""
        store = await Store.open(url)
        for device in DEVICES:
            await add_device(store, device, AGENCY, self.keys[device].public_key(), who="cli:bench", at_ns=1)
        await store.close()


def _sign(
    device: str, channel: Channel, header: Header, body: Open | PlateRead, key: ec.EllipticCurvePrivateKey
) -> Signed:
    envelope = cose.sign(codec.encode(header, body), key, cose.external_aad(device, channel))
    return Signed(device, str(Topic(AGENCY, device, channel)), header.sequence or 0, envelope)


@dataclass(frozen=True)
class Site:
    """A broker, a fleet and a folder."""

    broker: PrivateBroker
    fleet: Fleet
    folder: Path

    def task(self, role: str, files: ClientFiles, **more: Any) -> Task:
        """What a process is to do that connects with these files."""
        broker = self.broker
        common = (broker.host, broker.port, str(broker.authority), str(files.certificate), str(files.key))
        return Task(role, *common, str(self.folder), **more)

    def publish(self, signed: list[Signed]) -> None:
        """Put these into the sessions that are subscribed, from a process of their own."""
        file = self.folder / "publish"
        file.write_bytes(msgspec.msgpack.encode(signed))
        with running(self.task("publish", self.broker.collector, envelopes=str(file))) as publisher:
            assert publisher.wait(_PATIENCE_S) == 0


# --- what the processes of this bench do -----------------------------------------------------------------------------


@contextmanager
def running(task: Task) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, __file__, "--task", msgspec.json.encode(task).decode()]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate()


def say(*words: object) -> None:
    print(*words, flush=True)


def publish(task: Task) -> None:
    """Publish a file of envelopes at QoS 1, each over its device's connection, and wait until the broker has all."""
    signed = msgspec.msgpack.decode(Path(task.envelopes).read_bytes(), type=list[Signed])
    clients = {device: _connected(task, device) for device in sorted({one.device for one in signed})}
    properties = _correlation()
    sent = [clients[one.device].publish(one.topic, one.envelope, 1, properties=properties) for one in signed]
    for one in sent:
        one.wait_for_publish(_PATIENCE_S)
    for client in clients.values():
        client.disconnect()


def bare(task: Task) -> None:
    """Take messages and confirm them, nothing else; without a count only make the session."""
    taken, done = 0, threading.Event()

    def on_message(client: paho.Client, _: object, message: paho.MQTTMessage) -> None:
        nonlocal taken
        client.ack(message.mid, message.qos)
        taken += 1
        if taken == task.count:
            done.set()

    client = _client(task, task.client_id)
    client.on_message = on_message
    client.on_subscribe = lambda *_: None if task.count else done.set()
    client.on_connect = lambda one, *_: one.subscribe(
        [(subscription(channel, share=task.share), 1) for channel in (Channel.DETECTION, Channel.MEDIA, Channel.REPORT)]
    )
    connect = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho leaves it untyped
    connect.SessionExpiryInterval = 3_600
    connect.ReceiveMaximum = 1_000
    began = time.perf_counter()
    client.connect(task.host, task.port, clean_start=not task.count, properties=connect)
    client.loop_start()
    assert done.wait(_PATIENCE_S)
    say(time.perf_counter() - began)
    client.disconnect()
    client.loop_stop()


def _as_if_verified(*_: object) -> None:
    """Stands for the check of a signature; a mock would note every call."""


async def collect(task: Task) -> None:
    """Run ingest; tell, some fifty times a second, when it had answered how many."""
    # What is said on standard output is for the one who measures.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    if not task.verified:
        mock.patch("collector.ingest.verdicts.cose.verify", new=_as_if_verified).start()
    store = await Store.open(task.store)
    settings = BrokerSettings(
        task.host, task.port, Path(task.authority), Path(task.certificate), Path(task.key), task.client_id, task.share
    )
    key = signing_key.load_or_make(Path(task.folder) / "key.pem")
    raising = Raising(Matcher())
    ingest = Ingest(store, settings, key, PictureFolder(Path(task.folder)), SystemClock(), lambda: raising)
    say("began", time.monotonic())
    task_of_ingest = ingest.start()
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    told = -1
    while not stopped.is_set():
        answered = ingest.counts.get("answered", 0)
        if answered != told:
            told = answered
            say(answered, time.monotonic())
        await asyncio.sleep(0.02)
    await ingest.stop()
    await task_of_ingest
    await store.close()


def paced(task: Task) -> None:
    """Publish at a rate as one device, and tell how long each row waited for its ack, in ms."""
    signed = msgspec.msgpack.decode(Path(task.envelopes).read_bytes(), type=list[Signed])
    sent: dict[int, float] = {}
    waited: list[float] = []

    def on_message(_client: paho.Client, _: object, message: paho.MQTTMessage) -> None:
        now = time.perf_counter()
        body = codec.decode_down(cose.parse(bytes(message.payload)).payload).body
        if isinstance(body, Ack) and body.stream is Stream.DETECTION:
            for first, last in body.ranges:
                waited.extend(now - sent.pop(at) for at in range(first, last + 1) if at in sent)

    client = _connected(task, signed[0].device, on_message)
    properties = _correlation()
    began = time.perf_counter()
    for number, one in enumerate(signed):
        ahead_s = began + number / task.rate - time.perf_counter()
        if ahead_s > 0:
            time.sleep(ahead_s)
        sent[one.sequence] = time.perf_counter()
        client.publish(one.topic, one.envelope, 1, properties=properties)
    deadline = time.monotonic() + 10
    while sent and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not sent, f"{len(sent)} rows without an ack"
    say(json.dumps([1_000 * one for one in waited]))
    client.disconnect()


def _client(task: Task, name: str) -> paho.Client:
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id=name, protocol=paho.MQTTv5, manual_ack=True)
    client.tls_set_context(link._tls(BrokerSettings(task.host, task.port, *_files(task))))
    client.on_socket_open = link._without_delay
    client.max_inflight_messages_set(1_000)
    return client


def _files(task: Task) -> tuple[Path, Path, Path]:
    return Path(task.authority), Path(task.certificate), Path(task.key)


def _connected(task: Task, device: str, on_message: Callable[..., None] | None = None) -> paho.Client:
    clients = Path(task.certificate).parent
    own = msgspec.structs.replace(task, certificate=str(clients / f"{device}.pem"), key=str(clients / f"{device}.key"))
    client = _client(own, device)
    ready = threading.Event()
    client.on_connect = lambda one, *_: (
        ready.set() if on_message is None else one.subscribe(subscription(Channel.ACK, device=device, agency=AGENCY), 0)
    )
    client.on_subscribe = lambda *_: ready.set()
    if on_message is not None:
        client.on_message = on_message
    client.connect(task.host, task.port)
    client.loop_start()
    assert ready.wait(_PATIENCE_S)
    return client


def _correlation() -> Properties:
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # the same
    properties.CorrelationData = codec.encode_connection(EPOCH, 1)
    return properties


# --- what is measured ------------------------------------------------------------------------------------------------


def subscribe(site: Site, name: str = COLLECTOR, **more: Any) -> None:
    """Make an empty session at the broker, as a collector's."""
    with running(site.task("bare", site.broker.client(name), client_id=name, **more)) as process:
        assert process.wait(_PATIENCE_S) == 0


def bare_rate(site: Site) -> float:
    subscribe(site)
    site.publish(site.fleet.reads)
    with running(site.task("bare", site.broker.collector, count=len(site.fleet.reads))) as process:
        assert process.stdout is not None
        return len(site.fleet.reads) / float(process.stdout.readline())


def sqlite_rate(site: Site) -> float:
    file = site.folder / f"alone-{time.monotonic_ns()}.db"
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
        database.execute(
            "CREATE TABLE m (id INTEGER PRIMARY KEY, device TEXT, sequence INTEGER, envelope BLOB, "
            "UNIQUE (device, sequence))"
        )
        reads = site.fleet.reads
        began = time.perf_counter()
        for at in range(0, len(reads), BATCH):
            rows = [(one.device, one.sequence, one.envelope) for one in reads[at : at + BATCH]]
            database.execute("BEGIN")
            database.executemany("INSERT INTO m (device, sequence, envelope) VALUES (?, ?, ?)", rows)
            database.execute("COMMIT")
        return len(reads) / (time.perf_counter() - began)


def ingest_rate(site: Site, url: str, *, verified: bool = True, names: Sequence[str] = (COLLECTOR,)) -> float:
    """Drain the backlog into an empty store; of several collectors each has its share of it."""
    asyncio.run(site.fleet.enrol(url))
    share = broker_access.SHARE_GROUP if len(names) > 1 else None
    # The keys are in the store beforehand: which of several collectors an Open comes to is chance.
    subscribe(site)
    site.publish(site.fleet.openings)
    with running(site.task("collect", site.broker.collector, store=url)) as process:
        for _ in _answered([process], len(DEVICES)):
            pass
    for name in names:
        subscribe(site, name, share=share)
    site.publish(site.fleet.reads)
    with ExitStack() as stack:
        collectors = [
            stack.enter_context(
                running(
                    site.task(
                        "collect",
                        site.broker.client(name),
                        store=url,
                        verified=verified,
                        client_id=name,
                        share=share,
                    )
                )
            )
            for name in names
        ]
        *_, (began, ended) = _answered(collectors, len(site.fleet.reads))
        return len(site.fleet.reads) / (ended - began)


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
        number, line = lines.get(timeout=_PATIENCE_S)
        word, at = line.split()
        if word == "began":
            began = min(began, float(at))
            continue
        answered[number] = int(word)
        yield began, float(at)


def ack_latency_ms(site: Site, url: str, rate: float) -> list[float]:
    """Publish at ``rate`` while a collector runs; return each row's wait for its ack."""
    asyncio.run(site.fleet.enrol(url))
    subscribe(site)
    own = [one for one in site.fleet.reads if one.device == DEVICES[0]]
    file = site.folder / "paced"
    file.write_bytes(msgspec.msgpack.encode(own[: int(PACED_S * rate)]))
    site.publish(site.fleet.openings)
    with running(site.task("collect", site.broker.collector, store=url)) as collector:
        for _ in _answered([collector], len(DEVICES)):
            pass
        with running(site.task("paced", site.broker.collector, envelopes=str(file), rate=rate)) as process:
            assert process.stdout is not None
            waited: list[float] = json.loads(process.stdout.readline())
            return waited


def measure(site: Site, rounds: int, postgresql: PrivatePostgresql | None) -> dict[str, Any]:
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
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            rates[name].append(way())
    found: dict[str, Any] = {name: statistics.median(some) for name, some in rates.items()}
    ceiling = min(found["bare"], found["sqlite"])
    found |= {f"{name}_ratio": found[name] / ceiling for name in ways if name not in ("bare", "sqlite")}
    rate = SHARE_OF_CEILING * found["verified"]
    waited = sorted(ack_latency_ms(site, file(), rate))
    found |= {"paced_rate": rate, "ack_p50_ms": waited[len(waited) // 2], "ack_p99_ms": waited[len(waited) * 99 // 100]}
    return found | {"count": len(site.fleet.reads), "rounds": rounds}


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
    p50, p99 = found["ack_p50_ms"], found["ack_p99_ms"]
    print(f"publish to ack at {found['paced_rate']:,.0f}/s: p50 {p50:.1f} ms, p99 {p99:.1f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=12_000, help="reads in the backlog")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-postgresql", action="store_true", help="only SQLite")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.add_argument("--task", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task:
        task = msgspec.json.decode(options.task, type=Task)
        role = {"publish": publish, "bare": bare, "paced": paced}.get(task.role)
        if role is not None:
            role(task)
        else:
            asyncio.run(collect(task))
        return
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        fleet = Fleet(folder, options.count)
        with_server = postgresql_installed() and not options.no_postgresql
        postgresql = stack.enter_context(PrivatePostgresql()) if with_server else None
        broker = PrivateBroker(folder / "broker", DEVICES)
        broker.add_collector(SECOND)
        stack.enter_context(broker)
        found = measure(Site(broker, fleet, folder), options.rounds, postgresql)
    if options.json:
        print(json.dumps(found))
    else:
        show(found)


if __name__ == "__main__":
    main()
