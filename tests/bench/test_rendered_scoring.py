"""The judge of the rendered passes is judged: what is right passes, and each kind of wrong picture is caught."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from edge_agent.plates.pictures import frame_picture
from edge_agent.records import Box, CaptureTime, PlateCandidate, Reading, Travel

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_"
LEFT, RIGHT = "ABC123", "XYZ789"


def reading(text: str) -> Reading:
    out = np.full((8, len(ALPHABET)), 0.01 / (len(ALPHABET) - 1), np.float32)
    for i, character in enumerate(text.ljust(8, "_")):
        out[i, ALPHABET.index(character)] = 0.99
    return Reading(ALPHABET, "_", out, {}, "test")


@pytest.fixture
def scoring(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "bench")
    import rendered.scoring

    return rendered.scoring


@pytest.fixture
def played(scoring: ModuleType) -> tuple[Any, Any, list[Any]]:
    """Two cars side by side for a second, each read right in every frame: the sequence, the candidates, the reads."""
    from rendered.scenes import FrameTruth, Sequence, VehicleTruth

    rng = np.random.default_rng(7)
    pictures, frames, candidates = [], [], []
    for i in range(12):
        pixels = cv2.GaussianBlur(rng.integers(0, 256, (540, 960, 3), np.uint8), (0, 0), 2 + i / 6)
        pictures.append(cv2.imencode(".jpg", cv2.normalize(pixels, None, 0, 255, cv2.NORM_MINMAX))[1].tobytes())
        boxes = [Box(x + 4 * i, 300 + 3 * i, x + 4 * i + 80, 340 + 3 * i) for x in (200, 600)]
        frames.append(FrameTruth(i * 80_000_000, i, tuple(boxes)))
        candidates.append(tuple(PlateCandidate(b, 0.9, reading(t)) for b, t in zip(boxes, (LEFT, RIGHT), strict=True)))
    vehicles = tuple(VehicleTruth(text, "made", (Travel.APPROACHING, Travel.RIGHT)) for text in (LEFT, RIGHT))
    sequence = Sequence("made-000", "two-lanes", tuple(pictures), tuple(frames), vehicles, (b"", b""))
    seen = tuple(candidates) + tuple((PlateCandidate(Box(0, 0, 9, 5), 0.9, reading(t)),) for t in (LEFT, RIGHT))
    return sequence, seen, scoring.play(sequence, seen, 80_000_000)


def changed(published: list[Any], **fields: object) -> list[Any]:
    """Return the reads with the last one's fields replaced."""
    last = published[-1]
    return [*published[:-1], dataclasses.replace(last, read=dataclasses.replace(last.read, **fields))]


def test_what_is_right_has_no_fault(scoring: ModuleType, played: tuple[Any, Any, list[Any]]) -> None:
    outcome = scoring.score(*played)
    assert (outcome.wrong_pictures, outcome.false_tracks, outcome.mixed_tracks) == ((), (), ())
    assert [(a.truth, a.text, a.tracks, a.readable) for a in outcome.answers] == [
        (LEFT, LEFT, 1, True),
        (RIGHT, RIGHT, 1, True),
    ]
    assert all(0 < a.delay_ms <= 700 for a in outcome.answers)


def test_another_frames_picture_is_wrong(scoring: ModuleType, played: tuple[Any, Any, list[Any]]) -> None:
    """pains-01"""
    sequence, candidates, published = played
    read = published[-1].read
    pixels = cv2.imdecode(np.frombuffer(sequence.pictures[0], np.uint8), cv2.IMREAD_COLOR)
    outcome = scoring.score(sequence, candidates, changed(published, frame=frame_picture(np.asarray(255 - pixels))))
    assert [fault.endswith("the attached frame is another one") for fault in outcome.wrong_pictures] == [True]
    elsewhere = changed(published, captured=CaptureTime(read.captured.utc_ns + 1, read.captured.boot_ns + 1, 0))
    assert scoring.score(sequence, candidates, elsewhere).wrong_pictures[0].endswith("no frame was captured then")


def test_the_other_cars_picture_is_wrong(scoring: ModuleType, played: tuple[Any, Any, list[Any]]) -> None:
    """pains-01"""
    sequence, candidates, published = played
    mine = published[-1].read.reading.text
    other = reading(RIGHT if mine == LEFT else LEFT)
    faults = scoring.score(sequence, candidates, changed(published, reading=other)).wrong_pictures
    assert [fault.endswith(f"the picture shows {mine}") for fault in faults] == [True]


def test_a_box_where_nothing_is_is_wrong(scoring: ModuleType, played: tuple[Any, Any, list[Any]]) -> None:
    sequence, candidates, published = played
    (fault,) = scoring.score(sequence, candidates, changed(published, box=Box(10, 10, 90, 50))).wrong_pictures
    assert fault.endswith("the picture shows no plate")
    box = published[-1].read.box
    shifted = Box(box.x1 + 3, box.y1, box.x2 + 3, box.y2)
    (fault,) = scoring.score(sequence, candidates, changed(published, box=shifted)).wrong_pictures
    assert fault.endswith("nothing was found there in that frame")


def test_another_crop_is_wrong(scoring: ModuleType, played: tuple[Any, Any, list[Any]]) -> None:
    sequence, candidates, published = played
    others = [o.read.crop for o in published if o.read.track != published[-1].read.track]
    (fault,) = scoring.score(sequence, candidates, changed(published, crop=others[-1])).wrong_pictures
    assert fault.endswith("the crop is not of that place")


def test_lettering_is_a_false_track(scoring: ModuleType, played: tuple[Any, Any, list[Any]]) -> None:
    """pains-08: what lies on no vehicle and reads like none is counted against the product."""
    sequence, candidates, published = played
    track = published[-1].read.track
    lettering = [
        dataclasses.replace(o, read=dataclasses.replace(o.read, reading=reading("PIZZA"), box=Box(10, 10, 90, 50)))
        if o.read.track == track
        else o
        for o in published
    ]
    outcome = scoring.score(sequence, candidates, lettering)
    assert outcome.false_tracks == ("made-000 PIZZA",)
    assert sorted(a.tracks for a in outcome.answers) == [0, 1]


def test_what_was_read_with_another_calibration_is_read_again(
    scoring: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Else a cache would go on telling the figures of the old one."""
    from rendered import replay

    network = tmp_path / "network"
    network.write_bytes(b"network")
    models = SimpleNamespace(detector=network, ocr=network, ocr_config=network)
    parameters = tmp_path / replay.PARAMETERS_FILE
    parameters.parent.mkdir()
    monkeypatch.setattr(replay, "packaged_folder", lambda: tmp_path)
    parameters.write_text("temperature = 1.1", encoding="utf-8")
    before = replay.reader_digest(models)
    assert replay.reader_digest(models) == before
    parameters.write_text("temperature = 1.2", encoding="utf-8")
    assert replay.reader_digest(models) != before
