"""What devices and the collector say to each other: frozen values, apart from their encoding.

A message is a header and a body. The body's class is its kind; ``field(metadata=wire(n))`` gives a field's integer key
on the wire. Keys and kinds are only ever added, never renumbered: bytes that were signed years ago must still decode.
An optional field that is None is left out. Text enumerations are plain text, so that a value that a newer peer adds
survives an older one. ``docs/wire.cddl`` is the same table, normative; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Annotated, Any, NamedTuple

from msgspec import Meta

from edge_wire.packing import pack_log_odds, pack_ranges, pack_slots, unpack_log_odds, unpack_ranges, unpack_slots

Uint = Annotated[int, Meta(ge=0)]
Sequence = Annotated[int, Meta(ge=1)]
Probability = Annotated[float, Meta(ge=0, le=1)]
Sha256 = Annotated[bytes, Meta(min_length=32, max_length=32)]
Uuid = Annotated[bytes, Meta(min_length=16, max_length=16)]
Name = Annotated[str, Meta(min_length=1, max_length=64)]
Ranges = tuple[tuple[Sequence, Sequence], ...]
"""Inclusive runs of sequences, ascending, not touching."""
Slots = tuple[tuple[tuple[Annotated[str, Meta(min_length=1, max_length=1)], Probability], ...], ...]
"""For each character slot the likely characters, likeliest first; ``_`` is "no character"; the rest of 1 is "other"."""


def wire(
    key: int, pack: Callable[[Any], Any] | None = None, unpack: Callable[[Any], Any] | None = None
) -> Mapping[str, object]:
    """Give a field its key on the wire, and its packed form where that differs from the value."""
    return {"key": key, "pack": pack, "unpack": unpack}


class Stream(IntEnum):
    """Each stream of an epoch counts its own sequence from 1."""

    DETECTION = 1
    MEDIA = 2
    REPORT = 3


class Verdict(IntEnum):
    """What the collector did with the rows that an Ack names."""

    STORED = 1
    DEAD_LETTERED = 2


@dataclass(frozen=True, slots=True)
class Header:
    """What every message of a device begins with.

    Attributes:
        epoch: random non-negative int64 of one opening of the outbox.
        stream: None in Health and Presence, which are not sequenced.
        sequence: from 1 within (epoch, stream).
        captured_at_ns: UTC; when the light or sound arrived, or the fact that is reported came about.
        captured_boot_ns: CLOCK_BOOTTIME of the same instant; negative for recordings from before the boot.
        clock_error_ns: how far ``captured_at_ns`` may be off.
    """

    epoch: Uint = field(metadata=wire(1))
    captured_at_ns: int = field(metadata=wire(4))
    captured_boot_ns: int = field(metadata=wire(5))
    clock_error_ns: Uint = field(metadata=wire(6))
    stream: Stream | None = field(default=None, metadata=wire(2))
    sequence: Sequence | None = field(default=None, metadata=wire(3))


class LastSequence(NamedTuple):
    """The last sequence of one stream of an epoch; 0 if it had none."""

    stream: Stream
    sequence: Uint


@dataclass(frozen=True, slots=True)
class Open:
    """The first row of an epoch: vouches, by the device key's signature, for the epoch's own key.

    Attributes:
        public_key: the epoch's P-256 key, DER SubjectPublicKeyInfo.
        boot_id: the kernel's id of this boot.
        boot_ns: CLOCK_BOOTTIME when it was made, beside ``utc_ns``.
        previous: the epoch before it on this device, None for the first.
        previous_last: its last sequences; when ``corrupt``, the sequences that were reserved: an upper bound.
        corrupt: whether the outbox of the previous epoch could not be read.
    """

    public_key: bytes = field(metadata=wire(7))
    boot_id: Uuid = field(metadata=wire(8))
    boot_ns: Uint = field(metadata=wire(9))
    utc_ns: int = field(metadata=wire(10))
    previous: Uint | None = field(default=None, metadata=wire(11))
    previous_last: tuple[LastSequence, ...] = field(default=(), metadata=wire(12))
    corrupt: bool = field(default=False, metadata=wire(13))


class Position(NamedTuple):
    """WGS 84, in 1e-7 degrees, and a bound in centimetres."""

    latitude_e7: Annotated[int, Meta(ge=-900_000_000, le=900_000_000)]
    longitude_e7: Annotated[int, Meta(ge=-1_800_000_000, le=1_800_000_000)]
    error_cm: Uint


class Offset(NamedTuple):
    """How far from a ``Position`` something stands, in millimetres of the azimuthal equidistant plane around it."""

    east_mm: int
    north_mm: int
    up_mm: int


class Alternative(NamedTuple):
    """Another onset that may be of the same shot: ``offset_ns`` after its arrival, ``level_cdb`` louder than it.

    ``wave`` is shock-wave, muzzle-blast, echo or unknown.
    """

    offset_ns: int
    wave: Name
    level_cdb: int


class PixelBox(NamedTuple):
    """Left, top, right, bottom in pixels of the frame; right and bottom exclusive."""

    x1: Uint
    y1: Uint
    x2: Uint
    y2: Uint


class Overview(NamedTuple):
    """The paired camera's frame nearest in time, in colour; ``offset_ns`` is its capture time less the read's."""

    camera: Name
    sha256: Sha256
    offset_ns: int


@dataclass(frozen=True, slots=True)
class PlateRead:
    """One vehicle's pass at one camera, as the vote has it so far.

    The header's time is that of the frame named by ``frame_sha256``.

    Attributes:
        track: the pass, unique within the epoch.
        revision: 0, then up to 2 corrections and one closing message.
        final: whether nothing follows.
        text: the likeliest reading.
        slots: the distribution for each character; see ``Slots``.
        calibration: id of the calibration that the probabilities went through.
        camera: the camera's id on the device.
        role: ``lpr`` or ``overview``.
        deployment: which site, aim and period the device stands in.
        frame_sha256: of the frame's JPEG.
        crop_sha256: of the crop's JPEG.
        box: the plate in that frame.
        detection_score: the detector's score, not calibrated.
        frames: how many frames the vote fused.
        regions: ISO 3166 codes with probability, likeliest first.
        first_readable_ns: capture time of the first readable frame, relative to the header's (0 or negative).
        lane: lane number, from 1 at the kerb.
        pair: the camera that looks at the same lane in colour or infrared.
        direction: which way the lane's traffic goes, a compass point such as ``N`` or ``SW``.
        face: which end of the vehicle the camera sees, ``front`` or ``rear``.
        position: only while the device moves.
        travel: how the plate moved through the picture: approaching, receding, left, right, standing.
        marks: what made it hard to read: infrared, two-line, stacked, small, blurred, glare, cut-off.
        overview: the paired overview camera's frame of the same moment.
        vehicle_body: what kind of vehicle; no model fills it yet, nor the next two.
        vehicle_colour: its main colour.
        vehicle_make: its maker.
    """

    track: Uint = field(metadata=wire(7))
    revision: Uint = field(metadata=wire(8))
    final: bool = field(metadata=wire(9))
    text: Annotated[str, Meta(max_length=24)] = field(metadata=wire(10))
    slots: Slots = field(metadata=wire(11, pack_slots, unpack_slots))
    calibration: Name = field(metadata=wire(12))
    camera: Name = field(metadata=wire(13))
    role: Name = field(metadata=wire(14))
    deployment: Name = field(metadata=wire(15))
    frame_sha256: Sha256 = field(metadata=wire(16))
    crop_sha256: Sha256 = field(metadata=wire(17))
    box: PixelBox = field(metadata=wire(18))
    detection_score: Probability = field(metadata=wire(19, pack_log_odds, unpack_log_odds))
    frames: Sequence = field(metadata=wire(20))
    regions: tuple[tuple[Name, Probability], ...] = field(
        default=(),
        metadata=wire(
            21,
            lambda regions: [[code, pack_log_odds(p)] for code, p in regions],
            lambda items: [[code, unpack_log_odds(byte)] for code, byte in items],
        ),
    )
    first_readable_ns: Annotated[int, Meta(le=0)] = field(default=0, metadata=wire(22))
    lane: Uint | None = field(default=None, metadata=wire(23))
    pair: Name | None = field(default=None, metadata=wire(24))
    direction: Name | None = field(default=None, metadata=wire(25))
    face: Name | None = field(default=None, metadata=wire(26))
    position: Position | None = field(default=None, metadata=wire(27))
    travel: Name | None = field(default=None, metadata=wire(28))
    marks: tuple[Name, ...] = field(default=(), metadata=wire(29))
    overview: Overview | None = field(default=None, metadata=wire(30))
    vehicle_body: Name | None = field(default=None, metadata=wire(31))
    vehicle_colour: Name | None = field(default=None, metadata=wire(32))
    vehicle_make: Name | None = field(default=None, metadata=wire(33))


@dataclass(frozen=True, slots=True)
class ShotArrival:
    """One shot heard at one sensor. The header's time is the arrival's onset, its clock error the clock's share.

    Attributes:
        microphone: the microphone's id on the device.
        deployment: which site, aim and period the device stands in.
        onset_error_ns: one-sigma error of the onset within the samples.
        classes: probability of each class, likeliest first.
        model: name of the classifier.
        peak_cdbfs: highest sample, hundredths of a decibel relative to full scale.
        rms_cdbfs: root mean square over 50 ms from the onset, likewise.
        clipped: whether samples stood at full scale.
        rate_hz: the microphone's sample rate.
        clip_sha256: no longer filled: a ``ShotClip`` follows once the seconds after the shot have passed.
        position: where the microphone stands, or the origin that ``offset`` counts from; with it the error of both.
        offset: from there to the microphone.
        clock_source: what disciplines the clock, such as ``kernel`` or ``unsynchronised``.
        fit_error_ns: one-sigma error of the fit of the sample clock against UTC; not in the header's clock error.
        latency_ns: from the membrane to the sample; taken off the header's time already.
        snr_cdb: the first 50 ms over the noise before them, hundredths of a decibel.
        wave: which wave the onset is of: muzzle-blast, shock-wave or unknown.
        alternatives: other onsets that may be of the same shot, in order of time; the first arrival is the header's.
        burst: the microphone's number of the burst, within the epoch.
        round: which round of that burst it is, from 1.
        rounds: how many were heard when this was sent.
        fire: single, burst or automatic, as far as was heard when this was sent.
        marks: what was wrong with the sound: clipped, wind, agc.
        channel: which input of the microphone it was picked on.
    """

    microphone: Name = field(metadata=wire(7))
    deployment: Name = field(metadata=wire(8))
    onset_error_ns: Uint = field(metadata=wire(9))
    classes: tuple[tuple[Name, Probability], ...] = field(
        metadata=wire(
            10,
            lambda classes: [[name, pack_log_odds(p)] for name, p in classes],
            lambda items: [[name, unpack_log_odds(byte)] for name, byte in items],
        )
    )
    model: Name = field(metadata=wire(11))
    peak_cdbfs: int = field(metadata=wire(12))
    rms_cdbfs: int = field(metadata=wire(13))
    clipped: bool = field(metadata=wire(14))
    rate_hz: Sequence = field(metadata=wire(15))
    clip_sha256: Sha256 | None = field(default=None, metadata=wire(16))
    position: Position | None = field(default=None, metadata=wire(17))
    offset: Offset | None = field(default=None, metadata=wire(18))
    clock_source: Name | None = field(default=None, metadata=wire(19))
    fit_error_ns: Uint = field(default=0, metadata=wire(20))
    latency_ns: int = field(default=0, metadata=wire(21))
    snr_cdb: int | None = field(default=None, metadata=wire(22))
    wave: Name = field(default="unknown", metadata=wire(23))
    alternatives: tuple[Alternative, ...] = field(default=(), metadata=wire(24))
    burst: Uint | None = field(default=None, metadata=wire(25))
    round: Sequence | None = field(default=None, metadata=wire(26))
    rounds: Sequence | None = field(default=None, metadata=wire(27))
    fire: Name | None = field(default=None, metadata=wire(28))
    marks: tuple[Name, ...] = field(default=(), metadata=wire(29))
    channel: Uint | None = field(default=None, metadata=wire(30))


@dataclass(frozen=True, slots=True)
class ShotClip:
    """The seconds around one or several shots, kept on the device. The header's time is that of its first sample.

    Apart from the arrivals, because they are sent a second after the shot, before the clip has ended.

    Attributes:
        microphone: the microphone's id on the device.
        arrivals: the sequences, in the same epoch, of the shot arrivals that it holds.
        clip_sha256: of the clip as people listen to it (Ogg Opus, at most 20 KB as a rule).
        recording_sha256: of the same seconds as they were heard (FLAC).
        duration_ms: how long it is.
    """

    microphone: Name = field(metadata=wire(7))
    arrivals: Ranges = field(metadata=wire(8, pack_ranges, unpack_ranges))
    clip_sha256: Sha256 = field(metadata=wire(9))
    recording_sha256: Sha256 = field(metadata=wire(10))
    duration_ms: Uint = field(metadata=wire(11))


class Part(IntEnum):
    """What a file shows."""

    CROP = 1
    FRAME = 2
    CLIP = 3
    OVERVIEW = 4
    RECORDING = 5


@dataclass(frozen=True, slots=True)
class Media:
    """A piece of a file. Files are joined by their hash; pieces may come in any order, before or after their read.

    Attributes:
        part: what the file shows.
        sha256: of the whole file.
        offset: where ``content`` begins in the file.
        total: size of the whole file in bytes; 0 says that the device no longer holds what it was asked for.
        content: the bytes.
        track: the plate read that it belongs to, or
        sequence: the shot arrival's sequence in the detection stream; both within ``of_epoch``.
        of_epoch: the epoch of that read or arrival.
    """

    part: Part = field(metadata=wire(7))
    sha256: Sha256 = field(metadata=wire(8))
    offset: Uint = field(metadata=wire(9))
    total: Uint = field(metadata=wire(10))
    content: bytes = field(metadata=wire(11))
    of_epoch: Uint = field(metadata=wire(12))
    track: Uint | None = field(default=None, metadata=wire(13))
    sequence: Sequence | None = field(default=None, metadata=wire(14))


class StreamState(NamedTuple):
    """Where one stream stands; ``lowest_pending`` is 0 when nothing is pending."""

    epoch: Uint
    stream: Stream
    next_sequence: Sequence
    pending: Uint
    lowest_pending: Uint


@dataclass(frozen=True, slots=True)
class Statement:
    """What the device holds, signed, so that the collector can say what is missing."""

    streams: tuple[StreamState, ...] = field(metadata=wire(7))


@dataclass(frozen=True, slots=True)
class LossRecord:
    """Rows that will never come, in the place of the rows.

    Attributes:
        lost_epoch: the epoch of the lost rows.
        lost_stream: their stream.
        ranges: their sequences; empty when only ``uncommitted`` counts.
        reason: evicted, expired, corrupt, refused, discarded.
        lost_kinds: how many of each kind, where known.
        uncommitted: detections that failed before they had a sequence.
    """

    lost_epoch: Uint = field(metadata=wire(7))
    lost_stream: Stream = field(metadata=wire(8))
    ranges: Ranges = field(metadata=wire(9, pack_ranges, unpack_ranges))
    reason: Name = field(metadata=wire(10))
    lost_kinds: tuple[tuple[Uint, Uint], ...] = field(default=(), metadata=wire(11))
    uncommitted: Uint = field(default=0, metadata=wire(12))


class SourceState(NamedTuple):
    """A camera or microphone: ``state`` is ok, doubtful, connecting, failed or ended; ``reason`` says why.

    Doubtful is a camera that sends pictures which cannot be right: black, frozen, or full of plates that are none.
    """

    id: Name
    kind: Name
    state: Name
    reason: str
    rate_mhz: Uint
    """Frames or blocks a second, in thousandths."""


class Power(NamedTuple):
    """What a UPS or charger reports; ``source`` is line, battery, low-battery or unknown, None what it does not say."""

    source: Name
    charge_percent: Uint | None
    input_mv: Uint | None
    battery_mv: Uint | None
    runtime_s: Uint | None


class DataUse(NamedTuple):
    """Bytes of this billing month, of the plan's month, and what the month will come to at this rate."""

    used_bytes: Uint
    monthly_bytes: Uint
    forecast_bytes: Uint


