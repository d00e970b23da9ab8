"""Plate reads and passages in the API's words."""

from collector import domain
from collector.api import schema
from collector.api.times import milliseconds, rfc3339
from edge_wire.regions import named_region


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


def _overview(value: domain.Overview) -> schema.Overview:
    return schema.Overview(
        camera=value.camera, sha256=value.sha256.hex(), offset_ms=milliseconds(value.offset_ns), here=value.here
    )


def _vehicle(value: domain.Vehicle) -> schema.Vehicle:
    return schema.Vehicle(body=value.body, colour=value.colour, make=value.make)
