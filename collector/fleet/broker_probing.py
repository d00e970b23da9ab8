"""Tries at the broker what a device must not be able to do, before anything is taken from it.

Two connections: the collector's, and the probe's, opened anew for each forbidden publish, since each ends it. The
collector's is its ordinary session, so that what waits there goes on waiting: nothing of it is confirmed, the broker is
told to hand out one message at a time, and the proof's own messages go past the queue because they are of QoS 0.

Owned by one asyncio task; paho's threads only hand over what they hear.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import paho.mqtt.client as paho
import structlog
from cryptography import x509
from cryptography.x509.oid import NameOID
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from collector.errors import ConfigurationError
from collector.fleet.broker_access import PROBE, RESERVED, RESPONSE_TOPIC
from collector.fleet.broker_proof import NOBODY, SHARED_CANARIES, Seen, Trial, refusal, too_wide
from collector.ingest.link import BrokerSettings
from edge_wire.errors import TopicError
from edge_wire.topics import check_name

_log = structlog.get_logger(__name__)

_STEP_S = 10.0
"""For one answer of the broker; a link with 300 ms of latency needs a second and a half for TLS."""
_SETTLE_S = 0.2
"""After all that was expected has come: a clustered broker may deliver topics in another order than they were sent."""
_TRIES = 3
_AGAIN_S = (0.5, 15.0)
_SESSION_EXPIRY_S = 14 * 86_400  # the ingest link's: the session is the same
_TAKEN_OVER = 0x8E


async def prove(collector: BrokerSettings, probe: BrokerSettings) -> None:
    """Return when it is proven that a device can neither read others, nor forge them, nor join ``$share``.

    Where the broker cannot be reached it waits until it can.

    Args:
        collector: how the collector connects.
        probe: the same broker with the probe's certificate and key.

    Raises:
        ConfigurationError: a device can do more than it should; or the broker does not let the probe in or hear, so
            that nothing can be proven; or the files of either cannot be used.
    """
    name = _name(probe)
    as_collector = _Access(collector, _tls(collector, "broker.certificate"), clean_start=False)
    as_probe = _Access(replace(probe, client_id=name), _tls(probe, "broker.probe_certificate"), clean_start=True)
    where = f"{collector.host}:{collector.port}"
    pause_s, in_vain = _AGAIN_S[0], 0
    while True:
        trial = Trial(name, f"proof-{secrets.token_hex(8)}")
        try:
            rights = await _try(trial, as_collector, as_probe)
        except _UnreachableError as error:
            _log.warning("broker_not_proven_yet", broker=where, reason=str(error))
        except _SilentError as error:
            in_vain += 1
            _log.warning("broker_not_proven_yet", broker=where, reason=str(error), attempt=in_vain)
            if in_vain == _TRIES:
                raise ConfigurationError(
                    f"broker {where}: what a device can do there could not be tried: {error}\n"
                    f"  expected: {name} is let in with broker.probe_certificate, and has the rights of a device\n"
                    f"  fix: certify and add {name} as any device is (configs/mosquitto/README.md), but do not enrol it"
                ) from error
        else:
            if rights:
                raise ConfigurationError(refusal(where, name, rights))
            _log.info("broker_proven", broker=where, probe=name)
            return
        await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))
        pause_s = min(2 * pause_s, _AGAIN_S[1])


class _UnreachableError(Exception):
    """The broker is not there, or went away: try later."""


class _SilentError(Exception):
    """The broker is there, but what should have come did not: nothing can be concluded."""


class _EndedError(Exception):
    """The connection ended. ``taken_over``: because somebody else came with the same name."""

    def __init__(self, reason: str, *, taken_over: bool) -> None:
        super().__init__(reason)
        self.taken_over = taken_over


@dataclass(frozen=True, slots=True)
class _Access:
    """With what a connection is made."""

    settings: BrokerSettings
    tls: ssl.SSLContext
    clean_start: bool


async def _try(trial: Trial, as_collector: _Access, as_probe: _Access) -> tuple[str, ...]:
    """Try everything once; return each right that is too wide.

    Raises:
        _UnreachableError, _SilentError: nothing was proven.
    """
    try:
        async with _connected(as_collector) as collector:
            for topic in trial.collectors_filters:
                await collector.subscribe(topic)
            try:
                probe_saw = await _what_the_probe_sees(trial, as_probe, collector)
            finally:
                for topic in trial.collectors_filters:
                    collector.unsubscribe(topic)
            return too_wide(trial, probe_saw, collector.seen)
    except _EndedError as error:
        raise _UnreachableError(str(error)) from error


async def _what_the_probe_sees(trial: Trial, access: _Access, collector: _Connection) -> list[Seen]:
    saw: list[Seen] = []
    try:
        for topic, payload in trial.forgeries:
            async with _connected(access) as forger:
                await forger.subscribe(trial.allowed)
                await forger.subscribe(RESPONSE_TOPIC)
                forger.publish(topic, payload)
                # Either answer says that the broker has dealt with what was published before.
                await forger.subscribe_or_end(trial.allowed)
            saw += forger.seen
        async with _connected(access) as listener:
            for topic in (trial.allowed, *trial.forbidden_filters):
                await listener.subscribe(topic)
            for number in range(SHARED_CANARIES):
                listener.publish(trial.own_up, trial.numbered(number))
            listener.publish(trial.last_up, trial.canary)
            for topic in (*trial.others_down, trial.own_down):
                collector.publish(topic, trial.canary)
            await listener.until_seen(trial.own_down, "the probe did not get what the collector sent to it")
            await collector.until_seen(trial.last_up, "the collector did not get what the probe sent in its own name")
            await asyncio.sleep(_SETTLE_S)
        saw += listener.seen
    except _EndedError as error:
        if collector.ended is not None or error.taken_over:
            raise _UnreachableError(f"the probe's connection ended: {error}") from error
        raise _SilentError(f"the probe's connection ended: {error}") from error
    return saw


class _Connection:
    """One MQTT 5 connection, made once; what it hears is kept in order."""

    def __init__(self, access: _Access) -> None:
        settings = access.settings
        self.seen: list[Seen] = []
        self.ended: _EndedError | None = None
        self._where = f"{settings.host}:{settings.port}"
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._connected = False
        self._answered: set[int] = set()
        self._filters: list[str] = []
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=settings.client_id,
            protocol=paho.MQTTv5,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.tls_set_context(access.tls)
        client.on_connect = self._on_connect
        client.on_connect_fail = lambda *_: self._hand_over(self._end, f"{self._where} cannot be reached", False)
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = lambda _c, _u, mid, *_: self._hand_over(self._answered.add, mid)
        client.on_message = self._on_message
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho leaves it untyped
        properties.SessionExpiryInterval = 0 if access.clean_start else _SESSION_EXPIRY_S
        properties.ReceiveMaximum = 1
        client.connect_async(settings.host, settings.port, clean_start=access.clean_start, properties=properties)
        self._client = client

    async def open(self) -> None:
        self._client.loop_start()
        await self._until(lambda: self._connected, f"{self._where} does not answer")

    async def close(self) -> None:
        self._client.disconnect()
        await asyncio.to_thread(self._client.loop_stop)

    async def subscribe(self, topic: str) -> None:
        """Ask for a subscription and wait for the answer, whatever it is."""
        self._filters.append(topic)
        properties = Properties(PacketTypes.SUBSCRIBE)  # type: ignore[no-untyped-call]  # paho leaves it untyped
        properties.SubscriptionIdentifier = len(self._filters)  # tells later which filter brought a message
        _, mid = self._client.subscribe(topic, options=SubscribeOptions(qos=0), properties=properties)
        if mid is None:
            raise self.ended or _EndedError("the connection is gone", taken_over=False)
        await self._until(lambda: mid in self._answered, f"no answer to a subscription to {topic}")

    async def subscribe_or_end(self, topic: str) -> None:
        """Wait until the broker has answered, or has ended the connection for what came before."""
        try:
            await self.subscribe(topic)
        except _EndedError as error:
            if error.taken_over:
                raise

    def unsubscribe(self, topic: str) -> None:
        self._client.unsubscribe(topic)

    def publish(self, topic: str, payload: bytes) -> None:
        self._client.publish(topic, payload, qos=0)

    async def until_seen(self, topic: str, otherwise: str) -> None:
        await self._until(lambda: any(one.topic == topic for one in self.seen), otherwise)

    async def _until(self, met: Callable[[], bool], otherwise: str) -> None:
        try:
            async with asyncio.timeout(_STEP_S):
                while not met():
                    if self.ended is not None:
                        raise self.ended
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise _SilentError(f"{otherwise} within {_STEP_S:.0f} s") from None

    def _end(self, reason: str, taken_over: bool) -> None:
        self.ended = self.ended or _EndedError(reason, taken_over=taken_over)

    def _connect(self) -> None:
        self._connected = True

    def _hand_over(self, what: Callable[..., None], *values: Any) -> None:
        """Do it on the loop's thread, and wake whoever waits there."""

        def there() -> None:
            what(*values)
            self._changed.set()

        self._loop.call_soon_threadsafe(there)

    def _on_connect(self, _client: paho.Client, _userdata: Any, _flags: Any, reason: ReasonCode, _p: Any) -> None:
        if reason.is_failure:
            self._hand_over(self._end, f"{self._where} refused the connection: {reason}", False)
        else:
            self._hand_over(self._connect)

    def _on_disconnect(self, _client: paho.Client, _userdata: Any, _flags: Any, reason: ReasonCode, _p: Any) -> None:
        self._hand_over(self._end, f"{self._where} ended the connection: {reason}", reason.value == _TAKEN_OVER)

    def _on_message(self, _client: paho.Client, _userdata: Any, message: paho.MQTTMessage) -> None:
        numbers = getattr(message.properties, "SubscriptionIdentifier", None) or ()
        through = tuple(self._filters[number - 1] for number in numbers if number <= len(self._filters))
        self._hand_over(self.seen.append, Seen(message.topic, bytes(message.payload), through))