@dataclass(frozen=True, slots=True)
class Health:
    """How the device is; latest wins, not sequenced.

    Attributes:
        connection: number of the connection within the epoch.
        uptime_s: since the agent started.
        outbox_pending: rows that wait for an ack.
        outbox_oldest_s: how long the oldest of them has waited.
        last_ack_s: since the last ack; None before the first.
        disk_free_bytes: where the outbox lies.
        clock_source: what disciplines the clock; how far it may be off is in the header.
        sources: cameras and microphones.
        models: use and set of networks.
        version: of the agent.
        position: where it stands, as for a ``ShotArrival``.
        skipped: by camera, the frames passed over since the start for want of computing time.
        offset: as for a ``ShotArrival``.
        link: how far up the link was when this was signed: connected, unacked, working.
        unacked_s: for how long rows have waited although the broker has us; None when none do.
        outbox_bytes: what rows and files take.
        temperature_mc: the hottest sensor, in thousandths of a degree Celsius.
        power: what feeds the device, where something reports it.
        model_digests: file and SHA-256 of each network in use.
        config_sha256: of the configuration file.
        inference_us: by source, the median time of one run of its networks.
        data_use: how the data plan stands, where there is one.
        versions: of what the agent runs on, by name.
        lost: rows lost since the outbox was made, by reason.
        metered: whether the agent saves bytes.
    """

    connection: Uint = field(metadata=wire(7))
    uptime_s: Uint = field(metadata=wire(8))
    outbox_pending: Uint = field(metadata=wire(9))
    outbox_oldest_s: Uint = field(metadata=wire(10))
    last_ack_s: Uint | None = field(metadata=wire(11))
    disk_free_bytes: Uint = field(metadata=wire(12))
    clock_source: Name = field(metadata=wire(13))
    sources: tuple[SourceState, ...] = field(metadata=wire(14))
    models: tuple[tuple[Name, Name], ...] = field(metadata=wire(15))
    version: Name = field(metadata=wire(16))
    position: Position | None = field(default=None, metadata=wire(17))
    skipped: tuple[tuple[Name, Uint], ...] = field(default=(), metadata=wire(18))
    offset: Offset | None = field(default=None, metadata=wire(19))
    link: Name | None = field(default=None, metadata=wire(20))
    unacked_s: Uint | None = field(default=None, metadata=wire(21))
    outbox_bytes: Uint | None = field(default=None, metadata=wire(22))
    temperature_mc: int | None = field(default=None, metadata=wire(23))
    power: Power | None = field(default=None, metadata=wire(24))
    model_digests: tuple[tuple[Name, Sha256], ...] = field(default=(), metadata=wire(25))
    config_sha256: Sha256 | None = field(default=None, metadata=wire(26))
    inference_us: tuple[tuple[Name, Uint], ...] = field(default=(), metadata=wire(27))
    data_use: DataUse | None = field(default=None, metadata=wire(28))
    versions: tuple[tuple[Name, Name], ...] = field(default=(), metadata=wire(29))
    lost: tuple[tuple[Name, Uint], ...] = field(default=(), metadata=wire(30))
    metered: bool = field(default=False, metadata=wire(31))


