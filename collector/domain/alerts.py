"""What is put before people, and what they made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from collector.domain.hotlists import Entry
from collector.domain.incidents import Incident
from collector.domain.reads import Read


class Rule(StrEnum):
    """What let a hit through: the likeliest reading is the entry, it is likely enough, or it fits a pattern."""

    EXACT = "exact"
    LIKELY = "likely"
    PATTERN = "pattern"


class AlertState(StrEnum):
    """What people did with an alert."""

    NEW = "new"
    ACKNOWLEDGED = "acknowledged"
    CLOSED = "closed"


class Support(StrEnum):
    """What later revisions of the read, or of the incident, say of an alert."""

    RAISED = "raised"
    STRENGTHENED = "strengthened"
    UNSUPPORTED = "unsupported"


class Disposition(StrEnum):
    """The verdict with which an alert is closed."""

    CONFIRMED = "confirmed"
    MISREAD = "misread"
    WRONG_STATE = "wrong-state"
    STALE_ENTRY = "stale-entry"
    NO_ACTION = "no-action"


class Check(StrEnum):
    """What a person sees in the picture, compared with the entry."""

    MATCH = "match"
    MISMATCH = "mismatch"
    CANNOT_TELL = "cannot-tell"


class RecordStatus(StrEnum):
    """What the entry's source said when it was asked again."""

    ACTIVE = "active"
    CLEARED = "cleared"
    NOT_FOUND = "not-found"
    NOT_RUN = "not-run"


class Outcome(StrEnum):
    """What happened in the field."""

    NO_CONTACT = "no-contact"
    STOPPED = "stopped"
    RECOVERED = "recovered"
    ARREST = "arrest"
    RELEASED = "released"


DETENTIONS = frozenset({Outcome.STOPPED, Outcome.RECOVERED, Outcome.ARREST})
"""Outcomes after which the agency that owns the record is to confirm it, soon."""


class Part(StrEnum):
    """Why a read belongs to an alert."""

    RAISED = "raised"
    SUPPRESSED = "suppressed"
    TRAIL = "trail"


@dataclass(frozen=True, slots=True)
class Aligned:
    """One column of the alignment of a read and an entry.

    Attributes:
        read: the likeliest character there; "" where none was read.
        read_p: its probability.
        entry: the entry's character; "" where it has none.
        entry_p: its probability by the same read.
        step: ``same``, ``other``, ``missing`` (the read lacks it) or ``extra`` (the entry lacks it).
    """

    read: str
    read_p: float
    entry: str
    entry_p: float
    step: str


@dataclass(frozen=True, slots=True)
class Match:
    """What the matcher said of a read and an entry.

    Attributes:
        probability: P(the plate is this entry | what was seen).
        calibrated: whether that is known to be a probability.
        threshold: what it had to reach, by list and camera.
        alignment: character by character.
        otherwise: what would have been read otherwise, with probability, likeliest first.
        list_version: the version of the entry's list that it was matched with.
        list_age_ns: since that was last confirmed; None where that is not known.
        matcher: the matcher's version and its parameters'.
    """

    probability: float
    calibrated: bool
    threshold: float
    alignment: tuple[Aligned, ...]
    otherwise: tuple[tuple[str, float], ...]
    list_version: int
    list_age_ns: int | None
    matcher: str


@dataclass(frozen=True, slots=True)
class Hit:
    """What a read matched: the machine's claim.

    Attributes:
        rule: how.
        entry: what.
        list_version: the hotlist's version at that moment.
        read: the read as it is now.
        criminal_justice: whether its list comes from a criminal-justice system.
        revision: which revision of the read was matched last; None of an alert of an earlier version.
        match: what the matcher said of that revision; None of an alert of an earlier version.
    """

    rule: Rule
    entry: Entry
    list_version: int
    read: Read
    criminal_justice: bool = False
    revision: int | None = None
    match: Match | None = None


@dataclass(frozen=True, slots=True)
class TrailPoint:
    """One place where the vehicle of an alert was read.

    Attributes:
        read_id: by which read.
        part: ``raised`` or ``trail``.
        device: whose.
        camera: which of the device's.
        site: where the device stood.
        passed_at_ns: when the plate was first readable.
        probability: P(the plate is the entry) by this read; None of an alert of an earlier version.
        supports: whether the read's latest revision still says so.
        latitude: of the device, degrees; None where nobody knows.
        longitude: of the device, degrees.
        direction: compass point of the lane's traffic.
        distance_m: from the read before it, as the crow flies.
    """

    read_id: int
    part: Part
    device: str
    camera: str
    site: str
    passed_at_ns: int
    probability: float | None
    supports: bool
    latitude: float | None
    longitude: float | None
    direction: str | None
    distance_m: float | None


