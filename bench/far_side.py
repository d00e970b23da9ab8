"""What a device's bench needs on the other side: a private mosquitto, a collector of thirty lines, a counting proxy.

The stand-in acks each message that has a sequence, signed as the collector does it, and keeps nothing. The proxy
counts what TLS carries and limits packets to what a mobile network passes, so that loopback's long ones flatter nobody.
"""

from __future__ import annotations

import socket
import ssl
import sys
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import paho.mqtt.client as paho
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from paho.mqtt.enums import CallbackAPIVersion

from edge_wire import codec, cose, topics
from edge_wire.messages import Ack, DownHeader, Verdict
from edge_wire.topics import Channel, Topic

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

from private_broker import PrivateBroker

DEVICE, AGENCY = "bench-1", "bench"
# What is left of 1,500 bytes behind a mobile network's tunnel and with TCP's timestamps.
SEGMENT_BYTES = 1_348


class FarSide:
    """Broker and stand-in, in a folder of their own. Use ``with FarSide(folder) as far``."""

    def __init__(self, folder: Path) -> None:
        self.broker = PrivateBroker(folder / "broker", devices=[DEVICE])
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.pinned = folder / "collector-key.pem"
        self.pinned.write_bytes(
            self.key.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )

    def __enter__(self) -> Self:
        self.broker.start()
        context = ssl.create_default_context(cafile=str(self.broker.authority))
        context.load_cert_chain(*self.broker.collector)
        ready = threading.Event()
        client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5, client_id="bench-collector")
        client.tls_set_context(context)
        client.on_message = self._ack
        client.on_connect = lambda client, *_: client.subscribe(
            [
                (topics.subscription(channel), paho.SubscribeOptions(qos=1))
                for channel in Channel
                if channel.direction == topics.Direction.UP
            ]
        )
        client.on_subscribe = lambda *_: ready.set()
        client.connect(self.broker.host, self.broker.port)
        client.loop_start()
        self._client = client
        if not ready.wait(10):
            raise RuntimeError("the stand-in for the collector could not subscribe within 10 s")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        self.broker.stop()

    def _ack(self, client: paho.Client, _userdata: object, message: paho.MQTTMessage) -> None:
        device = topics.parse(message.topic).device
        header = codec.decode_up(cose.parse(message.payload).payload).header
        if header.stream is None or header.sequence is None or message.properties is None:
            return
        epoch, connection = codec.decode_connection(message.properties.CorrelationData)
        ranges = ((header.sequence, header.sequence),)
        ack = Ack(header.epoch, header.stream, ranges, Verdict.STORED, bytes(range(16)))
        payload = codec.encode(DownHeader(epoch, connection, device, 1_795_256_000_123_456_789), ack)
        envelope = cose.sign(payload, self.key, cose.external_aad(device, Channel.ACK))
        client.publish(str(Topic(AGENCY, device, Channel.ACK)), envelope, qos=1)


class CountingProxy:
    """Passes on one connection after the other to ``host:port`` and counts; ``up`` is what the device sent."""

    def __init__(self, host: str, port: int) -> None:
        self._target = host, port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT_BYTES)
        self.port: int = self._listening.getsockname()[1]
        self.up_bytes = 0
        self.down_bytes = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Accept nobody any more."""
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                near, _ = self._listening.accept()
                far = socket.create_connection(self._target)
                for one in (near, far):
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._pump, args=(near, far, True), daemon=True).start()
                threading.Thread(target=self._pump, args=(far, near, False), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, up: bool) -> None:
        with suppress(OSError):  # the other side has gone
            while portion := source.recv(65_536):
                if up:
                    self.up_bytes += len(portion)
                else:
                    self.down_bytes += len(portion)
                sink.sendall(portion)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)