@asynccontextmanager
async def _connected(access: _Access) -> AsyncIterator[_Connection]:
    connection = _Connection(access)
    try:
        await connection.open()
        yield connection
    finally:
        await connection.close()


def _tls(settings: BrokerSettings, key: str) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=str(settings.ca))
        context.load_cert_chain(settings.certificate, settings.key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"{key}: {error}; got ca {settings.ca}, certificate {settings.certificate}, key {settings.key}, "
            "expected readable PEM files that belong together"
        ) from error
    return context


def _name(probe: BrokerSettings) -> str:
    """Return the probe's device id out of its certificate.

    Raises:
        ConfigurationError: it cannot be read, or is that of something that may have a life of its own.
    """
    what = f"broker.probe_certificate {probe.certificate}"
    try:
        subject = x509.load_pem_x509_certificate(probe.certificate.read_bytes()).subject
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{what}: {error}; expected a certificate in PEM") from error
    names = [str(name.value) for name in subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    expected = f"expected {PROBE}, or another device id that begins with {RESERVED}"
    if len(names) != 1 or not names[0].startswith(RESERVED) or names[0] == NOBODY:
        raise ConfigurationError(f"{what}: got common name {names}, {expected}: it takes over the session of its name")
    try:
        return check_name(names[0], "device")
    except TopicError as error:
        raise ConfigurationError(f"{what}: {error}; {expected}") from error
