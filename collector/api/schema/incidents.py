"""Shot incidents."""

from typing import Annotated, Literal

from pydantic import Field, JsonValue, model_validator

from collector.api.schema.base import Model, Probability, Sha256, Time
from collector.api.schema.reads import Read

Latitude = Annotated[float, Field(ge=-90, le=90, description="WGS 84")]
Longitude = Annotated[float, Field(ge=-180, le=180, description="WGS 84")]
Stage = Annotated[
    Literal["raw", "located", "revised", "reviewed"],
    Field(
        description="`raw`: no point yet; `located`: with one; `revised`: changed by what came after everybody could "
        "have told; `reviewed`: a person has given a verdict"
    ),
]
VerdictWord = Literal["gunshot", "probable", "fireworks", "other", "unsure"]


class Place(Model):
    """A point."""

    latitude: Latitude
    longitude: Longitude


class Ellipse(Model):
    """Around the location."""

    semi_major_m: float
    semi_minor_m: float
    azimuth_deg: Annotated[float, Field(description="of the longer axis, clockwise from north")]


class Location(Model):
    """Where it was fired."""

    latitude: Latitude
    longitude: Longitude
    error_m: Annotated[float, Field(description="the longer half axis of the 95 % ellipse")]
    ellipse50: Ellipse
    ellipse95: Ellipse


class Region(Model):
    """Where it was fired, as far as that can be told."""

    kind: Annotated[
        Literal["ellipse", "band", "zone"],
        Field(description="`band`: two sites heard it in time; `zone`: one, it may be anywhere that this one hears"),
    ]
    outline: Annotated[list[tuple[float, float]], Field(description="a polygon: latitude, longitude")]


class Sensor(Model):
    """A microphone that heard it."""

    device: str
    microphone: str
    latitude: Latitude | None
    longitude: Longitude | None
    used: Annotated[bool, Field(description="whether the location rests on it")]
    why: Annotated[str | None, Field(description="why not")]
    residual_ms: Annotated[float | None, Field(description="how much later it heard the rounds than the location says")]
    arrivals: Annotated[list[int], Field(description="ids of its shots, in order of time")]
    clip: Annotated[Sha256 | None, Field(description="what to listen to; null until the device has said")]
    clip_here: Annotated[bool, Field(description="whether /api/clips has it")]
    recording: Annotated[Sha256 | None, Field(description="the same seconds as they were heard (FLAC)")]
    recording_here: Annotated[bool, Field(description="whether /api/clips has it; it comes on demand only")]
    distance_m: Annotated[float | None, Field(description="from the location")]


class Silent(Model):
    """A device that listened within earshot and heard nothing."""

    device: str
    latitude: Latitude
    longitude: Longitude
    expected: Annotated[Probability, Field(description="how likely it should have heard it")]


class Verdict(Model):
    """A person's word."""

    verdict: VerdictWord
    what: str | None
    by: str
    at: Time
    after_s: Annotated[float, Field(description="how long after the alert (without one: after the incident was made)")]


class VerdictGiven(Model):
    """A verdict to give; `what` says what it was, for `other`."""

    verdict: VerdictWord
    what: Annotated[str | None, Field(min_length=1, max_length=200)] = None

    @model_validator(mode="after")
    def _other_says_what(self) -> "VerdictGiven":
        if self.verdict == "other" and (self.what is None or not self.what.strip()):
            raise ValueError("`what` is wanted with `other`")
        return self


class NearbyRead(Model):
    """A plate read near the location, about the time."""

    read: Read
    distance_m: Annotated[float, Field(description="from the location to the device")]
    offset_s: Annotated[float, Field(description="when the plate was first readable, less when the first round was")]
    held_until: Annotated[Time, Field(description="until when retention leaves it for this incident")]
    hold: Annotated[
        Literal["provisional", "confirmed"],
        Field(description="`confirmed` by a person's verdict `gunshot`; otherwise it soon ends"),
    ]


class Incident(Model):
    """Shots that belong together, as they stand now."""

    id: int
    stage: Stage
    revision: Annotated[int, Field(description="from 1; /api/incidents/{id}/revisions has all of them")]
    agency: str
    at: Annotated[Time, Field(description="when the first round was fired; without a location, first heard")]
    rounds: int
    fire: Annotated[str, Field(description="`single`, `burst`, `automatic` or `unknown`")]
    probability: Annotated[Probability | None, Field(description="that it was gunfire, from all sensors together")]
    probability_why: list[str]
    confidence: Annotated[Literal["high", "medium", "low"] | None, Field(description="in the location")]
    location: Annotated[Location | None, Field(description="null where fewer than three sites heard it in time")]
    twin: Annotated[Place | None, Field(description="the other place that the sensors' geometry allows")]
    region: Annotated[Region | None, Field(description="null only if the place of no sensor is known")]
    sensors: Annotated[list[Sensor], Field(description="nearest first; those without a distance last")]
    silent: list[Silent]
    verdict: Annotated[Verdict | None, Field(description="the last one; all are kept")]
    verdict_due_at: Annotated[Time, Field(description="by when a person should have given it")]
    reads: Annotated[list[NearbyRead], Field(description="plate reads nearby, in order of time")]
    alert: Annotated[int | None, Field(description="the alert that it raised")]
    alert_from: Annotated[
        Probability, Field(description="the probability from which it alerts, as in force when it was judged")
    ]
    historical: Annotated[bool, Field(description="all of it arrived too long after it was heard to act on")]
    merged_into: Annotated[
        int | None,
        Field(description="the incident that its shots turned out to belong to; it has none of its own then"),
    ]


class Incidents(Model):
    """One page, newest first."""

    incidents: list[Incident]


class Revision(Model):
    """An incident as it was known at some time."""

    revision: int
    stage: Stage
    at: Annotated[Time, Field(description="when this became known")]
    known: Annotated[
        dict[str, JsonValue],
        Field(description="fields of an incident as they were then: those that the machine fills, or the verdict"),
    ]


class Revisions(Model):
    """All of one incident, oldest first."""

    revisions: list[Revision]
