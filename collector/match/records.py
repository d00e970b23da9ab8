"""What goes into the matching engine and what comes out of it. Frozen values; safe to share between threads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from collector.domain import Rule

MATCHER_VERSION = "m3"
"""Names the rules by which hits are made: the same read, lists and version give the same hits."""

Step = Literal["same", "other", "missing", "extra"]
"""What one column of an alignment is: the entry's character is the likeliest one that was read; another was likelier;
the entry has a character that the read lacks; the read has one that the entry lacks."""


class ListedPlate(NamedTuple):
    """What matching needs of a hotlist entry. A tuple, for there are millions of them.

    Attributes:
        entry_id: the store's number of the entry.
        list: the hotlist's name.
        plate: normalised, or a pattern.
        region: ISO 3166 code; None for any.
        is_pattern: whether ``plate`` is a pattern (``patterns.parse``).
        effective_ns: UTC from which it counts; None for always.
        expires_ns: UTC from which it no longer counts; None for never.
        category: the code of what is wanted.
        reference: the source's own number of it.
    """

    entry_id: int
    list: str
    plate: str
    region: str | None
    is_pattern: bool = False
    effective_ns: int | None = None
    expires_ns: int | None = None
    category: str = "other"
    reference: str = ""


class ListState(NamedTuple):
    """How a list stands.

    Attributes:
        version: in force.
        confirmed_at_ns: UTC, when its source last said that it is so: an import or a snapshot.
    """

    version: int
    confirmed_at_ns: int


@dataclass(frozen=True, slots=True)
class Seen:
    """What the camera saw, as one revision of a read has it.

    Attributes:
        text: the likeliest reading.
        slots: for each character slot the likely characters with probability, likeliest first; ``_`` is no character.
        regions: ISO 3166 codes with probability, likeliest first; empty when there is no evidence.
        calibration: by what the probabilities were calibrated; ``raw-…`` by nothing, None where it is not told.
    """

    text: str
    slots: tuple[tuple[tuple[str, float], ...], ...]
    regions: tuple[tuple[str, float], ...]
    calibration: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """One column of the alignment of a read and an entry.

    Attributes:
        read: the likeliest character there; "" where none was read.
        read_p: its probability.
        entry: the entry's character; "" where it has none.
        entry_p: its probability by the same read.
        step: what the column is.
    """

    read: str
    read_p: float
    entry: str
    entry_p: float
    step: Step


@dataclass(frozen=True, slots=True)
class Hit:
    """The matcher's claim that what was seen is an entry.

    Attributes:
        listed: the entry.
        rule: what let it through.
        probability: P(the plate is this entry | what was seen).
        calibrated: whether that is known to be a probability: the read's calibration is a known one.
        threshold: what the probability had to reach, by list and camera.
        alignment: character by character; of a pattern with the likeliest plate that it fits.
        otherwise: what would have been read otherwise, with probability, likeliest first, at most five.
        why: the reasons, one sentence each.
        list_version: the version of the entry's list.
        list_age_ns: since the list was last confirmed; None where that is not known.
        matcher: the matcher's version and its parameters'.
    """

    listed: ListedPlate
    rule: Rule
    probability: float
    calibrated: bool
    threshold: float
    alignment: tuple[Place, ...]
    otherwise: tuple[tuple[str, float], ...]
    why: tuple[str, ...]
    list_version: int
    list_age_ns: int | None
    matcher: str


class Matched(NamedTuple):
    """What came of one read.

    Attributes:
        hits: those that are let through, best first.
        demoted_by: the numbers of the exclusions that held back a hit, ascending.
    """

    hits: tuple[Hit, ...]
    demoted_by: tuple[int, ...]
