"""An enrolled device that signs nonsense, all the time: a poison message in every batch.

Everything is signed as the protocol asks, by the epoch key that its Open vouches for; only what it says is of no use:
unknown kinds, fields that do not fit, a stream on the wrong channel, text that PostgreSQL refuses, and identities that
name two payloads. What it sends must end in the dead letters and hold nobody up.
"""

from __future__ import annotations

import itertools
import secrets
import ssl
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

import cbor2
import paho.mqtt.client as paho
from cryptography.hazmat.primitives.asymmetric import ec
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge_agent.provisioning.device_key import FileDeviceKey
from edge_wire import codec, cose
from edge_wire.clock import SystemClock, boot_id
from edge_wire.messages import Header, Open, Stream
from edge_wire.topics import Channel, Topic
from soaking.broker import SoakBroker

ROGUE = "rogue-1"
_REOPEN_EVERY = 20


class Rogue:
    """The device, publishing from a thread of its own.

    Args:
        broker: it connects past every faulty link.
        agency: whose it is.
        key: its device key.
        rate_hz: messages a second.

    Attributes:
        sent: how many messages of poison were handed to the broker.
    """

    def __init__(self, broker: SoakBroker, agency: str, key: FileDeviceKey, rate_hz: float) -> None:
        self.sent = 0
        self._broker = broker
        self._agency = agency
        self._device_key = key
        self._every_s = 1 / rate_hz
        self._epoch = secrets.randbits(63)
        self._epoch_key = ec.generate_private_key(ec.SECP256R1())
        self._clock = SystemClock()
        self._sequences = itertools.count(1)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rogue", daemon=True)
        files = broker.client(ROGUE)
        context = ssl.create_default_context(cafile=str(broker.authority))
        context.load_cert_chain(files.certificate, files.key)
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id=ROGUE, protocol=paho.MQTTv5)
        self._client.tls_set_context(context)
        self._client.reconnect_delay_set(1, 2)

    def __enter__(self) -> Self:
        self._client.connect_async(self._broker.host, self._broker.port, clean_start=True)
        self._client.loop_start()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._client.disconnect()
        self._client.loop_stop()

    def stop(self) -> None:
        """Send nothing more."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        opening = self._open()
        poison = self._poison()
        for number in itertools.count():
            if self._ending.wait(self._every_s):
                return
            if not self._client.is_connected():
                continue
            if number % _REOPEN_EVERY == 0:
                # A collector that was restored may have forgotten it.
                self._publish(Channel.REPORT, opening)
            channel, envelope = next(poison)
            self._publish(channel, envelope)
            self.sent += 1

    def _open(self) -> bytes:
        boot_ns, utc_ns = self._clock.boot_ns(), self._clock.utc_ns()
        body = Open(cose.spki(self._epoch_key.public_key()), boot_id(), boot_ns, utc_ns)
        header = Header(self._epoch, utc_ns, boot_ns, 0, stream=Stream.REPORT, sequence=1)
        return self._device_key.sign(codec.encode(header, body), cose.external_aad(ROGUE, Channel.REPORT))

    def _poison(self) -> Iterator[tuple[Channel, bytes]]:
        """Yield nonsense for ever, a kind of it after the other."""
        while True:
            yield Channel.DETECTION, self._signed({0: 99})
            yield Channel.DETECTION, self._signed({0: 2, 7: "a track is a number"})
            yield Channel.DETECTION, self._signed({0: 2, 7: 1, 10: "A\x00B"})
            yield Channel.DETECTION, self._signed({0: 2, 7: 1 << 70})
            yield Channel.MEDIA, self._signed({0: 99}, on=Channel.MEDIA)
            twice = next(self._sequences)
            for content in (b"one", b"other"):
                yield Channel.DETECTION, self._signed({0: 98, 7: content}, sequence=twice)
            whole = self._signed({0: 99})
            yield Channel.DETECTION, whole[:-1] + bytes([whole[-1] ^ 1])
            yield Channel.DETECTION, secrets.token_bytes(60)

    def _signed(self, fields: dict[int, Any], *, sequence: int | None = None, on: Channel = Channel.DETECTION) -> bytes:
        number = next(self._sequences) if sequence is None else sequence
        header = {1: self._epoch, 2: int(Stream.DETECTION), 3: number}
        header |= {4: self._clock.utc_ns(), 5: self._clock.boot_ns(), 6: 0}
        payload = cbor2.dumps({**header, **fields}, canonical=True)
        return cose.sign(payload, self._epoch_key, cose.external_aad(ROGUE, on))

    def _publish(self, channel: Channel, envelope: bytes) -> None:
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho leaves it untyped
        properties.CorrelationData = codec.encode_connection(self._epoch, 1)
        self._client.publish(str(Topic(self._agency, ROGUE, channel)), envelope, qos=1, properties=properties)
