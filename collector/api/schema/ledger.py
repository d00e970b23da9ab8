"""The loss ledger: what of each stream is here, and what became of the rest."""

from typing import Annotated, Literal

from pydantic import Field

from collector.api.schema.base import Model, Time

Run = Annotated[tuple[int, int], Field(description="first and last sequence, both included")]


class Stated(Model):
    """A device's latest word on one of its streams."""

    next: Annotated[int, Field(description="the first sequence that was not given yet")]
    pending: Annotated[int, Field(description="how many rows waited on the device")]
    lowest_pending: Annotated[int, Field(description="the first of them; 0 when none waited")]
    at: Annotated[Time, Field(description="when that Statement came")]


class LossRecord(Model):
    """Sequences that a device says will never come."""

    first: int
    last: int
    reason: Annotated[str, Field(description="`evicted`, `expired`, `corrupt`, `refused` or `discarded`")]


class Account(Model):
    """One stream of one epoch (one opening of a device's outbox)."""

    device: str
    epoch: Annotated[str, Field(description="decimal; a number of 63 bits, which JavaScript would round")]
    stream: Literal["detection", "media", "report"]
    first: Annotated[int | None, Field(description="the lowest sequence that is here")]
    last: Annotated[int | None, Field(description="the highest")]
    received: Annotated[int, Field(description="how many are here: stored and dead-lettered")]
    stored: int
    dead_lettered: int
    redelivered: Annotated[int, Field(description="how often one that was here came again")]
    gaps: Annotated[list[Run], Field(description="what is not here, whether or not a loss record names it")]
    loss_records: list[LossRecord]
    lost: Annotated[dict[str, int], Field(description="rows that will never come, by reason")]
    uncommitted: Annotated[
        dict[str, int], Field(description="detections that failed before they had a sequence, by reason")
    ]
    in_flight: Annotated[int, Field(description="rows that the device may still hold")]
    missing: Annotated[list[Run], Field(description="what the device holds no longer, and is nowhere")]
    missing_among: Annotated[list[Run], Field(description="of these at least `missing_at_least` are missing too")]
    missing_at_least: int
    unknown_at_most: Annotated[int, Field(description="rows that a corrupt outbox may have lost")]
    beyond_statement: Annotated[int, Field(description="sequences past the device's last word on the stream")]
    stated: Stated | None
    identity_conflicts: Annotated[int, Field(description="payloads that came under an identity of another")]
    cloned_or_restored: Annotated[bool, Field(description="another epoch names the same predecessor")]
    word: Literal["complete", "in flight", "missing", "unknown"]
    verdict: Annotated[str, Field(description="`word`; of `unknown` also the bound: `unknown, at most 12`")]


class Ledger(Model):
    """What is known of every stream, by device and epoch."""

    streams: list[Account]
