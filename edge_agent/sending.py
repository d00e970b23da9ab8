"""What the outbox and the uplink say to each other, so that neither needs to know the other.

The outbox owns rows and order, the uplink the connection and the window. ``Outgoing`` is the whole port between them;
everything on it is called from the agent's event loop.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import NamedTuple, Protocol

from edge_wire.messages import Ack, Command, Health, Presence, Resend, Stream
from edge_wire.topics import Channel


class Identity(NamedTuple):
    """Names a row for ever, together with the device: never reused, not even for a row that was deleted."""

    epoch: int
    stream: Stream
    sequence: int


class Urgency(IntEnum):
    """The order of sending, most urgent first. Stored in the outbox: values are never renumbered."""

    OPEN = 0
    SHOT = 1
    LIVE_READ = 2
    ASKED_MEDIA = 3
    REPORT = 4
    BACKLOG = 5
    """A read that waited too long to be live; newest first among themselves."""
    OTHER_MEDIA = 6

    @property
    def live(self) -> bool:
        """Whether somebody may be waiting for it: such rows have a part of the window to themselves."""
        return self <= Urgency.ASKED_MEDIA


@dataclass(frozen=True, slots=True)
class PendingRow:
    """One row as it is to be published.

    Attributes:
        number: the outbox's own number for the row, by which the uplink says what it already has under way.
        identity: epoch, stream and sequence.
        urgency: its place in the order as of now.
        channel: where it is published; its signature holds on no other.
        envelope: the signed bytes.
    """

    number: int
    identity: Identity
    urgency: Urgency
    channel: Channel
    envelope: bytes


class AckFinding(StrEnum):
    """Why an ack was not applied. Each is counted and logged; none changes a row."""

    UNKNOWN_EPOCH = "ack names an epoch that this outbox does not hold"
    BEYOND_COUNTER = "ack names sequences that were never assigned"
    SUPERSEDED_STORE = "ack comes from a store that another one replaced on this connection"
    OPEN_REJECTED = "the collector dead-lettered an Open: nothing else of that epoch can be sent"


@dataclass(frozen=True, slots=True)
class AckOutcome:
    """What an ack changed: the rows that left the queue, or why none did."""

    settled: tuple[Identity, ...]
    finding: AckFinding | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a Refused changed. An Open or a loss record is never parked, but kept and tried again."""

    identity: Identity
    parked: bool


class Outgoing(Protocol):
    """What the uplink needs of an outbox. Methods that write raise ``OutboxError`` and have then changed nothing."""

    @property
    def epoch(self) -> int:
        """The epoch that this process opened."""
        ...

    @property
    def open_acked(self) -> bool:
        """Whether the collector has this epoch's key; nothing but its Open is published before."""
        ...

    def begin_connection(self) -> int:
        """Note that a connection is tried, and return its number within the epoch, from 1."""
        ...

    async def enqueue_statement(self) -> None:
        """Enqueue what every open stream holds; once for each connection that came about, and hourly."""
        ...

    async def pending(self, room: int, ordinary_room: int, without: Collection[int]) -> Sequence[PendingRow]:
        """Return the next rows in sending order.

        Args:
            room: how many at most.
            ordinary_room: how many of them may be rows whose urgency is not live.
            without: numbers of rows that are under way already.
        """
        ...

    def published(self, identities: Iterable[Identity]) -> None:
        """Note that these are about to be on their way: only such rows can be acked."""
        ...

    async def acked(self, ack: Ack) -> AckOutcome:
        """Apply a verified ack."""
        ...

    async def refused(self, digest: bytes) -> Refusal | None:
        """Apply a verified Refused; None when no pending row has exactly these bytes."""
        ...

    async def resend(self, resend: Resend) -> int:
        """Put rows that are still held back into the queue; return how many."""
        ...

    async def send_media(self, command: Command) -> None:
        """Enqueue the files that a verified command asks for, or the answer that they are no longer held."""
        ...

    def sign(self, body: Health | Presence) -> bytes:
        """Return an unsequenced message, signed by the epoch's key, captured now."""
        ...

    async def wait_for_rows(self) -> None:
        """Return when rows may have been added since the last return."""
        ...
