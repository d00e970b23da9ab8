"""What is known of one stream of one epoch, and the verdict on it, as values. Times are UTC nanoseconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from collector.ledger.runs import Runs


class Word(StrEnum):
    """PROTOCOL's verdicts on a stream."""

    COMPLETE = "complete"
    IN_FLIGHT = "in flight"
    UNKNOWN = "unknown"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Stated:
    """What the device's latest Statement that names the stream says of it.

    Attributes:
        next_sequence: the first sequence that was not given yet.
        pending: how many rows waited on the device.
        lowest_pending: the first of them; 0 when none waited.
        at_ns: when that Statement came.
        is_latest: whether the device has sent no later Statement. A later one that is silent about a stream says that
            nothing of it waits any more.
    """

    next_sequence: int
    pending: int
    lowest_pending: int
    at_ns: int
    is_latest: bool = True


@dataclass(frozen=True, slots=True)
class Closing:
    """What the Opens of later epochs say of a stream that is no longer written.

    Attributes:
        last: its last sequence, as the next epoch's Open names it; None where that Open could not know.
        reserved_to: the sequences that the journal had reserved, where the outbox was corrupt: no row lies beyond.
        outbox_lost: the outbox that held the stream's rows was corrupt, now or in a later epoch, and no Statement has
            named the stream since: what had not come may be gone.
        stated_since: whether the device has sent a Statement since that next epoch was opened.
    """

    last: int | None = None
    reserved_to: int | None = None
    outbox_lost: bool = False
    stated_since: bool = False


@dataclass(frozen=True, slots=True)
class Lost:
    """A run of sequences that a loss record names."""

    first: int
    last: int
    reason: str


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """Everything that the store knows of one stream of one epoch.

    Attributes:
        device: whose it is.
        epoch: which opening of the outbox.
        stream: ``edge_wire.messages.Stream``.
        first: the lowest sequence that is here; None if none is.
        last: the highest.
        stored: how many are stored.
        dead_lettered: how many went to the dead letters.
        redelivered: how often one of them came again.
        gaps: sequences from 1 to ``known_end`` that are not here, whether or not a loss record names them.
        lost: what loss records name, also what is here nevertheless.
        uncommitted: detections that failed before they had a sequence, by reason.
        stated: the device's latest word on it.
        closing: what later epochs say, None while it is the device's newest epoch.
        conflicts: how often another payload came under an identity that is here.
        cloned_or_restored: whether another epoch of the device names the same predecessor.
    """

    device: str
    epoch: int
    stream: int
    first: int | None = None
    last: int | None = None
    stored: int = 0
    dead_lettered: int = 0
    redelivered: int = 0
    gaps: Runs = ()
    lost: tuple[Lost, ...] = ()
    uncommitted: Mapping[str, int] | None = None
    stated: Stated | None = None
    closing: Closing | None = None
    conflicts: int = 0
    cloned_or_restored: bool = False


@dataclass(frozen=True, slots=True)
class Account:
    """One stream's line in the ledger.

    Attributes:
        facts: what it is judged by.
        word: the verdict.
        missing: sequences that the device has sent or dropped, which are neither here nor named as lost.
        missing_among: sequences of which at least ``missing_at_least`` are missing too, and the others may be waiting.
        missing_at_least: how many of ``missing_among``.
        in_flight: how many rows may still be under way, as far as is known.
        unknown_at_most: how many rows may have been lost with a corrupt outbox.
        lost_by_reason: how many rows will never come, by the reason that loss records give; not what is here.
        beyond_statement: how many sequences past the device's last word on the stream have come or been named.
    """

    facts: StreamFacts
    word: Word
    missing: Runs
    missing_among: Runs
    missing_at_least: int
    in_flight: int
    unknown_at_most: int
    lost_by_reason: Mapping[str, int]
    beyond_statement: int

    @property
    def wrong(self) -> bool:
        """Whether somebody should look: rows are missing, or identities contradict each other."""
        return self.word is Word.MISSING or self.facts.conflicts > 0 or self.facts.cloned_or_restored

    @property
    def verdict(self) -> str:
        """The verdict in PROTOCOL's words."""
        return f"unknown, at most {self.unknown_at_most}" if self.word is Word.UNKNOWN else str(self.word)
