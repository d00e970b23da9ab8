"""One message of every kind, with every field filled: what the golden files were made from.

``python scripts/wire_samples.py`` writes files that are missing under tests/golden; it never overwrites one, because a
golden file is a promise that bytes signed in the past still decode.
"""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from edge_wire import codec, cose
from edge_wire.messages import (
    Ack,
    Alternative,
    Change,
    Command,
    DataUse,
    DownBody,
    DownHeader,
    Header,
    Health,
    LastSequence,
    LossRecord,
    Media,
    Offset,
    Open,
    Overview,
    Part,
    PixelBox,
    PlateRead,
    Position,
    Power,
    Presence,
    Refused,
    Resend,
    ShotArrival,
    ShotClip,
    SourceState,
    Statement,
    Stream,
    StreamState,
    UpBody,
    Verdict,
    Wanted,
)
from edge_wire.packing import unpack_log_odds
from edge_wire.topics import Channel

GOLDEN = Path(__file__).parents[1] / "tests" / "golden"
EPOCH, PREVIOUS = 0x1122334455667788, 0x0102030405060708
_SHA_A, _SHA_B = bytes(range(32)), bytes(range(32, 64))
_HIGH, _LOW = unpack_log_odds(230), unpack_log_odds(40)
_HERE = Position(404_406_248, -799_958_864, 250)


def header(stream: Stream | None, sequence: int | None) -> Header:
    """The header that the samples carry."""
    return Header(
        epoch=EPOCH,
        captured_at_ns=1_795_256_000_123_456_789,
        captured_boot_ns=987_654_321_012,
        clock_error_ns=1_200_000,
        stream=stream,
        sequence=sequence,
    )


DOWN_HEADER = DownHeader(EPOCH, 3, "trailer-07", 1_795_256_000_223_456_789)

