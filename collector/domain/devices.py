"""Devices, their messages, and what is known of time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from edge_wire.messages import Part


class DeviceStatus(StrEnum):
    """Whether a device's messages are taken."""

    ENROLLED = "enrolled"
    REVOKED = "revoked"


class Link(StrEnum):
    """Whether a device is connected, as far as anybody can know."""

    ONLINE = "online"
    OFFLINE = "offline"
    NEVER_HEARD = "never heard"


@dataclass(frozen=True, slots=True)
class Age:
    """How long ago a vehicle passed, as far as anybody can tell.

    Attributes:
        historical: it passed too long ago to be chased.
        note: what to tell the operator, None when there is nothing to say.
    """

    historical: bool
    note: str | None = None


@dataclass(frozen=True, slots=True, order=True)
class Identity:
    """Which message of a device this is; ordered, because rows are inserted in identity order.

    Attributes:
        device: who signed it.
        epoch: which opening of the device's outbox it belongs to.
        stream: ``edge_wire.messages.Stream``.
        sequence: from 1 within (epoch, stream).
    """

    device: str
    epoch: int
    stream: int
    sequence: int


@dataclass(frozen=True, slots=True)
class Device:
    """A device as the fleet shows it.

    Attributes:
        id: its immutable id.
        agency: whose it is.
        site: where it stands.
        status: whether its messages are taken.
        link: whether it is connected.
        last_heard_at_ns: when something verified last arrived from it.
        health: its latest health, field by field as on the wire.
        health_at_ns: when that arrived.
        last_word: why its connection ended, as it or the will that it left with the broker said; empty while it is
            connected, or where nothing was said.
    """

    id: str
    agency: str
    site: str
    status: DeviceStatus
    link: Link
    last_heard_at_ns: int | None
    health: Mapping[str, Any] | None
    health_at_ns: int | None
    last_word: str = ""


@dataclass(frozen=True, slots=True)
class DeviceChange:
    """Something on a device that is in another state than before, as the device says.

    Attributes:
        id: the collector's number of it.
        device: who says it.
        subject: camera, microphone, outbox, power, clock, disk, data-plan, agent; newer devices may know more.
        ref: which of them, such as the camera's id; None where there is only one.
        state: how it is since then.
        before: how it was; None at the start of the agent.
        reason: why, for people.
        at_ns: when it changed, by the device's clock.
        received_at_ns: when it was told.
    """

    id: int
    device: str
    subject: str
    ref: str | None
    state: str
    before: str | None
    reason: str
    at_ns: int
    received_at_ns: int


@dataclass(frozen=True, slots=True)
class PictureArrival:
    """A picture or clip that has become complete.

    Attributes:
        sha256: of the exact file.
        device: who sent it.
        part: what it shows.
        read_id: the plate read that it belongs to, if that has arrived.
    """

    sha256: bytes
    device: str
    part: Part
    read_id: int | None
