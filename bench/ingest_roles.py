"""The programs that ``bench/ingest.py`` starts, each with an interpreter of its own, and its task as its argument.

publish    put envelopes into the sessions that are subscribed, and end
bare       take messages and confirm them, and nothing else
collect    run ingest
pace       publish at a steady pace and note when each row was acked (``ingest_acks``)
"""

import asyncio
import contextlib
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import msgspec
import paho.mqtt.client as paho
import structlog
from ingest_acks import Paced, Traced
from ingest_fleet import AGENCY, EPOCH, kept
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from collector.alerts.raising import Raising
from collector.fleet import signing_key
from collector.ingest import link
from collector.ingest.ingest import Ingest
from collector.ingest.link import BrokerSettings
from collector.ingest.picture_folder import PictureFolder
from collector.match.matcher import Matcher
from collector.store.database import Store
from edge_wire import codec
from edge_wire.clock import SystemClock
from edge_wire.topics import Channel, subscription

PATIENCE_S = 120.0


class Task(msgspec.Struct):
    """What a program is to do, as whom."""

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
    trace: str = ""


@contextlib.contextmanager
def running(task: Task) -> Iterator[subprocess.Popen[str]]:
    """Start a program; end it with the block."""
    command = [sys.executable, __file__, msgspec.json.encode(task).decode()]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate()


def publish(task: Task) -> None:
    """Publish a file of envelopes at QoS 1, each over its device's connection, and wait until the broker has all."""
    signed = kept(Path(task.envelopes))
    clients = {device: _connected(task, device) for device in sorted({one.device for one in signed})}
    for client in clients.values():
        client.loop_start()
    properties = _correlation()
    sent = [clients[one.device].publish(one.topic, one.envelope, 1, properties=properties) for one in signed]
    for one in sent:
        one.wait_for_publish(PATIENCE_S)
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
    assert done.wait(PATIENCE_S)
    print(time.perf_counter() - began, flush=True)
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
    if task.trace:
        Traced.install()
    store = await Store.open(task.store)
    settings = BrokerSettings(task.host, task.port, *_files(task), task.client_id, task.share)
    key = signing_key.load_or_make(Path(task.folder) / "key.pem")
    raising = Raising(Matcher())
    ingest = Ingest(store, settings, key, PictureFolder(Path(task.folder)), SystemClock(), lambda: raising)
    print("began", time.monotonic(), flush=True)
    ingesting = ingest.start()
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    told = -1
    while not stopped.is_set():
        answered = ingest.counts.get("answered", 0)
        if answered != told and not task.trace:
            told = answered
            print(answered, time.monotonic(), flush=True)
        await asyncio.sleep(0.02)
    await ingest.stop()
    await ingesting
    await store.close()
    if task.trace:
        Traced.keep(Path(task.trace))


def pace(task: Task) -> None:
    """Publish the rows at their times and take the acks, all in one thread: no row waits for another one's turn."""
    signed = kept(Path(task.envelopes))
    paced = Paced()
    clients = {device: _connected(task, device, paced.on_message) for device in sorted({one.device for one in signed})}
    by_socket = {client.socket(): client for client in clients.values()}
    properties = _correlation()
    began = time.monotonic() + 0.1
    deadline = began + len(signed) / task.rate + PATIENCE_S
    number = 0
    while number < len(signed) or paced.waiting:
        now = time.monotonic()
        assert now < deadline, f"{paced.waiting} rows without an ack"
        due = began + number / task.rate if number < len(signed) else now + 0.1
        if due <= now:
            one = signed[number]
            paced.sent(one, due)
            clients[one.device].publish(one.topic, one.envelope, 1, properties=properties)
            number += 1
            continue
        ready, _, _ = select.select(by_socket, [], [], due - now)
        for each in ready:
            by_socket[each].loop_read()
            while each.pending():
                by_socket[each].loop_read()
    paced.keep(Path(task.trace))
    for client in clients.values():
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
    """Connect as a device, and subscribe to its acks if somebody wants them; nothing runs the client yet."""
    clients = Path(task.certificate).parent
    own = msgspec.structs.replace(task, certificate=str(clients / f"{device}.pem"), key=str(clients / f"{device}.key"))
    client, ready = _client(own, device), threading.Event()
    if on_message is None:
        client.on_connect = lambda *_: ready.set()
    else:
        client.on_message = on_message
        client.on_connect = lambda one, *_: one.subscribe(subscription(Channel.ACK, device=device, agency=AGENCY), 0)
        client.on_subscribe = lambda *_: ready.set()
    client.connect(task.host, task.port)
    deadline = time.monotonic() + PATIENCE_S
    while not ready.is_set() and time.monotonic() < deadline:
        client.loop(0.1)
    assert ready.is_set()
    return client


def _correlation() -> Properties:
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho leaves it untyped
    properties.CorrelationData = codec.encode_connection(EPOCH, 1)
    return properties


if __name__ == "__main__":
    given = msgspec.json.decode(sys.argv[1], type=Task)
    if given.role == "collect":
        asyncio.run(collect(given))
    else:
        {"publish": publish, "bare": bare, "pace": pace}[given.role](given)
