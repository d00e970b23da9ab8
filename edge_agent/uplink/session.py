"""What belongs to one connection and ends with it: whose word is followed, and what is said beside the rows.

The rows themselves are ``Sender``'s. Messages from the broker are taken at once, so that PUBACKs never wait behind a
disk, and followed in their order; acks that came together share a commit.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from itertools import groupby
from typing import Any

import structlog

from edge_agent.errors import OutboxError
from edge_agent.sending import Outgoing
from edge_agent.uplink.data_use import DataMeter
from edge_agent.uplink.link import Inbound, Link, LinkError, Outbound, Puback
from edge_agent.uplink.record import Record
from edge_agent.uplink.sender import Sender
from edge_agent.uplink.settings import UplinkSettings
from edge_agent.uplink.status import Fault, UplinkState
from edge_agent.uplink.verify import Verifier
from edge_wire import codec
from edge_wire.clock import Clock
from edge_wire.errors import WireError
from edge_wire.messages import Ack, Command, DownBody, Health, Presence, Refused, Resend
from edge_wire.topics import Channel, Topic

_log = structlog.get_logger(__name__)

_NO_SUBSCRIBERS, _NOT_AUTHORISED, _FAILURE = 0x10, 0x87, 0x80
_GOODBYE_S = 2.0
_MOST_UNREAD = 1_000
# Acks that came together are written together: a commit for each would be slower than a collector that acks row by row.
_MOST_AT_ONCE = 100

MakeHealth = Callable[[], Awaitable[Health]]
"""Supplies the body of a health message; the connection's number is in ``Uplink.status``."""


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
        meter: DataMeter,
        last_word: Callable[[], str],
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
        self._meter = meter
        self._last_word = last_word
        self._correlation = codec.encode_connection(outgoing.epoch, record.connection)
        self._messages: asyncio.Queue[Inbound] = asyncio.Queue(_MOST_UNREAD)
        self._born = asyncio.Event()
        self._all_acked = asyncio.Event()
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
        self._sender = Sender(
            self._settings,
            self._outgoing,
            self._clock,
            self._record,
            self._meter,
            link,
            self._correlation,
            self._health_changed.set,
            lambda: not self._messages.empty(),
        )
        # Only now, and not when it is tried: a night without a broker must not fill the outbox with Statements.
        await self._enqueue_statement()
        self._announce()
        works: dict[str, Coroutine[Any, Any, object]] = {
            "receive": self._receive(),
            "obey": self._obey_in_turn(),
            "send": self._sender.run(),
            "outbox": self._watch_outbox(),
            "statements": self._state_regularly(),
            "stop": stopping.wait(),
        }
        if self._health is not None:
            works["health"] = self._send_health(self._health)
        tasks = [asyncio.create_task(work, name=f"uplink-{name}") for name, work in works.items()]
        failures: list[BaseException] = []
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            failures = [error for task in done if (error := task.exception()) is not None]
            for task in done:
                task.result()
        finally:
            if not failures:
                await self._state_at_last()
                await self._say_goodbye(self._last_word())
            elif not any(isinstance(error, LinkError) for error in failures):
                # The link is whole and will be closed in order: without a word of ours the broker drops the will, and
                # the collector goes on taking this device for online.
                await self._say_goodbye("the agent could not go on; see its log")
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def measure(self, *, ended: bool = False) -> None:
        """Count what the connection carried; see ``Sender.measure``."""
        self._sender.measure(ended=ended)

    async def _watch_outbox(self) -> None:
        while True:
            await self._outgoing.wait_for_rows()
            self._sender.wake()

    async def _receive(self) -> None:
        dropped = 0
        while True:
            item = await self._link.receive()
            self._counts["dropped_unread"] += self._link.dropped - dropped
            dropped = self._link.dropped
            if isinstance(item, Puback):
                self._take_puback(item)
            elif self._messages.full():
                self._counts["dropped_unread"] += 1
            else:
                self._messages.put_nowait(item)

    def _take_puback(self, puback: Puback) -> None:
        if puback.number == self._goodbye:
            self._goodbye_received.set()
        self._sender.confirmed(puback)
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

    async def _obey_in_turn(self) -> None:
        while True:
            messages = [await self._messages.get()]
            while len(messages) < _MOST_AT_ONCE and not self._messages.empty():
                messages.append(self._messages.get_nowait())
            bodies = [body for message in messages if (body := self._verified(message)) is not None]
            for store_id, together in groupby(bodies, lambda body: body.store_id if isinstance(body, Ack) else None):
                for body in together:
                    await self._follow(self._obey(body))
                    if store_id is not None:  # the first tells the outbox which store it is, the rest may go at once
                        acks = [ack for ack in together if isinstance(ack, Ack)]
                        await asyncio.gather(*(self._follow(self._take_ack(ack)) for ack in acks))
            self._sender.wake()

    def _verified(self, message: Inbound) -> DownBody | None:
        try:
            return self._verifier.check(message.topic, message.payload)
        except WireError as error:
            self._counts[f"ignored_{error.reason}"] += 1
            _log.warning("ignored what is not the collector's word to us", why=error.reason, text=str(error))
            return None

    async def _follow(self, work: Awaitable[None]) -> None:
        try:
            await work
        except OutboxError as error:
            # Nothing changed: a row whose ack could not be written stays in the window, goes again, is acked again.
            self._counts["outbox_failed"] += 1
            _log.error("the outbox could not follow the collector", error=str(error))

    async def _obey(self, body: DownBody) -> None:
        match body:
            case Ack():
                await self._take_ack(body)
            case Refused():
                refusal = await self._outgoing.refused(body.digest)
                self._counts["refused"] += refusal is not None
                if refusal is not None and refusal.parked:
                    self._sender.forget(refusal.identity)
            case Resend():
                self._counts["requeued"] += await self._outgoing.resend(body)
            case Command(name="send_media"):
                await self._outgoing.send_media(body)
                self._sender.ask_anew()
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
            self._record.found(outcome.finding)
            return
        published_ns = self._sender.acked(ack, outcome.settled)
        if self._sender.idle:
            self._all_acked.set()
        self._record.acked(len(outcome.settled), published_ns)
        self._announce()

    def _announce(self) -> None:
        """Publish our birth, as soon as the collector has the key that it is signed with."""
        if self._outgoing.open_acked and not self._born.is_set():
            self._sender.publish_aside(self._presence(online=True, reason=""), "presence")
            self._born.set()

    async def _send_health(self, health: MakeHealth) -> None:
        await self._born.wait()
        while True:
            if self._settings.metered:
                await asyncio.sleep(self._too_early_for_health_s())
            self._health_changed.clear()
            payload = self._outgoing.sign(await health())
            message = Outbound(self._topic(Channel.HEALTH), payload, self._correlation, qos=0)
            self._sender.publish_aside(message, "health")
            self._record.health_sent_ns = self._clock.boot_ns()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._settings.health_interval_s):
                    await self._health_changed.wait()

    def _too_early_for_health_s(self) -> float:
        sent_ns = self._record.health_sent_ns
        if sent_ns is None:
            return 0.0
        return max(0.0, self._settings.health_interval_s - (self._clock.boot_ns() - sent_ns) / 1e9)

    async def _state_regularly(self) -> None:
        while True:
            await asyncio.sleep(self._settings.statement_every_s)
            await self._enqueue_statement()

    async def _enqueue_statement(self) -> bool:
        """Enqueue one if that is possible; whether it was."""
        try:
            await self._outgoing.enqueue_statement()
        except OutboxError as error:
            # A full disk takes no Statement, but what it holds must still go out: only that makes room.
            self._counts["outbox_failed"] += 1
            _log.error("no Statement could be made", error=str(error))
            return False
        return True

    async def _state_at_last(self) -> None:
        """Leave nothing open: once all else is acked, a last Statement lets the ledger say that this epoch is whole."""
        if self._outgoing.open_acked and self._sender.idle:
            self._all_acked.clear()
            if not await self._enqueue_statement():
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_GOODBYE_S):
                    await self._all_acked.wait()

    async def _say_goodbye(self, why: str) -> None:
        """Publish that we go, and give the broker a moment to confirm it; ``_receive`` is still running."""
        if self._born.is_set():
            with contextlib.suppress(TimeoutError, LinkError):
                last_word = self._presence(online=False, reason=why)
                self._goodbye = self._sender.publish_aside(last_word, "presence")
                async with asyncio.timeout(_GOODBYE_S):
                    await self._goodbye_received.wait()

    def _presence(self, *, online: bool, reason: str) -> Outbound:
        payload = self._outgoing.sign(Presence(self._record.connection, online, reason))
        return Outbound(self._topic(Channel.PRESENCE), payload, self._correlation, retain=True)

    def _topic(self, channel: Channel) -> str:
        return str(Topic(self._settings.agency, self._settings.device, channel))
