"""Plate reads, and the passages that they make."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


def text_confidence(slots: Iterable[Sequence[tuple[str, float]]]) -> float:
    """Return the probability that every slot's likeliest character is right, so that one bad character shows."""
    return math.prod(max((p for _, p in slot), default=0.0) for slot in slots)


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
