"""Alerts of both kinds, and what people say of them."""

from typing import Annotated, Any, Literal

from pydantic import Field

from collector.api.schema.base import Model, Probability, Time
from collector.api.schema.incidents import Incident
from collector.api.schema.reads import Read

State = Literal["new", "acknowledged", "closed"]
Disposition = Literal["confirmed", "misread", "wrong-state", "stale-entry", "no-action"]
Check = Literal["match", "mismatch", "cannot-tell"]
RecordStatus = Literal["active", "cleared", "not-found", "not-run"]
Outcome = Literal["no-contact", "stopped", "recovered", "arrest", "released"]
Part = Literal["raised", "suppressed", "trail"]
Note = Annotated[str, Field(max_length=500, description="in their own words")]


class ListedVehicle(Model):
    """The vehicle as the list describes it: to be compared with the picture; no part of the probability."""

    make: str
    model: str
    colour: str
    year: int | None


class Entry(Model):
    """A hotlist entry, in the version that the read was matched against."""

    plate: Annotated[str, Field(description="normalised; with `is_pattern` a pattern such as `7AB?1*`")]
    region: Annotated[str | None, Field(description="ISO 3166; null is any")]
    list: str
    version: int
    reason: str
    severity: str
    notes: str
    is_pattern: bool
    category: Annotated[str, Field(description="`stolen-vehicle`, `wanted-person`, …; there may come more")]
    case_number: str
    reference: Annotated[str, Field(description="the source's own number of the record")]
    owner: Annotated[str, Field(description="the agency whose entry it is")]
    vehicle: ListedVehicle
    handling: Annotated[str, Field(description="what whoever meets it is to do or not to do")]
    expires_at: Time | None
    covert: Annotated[bool, Field(description="only the users that the entry names see this alert")]


class Aligned(Model):
    """One column of the alignment of what was read and the entry."""

    read: Annotated[str, Field(description="the likeliest character there; empty where none was read")]
    read_p: Probability
    entry: Annotated[str, Field(description="the entry's character; empty where it has none")]
    entry_p: Annotated[Probability, Field(description="of the entry's character, by the same picture")]
    step: Annotated[str, Field(description="`same`, `other`, `missing` (not read) or `extra` (not listed)")]


class Match(Model):
    """What the matcher said of the read's latest revision and the entry."""

    calibrated: Annotated[bool, Field(description="whether `probability` is known to be one")]
    threshold: Annotated[float, Field(description="what it had to reach, by list and camera")]
    alignment: list[Aligned]
    otherwise: Annotated[
        list[tuple[str, float]], Field(description="what would have been read otherwise, likeliest first")
    ]
    revision: Annotated[int | None, Field(description="of the read, that was matched")]
    list_version: int
    list_age_s: Annotated[float | None, Field(description="since the list was last confirmed; null if not known")]
    matcher: Annotated[str, Field(description="the matcher's version: the same read, list and version say the same")]


class TrailPoint(Model):
    """A place where the vehicle was read, as far as its reads' latest revisions still say so."""

    read: Annotated[int, Field(description="the read's id")]
    part: Annotated[Part, Field(description="`raised` or `trail`; `suppressed` where only that still supports it")]
    device: str
    camera: str
    site: str
    at: Annotated[Time, Field(description="when the plate was first readable")]
    probability: Probability | None
    supports: Annotated[bool, Field(description="false of the read that raised it, where nothing supports it any more")]
    latitude: float | None
    longitude: float | None
    direction: Annotated[str | None, Field(description="compass point of the lane's traffic")]
    distance_m: Annotated[float | None, Field(description="from the read before it, as the crow flies")]


class ImageCheck(Model):
    """What a person sees in the picture, compared with the entry."""

    plate: Check
    state: Check
    vehicle: Check
    by: str
    at: Time


class RecordCheck(Model):
    """What the entry's source said when it was asked again."""

    status: RecordStatus
    reference: Annotated[str, Field(description="the source's number of its answer")]
    by: str
    at: Time


class FieldOutcome(Model):
    """What happened in the field."""

    outcome: Outcome
    by: str
    at: Time


