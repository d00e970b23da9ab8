"""Plate reads and passages."""

from typing import Annotated

from pydantic import Field

from collector.api.schema.base import Model, Probability, Sha256, Time


class Overview(Model):
    """The paired camera's frame of the same moment."""

    camera: Annotated[str, Field(description="the camera of the same device that took it")]
    sha256: Sha256
    offset_ms: Annotated[float, Field(description="when it was captured, less when the read was")]
    here: Annotated[bool, Field(description="whether /api/pictures has it")]


class Vehicle(Model):
    """What is known of a vehicle beside its plate."""

    body: str | None
    colour: str | None
    make: str | None


class Read(Model):
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


class Passage(Model):
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


class Reads(Model):
    """One page, newest first."""

    reads: list[Read]


class Passages(Model):
    """One page, newest first."""

    passages: list[Passage]
