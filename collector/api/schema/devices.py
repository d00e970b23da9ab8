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


class Device(Model):
    """An edge agent, as it was last heard of."""

    id: str
    agency: str
    site: Annotated[str, Field(description="where it stands; its own id where nobody has named a site")]
    status: Literal["enrolled", "revoked"]
    link: Literal["online", "offline", "never heard"]
    last_heard_at: Time | None
    health: Annotated[dict[str, object] | None, Field(description="its last health report")]
    sources: Annotated[list[Source], Field(description="its cameras and microphones, from that report")]


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
