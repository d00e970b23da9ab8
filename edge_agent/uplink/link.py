"""One connection to the broker, as asyncio sees it. ``open_link`` is the paho one; tests bring their own.

Connecting has a thread of its own, which nobody waits for once it is not wanted any more: a name server or a silent
host can hold it for half a minute. paho's network thread calls back with what it received; each callback does nothing
but hand that over to the event loop. What the loop has not taken yet is bounded: PUBACKs by the window, received
messages by ``_MAX_WAITING``, beyond which they are dropped and counted (the collector acks what is sent again).
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVarTuple

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from edge_agent.errors import ConfigurationError, UplinkError
from edge_agent.uplink.carried import Carried, read_carried
from edge_agent.uplink.files import tls_context
from edge_agent.uplink.settings import UplinkSettings
from edge_agent.uplink.status import Fault
from edge_wire import topics
from edge_wire.topics import Channel

_Arguments = TypeVarTuple("_Arguments")
_MAX_WAITING = 1_000
_DEFAULT_RECEIVE_MAXIMUM = 65_535
_NOT_LET_IN = {0x85, 0x86, 0x87, 0x8A, 0x8C}


class LinkError(UplinkError):
    """The connection failed or broke.

    Attributes:
        fault: where.
        carried: what the attempt to connect cost, where that was what failed.
    """

    def __init__(self, fault: Fault, text: str) -> None:
        super().__init__(text)
        self.fault = fault
        self.carried = Carried()


@dataclass(frozen=True, slots=True)
class Outbound:
    """A message as it is handed to the broker."""

    topic: str
    payload: bytes
    correlation: bytes
    qos: int = 1
    retain: bool = False


@dataclass(frozen=True, slots=True)
class Inbound:
    """A message as the broker handed it over, unverified."""

    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Puback:
    """The broker's answer to one publication; ``reason`` is MQTT 5's code."""

    number: int
    reason: int


class Link(Protocol):
    """An open connection."""

    @property
    def receive_maximum(self) -> int:
        """How many publications without PUBACK the broker allows."""
        ...

    @property
    def dropped(self) -> int:
        """How many received messages were dropped because nobody took them in time."""
        ...

    def carried(self) -> Carried:
        """Return what the connection carried so far, both ways, everything included; also after its end."""
        ...

    def publish(self, message: Outbound) -> int:
        """Hand a message over and return the number that its PUBACK will carry.

        Raises:
            LinkError: the connection is gone.
        """
        ...

    async def receive(self) -> Inbound | Puback:
        """Return what came next.

        Raises:
            LinkError: the connection broke.
        """
        ...

    async def close(self) -> None:
        """Disconnect in order, so that the broker drops the will; safe on a broken connection."""
        ...


Connect = Callable[[UplinkSettings, Outbound | None], Awaitable[Link]]
"""Opens a connection, with a will to leave at the broker, subscribed to this device's ``down`` channels."""


async def open_link(settings: UplinkSettings, will: Outbound | None) -> Link:
    """Connect to the broker with paho: MQTT 5, TLS with the device's certificate, clean start.

    Raises:
        LinkError: with what failed: name, TCP, TLS, authentication or the right to subscribe.
    """
    link = _PahoLink(settings, will)
    try:
        await link.open()
    except BaseException as error:
        await link.close()
        if isinstance(error, LinkError):
            error.carried = link.carried()
        raise
    return link


@contextlib.contextmanager
def connecting_to(settings: UplinkSettings) -> Iterator[None]:
    """Tell apart what fails on the way to the broker.

    Raises:
        LinkError: name, TLS or TCP.
    """
    where = f"{settings.host}:{settings.port}"
    try:
        yield
    except (socket.gaierror, UnicodeError) as error:  # "broker..example" cannot even be asked for
        raise LinkError(Fault.DNS, f"{where}: the name cannot be resolved: {error}") from error
    except ssl.SSLError as error:
        raise LinkError(Fault.TLS, f"{where}: TLS failed: {error}") from error
    except OSError as error:
        raise LinkError(Fault.TCP, f"{where}: cannot be reached: {error}") from error


