"""Whoever has the broker in hand: replays, repeats and forges. Nothing it does may change a device or the store.

It connects past every faulty link, may publish and read everything, and holds no key that anybody trusts. One object
belongs to the driver; paho's thread only fills ``_acks``.
"""

from __future__ import annotations

import secrets
import sqlite3
import ssl
import time
from collections import deque
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import paho.mqtt.client as paho
from cryptography.hazmat.primitives.asymmetric import ec
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge_wire import codec, cose
from edge_wire.messages import Ack, DownHeader, Stream, Verdict
from edge_wire.topics import Channel, Topic
from soaking.broker import SoakBroker

_REMEMBERED = 400


@dataclass(frozen=True, slots=True)
class Pending:
    """One row of a trailer's outbox, as a thief of its bytes has it."""

    epoch: int
    stream: int
    sequence: int
    envelope: bytes

    @property
    def channel(self) -> Channel:
        """Where such rows are published."""
        return {1: Channel.DETECTION, 2: Channel.MEDIA, 3: Channel.REPORT}[self.stream]


class Intruder:
    """A client that may do everything at the broker."""

    def __init__(self, broker: SoakBroker, agency: str) -> None:
        self._broker = broker
        self._agency = agency
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._acks: deque[tuple[str, bytes]] = deque(maxlen=_REMEMBERED)
        client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        context = ssl.create_default_context(cafile=str(broker.authority))
        context.load_cert_chain(broker.intruder.certificate, broker.intruder.key)
        client.tls_set_context(context)
        client.reconnect_delay_set(1, 2)
        client.on_connect = self._on_connect
        client.on_message = self._on_message
        self._client = client

    def __enter__(self) -> Self:
        self._client.connect_async(self._broker.host, self._broker.port, clean_start=True)
        self._client.loop_start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def wait_until_connected(self, timeout_s: float) -> bool:
        """Whether it is connected, after waiting for that."""
        until_s = time.monotonic() + timeout_s
        while not self._client.is_connected() and time.monotonic() < until_s:
            time.sleep(0.02)
        return self._client.is_connected()

    def publish(self, device: str, rows: Sequence[Pending], connection: tuple[int, int], times: int = 1) -> int:
        """Publish envelopes as if over a device's connection; returns how many publishes that were."""
        count = 0
        for row in rows:
            for _ in range(times):
                count += self._publish(str(Topic(self._agency, device, row.channel)), row.envelope, connection)
        return count

    def forge_acks(
        self,
        device: str,
        connection: tuple[int, int],
        rows: Sequence[Pending],
        collector_key: ec.EllipticCurvePublicKey,
    ) -> int:
        """Tell a device that rows are stored: signed by a key of ours, under our name and under the collector's."""
        header = DownHeader(connection[0], connection[1], device, time.time_ns())
        count = 0
        for row in rows:
            body = Ack(
                row.epoch, Stream(row.stream), ((row.sequence, row.sequence),), Verdict.STORED, secrets.token_bytes(16)
            )
            envelope = cose.sign(codec.encode(header, body), self._key, cose.external_aad(device, Channel.ACK))
            ours, theirs = cose.key_id(self._key.public_key()), cose.key_id(collector_key)
            for bytes_ in (envelope, envelope.replace(ours, theirs)):
                count += self._publish(str(Topic(self._agency, device, Channel.ACK)), bytes_, connection)
        return count

    def replay_acks(self, device: str) -> int:
        """Give a device every ack that was ever overheard, its own of earlier connections and those of others."""
        topic = str(Topic(self._agency, device, Channel.ACK))
        return sum(self._publish(topic, envelope, None) for _, envelope in list(self._acks))

    def _publish(self, topic: str, payload: bytes, connection: tuple[int, int] | None) -> bool:
        if not self._client.is_connected():
            return False
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho leaves it untyped
        if connection is not None:
            properties.CorrelationData = codec.encode_connection(*connection)
        self._client.publish(topic, payload, qos=1, properties=properties)
        return True

    def _on_connect(self, client: paho.Client, *_: object) -> None:
        client.subscribe("nightjar/v1/+/+/down/ack", 1)

    def _on_message(self, _client: paho.Client, _userdata: object, message: paho.MQTTMessage) -> None:
        self._acks.append((message.topic, bytes(message.payload)))


def pending_rows(database: Path, most: int) -> list[Pending]:
    """Return rows that wait in the outbox at ``database``, the newest first; none while it cannot be read."""
    try:
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, timeout=1.0)) as outbox:
            rows = outbox.execute(
                "SELECT epoch, stream, sequence, envelope FROM rows WHERE state = 0 ORDER BY number DESC LIMIT ?",
                (most,),
            ).fetchall()
    except sqlite3.Error:
        return []
    return [Pending(*row) for row in rows]