@dataclass(frozen=True, slots=True)
class AttachedRead:
    """A read of an alert, as it is now.

    Attributes:
        part: why it belongs to it.
        read: the read.
        probability: P(the plate is the entry) by its latest revision.
        supports: whether that still says so.
        attached_at_ns: since when it belongs to it.
    """

    part: Part
    read: Read
    probability: float | None
    supports: bool
    attached_at_ns: int


@dataclass(frozen=True, slots=True)
class Recalled:
    """The entry is no longer in force, as those who keep the list say."""

    at_ns: int
    why: str


@dataclass(frozen=True, slots=True)
class Closed:
    """What became of an alert, by whom and when."""

    disposition: Disposition
    by: str
    at_ns: int


@dataclass(frozen=True, slots=True)
class ImageCheck:
    """What a person sees in the picture: the plate, its state and the vehicle, each compared with the entry."""

    plate: Check
    state: Check
    vehicle: Check
    by: str
    at_ns: int


@dataclass(frozen=True, slots=True)
class RecordCheck:
    """What the entry's source said when it was asked again.

    Attributes:
        status: what it said.
        reference: its number of the answer; empty where there is none.
        by: who asked.
        at_ns: when.
    """

    status: RecordStatus
    reference: str
    by: str
    at_ns: int


@dataclass(frozen=True, slots=True)
class FieldOutcome:
    """What happened in the field, as ``by`` says."""

    outcome: Outcome
    by: str
    at_ns: int


@dataclass(frozen=True, slots=True)
class AlertChange:
    """One step in an alert's life. They are kept as they were.

    Attributes:
        id: ascending over all alerts.
        alert_id: whose.
        at_ns: when.
        who: the user, ``cli:NAME``, or empty: the machine.
        action: what was done.
        detail: what else matters, as JSON.
    """

    id: int
    alert_id: int
    at_ns: int
    who: str
    action: str
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Alert:
    """A hit, or a shot incident, put before people.

    Attributes:
        id: the number that people quote.
        state: what people did with it.
        support: what came later says of it: revisions of the read, or of the incident.
        why: the reasons, one sentence each.
        historical: it happened too long ago to be acted on.
        raised_at_ns: when it was raised.
        acknowledged_by: the first who acknowledged it.
        acknowledged_at_ns: when.
        about: the hit, or the incident as it is now.
        soundings: how often it has called for attention.
        escalate_at_ns: when it will call again unless somebody acknowledges it.
        escalated_at_ns: when it did.
        recalled: its entry is no longer in force.
        closed: what became of it.
        image_check: what a person sees in the picture.
        record_check: whether the entry is active, as its source says.
        field_outcome: what happened in the field.
        confirm_by_ns: by when the record is to be confirmed, after a detention.
        trail: where its vehicle was read, in order of time, without the reads that were suppressed.
        suppressed: how many those are.
        muted: its entry does not alert until its list's next version.
        notified: the users whom a route has told of it.
    """

    id: int
    state: AlertState
    support: Support
    why: tuple[str, ...]
    historical: bool
    raised_at_ns: int
    acknowledged_by: str | None
    acknowledged_at_ns: int | None
    about: Hit | Incident
    soundings: int = 1
    escalate_at_ns: int | None = None
    escalated_at_ns: int | None = None
    recalled: Recalled | None = None
    closed: Closed | None = None
    image_check: ImageCheck | None = None
    record_check: RecordCheck | None = None
    field_outcome: FieldOutcome | None = None
    confirm_by_ns: int | None = None
    trail: tuple[TrailPoint, ...] = ()
    suppressed: int = 0
    muted: bool = False
    notified: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Standing:
    """How an alert of a hit stands.

    Attributes:
        rule: how its read last matched.
        support: what the revisions so far say.
        why: the reasons, one sentence each.
        revision: which revision of its read was judged last; None of an alert of an earlier version.
        match: what the matcher said of that one; None of an alert of an earlier version.
    """

    rule: Rule
    support: Support
    why: tuple[str, ...]
    revision: int | None = None
    match: Match | None = None
