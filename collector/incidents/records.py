"""What incidents are made of, as values between the store and what decides. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from collector.domain import Support


@dataclass(frozen=True, slots=True)
class Place:
    """Where a microphone or device stands: WGS 84, its height if it is known, and one sigma of it all."""

    latitude: float
    longitude: float
    up_m: float | None
    error_m: float


@dataclass(frozen=True, slots=True)
class Heard:
    """A shot arrival, as far as incidents go by it.

    Attributes:
        id: the collector's number.
        device: who heard it.
        microphone: with what.
        heard_at_ns: when, UTC, as far as the clocks tell.
        error_ns: one sigma of that.
        timed: whether that is good enough to locate with.
        place: where from; None if nobody knows.
        probability: that it was a gunshot, by this sensor alone.
        snr_db: how far above the noise.
        rounds: how many of its burst had been heard.
        fire: how they followed each other.
        historical: it came too late to be acted on.
        age_note: what to tell people of its age.
        incident_id: the incident that it is part of.
    """

    id: int
    device: str
    microphone: str
    heard_at_ns: int
    error_ns: int
    timed: bool
    place: Place | None
    probability: float
    snr_db: float | None
    rounds: int | None
    fire: str | None
    historical: bool
    age_note: str | None
    incident_id: int | None


@dataclass(frozen=True, slots=True)
class Listener:
    """A device that listens, and where."""

    device: str
    place: Place


@dataclass(frozen=True, slots=True)
class Known:
    """What the machine knows of an incident: values as JSON and the store's columns have them.

    Attributes are the columns of ``tables.incident`` with these names.
    """

    at_ns: int
    rounds: int
    fire: str
    probability: float | None
    probability_why: list[str]
    confidence: str | None
    latitude: float | None
    longitude: float | None
    ellipses: list[list[float]] | None
    twin: list[float] | None
    region: Mapping[str, Any] | None
    sensors: list[dict[str, Any]]
    silent: list[dict[str, Any]]
    historical: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """How an incident's alert stands: its number once it is raised, its support, and why it was raised."""

    support: Support
    why: tuple[str, ...]
    alert_id: int | None = None


@dataclass(frozen=True, slots=True)
class KeptIncident:
    """An incident that is kept.

    Attributes:
        id: the collector's number.
        known: what the machine knew last.
        alert_from: the probability from which it alerts.
        listening: who was listening when it was first made.
        settles_at_ns: until when somebody could still tell of it; None once nobody can.
        alert: how its alert stands; None without one.
        merged_into: the incident that its shots went to.
    """

    id: int
    known: Known
    alert_from: float
    listening: tuple[Listener, ...]
    settles_at_ns: int | None
    alert: Standing | None
    merged_into: int | None


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """The shots of one agency around some that are new, and the incidents that they are in.

    Attributes:
        agency: whose.
        shots: in order of time; of each incident in ``kept`` all.
        kept: by id.
        listeners: who listens now.
    """

    agency: str
    shots: tuple[Heard, ...]
    kept: Mapping[int, KeptIncident]
    listeners: tuple[Listener, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """An incident that is to be kept as it is here.

    Attributes:
        incident_id: which; None for a new one.
        shot_ids: its shots.
        known: what is known of it.
        alert_from: the probability from which it alerts.
        listening: who was listening when it was first made.
        settles_at_ns: until when somebody can still tell of it; None if nobody can.
        alert: how its alert is to stand; None without one.
        changed: whether it differs from what is kept by more than ``settles_at_ns``.
        into: of an incident without shots, the one that they went to.
    """

    incident_id: int | None
    shot_ids: tuple[int, ...]
    known: Known
    alert_from: float
    listening: tuple[Listener, ...]
    settles_at_ns: int | None
    alert: Standing | None
    changed: bool
    into: int | None = None
