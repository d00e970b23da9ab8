"""What the stages hand out, as the wire has it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

from edge_agent.config import Camera, Place
from edge_agent.plates.overview import OverviewPicture
from edge_agent.plates.regions import told
from edge_agent.records import HeardShot, KeptClip, VotedRead
from edge_agent.telemetry.changes import StateChange
from edge_agent.telemetry.power import PowerReading
from edge_wire.messages import (
    Alternative,
    Change,
    Offset,
    Overview,
    PixelBox,
    PlateRead,
    Position,
    Power,
    ShotArrival,
    ShotClip,
)
from edge_wire.packing import MIN_SLOT_PROBABILITY, ranges_of


def as_plate_read(
    voted: VotedRead,
    camera: Camera,
    deployment: str,
    overview: OverviewPicture | None = None,
    *,
    pair: str | None = None,
) -> PlateRead:
    """Return a vote's outcome as the wire has it.

    Args:
        voted: what the vote says.
        camera: the settings of the camera that saw it.
        deployment: which site, aim and period the device stands in.
        overview: the paired camera's picture of the same moment.
        pair: id of the camera that is paired with it, whichever of the two names the other.
    """
    reading = voted.reading
    slots = tuple(
        tuple((reading.alphabet[i], float(row[i])) for i in row.argsort()[::-1]) for row in reading.probabilities
    )
    beside = None
    if overview is not None:
        offset_ns = overview.captured.utc_ns - voted.captured.utc_ns
        beside = Overview(overview.camera, overview.picture.sha256, offset_ns)
    return PlateRead(
        track=voted.track,
        revision=voted.revision,
        final=voted.final,
        text=reading.text,
        slots=slots,
        calibration=reading.calibration,
        camera=camera.id,
        role=camera.role,
        deployment=deployment,
        frame_sha256=voted.frame.sha256,
        crop_sha256=voted.crop.sha256,
        box=PixelBox(voted.box.x1, voted.box.y1, voted.box.x2, voted.box.y2),
        detection_score=voted.detection_score,
        frames=voted.frames,
        regions=tuple((code, p) for code, p in told(reading.regions) if p >= MIN_SLOT_PROBABILITY),
        first_readable_ns=min(0, voted.first_readable.utc_ns - voted.captured.utc_ns),
        lane=camera.lane,
        pair=pair,
        direction=camera.direction,
        face=camera.face,
        travel=None if voted.travel is None else voted.travel.value,
        marks=tuple(sorted(mark.value for mark in voted.marks)),
        overview=beside,
    )


def as_shot_arrival(shot: HeardShot, deployment: str, place: Place | None = None) -> ShotArrival:
    """Return a heard shot as the wire has it.

    Args:
        shot: what the detector says.
        deployment: which site, aim and period the device stands in.
        place: where the microphone stands, if that is known.
    """
    position, offset = as_position(place)
    return ShotArrival(
        microphone=shot.microphone,
        deployment=deployment,
        onset_error_ns=shot.onset_error_ns,
        classes=tuple(shot.classes.items()),
        model=shot.model,
        peak_cdbfs=round(shot.peak_dbfs * 100),
        rms_cdbfs=round(shot.rms_dbfs * 100),
        clipped=shot.clipped,
        rate_hz=shot.rate_hz,
        position=position,
        offset=offset,
        clock_source=shot.timing.clock_source,
        fit_error_ns=shot.timing.fit_error_ns,
        latency_ns=shot.timing.latency_ns,
        snr_cdb=round(shot.snr_db * 100),
        wave=shot.wave,
        alternatives=tuple(Alternative(o.offset_ns, o.wave, round(o.level_db * 100)) for o in shot.others),
        burst=shot.burst,
        round=shot.round,
        rounds=shot.rounds,
        fire=shot.fire,
        marks=tuple(sorted(shot.marks)),
        channel=shot.channel,
    )


def as_shot_clip(clip: KeptClip, arrivals: Iterable[int]) -> ShotClip:
    """Return a kept clip as the wire has it.

    Args:
        clip: the seconds around the shots.
        arrivals: the sequences of the arrivals of those shots, at least one.
    """
    return ShotClip(
        microphone=clip.microphone,
        arrivals=ranges_of(arrivals),
        clip_sha256=sha256(clip.clip).digest(),
        recording_sha256=sha256(clip.recording).digest(),
        duration_ms=clip.duration_ms,
    )


def as_change(change: StateChange) -> Change:
    """Return a change of state as the wire has it; its time goes into the header."""
    return Change(change.subject, change.state, change.reason, id=change.ref, before=change.before)


def as_power(reading: PowerReading) -> Power:
    """Return what a UPS says as the wire has it; why it says nothing goes with the change of state."""
    return Power(
        source=str(reading.state),
        charge_percent=reading.charge_percent,
        input_mv=reading.input_mv,
        battery_mv=reading.battery_mv,
        runtime_s=reading.runtime_s,
    )


def as_position(place: Place | None) -> tuple[Position | None, Offset | None]:
    """Return a configured place as the wire has it: a position, and how far from it the place itself is.

    Without a height there is no offset from degrees: height 0 would be below the street of most towns.
    """
    if place is None:
        return None, None
    error_cm = max(1, round(place.error_m * 100))
    if place.origin is not None:
        position = Position(round(place.origin.lat * 1e7), round(place.origin.lon * 1e7), error_cm)
        return position, Offset(*(round((metres or 0.0) * 1e3) for metres in (place.x_m, place.y_m, place.z_m)))
    assert place.lat is not None, "the configuration refuses a place of neither form"
    assert place.lon is not None, "the configuration refuses half a place"
    up_m = place.altitude_m
    offset = None if up_m is None else Offset(0, 0, round(up_m * 1e3))
    return Position(round(place.lat * 1e7), round(place.lon * 1e7), error_cm), offset