class _PahoLink:
    def __init__(self, settings: UplinkSettings, will: Outbound | None) -> None:
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._incoming: asyncio.Queue[Inbound | Puback | LinkError] = asyncio.Queue()
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._answered: asyncio.Future[None] = self._loop.create_future()
        self._subscribed: asyncio.Future[None] = self._loop.create_future()
        self._broken: LinkError | None = None
        self._socket: ssl.SSLSocket | None = None
        self._carried = Carried()
        self._waiting_messages = 0
        self.dropped = 0
        self.receive_maximum = _DEFAULT_RECEIVE_MAXIMUM
        client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=settings.device, protocol=paho.MQTTv5, reconnect_on_failure=False
        )
        client.username = settings.device
        client.connect_timeout = settings.connect_timeout_s
        client.max_inflight_messages = settings.window
        if will is not None:
            client.will_set(will.topic, will.payload, will.qos, will.retain, _properties(PacketTypes.WILLMESSAGE, will))
        client.on_socket_open = self._set_up
        client.on_socket_close = self._on_socket_close
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        client.on_disconnect = self._on_disconnect
        self._client = client

    async def open(self) -> None:
        timeout_s = self._settings.connect_timeout_s
        threading.Thread(target=self._connect_aside, name="uplink-connect", daemon=True).start()
        await self._opened
        self._client.loop_start()
        await self._within(self._answered, timeout_s, Fault.LOST, "no answer to CONNECT")
        device, agency = self._settings.device, self._settings.agency
        self._client.subscribe(
            [
                (topics.subscription(channel, device=device, agency=agency), SubscribeOptions(qos=1))
                for channel in (Channel.ACK, Channel.COMMAND)
            ]
        )
        await self._within(self._subscribed, timeout_s, Fault.LOST, "no answer to SUBSCRIBE")

    def carried(self) -> Carried:
        # On the loop, and once more on the thread that closes the socket; whoever read more was later.
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._carried = max(self._carried, read_carried(self._socket))
        return self._carried

    def publish(self, message: Outbound) -> int:
        if self._broken is not None:
            raise self._broken
        published = self._client.publish(
            message.topic, message.payload, message.qos, message.retain, _properties(PacketTypes.PUBLISH, message)
        )
        return published.mid

    async def receive(self) -> Inbound | Puback:
        item = await self._incoming.get()
        if isinstance(item, LinkError):
            raise item
        if isinstance(item, Inbound):
            self._waiting_messages -= 1
        return item

    async def close(self) -> None:
        if self._opened.cancelled():  # the thread that connects still has the client, and puts it away
            return
        self._client.disconnect()
        await asyncio.to_thread(self._client.loop_stop)
        self._put_away()
        for unanswered in (self._answered, self._subscribed):
            unanswered.cancel()

    def _put_away(self) -> None:
        # The public way to close what paho wakes its thread with: sockets that otherwise wait for garbage collection.
        self._client.reinitialise(self._settings.device)

    async def _within(self, answer: asyncio.Future[None], timeout_s: float, fault: Fault, text: str) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                await answer
        except TimeoutError as error:
            raise LinkError(fault, f"{self._settings.host}: {text} for {timeout_s:g} s") from error

    # What follows runs on the thread that connects.

    def _connect_aside(self) -> None:
        failure: BaseException | None = None
        try:
            self._connect()
        except BaseException as error:  # noqa: BLE001 - handed to the task that waits for this thread
            failure = error
            if self._socket is not None:  # paho knows a socket only once its handshake is done
                self.carried()
                self._socket.close()
        self._tell(self._settle_opened, failure)

    def _connect(self) -> None:
        settings = self._settings
        try:
            context = tls_context(settings)
        except ConfigurationError as error:  # it was good when the agent started: files are renewed under our feet
            raise LinkError(Fault.TLS, str(error)) from error
        link = self

        class Measured(ssl.SSLSocket):
            """Known to the link before its handshake, which costs as much as seven reads and may fail every minute."""

            def do_handshake(self, block: bool = False) -> None:
                link._socket = self
                super().do_handshake(block)

        context.sslsocket_class = Measured
        self._client.tls_set_context(context)
        with connecting_to(settings):
            self._client.connect(settings.host, settings.port, settings.ping_after_s, clean_start=True)

    def _set_up(self, client: paho.Client, userdata: object, opened: paho.SocketLike) -> None:
        if isinstance(opened, socket.socket):
            # Small messages and small answers: with Nagle's algorithm the ack's p99 was 82 ms instead of 6.5.
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # Nobody answers what was sent: paho would take two keep-alives to notice, the kernel 15 minutes.
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 1_000 * self._settings.ping_after_s)

    # What follows runs on paho's thread, up to the call of ``_tell``.

    def _on_socket_close(self, client: paho.Client, userdata: object, closing: paho.SocketLike) -> None:
        self.carried()

    def _on_connect(
        self, client: paho.Client, userdata: object, flags: object, reason: ReasonCode, properties: Properties | None
    ) -> None:
        maximum = getattr(properties, "ReceiveMaximum", _DEFAULT_RECEIVE_MAXIMUM)
        self._tell(self._connected, reason.value, str(reason), maximum)

    def _on_subscribe(
        self, client: paho.Client, userdata: object, mid: int, reasons: list[ReasonCode], properties: Properties | None
    ) -> None:
        self._tell(self._may_listen, [str(reason) for reason in reasons if reason.is_failure])

    def _on_message(self, client: paho.Client, userdata: object, message: paho.MQTTMessage) -> None:
        self._tell(self._take, Inbound(message.topic, bytes(message.payload)))

    def _on_publish(
        self, client: paho.Client, userdata: object, mid: int, reason: ReasonCode, properties: Properties | None
    ) -> None:
        self._tell(self._incoming.put_nowait, Puback(mid, reason.value))

    def _on_disconnect(
        self, client: paho.Client, userdata: object, flags: object, reason: ReasonCode, properties: Properties | None
    ) -> None:
        self._tell(self._break, str(reason))

    def _tell(self, what: Callable[[*_Arguments], object], *arguments: *_Arguments) -> None:
        # The loop is closed when the agent ends without waiting for us; then nobody wants to know.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(what, *arguments)

    # And from here on the event loop.

    def _settle_opened(self, failure: BaseException | None) -> None:
        if self._opened.cancelled():
            self._client.disconnect()
            self._put_away()
        elif failure is None:
            self._opened.set_result(None)
        else:
            self._opened.set_exception(failure)

    def _connected(self, code: int, name: str, receive_maximum: int) -> None:
        if self._answered.done():
            return
        if code < 0x80:
            self.receive_maximum = receive_maximum
            self._answered.set_result(None)
            return
        fault = Fault.AUTH if code in _NOT_LET_IN else Fault.LOST
        self._answered.set_exception(LinkError(fault, f"{self._settings.host}: the broker refused us: {name}"))

    def _may_listen(self, refusals: list[str]) -> None:
        if self._subscribed.done():
            return
        if refusals:
            text = f"{self._settings.host}: the broker refused our subscription: {', '.join(refusals)}"
            self._subscribed.set_exception(LinkError(Fault.ACL, text))
        else:
            self._subscribed.set_result(None)

    def _take(self, message: Inbound) -> None:
        if self._waiting_messages >= _MAX_WAITING:
            self.dropped += 1
            return
        self._waiting_messages += 1
        self._incoming.put_nowait(message)

    def _break(self, why: str) -> None:
        if not self._answered.done():
            # TLS 1.3 lets a client finish its handshake before the broker has looked at its certificate.
            text = f"{self._settings.host}: closed before an answer ({why}); is our certificate known there?"
            self._answered.set_exception(LinkError(Fault.TLS, text))
            return
        self._broken = LinkError(Fault.LOST, f"{self._settings.host}: connection lost: {why}")
        if not self._subscribed.done():
            self._subscribed.set_exception(self._broken)
        self._incoming.put_nowait(self._broken)


def _properties(packet: int, message: Outbound) -> Properties:
    properties = Properties(packet)  # type: ignore[no-untyped-call]  # paho leaves this one untyped
    properties.CorrelationData = message.correlation
    return properties