@dataclass(frozen=True, slots=True)
class Change:
    """Something on the device is in another state than before. The header's time is when that came about.

    Attributes:
        subject: camera, microphone, outbox, power, clock, disk, data-plan, agent.
        state: what it is now, in the words of that subject.
        reason: why, one sentence for people.
        id: which of them, such as the camera's id; None where there is only one.
        before: what it was; None at the start.
    """

    subject: Name = field(metadata=wire(7))
    state: Name = field(metadata=wire(8))
    reason: str = field(metadata=wire(9))
    id: Name | None = field(default=None, metadata=wire(10))
    before: Name | None = field(default=None, metadata=wire(11))


@dataclass(frozen=True, slots=True)
class Presence:
    """Birth (published, retained) and will (left with the broker) of one connection; the newest number counts."""

    connection: Uint = field(metadata=wire(7))
    online: bool = field(metadata=wire(8))
    reason: str = field(metadata=wire(9))


@dataclass(frozen=True, slots=True)
class DownHeader:
    """What every message to a device begins with: the connection that it is meant for, and no other.

    Attributes:
        epoch: the epoch in which the device opened that connection.
        connection: its number within the epoch.
        device: the device.
        issued_at_ns: UTC at the collector.
    """

    epoch: Uint = field(metadata=wire(1))
    connection: Uint = field(metadata=wire(2))
    device: Name = field(metadata=wire(3))
    issued_at_ns: int = field(metadata=wire(4))


