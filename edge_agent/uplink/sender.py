"""Which rows go out now over one connection, and which again: as the window and the pace allow and the broker confirms.

Everything runs on the event loop; ``run`` is one task of the connection's session.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edge_agent.sending import Identity, Outgoing, PendingRow, Urgency
from edge_agent.uplink.carried import header_bytes
from edge_agent.uplink.data_use import DataMeter
from edge_agent.uplink.link import Link, Outbound, Puback
from edge_agent.uplink.pace import IN_HAND_BYTES, Pace
from edge_agent.uplink.record import Record
from edge_agent.uplink.settings import UplinkSettings
from edge_agent.uplink.traffic import DOWN, OVERHEAD, sent_bytes, word_for
from edge_agent.uplink.window import Room, Window
from edge_wire.clock import Clock
from edge_wire.messages import Ack
from edge_wire.topics import Topic

# A row may be due while the broker still has it in hand; looking again is cheap, spinning is not.
_SHORTEST_WAIT_S = 0.1
_HEADER_BYTES = header_bytes(socket.AF_INET)
# Metered: 4 KB of a picture and its envelope. What is larger goes when somebody asks for it.
_METERED_MEDIA_BYTES = 4_096 + 512
# So many are asked around; beyond, other media waits for the next connection. Nothing else comes after it.
_MOST_WITHHELD = 1_000
_TYPICAL_BYTES = 1_024


@dataclass(slots=True)
class _UnderWay:
    """A row that was published on this connection and is not settled; ``in_hand`` until its PUBACK."""

    row: PendingRow
    message: Outbound
    size_bytes: int
    word: str
    published_ns: int
    in_hand: bool = True


class Sender:
    """The rows of one connection.

    Args:
        settings: how hard to try, and what may be spent.
        outgoing: the outbox.
        clock: the machine's clocks.
        record: where counts and the window are seen.
        meter: counts the bytes.
        link: the open connection.
        correlation: names the connection on everything that is published.
        changed: called when the collector has fallen silent or acks again.
        unread: whether messages have come that were not followed yet; acks may be among them.
    """

    def __init__(
        self,
        settings: UplinkSettings,
        outgoing: Outgoing,
        clock: Clock,
        record: Record,
        meter: DataMeter,
        link: Link,
        correlation: bytes,
        changed: Callable[[], None],
        unread: Callable[[], bool] = lambda: False,
    ) -> None:
        self._settings = settings
        self._outgoing = outgoing
        self._clock = clock
        self._record = record
        self._counts = record.counts
        self._meter = meter
        self._link = link
        self._correlation = correlation
        self._changed = changed
        self._unread = unread
        now_ns = clock.boot_ns()
        self._pace = Pace(settings.max_kbps, now_ns)
        size = min(settings.window, link.receive_maximum)
        self._window = record.window = Window(size, settings.live_share, now_ns)
        self._under_way: dict[Identity, _UnderWay] = {}
        self._without_puback: dict[int, tuple[Identity, int]] = {}
        self._withheld: set[int] = set()
        self._typical_bytes = _TYPICAL_BYTES
        self._held_by_hand = False
        self._held_s: float | None = None
        self._attributed_bytes = 0
        self._overhead_bytes = 0
        self._down_bytes = 0
        self._wake = asyncio.Event()

    @property
    def idle(self) -> bool:
        """Whether everything that was published is acked."""
        return not self._under_way

    def wake(self) -> None:
        """Look again what may go: rows were added, or something was settled."""
        self._wake.set()

    def ask_anew(self) -> None:
        """Look again at what was withheld: some of it may now be asked for."""
        self._withheld.clear()

    async def run(self) -> None:
        """Send what is due and what is new, for ever.

        Raises:
            LinkError: the connection broke.
            OutboxError: the outbox cannot be read.
        """
        while True:
            self._wake.clear()
            self._held_s = None
            if not self._unread():  # a slow disk of our own is no reason to send everything twice
                self._send_again()
            await self._send_more()
            if self._record.look():
                self._changed()
            # Not wait_for, here and elsewhere: before Python 3.12 it may swallow a cancellation.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._idle_s()):
                    await self._wake.wait()

    def _idle_s(self) -> float | None:
        """How long there is nothing to do unless something comes; None for ever."""
        now_ns, unacked_ns = self._clock.boot_ns(), self._record.unacked_due_ns
        times_ns = [] if (due_ns := self._window.next_due_ns(now_ns)) is None else [due_ns]
        times_ns += [unacked_ns] if unacked_ns is not None and unacked_ns > now_ns else []
        waits_s = [(at_ns - now_ns) / 1e9 for at_ns in times_ns]
        waits_s += [] if self._held_s is None else [self._held_s]
        return max(_SHORTEST_WAIT_S, min(waits_s)) if waits_s else None

    def _send_again(self) -> None:
        now_ns = self._clock.boot_ns()
        for identity in self._window.due(now_ns):
            under_way = self._under_way[identity]
            # What the broker still has in hand would, sent once more, only exceed what it allows us.
            if not under_way.in_hand and self._may_go(under_way.row.urgency, under_way.size_bytes):
                self._window.published_again(identity, now_ns)
                self._publish(under_way)
                self._counts["resent"] += 1

    async def _send_more(self) -> None:
        while (room := self._window.room()).rows:
            asked = self._asked(room)
            numbers = [under_way.row.number for under_way in self._under_way.values()]
            rows = await self._outgoing.pending(asked.rows, asked.ordinary, [*numbers, *self._withheld])
            withheld = len(self._withheld)
            for row in rows:
                if not self._offer(row):
                    return
            # What came is all there is, unless less was asked for than there is room for.
            ordinary = sum(not row.urgency.live for row in rows)
            whole = asked == room or ordinary < asked.ordinary or not asked.ordinary
            if whole and len(self._withheld) == withheld:
                return

    def _asked(self, room: Room) -> Room:
        """Ask for no more rows that nobody waits for than may be handed over: each is read from the disk for it."""
        free_bytes = self._pace.room_bytes(Urgency.OTHER_MEDIA)
        self._held_by_hand = free_bytes <= 0
        return Room(room.rows, min(room.ordinary, max(0, -(-free_bytes // self._typical_bytes))))

    def _offer(self, row: PendingRow) -> bool:
        """Publish a row for the first time, or say that it is not its time."""
        if self._settings.metered and _is_large(row):
            self._withheld.add(row.number)
            return len(self._withheld) < _MOST_WITHHELD
        topic = Topic(self._settings.agency, self._settings.device, row.channel)
        message = Outbound(str(topic), row.envelope, self._correlation)
        size_bytes = sent_bytes(message)
        if not self._may_go(row.urgency, size_bytes):
            return False
        if not row.urgency.live:
            self._typical_bytes += (size_bytes - self._typical_bytes) // 4
        now_ns = self._clock.boot_ns()
        self._outgoing.published([row.identity])
        self._window.published(row.identity, live=row.urgency.live, now_ns=now_ns)
        self._under_way[row.identity] = _UnderWay(row, message, size_bytes, word_for(row.envelope), now_ns)
        self._publish(self._under_way[row.identity])
        self._counts["published"] += 1
        return True

    def _may_go(self, urgency: Urgency, size_bytes: int) -> bool:
        on_wire_bytes, now_ns = size_bytes + _HEADER_BYTES, self._clock.boot_ns()
        if self._pace.allows(urgency, on_wire_bytes, now_ns):
            return True
        wait_s = self._pace.wait_s(urgency, on_wire_bytes, now_ns)
        if wait_s:
            self._held_s = wait_s if self._held_s is None else min(self._held_s, wait_s)
        else:
            self._held_by_hand = True
        return False

    def _publish(self, under_way: _UnderWay) -> None:
        number = self._link.publish(under_way.message)
        under_way.in_hand = True
        on_wire_bytes = under_way.size_bytes + _HEADER_BYTES
        self._pace.handed_over(on_wire_bytes)
        self._without_puback[number] = under_way.row.identity, on_wire_bytes
        self._count(under_way.word, under_way.size_bytes)

    def publish_aside(self, message: Outbound, word: str) -> int:
        """Publish what is no row: it is never held up.

        Raises:
            LinkError: the connection is gone.
        """
        number = self._link.publish(message)
        size_bytes = sent_bytes(message)
        self._pace.spent(size_bytes + _HEADER_BYTES)
        self._count(word, size_bytes)
        return number

    def _count(self, word: str, size_bytes: int) -> None:
        self._attributed_bytes += size_bytes
        self._meter.add(word, size_bytes)

    def confirmed(self, puback: Puback) -> None:
        """Note that the broker has a publication in hand no more."""
        identity, size_bytes = self._without_puback.pop(puback.number, (None, 0))
        self._pace.confirmed(size_bytes)
        if identity in self._under_way:
            self._under_way[identity].in_hand = False
        if self._held_by_hand and self._pace.in_hand_bytes <= IN_HAND_BYTES // 2:
            self._held_by_hand = False
            self._wake.set()

    def acked(self, ack: Ack, settled: Sequence[Identity]) -> int | None:
        """Note what a verified ack settled; return when one of the rows was published first, None if none was here."""
        self._window.acked(settled, self._clock.boot_ns())
        published_ns: int | None = None
        for identity in settled:
            under_way = self._under_way.pop(identity, None)
            published_ns = published_ns if under_way is None else under_way.published_ns
        if sum(last + 1 - first for first, last in ack.ranges) > len(settled):
            # What it names beyond that is not pending any more, evicted perhaps: it must not hold its place for ever.
            for identity in [identity for identity in self._under_way if _names(ack, identity)]:
                self.forget(identity)
        return published_ns

    def forget(self, identity: Identity) -> None:
        """Note that a row is not to be sent any more."""
        self._window.dropped(identity)
        self._under_way.pop(identity, None)

    def measure(self, *, ended: bool = False) -> None:
        """Count what the connection carried beside the messages that are counted already.

        Args:
            ended: nothing more will go out; what was handed over and never left is taken back.
        """
        carried = self._link.carried()
        overhead_bytes = carried.up_bytes - self._attributed_bytes
        if ended or overhead_bytes > self._overhead_bytes:
            self._meter.add(OVERHEAD, overhead_bytes - self._overhead_bytes)
            self._overhead_bytes = overhead_bytes
        self._meter.add(DOWN, carried.down_bytes - self._down_bytes)
        self._down_bytes = carried.down_bytes
        self._pace.measured(carried.up_bytes)


def _is_large(row: PendingRow) -> bool:
    return row.urgency is Urgency.OTHER_MEDIA and len(row.envelope) > _METERED_MEDIA_BYTES


def _names(ack: Ack, identity: Identity) -> bool:
    if (ack.of_epoch, ack.stream) != (identity.epoch, identity.stream):
        return False
    return any(first <= identity.sequence <= last for first, last in ack.ranges)
