"""What the collector knows, as values: apart from the wire, from the tables and from the API's JSON.

Times are integer UTC nanoseconds. Codes that a newer device may extend (role, face, class names) stay plain text.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from edge_wire.messages import Part


def text_confidence(slots: Iterable[Sequence[tuple[str, float]]]) -> float:
    """Return the probability that every slot's likeliest character is right, so that one bad character shows."""
    return math.prod(max((p for _, p in slot), default=0.0) for slot in slots)


class Rule(StrEnum):
    """By which rule a plate matched: character by character, or after 0/O and 1/I were taken for one another."""

    EXACT = "exact"
    FOLDED = "folded"


class AlertState(StrEnum):
    """What people did with an alert."""

    NEW = "new"
    ACKNOWLEDGED = "acknowledged"


class Support(StrEnum):
    """What later revisions of the read say of an alert's hit."""

    RAISED = "raised"
    STRENGTHENED = "strengthened"
    UNSUPPORTED = "unsupported"


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
class Overview:
    """The paired camera's frame of the same moment.

    Attributes:
        camera: which camera of the device took it.
        sha256: of its JPEG.
        offset_ns: its capture time less the read's.
        here: whether that file is here.
    """

    camera: str
    sha256: bytes
    offset_ns: int
    here: bool


@dataclass(frozen=True, slots=True)
class Vehicle:
    """What is known of a vehicle beside its plate; at least one of them."""

    body: str | None
    colour: str | None
    make: str | None


@dataclass(frozen=True, slots=True)
class Read:
    """A plate read as its latest revision has it.

    Attributes:
        id: the collector's number for the track.
        device: who sent it.
        epoch: the epoch of the device's outbox.
        agency: whose device it was when the read arrived.
        track: the vehicle's pass, unique within the epoch.
        revision: the latest that arrived.
        final: whether nothing follows.
        text: the likeliest reading.
        slots: for each character slot the likely characters with their probability, likeliest first.
        confidence: probability of the likeliest character in every slot at once.
        regions: ISO 3166 codes with probability, likeliest first.
        camera: the camera's id on the device.
        role: ``lpr`` or ``overview``.
        pair: the camera that looks at the same lane otherwise.
        lane: from 1 at the kerb.
        direction: compass point of the lane's traffic.
        face: end of the vehicle that is seen.
        deployment: which site, aim and period the device stands in.
        captured_at_ns: of the frame that is shown, as the device claims it.
        first_readable_at_ns: of the first frame in which the plate could be read: the same in every revision.
        clock_error_ns: how far those may be off.
        received_at_ns: when the first revision arrived.
        frames: how many frames the vote fused.
        crop_sha256: of the crop's JPEG.
        crop_here: whether that file is here.
        frame_sha256: of the frame's JPEG.
        frame_here: whether that file is here.
        site: where the device stood when the read came.
        passed_at_ns: when the plate was first readable, as far as the clocks tell; the same in every revision.
        travel: how the plate moved through the picture; None while that cannot be told.
        marks: what made it hard to read.
        overview: the paired camera's picture of the same moment.
        vehicle: what is known of the vehicle beside its plate.
        passage_id: which passage it is part of; None while it is the only read of its vehicle.
    """

    id: int
    device: str
    epoch: int
    agency: str
    track: int
    revision: int
    final: bool
    text: str
    slots: tuple[tuple[tuple[str, float], ...], ...]
    confidence: float
    regions: tuple[tuple[str, float], ...]
    camera: str
    role: str
    pair: str | None
    lane: int | None
    direction: str | None
    face: str | None
    deployment: str
    captured_at_ns: int
    first_readable_at_ns: int
    clock_error_ns: int
    received_at_ns: int
    frames: int
    crop_sha256: bytes
    crop_here: bool
    frame_sha256: bytes
    frame_here: bool
    site: str
    passed_at_ns: int
    travel: str | None
    marks: tuple[str, ...]
    overview: Overview | None
    vehicle: Vehicle | None
    passage_id: int | None


@dataclass(frozen=True, slots=True)
class Passage:
    """One vehicle, as several reads of one site saw it within seconds.

    Attributes:
        id: the collector's number.
        site: where.
        agency: whose devices saw it.
        first_at_ns: when the first of them could read the plate.
        last_at_ns: when the last of them was captured.
        text: what its surest read says.
        confidence: of that read.
        reads: in the order in which they could read the plate; empty when they turned out to be different vehicles.
    """

    id: int
    site: str
    agency: str
    first_at_ns: int
    last_at_ns: int
    text: str
    confidence: float
    reads: tuple[Read, ...]


@dataclass(frozen=True, slots=True)
class Shot:
    """One shot as one sensor heard it.

    Attributes:
        id: the collector's number.
        device: who sent it.
        agency: whose device it was.
        microphone: the microphone's id on the device.
        deployment: which site, aim and period the device stands in.
        captured_at_ns: the arrival's onset, as the device claims it.
        error_ns: one-sigma error of the onset and the clock's error together.
        probability: the gun classes taken together.
        classes: probability by class, likeliest first.
        peak_dbfs: highest sample.
        rms_dbfs: over 50 ms from the onset.
        clipped: whether samples stood at full scale.
        clip_sha256: of the kept seconds around it, if any.
        received_at_ns: when it arrived here.
    """

    id: int
    device: str
    agency: str
    microphone: str
    deployment: str
    captured_at_ns: int
    error_ns: int
    probability: float
    classes: tuple[tuple[str, float], ...]
    peak_dbfs: float
    rms_dbfs: float
    clipped: bool
    clip_sha256: bytes | None
    received_at_ns: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a hotlist.

    Attributes:
        id: the collector's number.
        list: the hotlist's name.
        plate: as listed.
        region: ISO 3166 code; None for any.
        reason: why it is listed.
        severity: the list's own word for how urgent it is.
        notes: whatever else the list says.
    """

    id: int
    list: str
    plate: str
    region: str | None
    reason: str
    severity: str
    notes: str


@dataclass(frozen=True, slots=True)
class Alert:
    """A hit, put before people.

    Attributes:
        id: the number that people quote.
        state: what people did with it.
        support: what later revisions say of it.
        rule: how it matched.
        why: the reasons, one sentence each.
        entry: what it matched.
        list_version: the hotlist's version at that moment.
        historical: the vehicle passed too long ago to be chased.
        raised_at_ns: when it was raised.
        acknowledged_by: the first who acknowledged it.
        acknowledged_at_ns: when.
        read: the read as it is now.
    """

    id: int
    state: AlertState
    support: Support
    rule: Rule
    why: tuple[str, ...]
    entry: Entry
    list_version: int
    historical: bool
    raised_at_ns: int
    acknowledged_by: str | None
    acknowledged_at_ns: int | None
    read: Read


@dataclass(frozen=True, slots=True)
class Standing:
    """How an alert stands.

    Attributes:
        plate: as listed, normalised.
        region: ISO 3166 code of the entry; None for any.
        rule: how the read last matched it.
        support: what the revisions so far say.
        why: the reasons, one sentence each.
    """

    plate: str
    region: str | None
    rule: Rule
    support: Support
    why: tuple[str, ...]


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
    """

    id: str
    agency: str
    site: str
    status: DeviceStatus
    link: Link
    last_heard_at_ns: int | None
    health: Mapping[str, Any] | None
    health_at_ns: int | None


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
