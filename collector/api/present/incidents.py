"""Shot incidents in the API's words."""

from collections.abc import Mapping
from typing import Any, Final

from collector import domain
from collector.api import schema
from collector.api.present.reads import read
from collector.api.times import rfc3339

VERDICT_WITHIN_S: Final = 60
"""How soon after an alert a person should have said what it was."""
_SECOND_NS: Final = 1_000_000_000


def incident(value: domain.Incident) -> schema.Incident:
    """An incident with its sensors, the reads near it and its verdict."""
    return schema.Incident(
        id=value.id,
        stage=value.stage.value,
        revision=value.revision,
        agency=value.agency,
        at=rfc3339(value.at_ns),
        rounds=value.rounds,
        fire=value.fire,
        probability=value.probability,
        probability_why=list(value.probability_why),
        confidence=value.confidence,
        location=None if value.location is None else _location(value.location),
        twin=None if value.twin is None else schema.Place(latitude=value.twin[0], longitude=value.twin[1]),
        region=None
        if value.region is None
        else schema.Region(kind=value.region.kind, outline=list(value.region.outline)),
        sensors=[_sensor(one) for one in value.sensors],
        silent=[
            schema.Silent(device=one.device, latitude=one.latitude, longitude=one.longitude, expected=one.expected)
            for one in value.silent
        ],
        verdict=None if value.verdict is None else _verdict(value.verdict, value.due_from_ns),
        verdict_due_at=rfc3339(value.due_from_ns + VERDICT_WITHIN_S * _SECOND_NS),
        reads=[_nearby(one) for one in value.nearby],
        alert=value.alert_id,
        alert_from=value.alert_from,
        historical=value.historical,
        merged_into=value.merged_into,
    )


def revision(value: domain.Revision) -> schema.Revision:
    """What was known at some time."""
    return schema.Revision(
        revision=value.revision, stage=value.stage.value, at=rfc3339(value.at_ns), known=_known(value.known)
    )


def _known(stored: Mapping[str, Any]) -> dict[str, Any]:
    """The machine's part of an incident, or a verdict, as it was stored."""
    known = dict(stored)
    if "at_ns" not in known:
        return known
    at_ns, latitude, longitude, ellipses, twin = (
        known.pop(name) for name in ("at_ns", "latitude", "longitude", "ellipses", "twin")
    )
    point = None
    if latitude is not None:
        ellipse50, ellipse95 = (domain.Ellipse(*one) for one in ellipses)
        point = _location(domain.Location(latitude, longitude, ellipse50, ellipse95)).model_dump()
    place = None if twin is None else {"latitude": twin[0], "longitude": twin[1]}
    return {"at": rfc3339(at_ns), **known, "location": point, "twin": place}


def _ellipse(value: domain.Ellipse) -> schema.Ellipse:
    return schema.Ellipse(
        semi_major_m=value.semi_major_m, semi_minor_m=value.semi_minor_m, azimuth_deg=value.azimuth_deg
    )


def _location(value: domain.Location) -> schema.Location:
    return schema.Location(
        latitude=value.latitude,
        longitude=value.longitude,
        error_m=value.ellipse95.semi_major_m,
        ellipse50=_ellipse(value.ellipse50),
        ellipse95=_ellipse(value.ellipse95),
    )


def _sensor(value: domain.Sensor) -> schema.Sensor:
    return schema.Sensor(
        device=value.device,
        microphone=value.microphone,
        latitude=value.latitude,
        longitude=value.longitude,
        used=value.used,
        why=value.why,
        residual_ms=value.residual_ms,
        arrivals=list(value.shots),
        clip=None if value.clip_sha256 is None else value.clip_sha256.hex(),
        clip_here=value.clip_here,
        recording=None if value.recording_sha256 is None else value.recording_sha256.hex(),
        recording_here=value.recording_here,
        distance_m=value.distance_m,
    )


def _verdict(value: domain.Verdict, due_from_ns: int) -> schema.Verdict:
    return schema.Verdict(
        verdict=value.verdict.value,
        what=value.what,
        by=value.by,
        at=rfc3339(value.at_ns),
        after_s=round((value.at_ns - due_from_ns) / _SECOND_NS, 3),
    )


def _nearby(value: domain.NearbyRead) -> schema.NearbyRead:
    return schema.NearbyRead(
        read=read(value.read),
        distance_m=value.distance_m,
        offset_s=round(value.offset_ns / _SECOND_NS, 3),
        held_until=rfc3339(value.held_until_ns),
        hold="provisional" if value.provisional else "confirmed",
    )