UP: dict[str, tuple[Header, UpBody]] = {
    "open": (
        header(Stream.REPORT, 1),
        Open(
            public_key=bytes(91),
            boot_id=bytes(range(16)),
            boot_ns=900_000_000_000,
            utc_ns=1_795_256_000_000_000_000,
            previous=PREVIOUS,
            previous_last=(LastSequence(Stream.DETECTION, 812), LastSequence(Stream.REPORT, 9)),
            corrupt=True,
        ),
    ),
    "plate_read": (
        header(Stream.DETECTION, 70_000),
        PlateRead(
            track=5_000,
            revision=1,
            final=False,
            text="7ABC123",
            slots=(
                (("7", _HIGH), ("Z", _LOW)),
                (("A", _HIGH), ("4", _LOW)),
                *(((c, _HIGH),) for c in "BC123"),
                (("_", 1.0),),
            ),
            calibration="cct-xs-v2/raw",
            camera="north-1",
            role="lpr",
            deployment="main-st-2026-11",
            frame_sha256=_SHA_A,
            crop_sha256=_SHA_B,
            box=PixelBox(900, 500, 1_100, 560),
            detection_score=_HIGH,
            frames=6,
            regions=(("US-CA", _HIGH), ("US-NV", _LOW)),
            first_readable_ns=-340_000_000,
            lane=1,
            pair="north-1-colour",
            direction="NW",
            face="rear",
            position=_HERE,
        ),
    ),
    # What was added after the first golden files: those stay as they are.
    "plate_read_paired": (
        header(Stream.DETECTION, 70_002),
        PlateRead(
            track=5_001,
            revision=0,
            final=False,
            text="A1",
            slots=((("A", _HIGH),), (("1", _HIGH), ("I", _LOW))),
            calibration="t1-8031afb5-0a1b2c3d",
            camera="north-1",
            role="lpr",
            deployment="main-st-2026-11",
            frame_sha256=_SHA_A,
            crop_sha256=_SHA_B,
            box=PixelBox(900, 500, 1_100, 560),
            detection_score=_HIGH,
            frames=3,
            travel="approaching",
            marks=("infrared", "two-line"),
            overview=Overview("north-1-colour", _SHA_A, -40_000_000),
            vehicle_body="pickup",
            vehicle_colour="white",
            vehicle_make="ford",
        ),
    ),
    "shot_arrival": (
        header(Stream.DETECTION, 70_001),
        ShotArrival(
            microphone="mast",
            deployment="main-st-2026-11",
            onset_error_ns=1_500_000,
            classes=(("gunshot", _HIGH), ("fireworks", _LOW)),
            model="gunshot",
            peak_cdbfs=-310,
            rms_cdbfs=-1_450,
            clipped=False,
            rate_hz=48_000,
            clip_sha256=_SHA_A,
            position=_HERE,
        ),
    ),
    "shot_arrival_of_a_burst": (
        header(Stream.DETECTION, 70_002),
        ShotArrival(
            microphone="mast",
            deployment="main-st-2026-11",
            onset_error_ns=400_000,
            classes=(("gunshot", _HIGH), ("fireworks", _LOW)),
            model="gunshot",
            peak_cdbfs=-310,
            rms_cdbfs=-1_450,
            clipped=False,
            rate_hz=48_000,
            position=_HERE,
            offset=Offset(-12_500, 3_000, 6_200),
            clock_source="kernel",
            fit_error_ns=300_000,
            latency_ns=12_000_000,
            snr_cdb=2_150,
            wave="shock-wave",
            alternatives=(Alternative(31_000_000, "muzzle-blast", 250), Alternative(180_000_000, "echo", -900)),
            burst=4,
            round=2,
            rounds=3,
            fire="automatic",
            marks=("wind",),
            channel=1,
        ),
    ),
    "shot_clip": (
        header(Stream.DETECTION, 70_003),
        ShotClip("mast", ((70_001, 70_002),), _SHA_A, _SHA_B, 4_000),
    ),
    "media": (
        header(Stream.MEDIA, 12),
        Media(Part.CROP, _SHA_B, 0, 5, b"bytes", EPOCH, track=5_000, sequence=70_001),
    ),
    "statement": (header(Stream.REPORT, 2), Statement((StreamState(EPOCH, Stream.DETECTION, 70_002, 2, 70_000),))),
    "loss_record": (
        header(Stream.REPORT, 3),
        LossRecord(PREVIOUS, Stream.DETECTION, ((3, 9), (11, 11)), "evicted", ((2, 8),), 1),
    ),
    "health": (
        header(None, None),
        Health(
            connection=3,
            uptime_s=3_600,
            outbox_pending=2,
            outbox_oldest_s=1,
            last_ack_s=0,
            disk_free_bytes=12_000_000_000,
            clock_source="kernel",
            sources=(SourceState("north-1", "camera", "ok", "", 25_000),),
            models=(("plates", "reference"),),
            version="0.1.0",
            position=_HERE,
        ),
    ),
    "health_skipping": (
        header(None, None),
        Health(
            connection=3,
            uptime_s=3_600,
            outbox_pending=0,
            outbox_oldest_s=0,
            last_ack_s=None,
            disk_free_bytes=12_000_000_000,
            clock_source="kernel",
            sources=(SourceState("north-1", "camera", "doubtful", "black for 60 s", 25_000),),
            models=(),
            version="0.1.0",
            skipped=(("north-1", 12_345),),
        ),
    ),
    "health_of_a_trailer": (
        header(None, None),
        Health(
            connection=3,
            uptime_s=3_600,
            outbox_pending=40,
            outbox_oldest_s=31,
            last_ack_s=31,
            disk_free_bytes=12_000_000_000,
            clock_source="kernel",
            sources=(),
            models=(("plates", "reference"),),
            version="0.1.0",
            link="unacked",
            unacked_s=31,
            outbox_bytes=4_000_000,
            temperature_mc=-12_500,
            power=Power("battery", 74, None, 12_600, 5_400),
            model_digests=(("plates.onnx", _SHA_A),),
            config_sha256=_SHA_B,
            inference_us=(("north-1", 31_000),),
            data_use=DataUse(2_000_000_000, 5_000_000_000, 5_600_000_000),
            versions=(("python", "3.11.2"),),
            lost=(("evicted", 12),),
            metered=True,
        ),
    ),
    "change": (
        header(Stream.REPORT, 4),
        Change("camera", "failed", "no answer from the camera", "north-1", "ok"),
    ),
    "presence": (header(None, None), Presence(3, True, "started")),
}

DOWN: dict[str, tuple[DownHeader, DownBody]] = {
    "ack": (DOWN_HEADER, Ack(EPOCH, Stream.DETECTION, ((1, 500), (502, 502)), Verdict.STORED, bytes(range(16)))),
    "refused": (DOWN_HEADER, Refused(_SHA_A, "bad_signature")),
    "resend": (DOWN_HEADER, Resend(EPOCH, Stream.DETECTION, ((400, 500),))),
    "command": (
        DOWN_HEADER,
        Command(77, "send_media", EPOCH, 5_000, 70_001, (Wanted(Part.CROP, _SHA_B), Wanted(Part.FRAME, _SHA_A))),
    ),
}


def main() -> None:
    """Write the golden files that are missing."""
    samples: dict[str, tuple[Header | DownHeader, UpBody | DownBody]] = {**UP, **DOWN}
    for name, (head, body) in samples.items():
        path = GOLDEN / f"{name}.cbor"
        if not path.exists():
            path.write_bytes(codec.encode(head, body))
            print(path)
    envelope = GOLDEN / "plate_read.cose"
    if not envelope.exists():
        key = ec.generate_private_key(ec.SECP256R1())
        aad = cose.external_aad("trailer-07", Channel.DETECTION)
        envelope.write_bytes(cose.sign(codec.encode(*UP["plate_read"]), key, aad))
        envelope.with_suffix(".spki").write_bytes(cose.spki(key.public_key()))
        print(envelope)


if __name__ == "__main__":
    main()
