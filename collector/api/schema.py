"""The API's words: what /openapi.json describes and what is sent, one model a thing.

Field names and meanings are a promise to whoever has written a client; fields are added, never changed or removed.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Time = Annotated[
    str, Field(description="RFC 3339, UTC, microseconds", json_schema_extra={"format": "date-time"}, max_length=27)
]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$", description="SHA-256, lower-case hex")]
Probability = Annotated[float, Field(ge=0, le=1)]

PartName = Literal["crop", "frame", "clip", "overview"]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Problem(_Model):
    """Why a request was refused."""

    detail: str


class PasswordLogin(_Model):
    """A user's name and password."""

    username: Annotated[str, Field(min_length=1, max_length=64)]
    password: Annotated[str, Field(min_length=1, max_length=256)]


class CodeLogin(_Model):
    """A one-time login code: what follows `#login=` in a login link."""

    code: Annotated[str, Field(min_length=1, max_length=128)]


class Me(_Model):
    """Who is asking."""

    user: str
    role: str


class Overview(_Model):
    """The paired camera's frame of the same moment."""

    camera: Annotated[str, Field(description="the camera of the same device that took it")]
    sha256: Sha256
    offset_ms: Annotated[float, Field(description="when it was captured, less when the read was")]
    here: Annotated[bool, Field(description="whether /api/pictures has it")]


class Vehicle(_Model):
    """What is known of a vehicle beside its plate."""

    body: str | None
    colour: str | None
    make: str | None


class Read(_Model):
    """One vehicle's pass at one camera, as its latest revision has it."""

    id: int
    device: str
    agency: str
    camera: str
    role: Annotated[str, Field(description="`lpr` or `overview`")]
    pair: Annotated[str | None, Field(description="the camera that looks at the same lane")]
    lane: Annotated[int | None, Field(description="from 1 at the kerb")]
    direction: str | None
    face: Annotated[str | None, Field(description="`front` or `rear`")]
    deployment: str
    track: int
    revision: int
    final: bool
    text: Annotated[str, Field(description="the likeliest reading")]
    slots: Annotated[
        list[list[tuple[str, float]]],
        Field(description="for each character slot what it may be, likeliest first; `_` is no character"),
    ]
    confidence: Annotated[Probability, Field(description="that the reading is right as a whole: every slot's best")]
    region: Annotated[
        str | None, Field(description="state or country that is sure enough to be named; null if none is")
    ]
    regions: Annotated[list[tuple[str, float]], Field(description="ISO 3166 codes, likeliest first: the evidence")]
    captured_at: Time
    clock_error_ms: Annotated[float, Field(description="how far captured_at may be off")]
    received_at: Annotated[Time, Field(description="when the first revision was stored")]
    latency_ms: Annotated[float, Field(description="first readable frame to received")]
    frames: Annotated[int, Field(description="how many frames the vote fused")]
    crop: Annotated[Sha256 | None, Field(description="picture of the plate")]
    crop_here: Annotated[bool, Field(description="whether /api/pictures has it")]
    frame: Annotated[Sha256 | None, Field(description="the frame that the plate was read from")]
    frame_here: bool
    overview: Overview | None
    travel: Annotated[
        str | None, Field(description="`approaching`, `receding`, `left`, `right` or `standing`; null if not told")
    ]
    marks: Annotated[
        list[str],
        Field(
            description="what made it hard to read: `infrared`, `two-line`, `stacked`, `small`, `blurred`, `glare`, "
            "`cut-off`; there may come more"
        ),
    ]
    vehicle: Vehicle | None
    site: Annotated[str, Field(description="where the device stood when the read came")]
    passage: Annotated[
        int | None,
        Field(
            description="the passage that it is part of; null while it is its vehicle's only read. On the stream "
            "`passage` tells of a change, not another `read`"
        ),
    ]