@dataclass(frozen=True, slots=True)
class Ack:
    """The collector's word, after its commit, for rows of one stream.

    Attributes:
        of_epoch: the rows' epoch (older than the connection's after a restart).
        stream: their stream.
        ranges: their sequences; never cumulative.
        verdict: whether they were stored or went to the dead letters.
        store_id: which store committed them; it changes when the store went back in time.
    """

    of_epoch: Uint = field(metadata=wire(7))
    stream: Stream = field(metadata=wire(8))
    ranges: Ranges = field(metadata=wire(9, pack_ranges, unpack_ranges))
    verdict: Verdict = field(metadata=wire(10))
    store_id: Uuid = field(metadata=wire(11))


@dataclass(frozen=True, slots=True)
class Refused:
    """Bytes that the collector could not verify: a device that holds exactly these parks the row."""

    digest: Sha256 = field(metadata=wire(7))
    reason: Name = field(metadata=wire(8))


@dataclass(frozen=True, slots=True)
class Resend:
    """Rows that the collector no longer has."""

    of_epoch: Uint = field(metadata=wire(7))
    stream: Stream = field(metadata=wire(8))
    ranges: Ranges = field(metadata=wire(9, pack_ranges, unpack_ranges))


class Wanted(NamedTuple):
    """One file that the collector asks for."""

    part: Part
    sha256: Sha256