class Alert(Model):
    """A hit, or a shot incident, routed to a person: a claim of the machine, not a confirmation."""

    id: int
    kind: Annotated[
        Literal["hit", "shot"],
        Field(description="`hit`: `rule`, `entry` and `read` say what; `shot`: `incident` does. The others are null"),
    ]
    state: State
    support: Annotated[
        Literal["raised", "strengthened", "unsupported"],
        Field(description="what later revisions, of the reads or of the incident, did to it"),
    ]
    raised_at: Time
    latency_ms: Annotated[float, Field(description="first readable frame, or first round, to raised")]
    rule: Annotated[
        str | None,
        Field(description="`exact`: the likeliest reading is the entry; `likely`: probable enough; `pattern`"),
    ]
    probability: Annotated[
        Probability | None, Field(description="P(this plate is that entry | what was seen); null of a shot")
    ]
    match: Annotated[Match | None, Field(description="null of a shot, and of an alert of an earlier version")]
    why: list[str]
    entry: Entry | None
    historical: Annotated[bool, Field(description="captured too long before it arrived to act on")]
    acknowledged_by: str | None
    acknowledged_at: Time | None
    soundings: Annotated[
        int,
        Field(
            description="how often it has called for attention: raised, at a further site, read exactly after people "
            "looked at what was likely, supported again after they looked, escalated, recalled, record not confirmed "
            "in time. Sound when it grows"
        ),
    ]
    escalate_at: Annotated[Time | None, Field(description="when it calls again unless somebody acknowledges it")]
    escalated_at: Time | None
    recalled_at: Annotated[Time | None, Field(description="since when its entry is no longer in force")]
    recalled_why: str | None
    disposition: Disposition | None
    closed_by: str | None
    closed_at: Time | None
    image_check: ImageCheck | None
    record_check: RecordCheck | None
    field_outcome: FieldOutcome | None
    confirm_by: Annotated[
        Time | None, Field(description="by when the record is to be confirmed, after a detention; null: no timer runs")
    ]
    ask: Annotated[
        Literal["withdraw", "mute"] | None,
        Field(
            description="after `recovered`: ask whether to withdraw the local entry, or to mute the entry of somebody "
            "else's list until its next version"
        ),
    ]
    muted: Annotated[bool, Field(description="its entry does not alert until its list's next version")]
    notified: Annotated[list[str], Field(description="the users whom a route has told of it")]
    site: Annotated[str | None, Field(description="where the latest read was; null of a shot")]
    trail: Annotated[
        list[TrailPoint],
        Field(description="where the vehicle was read, in order of time; what was taken back is among `reads` only"),
    ]
    suppressed: Annotated[int, Field(description="how many further reads at a site belong to it without a sound")]
    confirmed: Annotated[
        bool,
        Field(description="the record check says active and nobody took the entry back since; of a shot: a person"),
    ]
    hand_off: Annotated[
        str, Field(description="what to tell whoever acts on it; says NOT CONFIRMED until the record check says active")
    ]
    read: Read | None
    incident: Incident | None


class AttachedRead(Model):
    """A read of the alert as it is now."""

    part: Part
    attached_at: Time
    probability: Probability | None
    supports: bool
    read: Read


class AlertChange(Model):
    """One step in the alert's life; none is ever altered."""

    id: int
    at: Time
    who: Annotated[str | None, Field(description="the user; null: the machine")]
    action: Annotated[
        str,
        Field(
            description="`raised`, `strengthened`, `supported`, `unsupported`, `read-unsupported`, `trail`, "
            "`escalated`, `recalled`, `confirmation-due`, `acknowledged`, `closed`, `reopened`, `image-check`, "
            "`record-check`, `field-outcome`, `muted`, `exclusion`; there may come more"
        ),
    ]
    detail: dict[str, Any]


class AlertInFull(Alert):
    """An alert with everything that belongs to it."""

    reads: Annotated[list[AttachedRead], Field(description="in order of time; of more than 500 the latest")]
    changes: Annotated[list[AlertChange], Field(description="oldest first")]


class Alerts(Model):
    """One page, newest first."""

    alerts: list[Alert]


class Closing(Model):
    """What became of an alert."""

    disposition: Annotated[Disposition, Field(description="of a shot incident only `confirmed` and `no-action`")]
    note: Note = ""


class Reopening(Model):
    """Why an alert is not done with."""

    note: Note = ""


class ImageChecked(Model):
    """What the picture shows, compared with the entry."""

    plate: Check
    state: Check
    vehicle: Check


class RecordChecked(Model):
    """What the entry's source said."""

    status: RecordStatus
    reference: Annotated[str, Field(max_length=100, description="the source's number of its answer")] = ""


class OutcomeTold(Model):
    """What happened in the field."""

    outcome: Outcome
    priority: Annotated[
        Literal["urgent", "routine"],
        Field(description="how soon the record is to be confirmed after a detention: 10 min or 1 h, as configured"),
    ] = "urgent"


class Exclusion(Model):
    """A known look-alike: the plate that is truly there is not that entry."""

    true_plate: Annotated[str, Field(min_length=1, max_length=24)]
    reason: Annotated[
        str, Field(min_length=1, max_length=500, pattern="^[^\\x00]*$", description="why somebody is sure")
    ]
    days: Annotated[int, Field(ge=1, le=365, description="until it expires")] = 30
