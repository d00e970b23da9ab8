"""What belongs to one connection and ends with it: its window, what the broker has in hand, and five small tasks."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from edge_agent.errors import OutboxError
from edge_agent.sending import Identity, Outgoing, PendingRow
from edge_agent.uplink.link import Inbound, Link, LinkError, Outbound, Puback
from edge_agent.uplink.record import Record
from edge_agent.uplink.settings import UplinkSettings
from edge_agent.uplink.status import Fault, UplinkState
from edge_agent.uplink.verify import Verifier
from edge_agent.uplink.window import Window
from edge_wire import codec
from edge_wire.clock import Clock
from edge_wire.errors import WireError
from edge_wire.messages import Ack, Command, DownBody, Health, Presence, Refused, Resend
from edge_wire.topics import Channel, Topic

_log = structlog.get_logger(__name__)

_NO_SUBSCRIBERS, _NOT_AUTHORISED, _FAILURE = 0x10, 0x87, 0x80
_GOODBYE_S = 2.0
# A row may be due while the broker still has it in hand; looking again is cheap, spinning is not.
_SHORTEST_WAIT_S = 0.1

MakeHealth = Callable[[], Awaitable[Health]]
"""Supplies the body of a health message; the connection's number is in ``Uplink.status``."""


@dataclass(slots=True)
class _UnderWay:
    """A row that was published on this connection and is not settled; ``in_hand`` until its PUBACK."""

    row: PendingRow
    published_ns: int
    in_hand: bool = True


