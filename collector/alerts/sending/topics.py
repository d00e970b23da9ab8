"""Notices on MQTT topics: QoS 1, over mutual TLS, by a connection of its own.

Not by the collector's: that one takes what devices send, and has the rights for it; this one needs to publish below one
prefix and nothing else. A notice counts as delivered when the broker has acknowledged it. After any failure the
connection is given up and made anew for the next notice, so that nothing that was given up lies about in it.

Owned by the event loop that sends notices; what paho's thread hears is handed over to it.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from collector.alerts.sending.carriers import CarryError, reason_of
from collector.alerts.sending.content import Allowance, body
from collector.alerts.sending.records import Message

_AT_ONCE = 4
_KEEPALIVE_S = 60


@dataclass(frozen=True, slots=True)
class TopicBroker:
    """How to reach a broker.

    Attributes:
        host: as its certificate has it.
        port: TCP.
        client_id: the common name of our certificate.
        tls: verifies the broker, and shows that certificate.
        timeout_s: so long it may take to acknowledge.
    """

    host: str
    port: int
    client_id: str
    tls: ssl.SSLContext
    timeout_s: float


class TopicCarrier:
    """Publishes notices at one broker.

    Args:
        broker: which.
        topics: for each target its prefix, and what may be published there.
        page: the operators' page.
    """

    def __init__(self, broker: TopicBroker, topics: Mapping[str, tuple[str, Allowance]], page: str) -> None:
        self.targets = frozenset(topics)
        self.at_once = _AT_ONCE
        self._broker = broker
        self._topics = dict(topics)
        self._page = page
        self._session: _Session | None = None
        self._opening = asyncio.Lock()

    async def carry(self, message: Message) -> None:
        """Publish one notice; see ``Carrier``."""
        broker = self._broker
        prefix, allowance = self._topics[message.notice.target]
        topic = f"{prefix}/{message.facts.latest.agency}"
        session: _Session | None = None
        try:
            async with asyncio.timeout(broker.timeout_s):
                session = await self._opened()
                await session.publish(topic, body(message, allowance, self._page))
        except (TimeoutError, OSError) as error:
            await self._give_up(session)
            reason = f"no answer within {broker.timeout_s:g} s" if type(error) is TimeoutError else reason_of(error)
            raise CarryError(f"broker {broker.host}:{broker.port}: {reason}") from error
        except _RefusedError as error:
            await self._give_up(session)
            raise CarryError(f"broker {broker.host}:{broker.port}: topic {topic}: {error}") from error

    async def close(self) -> None:
        """Leave the broker."""
        await self._give_up(self._session)

    async def _opened(self) -> _Session:
        async with self._opening:
            if self._session is None or self._session.over:
                await self._give_up(self._session)
                session = _Session(self._broker)
                try:
                    await session.open()
                    self._session = session
                finally:
                    if self._session is not session:
                        session.abandon()
            return self._session

    async def _give_up(self, session: _Session | None) -> None:
        if session is not None:
            if self._session is session:
                self._session = None
            await session.close()


class _RefusedError(Exception):
    """The broker does not let us in, or publish there, or has left."""


class _Session:
    """One connection, from its opening to its end."""

    def __init__(self, broker: TopicBroker) -> None:
        self.over = False
        self._broker = broker
        self._loop = asyncio.get_running_loop()
        self._let_in: asyncio.Future[None] = self._loop.create_future()
        self._acks: dict[int, asyncio.Future[None]] = {}
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=broker.client_id,
            protocol=paho.MQTTv5,
            reconnect_on_failure=False,
        )
        client.connect_timeout = broker.timeout_s
        client.tls_set_context(broker.tls)
        client.on_connect = lambda _c, _u, _f, reason, _p: self._hand_over(self._connected, reason)
        client.on_publish = lambda _c, _u, mid, reason, _p: self._hand_over(self._acknowledged, mid, reason)
        client.on_disconnect = lambda _c, _u, _f, reason, _p: self._hand_over(self._left, reason)
        self._client = client

    async def open(self) -> None:
        await asyncio.to_thread(self._connect)
        await self._let_in

    def _connect(self) -> None:
        self._client.connect(self._broker.host, self._broker.port, _KEEPALIVE_S, clean_start=True)
        if self.over:
            # Nobody waited for so long.
            self._client.disconnect()
        else:
            self._client.loop_start()

    def abandon(self) -> None:
        """Let go of a session that was never opened, or whose opening still goes on in its thread."""
        self._end("the connection was given up")
        self._client.disconnect()

    async def publish(self, topic: str, payload: bytes) -> None:
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho leaves it untyped
        properties.ContentType = "application/json"
        sent = self._client.publish(topic, payload, qos=1, properties=properties)
        if self.over or sent.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise _RefusedError("the connection has ended")
        acknowledged = self._loop.create_future()
        self._acks[sent.mid] = acknowledged
        try:
            await acknowledged
        finally:
            del self._acks[sent.mid]

    async def close(self) -> None:
        self.abandon()
        await asyncio.to_thread(self._client.loop_stop)

    def _hand_over(self, what: Any, *heard: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(what, *heard)

    def _connected(self, reason: ReasonCode) -> None:
        if reason.is_failure:
            self._end(f"got {reason}, expected to be let in")
        elif not self._let_in.done():
            self._let_in.set_result(None)

    def _acknowledged(self, mid: int, reason: ReasonCode) -> None:
        waiting = self._acks.get(mid)
        if waiting is None or waiting.done():
            return
        if reason.is_failure:
            waiting.set_exception(_RefusedError(f"got {reason}, expected the right to publish"))
        else:
            waiting.set_result(None)

    def _left(self, reason: ReasonCode) -> None:
        self._end(f"the connection has ended: {reason}")

    def _end(self, why: str) -> None:
        self.over = True
        for waiting in (self._let_in, *self._acks.values()):
            if not waiting.done():
                waiting.set_exception(_RefusedError(why))
        if self._let_in.done() and not self._let_in.cancelled():
            self._let_in.exception()  # nobody may be waiting for it
