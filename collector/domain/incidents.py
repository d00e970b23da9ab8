"""Shot incidents: arrivals that belong together, where they were fired, and what people made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from collector.domain.reads import Read

Confidence = Literal["high", "medium", "low"]
RegionKind = Literal["ellipse", "band", "zone"]


class Stage(StrEnum):
    """How far an incident has come."""

    RAW = "raw"
    """Heard, without a point."""
    LOCATED = "located"
    """With a point, while whoever may have heard it could still tell."""
    REVISED = "revised"
    """Changed by what came after that: a device that was cut off, a recording played later."""
    REVIEWED = "reviewed"
    """A person has given a verdict."""


class VerdictWord(StrEnum):
    """What a person says it was."""

    GUNSHOT = "gunshot"
    PROBABLE = "probable"
    FIREWORKS = "fireworks"
    OTHER = "other"
    UNSURE = "unsure"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A person's word.

    Attributes:
        verdict: what it was.
        what: in their own words, for ``other``.
        by: who.
        at_ns: when.
    """

    verdict: VerdictWord
    what: str | None
    by: str
    at_ns: int


@dataclass(frozen=True, slots=True)
class Ellipse:
    """Around a location: half axes, and the longer one's direction clockwise from north."""

    semi_major_m: float
    semi_minor_m: float
    azimuth_deg: float


@dataclass(frozen=True, slots=True)
class Location:
    """Where it was fired: WGS 84, with what holds half of such points and 95 % of them."""

    latitude: float
    longitude: float
    ellipse50: Ellipse
    ellipse95: Ellipse


@dataclass(frozen=True, slots=True)
class Region:
    """Where it was fired as far as that can be told: ``kind`` is ellipse, band (two sites) or zone (one).

    ``outline`` is a polygon of latitude and longitude.
    """

    kind: RegionKind
    outline: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Sensor:
    """A microphone that heard the incident.

    Attributes:
        device: whose it is.
        microphone: which.
        latitude: where it stands; None if that is not known.
        longitude: likewise.
        used: whether the location rests on it.
        why: why not.
        residual_ms: how much later than the location says it heard the rounds, on average.
        distance_m: from the location.
        shots: the shots that it heard, in order of time.
        clip_sha256: of what people listen to first.
        clip_here: whether that file is here.
        recording_sha256: of the same seconds as they were heard.
        recording_here: whether that file is here.
    """

    device: str
    microphone: str
    latitude: float | None
    longitude: float | None
    used: bool
    why: str | None
    residual_ms: float | None
    distance_m: float | None
    shots: tuple[int, ...]
    clip_sha256: bytes | None
    clip_here: bool
    recording_sha256: bytes | None
    recording_here: bool


@dataclass(frozen=True, slots=True)
class Silent:
    """A device that listened within earshot and heard nothing; ``expected`` is how likely it should have heard it."""

    device: str
    latitude: float
    longitude: float
    expected: float


@dataclass(frozen=True, slots=True)
class NearbyRead:
    """A plate read near an incident in place and time.

    Attributes:
        read: the read.
        distance_m: from the location to the device that read it.
        offset_ns: when the plate was first readable, less when the first round was fired.
        held_until_ns: until when retention leaves it, for this incident.
        provisional: whether that is only until a person says that it was a gunshot.
    """

    read: Read
    distance_m: float
    offset_ns: int
    held_until_ns: int
    provisional: bool


@dataclass(frozen=True, slots=True)
class Incident:
    """Shots that belong together, as they stand now.

    Attributes:
        id: the collector's number; stays the same over all revisions.
        agency: whose sensors heard it.
        stage: how far it has come.
        revision: from 1; every one is kept.
        at_ns: when the first round was fired; without a location, when it was first heard.
        rounds: how many.
        fire: ``single``, ``burst``, ``automatic`` or ``unknown``.
        probability: that it was gunfire, from all sensors together; None if no sensor says what it heard.
        probability_why: what that rests on, one sentence each.
        confidence: ``high``, ``medium`` or ``low``; None if nothing of it can be placed.
        location: None where fewer than three sites heard it in time.
        twin: the other place that the sensors' geometry allows.
        region: None only if the place of no sensor is known.
        sensors: those that heard it, nearest first.
        silent: those that should have.
        verdict: the last one.
        nearby: plate reads, in order of time.
        alert_id: the alert that it raised.
        alert_from: the probability from which it alerts, as in force when it was judged.
        historical: all of it arrived too long after it was heard to act on.
        made_at_ns: when it was first made.
        due_from_ns: when somebody could first judge it: the alert, or ``made_at_ns`` without one.
        merged_into: the incident that its shots turned out to belong to; it has none of its own then.
    """

    id: int
    agency: str
    stage: Stage
    revision: int
    at_ns: int
    rounds: int
    fire: str
    probability: float | None
    probability_why: tuple[str, ...]
    confidence: Confidence | None
    location: Location | None
    twin: tuple[float, float] | None
    region: Region | None
    sensors: tuple[Sensor, ...]
    silent: tuple[Silent, ...]
    verdict: Verdict | None
    nearby: tuple[NearbyRead, ...]
    alert_id: int | None
    alert_from: float
    historical: bool
    made_at_ns: int
    due_from_ns: int
    merged_into: int | None


@dataclass(frozen=True, slots=True)
class Revision:
    """An incident as it was known at some time.

    Attributes:
        revision: from 1.
        stage: how far it had come.
        at_ns: when this became known.
        known: what was known, as it was then.
    """

    revision: int
    stage: Stage
    at_ns: int
    known: Mapping[str, Any]
