"""What can be wrong with an outbox, in words that a person and a change report can carry."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum

from edge_agent.outbox.settings import OutboxSettings

EVICTING_FOR_NS = 600_000_000_000
"""Evicting counts as going on for so long after unsent rows were last evicted: it comes in bursts."""

FOUND_AT_OPENING = "found_at_opening"
QUOTA, FLOOR, BALLAST = "quota_bytes", "free_floor_bytes", "ballast_bytes"
EVICTED_AT = "evicted_boot_ns"


class Condition(StrEnum):
    """One thing that is wrong now, worst first. Each is at most 64 characters, and is never renamed."""

    DISK_FULL = "disk full"
    """A write found no room, and the ballast is not held."""
    NOT_KEPT = "detections not kept"
    """Some could not be stored, and no loss record could be written yet that says so."""
    EVICTING = "evicting"
    """Unsent rows were given up within the last ten minutes; the loss records name them."""
    OVER_QUOTA = "over quota"
    SCARCE = "free space below the floor"
    SET_ASIDE = "corrupt database set aside"
    """When this epoch began; its Open states the bound."""
    TAIL_LOST = "corrupt tail"
    """The last rows before this epoch may be missing; its Open states the bound."""
    JOURNAL_SET_ASIDE = "corrupt journal set aside"
    """When this epoch began."""


def worst_first(conditions: Iterable[Condition]) -> tuple[Condition, ...]:
    """Put conditions in the order in which they are declared, each once."""
    found = set(conditions)
    return tuple(condition for condition in Condition if condition in found)


def opening_facts(settings: OutboxSettings, found: Iterable[Condition]) -> Sequence[tuple[str, int | str]]:
    """What an opening leaves in the table of facts, for who looks at the outbox from outside."""
    return (
        (FOUND_AT_OPENING, ",".join(sorted(found))),
        (QUOTA, settings.quota_bytes),
        (FLOOR, settings.free_floor_bytes),
        (BALLAST, settings.ballast_bytes),
    )
