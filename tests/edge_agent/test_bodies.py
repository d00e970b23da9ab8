"""What stages hand out becomes what the wire carries."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edge_agent.bodies import as_plate_read, as_shot_arrival
from edge_agent.config import Camera
from edge_agent.plates.overview import OverviewPicture
from edge_agent.records import Box, CaptureTime, HeardShot, Picture, PlateMark, Reading, Travel, VotedRead
from edge_wire import codec
from edge_wire.messages import Header, Overview, PixelBox, PlateRead, Stream

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


def test_a_shot_becomes_an_arrival() -> None:
    shot = HeardShot("mast", NOW, 1_500_000, 0.9, {"gunshot": 0.9}, -3.14, -14.5, False, "gunshot", 48_000, 1.0)
    arrival = as_shot_arrival(shot, "main-st")
    assert (arrival.peak_cdbfs, arrival.rms_cdbfs) == (-314, -1450)
    assert arrival.clip_sha256 is None
    [(name, probability)] = codec.decode_up(codec.encode(Header(1, 1, 1, 1, Stream.DETECTION, 1), arrival)).body.classes
    assert name == "gunshot"
    assert probability == pytest.approx(0.9, abs=0.004)


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
