"""Devices, and what arrives from them, in the API's words."""

from collections.abc import Mapping
from typing import Any

from collector import domain
from collector.api import schema
from collector.api.times import rfc3339
from edge_wire.messages import Part


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
    Part.RECORDING: "recording",
}
