"""Domain values in the API's words. Pure."""

from collections.abc import Mapping
from typing import Any

from collector import domain
from collector.api import schema
from collector.api.times import milliseconds, rfc3339
from edge_wire.messages import Part
from edge_wire.regions import named_region


def alert(value: domain.Alert) -> schema.Alert:
    """An alert with its entry and its read."""
    return schema.Alert(
        id=value.id,
        state=value.state.value,
        support=value.support.value,
        raised_at=rfc3339(value.raised_at_ns),
        latency_ms=milliseconds(value.raised_at_ns - value.read.first_readable_at_ns),
        rule=value.rule.value,
        why=list(value.why),
        entry=schema.Entry(
            plate=value.entry.plate,
            region=value.entry.region,
            list=value.entry.list,
            version=value.list_version,
            reason=value.entry.reason,
            severity=value.entry.severity,
            notes=value.entry.notes,
        ),
        historical=value.historical,
        acknowledged_by=value.acknowledged_by,
        acknowledged_at=None if value.acknowledged_at_ns is None else rfc3339(value.acknowledged_at_ns),
        read=read(value.read),
    )


def read(value: domain.Read) -> schema.Read:
    """A plate read."""
    return schema.Read(
        id=value.id,
        device=value.device,
        agency=value.agency,
        camera=value.camera,
        role=value.role,
        pair=value.pair,
        lane=value.lane,
        direction=value.direction,
        face=value.face,
        deployment=value.deployment,
        track=value.track,
        revision=value.revision,
        final=value.final,
        text=value.text,
        slots=[list(slot) for slot in value.slots],
        confidence=value.confidence,
        region=named_region(value.regions),
        regions=list(value.regions),
        captured_at=rfc3339(value.captured_at_ns),
        clock_error_ms=milliseconds(value.clock_error_ns),
        received_at=rfc3339(value.received_at_ns),
        latency_ms=milliseconds(value.received_at_ns - value.first_readable_at_ns),
        frames=value.frames,
        crop=value.crop_sha256.hex(),
        crop_here=value.crop_here,
        frame=value.frame_sha256.hex(),
        frame_here=value.frame_here,
        overview=None if value.overview is None else _overview(value.overview),
        travel=value.travel,
        marks=list(value.marks),
        vehicle=None if value.vehicle is None else _vehicle(value.vehicle),
        site=value.site,
        passage=value.passage_id,
    )


def passage(value: domain.Passage) -> schema.Passage:
    """A passage with its reads."""
    return schema.Passage(
        id=value.id,
        site=value.site,
        agency=value.agency,
        text=value.text,
        confidence=value.confidence,
        first_at=rfc3339(value.first_at_ns),
        last_at=rfc3339(value.last_at_ns),
        cameras=len({(one.device, one.camera) for one in value.reads}),
        reads=[read(one) for one in value.reads],
    )


def shot(value: domain.Shot) -> schema.Shot:
    """A shot arrival."""
    return schema.Shot(
        id=value.id,
        device=value.device,
        agency=value.agency,
        microphone=value.microphone,
        captured_at=rfc3339(value.captured_at_ns),
        error_ms=milliseconds(value.error_ns),
        probability=value.probability,
        classes=list(value.classes),
        peak_dbfs=value.peak_dbfs,
        rms_dbfs=value.rms_dbfs,
        received_at=rfc3339(value.received_at_ns),
        latency_ms=milliseconds(value.received_at_ns - value.captured_at_ns),
    )


def device(value: domain.Device) -> schema.Device:
    """A device and its last health."""
    return schema.Device(
        id=value.id,
        agency=value.agency,
        site=value.site,
        status=value.status.value,
        link=value.link.value,
        last_heard_at=None if value.last_heard_at_ns is None else rfc3339(value.last_heard_at_ns),
        health=None if value.health is None else dict(value.health),
        sources=[] if value.health is None else _sources(value.health),
    )


def picture(value: domain.PictureArrival) -> schema.Picture:
    """A picture that has arrived."""
    return schema.Picture(sha256=value.sha256.hex(), part=_PARTS[value.part], read=value.read_id)


def _overview(value: domain.Overview) -> schema.Overview:
    return schema.Overview(
        camera=value.camera, sha256=value.sha256.hex(), offset_ms=milliseconds(value.offset_ns), here=value.here
    )


def _vehicle(value: domain.Vehicle) -> schema.Vehicle:
    return schema.Vehicle(body=value.body, colour=value.colour, make=value.make)


def _sources(health: Mapping[str, Any]) -> list[schema.Source]:
    skipped = dict(health.get("skipped", ()))
    return [
        schema.Source(
            id=one["id"],
            kind=one["kind"],
            state=one["state"],
            reason=one["reason"],
            rate_hz=one["rate_mhz"] / 1_000,
            skipped=skipped.get(one["id"], 0),
        )
        for one in health.get("sources", ())
    ]


_PARTS: dict[Part, schema.PartName] = {
    Part.CROP: "crop",
    Part.FRAME: "frame",
    Part.CLIP: "clip",
    Part.OVERVIEW: "overview",
}
