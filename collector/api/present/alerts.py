"""Alerts in the API's words."""

from collections.abc import Iterable
from typing import Any

from collector import domain
from collector.alerts.hand_off import hand_off, next_step, stands_confirmed
from collector.api import schema
from collector.api.present.incidents import incident
from collector.api.present.reads import read
from collector.api.times import milliseconds, rfc3339

_S = 1_000_000_000


def alert(value: domain.Alert) -> schema.Alert:
    """An alert with what it is about: an entry and its reads, or an incident."""
    return schema.Alert(**_alert(value))


def alert_in_full(
    value: domain.Alert, reads: Iterable[domain.AttachedRead], changes: Iterable[domain.AlertChange]
) -> schema.AlertInFull:
    """An alert with all its reads and everything that was done to it."""
    return schema.AlertInFull(
        **_alert(value), reads=[_attached(one) for one in reads], changes=[_change(one) for one in changes]
    )


def _alert(value: domain.Alert) -> dict[str, Any]:
    about, closed, recalled = value.about, value.closed, value.recalled
    hit, shots = (about, None) if isinstance(about, domain.Hit) else (None, about)
    happened_at_ns = about.read.first_readable_at_ns if isinstance(about, domain.Hit) else about.at_ns
    return {
        "id": value.id,
        "kind": "shot" if hit is None else "hit",
        "state": value.state.value,
        "support": value.support.value,
        "raised_at": rfc3339(value.raised_at_ns),
        "latency_ms": milliseconds(value.raised_at_ns - happened_at_ns),
        "rule": None if hit is None else hit.rule.value,
        "probability": None if hit is None or hit.match is None else hit.match.probability,
        "match": None if hit is None or hit.match is None else _match(hit, hit.match),
        "why": list(value.why),
        "entry": None if hit is None else _entry(hit),
        "historical": value.historical,
        "acknowledged_by": value.acknowledged_by,
        "acknowledged_at": _time(value.acknowledged_at_ns),
        "soundings": value.soundings,
        "escalate_at": _time(value.escalate_at_ns),
        "escalated_at": _time(value.escalated_at_ns),
        "recalled_at": None if recalled is None else rfc3339(recalled.at_ns),
        "recalled_why": None if recalled is None else recalled.why,
        "disposition": None if closed is None else closed.disposition.value,
        "closed_by": None if closed is None else closed.by,
        "closed_at": None if closed is None else rfc3339(closed.at_ns),
        "image_check": _image_check(value.image_check),
        "record_check": _record_check(value.record_check),
        "field_outcome": _field_outcome(value.field_outcome),
        "confirm_by": _time(value.confirm_by_ns),
        "ask": next_step(value),
        "muted": value.muted,
        "notified": list(value.notified),
        "site": value.trail[-1].site if value.trail else None,
        "trail": [_point(one) for one in value.trail],
        "suppressed": value.suppressed,
        "confirmed": stands_confirmed(value),
        "hand_off": hand_off(value),
        "read": None if hit is None else read(hit.read),
        "incident": None if shots is None else incident(shots),
    }


def _entry(hit: domain.Hit) -> schema.Entry:
    entry = hit.entry
    return schema.Entry(
        plate=entry.plate,
        region=entry.region,
        list=entry.list,
        version=hit.list_version,
        reason=entry.reason,
        severity=entry.severity,
        notes=entry.notes,
        is_pattern=entry.is_pattern,
        category=entry.category,
        case_number=entry.case_number,
        reference=entry.reference,
        owner=entry.owner,
        vehicle=schema.ListedVehicle(
            make=entry.vehicle.make,
            model=entry.vehicle.model,
            colour=entry.vehicle.colour,
            year=entry.vehicle.year,
        ),
        handling=entry.handling,
        expires_at=_time(entry.expires_ns),
        covert=entry.covert_to is not None,
    )


def _match(hit: domain.Hit, match: domain.Match) -> schema.Match:
    return schema.Match(
        calibrated=match.calibrated,
        threshold=match.threshold,
        alignment=[
            schema.Aligned(read=one.read, read_p=one.read_p, entry=one.entry, entry_p=one.entry_p, step=one.step)
            for one in match.alignment
        ],
        otherwise=list(match.otherwise),
        revision=hit.revision,
        list_version=match.list_version,
        list_age_s=None if match.list_age_ns is None else round(match.list_age_ns / _S, 3),
        matcher=match.matcher,
    )


def _point(value: domain.TrailPoint) -> schema.TrailPoint:
    return schema.TrailPoint(
        read=value.read_id,
        part=value.part.value,
        device=value.device,
        camera=value.camera,
        site=value.site,
        at=rfc3339(value.passed_at_ns),
        probability=value.probability,
        supports=value.supports,
        latitude=value.latitude,
        longitude=value.longitude,
        direction=value.direction,
        distance_m=value.distance_m,
    )


def _attached(value: domain.AttachedRead) -> schema.AttachedRead:
    return schema.AttachedRead(
        part=value.part.value,
        attached_at=rfc3339(value.attached_at_ns),
        probability=value.probability,
        supports=value.supports,
        read=read(value.read),
    )


def _change(value: domain.AlertChange) -> schema.AlertChange:
    return schema.AlertChange(
        id=value.id, at=rfc3339(value.at_ns), who=value.who or None, action=value.action, detail=dict(value.detail)
    )


def _image_check(value: domain.ImageCheck | None) -> schema.ImageCheck | None:
    if value is None:
        return None
    return schema.ImageCheck(
        plate=value.plate.value,
        state=value.state.value,
        vehicle=value.vehicle.value,
        by=value.by,
        at=rfc3339(value.at_ns),
    )


def _record_check(value: domain.RecordCheck | None) -> schema.RecordCheck | None:
    if value is None:
        return None
    return schema.RecordCheck(
        status=value.status.value, reference=value.reference, by=value.by, at=rfc3339(value.at_ns)
    )


def _field_outcome(value: domain.FieldOutcome | None) -> schema.FieldOutcome | None:
    if value is None:
        return None
    return schema.FieldOutcome(outcome=value.outcome.value, by=value.by, at=rfc3339(value.at_ns))


def _time(utc_ns: int | None) -> str | None:
    return None if utc_ns is None else rfc3339(utc_ns)
