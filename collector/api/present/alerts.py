"""Alerts in the API's words."""

from collector import domain
from collector.api import schema
from collector.api.present.incidents import incident
from collector.api.present.reads import read
from collector.api.times import milliseconds, rfc3339


def alert(value: domain.Alert) -> schema.Alert:
    """An alert with what it is about: an entry and its read, or an incident."""
    about = value.about
    hit, shots = (about, None) if isinstance(about, domain.Hit) else (None, about)
    happened_at_ns = about.read.first_readable_at_ns if isinstance(about, domain.Hit) else about.at_ns
    return schema.Alert(
        id=value.id,
        kind="shot" if hit is None else "hit",
        state=value.state.value,
        support=value.support.value,
        raised_at=rfc3339(value.raised_at_ns),
        latency_ms=milliseconds(value.raised_at_ns - happened_at_ns),
        rule=None if hit is None else hit.rule.value,
        why=list(value.why),
        entry=None if hit is None else _entry(hit),
        historical=value.historical,
        acknowledged_by=value.acknowledged_by,
        acknowledged_at=None if value.acknowledged_at_ns is None else rfc3339(value.acknowledged_at_ns),
        read=None if hit is None else read(hit.read),
        incident=None if shots is None else incident(shots),
    )


def _entry(hit: domain.Hit) -> schema.Entry:
    return schema.Entry(
        plate=hit.entry.plate,
        region=hit.entry.region,
        list=hit.entry.list,
        version=hit.list_version,
        reason=hit.entry.reason,
        severity=hit.entry.severity,
        notes=hit.entry.notes,
    )