@dataclass(frozen=True, slots=True)
class Command:
    """Something that the collector asks of a device; ``name`` is ``send_media`` so far.

    Attributes:
        id: chosen by the collector.
        name: what to do.
        of_epoch: the epoch of the read or arrival that it is about.
        track: the plate read, or
        sequence: the shot arrival.
        wanted: the files to send, first things first.
    """

    id: Uint = field(metadata=wire(7))
    name: Name = field(metadata=wire(8))
    of_epoch: Uint | None = field(default=None, metadata=wire(9))
    track: Uint | None = field(default=None, metadata=wire(10))
    sequence: Sequence | None = field(default=None, metadata=wire(11))
    wanted: tuple[Wanted, ...] = field(default=(), metadata=wire(12))


UpBody = Open | PlateRead | ShotArrival | ShotClip | Media | Statement | LossRecord | Change | Health | Presence
DownBody = Ack | Refused | Resend | Command

KINDS: Mapping[int, type[Any]] = {
    1: Open,
    2: PlateRead,
    3: ShotArrival,
    4: Media,
    5: Statement,
    6: LossRecord,
    7: Health,
    8: Presence,
    9: ShotClip,
    10: Change,
    16: Ack,
    17: Refused,
    18: Resend,
    19: Command,
}
KIND_OF: Mapping[type[Any], int] = {cls: number for number, cls in KINDS.items()}

STREAM_OF: Mapping[type[Any], Stream | None] = {
    Open: Stream.REPORT,
    PlateRead: Stream.DETECTION,
    ShotArrival: Stream.DETECTION,
    ShotClip: Stream.DETECTION,
    Media: Stream.MEDIA,
    Statement: Stream.REPORT,
    LossRecord: Stream.REPORT,
    Change: Stream.REPORT,
    Health: None,
    Presence: None,
}
"""The stream that each kind of a device travels in."""
