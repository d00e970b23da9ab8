"""What the stages hand out, as the wire has it. Pure."""

from __future__ import annotations

from edge_agent.config import Camera
from edge_agent.plates.overview import OverviewPicture
from edge_agent.plates.regions import told
from edge_agent.records import HeardShot, VotedRead
from edge_wire.messages import Overview, PixelBox, PlateRead, ShotArrival
from edge_wire.packing import MIN_SLOT_PROBABILITY


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


def as_shot_arrival(shot: HeardShot, deployment: str) -> ShotArrival:
    """Return a heard shot as the wire has it."""
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
        clip_sha256=shot.clip_sha256,
    )