class Session:
    """One connection's work. Everything runs on the event loop."""

    def __init__(
        self,
        settings: UplinkSettings,
        outgoing: Outgoing,
        clock: Clock,
        record: Record,
        verifier: Verifier,
        *,
        health: MakeHealth | None,
        health_changed: asyncio.Event,
        on_command: Callable[[Command], Awaitable[None]] | None,
    ) -> None:
        self._settings = settings
        self._outgoing = outgoing
        self._clock = clock
        self._record = record
        self._counts = record.counts
        self._verifier = verifier
        self._health = health
        self._health_changed = health_changed
        self._on_command = on_command
        self._correlation = codec.encode_connection(outgoing.epoch, record.connection)
        self._under_way: dict[Identity, _UnderWay] = {}
        self._without_puback: dict[int, Identity] = {}
        self._wake = asyncio.Event()
        self._born = asyncio.Event()
        self._goodbye: int | None = None
        self._goodbye_received = asyncio.Event()

    def will(self) -> Outbound:
        """Signed before connecting, so that the broker can publish it when we no longer can."""
        return self._presence(online=False, reason="connection lost")

    async def run(self, link: Link, stopping: asyncio.Event) -> None:
        """Work until ``stopping``; then say goodbye, also when cancelled.

        Raises:
            LinkError: the connection broke.
            OutboxError: the outbox cannot be read.
        """
        self._link = link
        size = min(self._settings.window, link.receive_maximum)
        self._window = self._record.window = Window(size, self._settings.live_share, self._clock.boot_ns())
        # Only now, and not when it is tried: a night without a broker must not fill the outbox with Statements.
        await self._enqueue_statement()
        self._announce()
        tasks = [
            asyncio.create_task(work, name=f"uplink-{name}")
            for name, work in (
                ("receive", self._receive()),
                ("send", self._send()),
                ("outbox", self._watch_outbox()),
                ("health", self._send_health()),
                ("statements", self._state_regularly()),
                ("stop", stopping.wait()),
            )
        ]
        broken = False
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            broken = any(task.exception() is not None for task in done)
            for task in done:
                task.result()
        finally:
            if not broken:
                await self._say_goodbye()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _send(self) -> None:
        while True:
            self._wake.clear()
            self._send_again()
            await self._send_more()
            due_ns = self._window.next_due_ns(self._clock.boot_ns())
            wait_s = None if due_ns is None else max(_SHORTEST_WAIT_S, (due_ns - self._clock.boot_ns()) / 1e9)
            # Not wait_for, here and elsewhere: before Python 3.12 it may swallow a cancellation.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()

    def _send_again(self) -> None:
        now_ns = self._clock.boot_ns()
        for identity in self._window.due(now_ns):
            under_way = self._under_way[identity]
            # What the broker still has in hand would, sent once more, only exceed what it allows us.
            if not under_way.in_hand:
                self._window.published_again(identity, now_ns)
                self._publish(under_way)
                self._counts["resent"] += 1

    async def _send_more(self) -> None:
        room = self._window.room()
        if not room.rows:
            return
        numbers = [under_way.row.number for under_way in self._under_way.values()]
        for row in await self._outgoing.pending(room.rows, room.ordinary, numbers):
            now_ns = self._clock.boot_ns()
            self._outgoing.published([row.identity])
            self._window.published(row.identity, live=row.urgency.live, now_ns=now_ns)
            self._under_way[row.identity] = _UnderWay(row, now_ns)
            self._publish(self._under_way[row.identity])
            self._counts["published"] += 1

    def _publish(self, under_way: _UnderWay) -> None:
        row = under_way.row
        number = self._link.publish(Outbound(self._topic(row.channel), row.envelope, self._correlation))
        under_way.in_hand = True
        self._without_puback[number] = row.identity

    async def _watch_outbox(self) -> None:
        while True:
            await self._outgoing.wait_for_rows()
            self._wake.set()

    async def _receive(self) -> None:
        dropped = 0
        while True:
            item = await self._link.receive()
            self._counts["dropped_unread"] += self._link.dropped - dropped
            dropped = self._link.dropped
            if isinstance(item, Puback):
                self._take_puback(item)
            else:
                await self._take_message(item)

    def _take_puback(self, puback: Puback) -> None:
        if puback.number == self._goodbye:
            self._goodbye_received.set()
        identity = self._without_puback.pop(puback.number, None)
        if identity in self._under_way:
            self._under_way[identity].in_hand = False
        if puback.reason == _NO_SUBSCRIBERS:
            self._counts["puback_no_subscribers"] += 1
            self._record.show(UplinkState.CONNECTED, "connected, but no collector listens at the broker", failed=True)
        elif puback.reason == _NOT_AUTHORISED:
            self._counts["puback_not_authorised"] += 1
            self._record.show(UplinkState.CONNECTED, "connected, but the broker does not let us publish", Fault.ACL)
        elif puback.reason >= _FAILURE:
            self._counts["puback_failed"] += 1
            reason = f"connected, but the broker answered 0x{puback.reason:02x}"
            self._record.show(UplinkState.CONNECTED, reason, failed=True)

    async def _take_message(self, message: Inbound) -> None:
        try:
            body = self._verifier.check(message.topic, message.payload)
        except WireError as error:
            self._counts[f"ignored_{error.reason}"] += 1
            _log.warning("ignored what is not the collector's word to us", why=error.reason, text=str(error))
            return
        try:
            await self._obey(body)
        except OutboxError as error:
            # Nothing changed: a row whose ack could not be written stays in the window, goes again, is acked again.
            self._counts["outbox_failed"] += 1
            _log.error("the outbox could not follow the collector", error=str(error))
        self._wake.set()

    async def _obey(self, body: DownBody) -> None:
        match body:
            case Ack():
                await self._take_ack(body)
            case Refused():
                refusal = await self._outgoing.refused(body.digest)
                self._counts["refused"] += refusal is not None
                if refusal is not None and refusal.parked:
                    self._window.dropped(refusal.identity)
                    self._under_way.pop(refusal.identity, None)
            case Resend():
                self._counts["requeued"] += await self._outgoing.resend(body)
            case Command(name="send_media"):
                await self._outgoing.send_media(body)
            case Command():
                await self._pass_on(body)

    async def _pass_on(self, command: Command) -> None:
        if self._on_command is None:
            _log.warning("a command that this agent does not know", name=command.name)
        else:
            await self._on_command(command)

    async def _take_ack(self, ack: Ack) -> None:
        outcome = await self._outgoing.acked(ack)
        if outcome.finding is not None:
            self._counts[f"finding_{outcome.finding.name.lower()}"] += 1
            return
        self._window.acked(outcome.settled, self._clock.boot_ns())
        published_ns: int | None = None
        for identity in outcome.settled:
            under_way = self._under_way.pop(identity, None)
            published_ns = published_ns if under_way is None else under_way.published_ns
        self._record.acked(len(outcome.settled), published_ns)
        self._announce()

    def _announce(self) -> None:
        """Publish our birth, as soon as the collector has the key that it is signed with."""
        if self._outgoing.open_acked and not self._born.is_set():
            self._link.publish(self._presence(online=True, reason=""))
            self._born.set()

    async def _send_health(self) -> None:
        await self._born.wait()
        while True:
            self._health_changed.clear()
            if self._health is not None:
                payload = self._outgoing.sign(await self._health())
                self._link.publish(Outbound(self._topic(Channel.HEALTH), payload, self._correlation, qos=0))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._settings.health_every_s):
                    await self._health_changed.wait()

    async def _state_regularly(self) -> None:
        while True:
            await asyncio.sleep(self._settings.statement_every_s)
            await self._enqueue_statement()

    async def _enqueue_statement(self) -> None:
        try:
            await self._outgoing.enqueue_statement()
        except OutboxError as error:
            # A full disk takes no Statement, but what it holds must still go out: only that makes room.
            self._counts["outbox_failed"] += 1
            _log.error("no Statement could be made", error=str(error))

    async def _say_goodbye(self) -> None:
        """Publish that we go, and give the broker a moment to confirm it; ``_receive`` is still running."""
        if self._born.is_set():
            with contextlib.suppress(TimeoutError, LinkError):
                self._goodbye = self._link.publish(self._presence(online=False, reason="shutdown"))
                async with asyncio.timeout(_GOODBYE_S):
                    await self._goodbye_received.wait()

    def _presence(self, *, online: bool, reason: str) -> Outbound:
        payload = self._outgoing.sign(Presence(self._record.connection, online, reason))
        return Outbound(self._topic(Channel.PRESENCE), payload, self._correlation, retain=True)

    def _topic(self, channel: Channel) -> str:
        return str(Topic(self._settings.agency, self._settings.device, channel))
