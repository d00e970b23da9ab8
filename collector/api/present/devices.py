"""Devices, and what arrives from them, in the API's words.

A health report is shown as far as it goes: what an older device does not say yet is null, and not a failure.
"""

from collections.abc import Mapping
from typing import Any, Final

from collector import domain
from collector.api import schema
from collector.api.times import rfc3339
from edge_wire.messages import Part

_ALARM_SHARE: Final = 0.8


def device(value: domain.Device) -> schema.Device:
    """A device and its last health."""
    return schema.Device(
        id=value.id,
        agency=value.agency,
        site=value.site,
        status=value.status.value,
        link=value.link.value,
        last_heard_at=None if value.last_heard_at_ns is None else rfc3339(value.last_heard_at_ns),
        last_word=value.last_word or None,
        health=None if value.health is None else dict(value.health),
        sources=[] if value.health is None else _sources(value.health),
        report=None if value.health is None else _report(value.health, value.health_at_ns),
    )


def device_change(value: domain.DeviceChange) -> schema.DeviceChange:
    """A change of state."""
    return schema.DeviceChange(
        id=value.id,
        subject=value.subject,
        ref=value.ref,
        state=value.state,
        before=value.before,
        reason=value.reason,
        at=rfc3339(value.at_ns),
        received_at=rfc3339(value.received_at_ns),
    )


def picture(value: domain.PictureArrival) -> schema.Picture:
    """A picture that has arrived."""
    return schema.Picture(sha256=value.sha256.hex(), part=_PARTS[value.part], read=value.read_id)


def _sources(health: Mapping[str, Any]) -> list[schema.Source]:
    skipped = dict(health.get("skipped", ()))
    inference_us = dict(health.get("inference_us", ()))
    return [
        schema.Source(
            id=one["id"],
            kind=one["kind"],
            state=one["state"],
            reason=one["reason"],
            rate_hz=one["rate_mhz"] / 1_000,
            skipped=skipped.get(one["id"], 0),
            inference_ms=_scaled(inference_us.get(one["id"]), 1_000),
        )
        for one in health.get("sources", ())
    ]


def _report(health: Mapping[str, Any], at_ns: int | None) -> schema.Report:
    return schema.Report(
        at=None if at_ns is None else rfc3339(at_ns),
        uptime_s=health.get("uptime_s"),
        uplink=schema.Uplink(
            state=health.get("link"),
            unacked_s=health.get("unacked_s"),
            last_ack_s=health.get("last_ack_s"),
            metered=health.get("metered", False),
        ),
        outbox=schema.Outbox(
            pending=health.get("outbox_pending", 0),
            oldest_s=health.get("outbox_oldest_s", 0),
            bytes=health.get("outbox_bytes"),
            lost=dict(health.get("lost", ())),
        ),
        power=_power(health.get("power")),
        data_plan=_data_plan(health.get("data_use")),
        temperature_c=_scaled(health.get("temperature_mc"), 1_000),
        disk_free_bytes=health.get("disk_free_bytes"),
        clock_source=health.get("clock_source"),
        clock_error_ms=_scaled(health.get("clock_error_ns"), 1_000_000),
        version=health.get("version"),
        versions=dict(health.get("versions", ())),
        models=[(use, name) for use, name in health.get("models", ())],
        model_digests=dict(health.get("model_digests", ())),
        config_sha256=health.get("config_sha256"),
    )


def _power(power: Mapping[str, Any] | None) -> schema.Power | None:
    if power is None:
        return None
    return schema.Power(
        source=power["source"],
        charge_percent=power["charge_percent"],
        input_v=_scaled(power["input_mv"], 1_000),
        battery_v=_scaled(power["battery_mv"], 1_000),
        runtime_s=power["runtime_s"],
    )


def _data_plan(use: Mapping[str, Any] | None) -> schema.DataPlan | None:
    if use is None:
        return None
    return schema.DataPlan(**use, alarm=use["used_bytes"] >= _ALARM_SHARE * use["monthly_bytes"])


def _scaled(value: int | None, by: int) -> float | None:
    return None if value is None else value / by


_PARTS: dict[Part, schema.PartName] = {
    Part.CROP: "crop",
    Part.FRAME: "frame",
    Part.CLIP: "clip",
    Part.OVERVIEW: "overview",
    Part.RECORDING: "recording",
}
