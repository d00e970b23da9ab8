"""Shots, each as one sensor heard it."""

from typing import Annotated, Literal

from pydantic import Field

from collector.api.schema.base import Model, Probability, Sha256, Time


class Shot(Model):
    """One shot heard at one sensor."""

    id: int
    device: str
    agency: str
    microphone: str
    captured_at: Time
    error_ms: Annotated[float, Field(description="one sigma of captured_at: onset, clock and sample clock")]
    timing: Annotated[
        Literal["location", "classification only"],
        Field(description="what its time is good enough for: above 20 ms it only says what was heard"),
    ]
    probability: Annotated[Probability, Field(description="that it was a gunshot, by this sensor alone")]
    classes: Annotated[list[tuple[str, float]], Field(description="likeliest first")]
    peak_dbfs: float
    rms_dbfs: float
    snr_db: Annotated[float | None, Field(description="the first 50 ms over the noise before them")]
    wave: Annotated[str, Field(description="`muzzle-blast`, `shock-wave` or `unknown`")]
    burst: Annotated[int | None, Field(description="the microphone's number of the burst")]
    round: Annotated[int | None, Field(description="which round of it, from 1")]
    rounds: Annotated[int | None, Field(description="how many were heard when this was sent")]
    fire: Annotated[str | None, Field(description="`single`, `burst` or `automatic`, as far as was heard then")]
    marks: Annotated[list[str], Field(description="what was wrong with the sound: `clipped`, `wind`, `agc`")]
    received_at: Time
    latency_ms: Annotated[float, Field(description="captured to received")]
    incident: Annotated[
        int | None,
        Field(
            description="the shot incident that it is part of. On the stream `incident` tells of a change, not another "
            "`shot`"
        ),
    ]
    clip: Annotated[Sha256 | None, Field(description="the seconds around it; null until the device has said")]
    clip_here: Annotated[bool, Field(description="whether /api/clips has it")]
    recording: Annotated[Sha256 | None, Field(description="the same seconds as they were heard (FLAC)")]
    recording_here: Annotated[bool, Field(description="whether /api/clips has it; it comes on demand only")]


class Shots(Model):
    """One page, newest first."""

    shots: list[Shot]
