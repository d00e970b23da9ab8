"""Alerts of both kinds."""

from typing import Annotated, Literal

from pydantic import Field

from collector.api.schema.base import Model, Time
from collector.api.schema.incidents import Incident
from collector.api.schema.reads import Read


class Entry(Model):
    """A hotlist entry, in the version that the read was matched against."""

    plate: str
    region: str | None
    list: str
    version: int
    reason: str
    severity: str
    notes: str


class Alert(Model):
    """A hit, or a shot incident, routed to a person: a claim of the machine, not a confirmation."""

    id: int
    kind: Annotated[
        Literal["hit", "shot"],
        Field(description="`hit`: `rule`, `entry` and `read` say what; `shot`: `incident` does. The others are null"),
    ]
    state: Literal["new", "acknowledged"]
    support: Annotated[
        Literal["raised", "strengthened", "unsupported"],
        Field(description="what later revisions, of the read or of the incident, did to it"),
    ]
    raised_at: Time
    latency_ms: Annotated[float, Field(description="first readable frame, or first round, to raised")]
    rule: Annotated[str | None, Field(description="`exact`, or `folded`: 0 and O, 1 and I taken for the same")]
    why: list[str]
    entry: Entry | None
    historical: Annotated[bool, Field(description="captured too long before it arrived to act on")]
    acknowledged_by: str | None
    acknowledged_at: Time | None
    read: Read | None
    incident: Incident | None


class Alerts(Model):
    """One page, newest first."""

    alerts: list[Alert]
