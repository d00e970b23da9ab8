"""Devices, what arrives from them, and how the collector is."""

from typing import Annotated, Literal

from pydantic import Field

from collector.api.schema.base import Model, Sha256, Time

PartName = Literal["crop", "frame", "clip", "overview", "recording"]


class Source(Model):
    """A camera or microphone, as its device's last health report has it."""

    id: str
    kind: str
    state: Annotated[str, Field(description="`ok`, `doubtful`, `connecting`, `failed` or `ended`")]
    reason: Annotated[str, Field(description="why it is not ok")]
    rate_hz: Annotated[float, Field(description="frames or blocks a second")]
    skipped: Annotated[int, Field(description="frames passed over since the start for want of computing time")]
    inference_ms: Annotated[
        float | None, Field(description="the median run of its networks over the last minute; null if none ran")
    ] = None


class Power(Model):
    """What feeds a device, as its UPS or charger reports it; null is what that does not say."""

    source: Annotated[str, Field(description="`line`, `battery`, `low-battery` or `unknown`")]
    charge_percent: int | None
    input_v: float | None
    battery_v: float | None
    runtime_s: Annotated[int | None, Field(description="how long the UPS believes that its battery lasts")]


class Uplink(Model):
    """The device's link, as it was when the report was made."""

    state: Annotated[str | None, Field(description="`connected`, `unacked` or `working`; only the last one is well")]
    unacked_s: Annotated[int | None, Field(description="for how long rows have waited without an ack")]
    last_ack_s: Annotated[int | None, Field(description="since the last ack")]
    metered: Annotated[bool, Field(description="whether the device saves bytes")]


class Outbox(Model):
    """What waits on the device, and what it lost."""

    pending: Annotated[int, Field(description="rows without an ack")]
    oldest_s: Annotated[int, Field(description="how long the oldest of them has waited")]
    bytes: Annotated[int | None, Field(description="what rows and files take")]
    lost: Annotated[dict[str, int], Field(description="rows lost since the outbox was made, by reason")]


class DataPlan(Model):
    """How the device's data plan stands in its billing month."""

    used_bytes: int
    monthly_bytes: int
    forecast_bytes: Annotated[int, Field(description="what the month will come to at this rate")]
    alarm: Annotated[bool, Field(description="80 % of the plan is used")]


class Report(Model):
    """How the device was, by its last health report."""

    at: Annotated[Time | None, Field(description="when that came")]
    uptime_s: int | None
    uplink: Uplink
    outbox: Outbox
    power: Annotated[Power | None, Field(description="null where no UPS is named in its settings")]
    data_plan: Annotated[DataPlan | None, Field(description="null where there is none")]
    temperature_c: Annotated[float | None, Field(description="its hottest sensor")]
    disk_free_bytes: int | None
    clock_source: Annotated[str | None, Field(description="`kernel` or `unsynchronised`")]
    clock_error_ms: Annotated[float | None, Field(description="how far its clock may be off")]
    version: str | None
    versions: Annotated[dict[str, str], Field(description="of what it runs on, by name")]
    models: Annotated[list[tuple[str, str]], Field(description="what networks are for, and the name of their set")]
    model_digests: Annotated[dict[str, Sha256], Field(description="of each model file that it runs")]
    config_sha256: Annotated[Sha256 | None, Field(description="of its configuration file")]


class DeviceChange(Model):
    """Something on a device that is in another state than before, as the device says."""

    id: int
    subject: Annotated[
        str, Field(description="camera, microphone, outbox, power, clock, disk, data-plan, agent; perhaps others")
    ]
    ref: Annotated[str | None, Field(description="which of them; null where there is only one")]
    state: str
    before: Annotated[str | None, Field(description="null at the start of the agent")]
    reason: str
    at: Annotated[Time, Field(description="by the device's clock")]
    received_at: Time


class DeviceChanges(Model):
    """Changes on one device, newest first."""

    changes: list[DeviceChange]


class Device(Model):
    """An edge agent, as it was last heard of."""

    id: str
    agency: str
    site: Annotated[str, Field(description="where it stands; its own id where nobody has named a site")]
    status: Literal["enrolled", "revoked"]
    link: Literal["online", "offline", "never heard"]
    last_heard_at: Time | None
    last_word: Annotated[
        str | None, Field(description="why its connection ended, if it is offline and anything was said")
    ] = None
    health: Annotated[dict[str, object] | None, Field(description="its last health report, as it was on the wire")]
    sources: Annotated[list[Source], Field(description="its cameras and microphones, from that report")]
    report: Annotated[Report | None, Field(description="the rest of it, in the units of this API")] = None


class Devices(Model):
    """All devices, by id."""

    devices: list[Device]


class Picture(Model):
    """A picture that has arrived; only the stream speaks of them."""

    sha256: Sha256
    part: PartName
    read: Annotated[int | None, Field(description="the read that it belongs to")]


class Heartbeat(Model):
    """Sent on the stream when there is nothing else to say."""

    at: Time
    ingest: Annotated[
        Literal["connected", "disconnected"],
        Field(description="whether what devices say can arrive; while it cannot, silence means nothing"),
    ]


class Health(Model):
    """Whether the collector can serve and hear."""

    ok: Annotated[bool, Field(description="both of the others are well")]
    store: Literal["ok", "failing"]
    broker: Literal["connected", "disconnected"]