class Passage(_Model):
    """One vehicle, as several reads of one site saw it within seconds."""

    id: int
    site: str
    agency: str
    text: Annotated[str, Field(description="what the surest of its reads says")]
    confidence: Annotated[Probability, Field(description="of that read")]
    first_at: Annotated[Time, Field(description="when the first of them could read the plate")]
    last_at: Annotated[Time, Field(description="when the last of them was captured")]
    cameras: Annotated[int, Field(description="how many cameras saw it")]
    reads: Annotated[
        list[Read],
        Field(
            description="in order of time; empty when they turned out to be of different vehicles. The stream's `read` "
            "tells of a revision of one, and `passage` again only if that changes what stands here beside them"
        ),
    ]


class Entry(_Model):
    """A hotlist entry, in the version that the read was matched against."""

    plate: str
    region: str | None
    list: str
    version: int
    reason: str
    severity: str
    notes: str


class Alert(_Model):
    """A hit, routed to a person: a claim of the machine, not a confirmation."""

    id: int
    state: Literal["new", "acknowledged"]
    support: Annotated[
        Literal["raised", "strengthened", "unsupported"],
        Field(description="what the read's later revisions did to the hit"),
    ]
    raised_at: Time
    latency_ms: Annotated[float, Field(description="first readable frame to raised")]
    rule: Annotated[str, Field(description="`exact`, or `folded`: 0 and O, 1 and I taken for the same")]
    why: list[str]
    entry: Entry
    historical: Annotated[bool, Field(description="captured too long before it arrived to act on")]
    acknowledged_by: str | None
    acknowledged_at: Time | None
    read: Read


class Shot(_Model):
    """One shot heard at one sensor."""

    id: int
    device: str
    agency: str
    microphone: str
    captured_at: Time
    error_ms: Annotated[float, Field(description="how far captured_at may be off: clock and onset")]
    probability: Annotated[Probability, Field(description="that it was a gunshot")]
    classes: Annotated[list[tuple[str, float]], Field(description="likeliest first")]
    peak_dbfs: float
    rms_dbfs: float
    received_at: Time
    latency_ms: Annotated[float, Field(description="captured to received")]


class Source(_Model):
    """A camera or microphone, as its device's last health report has it."""

    id: str
    kind: str
    state: Annotated[str, Field(description="`ok`, `doubtful`, `connecting`, `failed` or `ended`")]
    reason: Annotated[str, Field(description="why it is not ok")]
    rate_hz: Annotated[float, Field(description="frames or blocks a second")]
    skipped: Annotated[int, Field(description="frames passed over since the start for want of computing time")]


class Device(_Model):
    """An edge agent, as it was last heard of."""

    id: str
    agency: str
    site: Annotated[str, Field(description="where it stands; its own id where nobody has named a site")]
    status: Literal["enrolled", "revoked"]
    link: Literal["online", "offline", "never heard"]
    last_heard_at: Time | None
    health: Annotated[dict[str, object] | None, Field(description="its last health report")]
    sources: Annotated[list[Source], Field(description="its cameras and microphones, from that report")]


class Picture(_Model):
    """A picture that has arrived; only the stream speaks of them."""

    sha256: Sha256
    part: PartName
    read: Annotated[int | None, Field(description="the read that it belongs to")]


class Heartbeat(_Model):
    """Sent on the stream when there is nothing else to say."""

    at: Time
    ingest: Annotated[
        Literal["connected", "disconnected"],
        Field(description="whether what devices say can arrive; while it cannot, silence means nothing"),
    ]


class Alerts(_Model):
    """One page, newest first."""

    alerts: list[Alert]


class Reads(_Model):
    """One page, newest first."""

    reads: list[Read]


class Passages(_Model):
    """One page, newest first."""

    passages: list[Passage]


class Shots(_Model):
    """One page, newest first."""

    shots: list[Shot]


class Devices(_Model):
    """All devices, by id."""

    devices: list[Device]


class Health(_Model):
    """Whether the collector can serve and hear."""

    ok: Annotated[bool, Field(description="both of the others are well")]
    store: Literal["ok", "failing"]
    broker: Literal["connected", "disconnected"]
