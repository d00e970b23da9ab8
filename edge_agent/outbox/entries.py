"""What is put into the outbox, before it is a row: how it is checked, cut, ranked and written down."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from edge_agent.errors import OutboxError
from edge_agent.records import CaptureTime
from edge_agent.sending import Identity, Urgency
from edge_wire import codec
from edge_wire.cose import MAX_ENVELOPE_BYTES
from edge_wire.errors import WireError
from edge_wire.messages import (
    KIND_OF,
    STREAM_OF,
    Change,
    Header,
    Health,
    LossRecord,
    Media,
    Open,
    Part,
    PlateRead,
    Presence,
    ShotArrival,
    ShotClip,
    Statement,
    Stream,
    UpBody,
)

_PART_BYTES = 24 * 1024
_ENVELOPE_OVERHEAD_BYTES = 256
_LARGEST = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Entry:
    """One message to be stored.

    Attributes:
        body: what it says; a kind that has a stream.
        captured: when the light or sound arrived, or the fact came about.
        urgency: its place in the order of sending; None for the kind's own.
    """

    body: UpBody
    captured: CaptureTime
    urgency: Urgency | None = None


def media_parts(
    part: Part, sha256: bytes, content: bytes, of_epoch: int, *, track: int | None = None, sequence: int | None = None
) -> list[Media]:
    """Cut a file into messages of at most 24 KiB; no bytes become the one answer that it is not held."""
    return [
        Media(part, sha256, offset, len(content), content[offset : offset + _PART_BYTES], of_epoch, track, sequence)
        for offset in range(0, max(len(content), 1), _PART_BYTES)
    ]


def named_file(body: UpBody, part: Part) -> bytes | None:
    """Return the hash by which ``body`` names the file of that kind that goes with it; None if it names none."""
    match body, part:
        case PlateRead(), Part.CROP:
            return body.crop_sha256
        case PlateRead(), Part.FRAME:
            return body.frame_sha256
        case PlateRead(), Part.OVERVIEW:
            return body.overview.sha256 if body.overview is not None else None
        case ShotClip(), Part.CLIP:
            return body.clip_sha256
        case ShotClip(), Part.RECORDING:
            return body.recording_sha256
    return None


def check(entry: Entry) -> None:
    """Refuse what the collector could not read, before it takes a sequence.

    Raises:
        OutboxError: with the field that is wrong.
    """
    captured = entry.captured
    try:
        header = Header(
            _LARGEST,
            captured.utc_ns,
            captured.boot_ns,
            captured.error_ns,
            stream=stream_of(entry.body),
            sequence=_LARGEST,
        )
        payload = codec.encode(header, entry.body)
        codec.decode_up(payload)
    except (WireError, ValueError, TypeError) as error:
        raise OutboxError(f"{type(entry.body).__name__}: cannot be sent and was not stored: {error}") from error
    if len(payload) > MAX_ENVELOPE_BYTES - _ENVELOPE_OVERHEAD_BYTES:
        raise OutboxError(f"{type(entry.body).__name__}: got {len(payload)} bytes, expected at most 65,280")


INSERT_ROW = (
    "INSERT INTO rows (epoch, stream, sequence, kind, urgency, queued_boot_ns, digest, file, part, envelope) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


def row_values(
    identity: Identity, body: UpBody, urgency: Urgency, queued_ns: int, envelope: bytes, *, file: bytes | None = None
) -> tuple[object, ...]:
    """Return the values for ``INSERT_ROW``."""
    digest = hashlib.sha256(envelope).digest()
    part = body.part if isinstance(body, Media) else None
    return (*identity, KIND_OF[type(body)], urgency, queued_ns, digest, file, part, envelope)


def stream_of(body: UpBody) -> Stream:
    """Return the stream that ``body`` travels in.

    Raises:
        ValueError: it is Health or Presence, which are not stored.
    """
    stream = STREAM_OF[type(body)]
    if stream is None:
        raise ValueError(f"{type(body).__name__}: is not sequenced and does not go through the outbox")
    return stream


def urgency_of(body: UpBody) -> Urgency:
    """Return the place in the order of sending that a kind has of itself."""
    match body:
        case ShotArrival() | ShotClip():  # what a shot sounded like is asked for as soon as it is known to be there
            return Urgency.SHOT
        case PlateRead():
            return Urgency.LIVE_READ
        case Media():
            return Urgency.OTHER_MEDIA
        case Open() | Statement() | LossRecord() | Change() | Health() | Presence():
            return Urgency.REPORT
