"""Shots in the API's words."""

from collector import domain
from collector.api import schema
from collector.api.times import milliseconds, rfc3339


def shot(value: domain.Shot) -> schema.Shot:
    """A shot arrival."""
    kept = value.kept
    return schema.Shot(
        id=value.id,
        device=value.device,
        agency=value.agency,
        microphone=value.microphone,
        captured_at=rfc3339(value.captured_at_ns),
        error_ms=milliseconds(value.error_ns),
        timing="location" if value.locates else "classification only",
        probability=value.probability,
        classes=list(value.classes),
        peak_dbfs=value.peak_dbfs,
        rms_dbfs=value.rms_dbfs,
        snr_db=value.snr_db,
        wave=value.wave,
        burst=value.burst,
        round=value.round,
        rounds=value.rounds,
        fire=value.fire,
        marks=list(value.marks),
        received_at=rfc3339(value.received_at_ns),
        latency_ms=milliseconds(value.received_at_ns - value.captured_at_ns),
        incident=value.incident_id,
        clip=None if kept is None else kept.clip_sha256.hex(),
        clip_here=kept is not None and kept.clip_here,
        recording=None if kept is None or kept.recording_sha256 is None else kept.recording_sha256.hex(),
        recording_here=kept is not None and kept.recording_here,
    )
