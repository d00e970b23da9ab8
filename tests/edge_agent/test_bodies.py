"""What stages hand out becomes what the wire carries."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest

from edge_agent.bodies import as_change, as_plate_read, as_position, as_power, as_shot_arrival, as_shot_clip
from edge_agent.config import Camera, Origin, Place
from edge_agent.plates.overview import OverviewPicture
from edge_agent.records import (
    Box,
    CaptureTime,
    HeardShot,
    KeptClip,
    OtherOnset,
    Picture,
    PlateMark,
    Reading,
    SampleTiming,
    Travel,
    VotedRead,
)
from edge_agent.telemetry.changes import StateChange
from edge_agent.telemetry.power import PowerReading, PowerState
from edge_wire import codec
from edge_wire.messages import (
    Alternative,
    Change,
    Header,
    Offset,
    Overview,
    PixelBox,
    PlateRead,
    Position,
    Power,
    ShotArrival,
    ShotClip,
    Stream,
    UpBody,
)

NOW = CaptureTime(2_000_000_000, 2_000_000_000, 1_000)


def voted() -> VotedRead:
    probabilities = np.array([[0.9, 0.1, 0.0], [0.0, 0.3, 0.7], [0.0, 0.0, 1.0]], np.float32)
    picture = Picture(b"jpeg", bytes(32), 100, 50)
    return VotedRead(
        camera="lane-1",
        track=7,
        revision=1,
        final=True,
        captured=NOW,
        first_readable=NOW.shifted(-300_000_000),
        reading=Reading("A4_", "_", probabilities, {"US-TX": 0.9, "US-OK": 0.0001}, "raw-12345678"),
        box=Box(1, 2, 30, 40),
        detection_score=0.8,
        frames=5,
        crop=picture,
        frame=picture,
    )


def test_a_vote_becomes_a_plate_read_with_its_distributions_and_its_camera() -> None:
    camera = Camera(id="lane-1", url="rtsp://c", role="lpr", lane=2, direction="NW", face="rear")
    read = as_plate_read(voted(), camera, "main-st")
    assert (read.text, read.track, read.revision, read.final) == ("A", 7, 1, True)
    assert [slot[0][0] for slot in read.slots] == ["A", "_", "_"]
    assert read.first_readable_ns == -300_000_000
    assert (read.lane, read.direction, read.face, read.deployment) == (2, "NW", "rear", "main-st")
    assert read.regions == (("US-TX", 0.9),), "a region that the image does not speak for is noise"
    assert read.box == PixelBox(1, 2, 30, 40)
    header = Header(1, NOW.utc_ns, NOW.boot_ns, NOW.error_ns, Stream.DETECTION, 1)
    assert codec.decode_up(codec.encode(header, read)).body.text == "A"


def through_the_wire(body: UpBody) -> UpBody:
    header = Header(1, NOW.utc_ns, NOW.boot_ns, NOW.error_ns, Stream.DETECTION, 1)
    return codec.decode_up(codec.encode(header, body)).body


def heard_shot() -> HeardShot:
    return HeardShot(
        microphone="mast",
        captured=NOW,
        onset_error_ns=1_500_000,
        probability=0.9,
        classes={"gunshot": 0.9},
        peak_dbfs=-3.14,
        rms_dbfs=-14.5,
        clipped=False,
        model="gunshot",
        rate_hz=48_000,
        at_s=1.0,
        number=17,
        snr_db=21.504,
        wave="shock-wave",
        others=(OtherOnset(31_000_000, "muzzle-blast", 2.5), OtherOnset(180_000_000, "echo", -9.04)),
        burst=4,
        round=2,
        rounds=3,
        fire="automatic",
        marks=frozenset({"wind", "clipped"}),
        channel=1,
        timing=SampleTiming(300_000, 12_000_000, "kernel"),
    )


def test_a_shot_becomes_an_arrival_with_everything_that_locating_weighs() -> None:
    place = Place(lat=40.44, lon=-80.0, altitude_m=310.5, error_m=1.5)
    arrival = through_the_wire(as_shot_arrival(heard_shot(), "main-st", place))
    assert isinstance(arrival, ShotArrival)
    [(name, probability)] = arrival.classes
    assert (name, probability) == ("gunshot", pytest.approx(0.9, abs=0.004))
    assert replace(arrival, classes=()) == ShotArrival(
        microphone="mast",
        deployment="main-st",
        onset_error_ns=1_500_000,
        classes=(),
        model="gunshot",
        peak_cdbfs=-314,
        rms_cdbfs=-1450,
        clipped=False,
        rate_hz=48_000,
        position=Position(404_400_000, -800_000_000, 150),
        offset=Offset(0, 0, 310_500),
        clock_source="kernel",
        fit_error_ns=300_000,
        latency_ns=12_000_000,
        snr_cdb=2_150,
        wave="shock-wave",
        alternatives=(Alternative(31_000_000, "muzzle-blast", 250), Alternative(180_000_000, "echo", -904)),
        burst=4,
        round=2,
        rounds=3,
        fire="automatic",
        marks=("clipped", "wind"),
        channel=1,
    )


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        (None, (None, None)),
        (Place(lat=-33.9, lon=18.4), (Position(-339_000_000, 184_000_000, 500), None)),
        (
            Place(x_m=-12.5, y_m=3, z_m=6.2, origin=Origin(lat=40, lon=-80), error_m=0.1),
            (Position(400_000_000, -800_000_000, 10), Offset(-12_500, 3_000, 6_200)),
        ),
        (
            Place(x_m=1, y_m=-2, origin=Origin(lat=40, lon=-80), error_m=0.001),
            (Position(400_000_000, -800_000_000, 1), Offset(1_000, -2_000, 0)),
        ),
    ],
)
def test_a_place_is_a_position_and_an_offset_from_it(
    place: Place | None, expected: tuple[Position | None, Offset | None]
) -> None:
    assert as_position(place) == expected
    arrival = as_shot_arrival(heard_shot(), "main-st", place)
    assert (arrival.position, arrival.offset) == expected


def test_pains_23_a_clip_names_its_arrivals_and_its_files_by_their_hashes() -> None:
    """pains-23: the link from a detection to its audio is an identity and a hash, never a name or a time."""
    body = through_the_wire(as_shot_clip(KeptClip("mast", NOW, (1, 2, 3), 4_000, b"opus", b"flac"), [9, 4, 5]))
    assert body == ShotClip("mast", ((4, 5), (9, 9)), sha256(b"opus").digest(), sha256(b"flac").digest(), 4_000)


def test_how_it_moved_what_made_it_hard_and_the_overview_go_with_the_read() -> None:
    seen = replace(voted(), travel=Travel.RECEDING, marks=frozenset({PlateMark.TWO_LINE, PlateMark.INFRARED}))
    beside = OverviewPicture("lane-1-colour", Picture(b"frame", bytes(range(32)), 64, 36), NOW.shifted(-40_000_000))
    read = as_plate_read(seen, Camera(id="lane-1", url="rtsp://c"), "main-st", beside, pair="lane-1-colour")
    header = Header(1, NOW.utc_ns, NOW.boot_ns, NOW.error_ns, Stream.DETECTION, 1)
    body = codec.decode_up(codec.encode(header, read)).body
    assert isinstance(body, PlateRead)
    assert body.pair == "lane-1-colour"
    assert (body.travel, body.marks) == ("receding", ("infrared", "two-line"))
    assert body.overview == Overview("lane-1-colour", bytes(range(32)), -40_000_000)
    assert (body.vehicle_body, body.vehicle_colour, body.vehicle_make) == (None, None, None)


def test_a_change_keeps_what_it_is_about_and_what_was_before() -> None:
    at = CaptureTime(1, 2, 3)
    failed = as_change(StateChange("camera", "north", "failed", "ok", "no route to host", at))
    assert failed == Change("camera", "failed", "no route to host", id="north", before="ok")
    assert codec.decode_up(codec.encode(Header(7, 1, 2, 3, Stream.REPORT, 1), failed)).body == failed
    assert as_change(StateChange("power", None, "line", None, "", at)) == Change("power", "line", "")


def test_what_a_ups_does_not_say_is_left_out() -> None:
    reading = PowerReading(PowerState.BATTERY, "", False, 60, None, 12_650, None)
    assert as_power(reading) == Power("battery", 60, None, 12_650, None)
    assert as_power(PowerReading(PowerState.UNKNOWN, "no answer")) == Power("unknown", None, None, None, None)
