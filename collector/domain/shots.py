"""Shots, each as one sensor heard it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kept:
    """The seconds around a shot, as its device keeps them.

    Attributes:
        clip_sha256: of what people listen to (Ogg Opus).
        clip_here: whether that file is here.
        recording_sha256: of the same seconds as they were heard (FLAC); None in what came of an earlier version.
        recording_here: whether that file is here.
        duration_ms: how long it is; None if the device has not said.
    """

    clip_sha256: bytes
    clip_here: bool
    recording_sha256: bytes | None
    recording_here: bool
    duration_ms: int | None


@dataclass(frozen=True, slots=True)
class Shot:
    """One shot as one sensor heard it.

    Attributes:
        id: the collector's number.
        device: who sent it.
        agency: whose device it was.
        microphone: the microphone's id on the device.
        deployment: which site, aim and period the device stands in.
        captured_at_ns: the arrival's onset, as the device claims it.
        error_ns: one-sigma error of that: the onset, the clock and the fit of the sample clock together.
        locates: whether its time and place are good enough to locate with; otherwise it only says what was heard.
        probability: the gun classes taken together.
        classes: probability by class, likeliest first.
        peak_dbfs: highest sample.
        rms_dbfs: over 50 ms from the onset.
        snr_db: the first 50 ms over the noise before them; None if the device does not say.
        clipped: whether samples stood at full scale.
        wave: which wave the onset is of: ``muzzle-blast``, ``shock-wave`` or ``unknown``.
        burst: the microphone's number of the burst, within the epoch.
        round: which round of it, from 1.
        rounds: how many were heard when it was sent.
        fire: ``single``, ``burst`` or ``automatic``, as far as was heard then.
        marks: what was wrong with the sound.
        kept: the seconds around it; None until the device says that it keeps them.
        received_at_ns: when it arrived here.
        incident_id: the shot incident that it is part of; None until it has been looked at.
    """

    id: int
    device: str
    agency: str
    microphone: str
    deployment: str
    captured_at_ns: int
    error_ns: int
    locates: bool
    probability: float
    classes: tuple[tuple[str, float], ...]
    peak_dbfs: float
    rms_dbfs: float
    snr_db: float | None
    clipped: bool
    wave: str
    burst: int | None
    round: int | None
    rounds: int | None
    fire: str | None
    marks: tuple[str, ...]
    kept: Kept | None
    received_at_ns: int
    incident_id: int | None
