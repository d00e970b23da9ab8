"""What the demo plays where no sample data is: drawn by code, the same each time, its listed plates in it."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import demo_media
import demo_street
import numpy as np
import soundfile


def test_the_clip_shows_several_vehicles_of_several_regions(footage: demo_media.Footage) -> None:
    assert len({passing.region for passing in demo_street.PASSINGS}) >= 4
    assert len({passing.text for passing in demo_street.PASSINGS}) == len(demo_street.PASSINGS)
    assert len(footage.listed) == 2
    assert footage.face == "front"
    assert set(footage.listed) < {passing.text for passing in demo_street.PASSINGS}
    clip = cv2.VideoCapture(footage.video)
    assert clip.get(cv2.CAP_PROP_FPS) == demo_street.FPS
    assert (clip.get(cv2.CAP_PROP_FRAME_WIDTH), clip.get(cv2.CAP_PROP_FRAME_HEIGHT)) == (1280, 720)
    moved = 0
    good, before = clip.read()
    number = 1
    while good:
        good, frame = clip.read()
        if good:
            number += 1
            moved += float(cv2.absdiff(frame, before).mean()) > 3.0
            before = frame
    assert number > 10 * demo_street.FPS
    assert moved > 0.8 * number


def test_nothing_is_left_to_chance(tmp_path: Path, footage: demo_media.Footage) -> None:
    again = demo_media.rendered(tmp_path)

    assert again.listed == footage.listed
    assert Path(again.video).read_bytes() == Path(footage.video).read_bytes()
    assert Path(again.audio).read_bytes() == Path(footage.audio).read_bytes()


def test_the_sound_has_bangs_in_it_that_do_not_clip(footage: demo_media.Footage) -> None:
    sound, rate_hz = soundfile.read(footage.audio)

    assert rate_hz == 48_000
    assert 0.5 < float(np.abs(sound).max()) <= 1.0
    assert footage.shots_expected


def test_the_hotlist_holds_the_listed_plates_among_a_thousand(tmp_path: Path, footage: demo_media.Footage) -> None:
    demo_media.write_hotlist(tmp_path / "hotlist.csv", footage.listed)

    with (tmp_path / "hotlist.csv").open(newline="", encoding="utf-8") as handle:
        plates = [row["plate"] for row in csv.DictReader(handle)]
    assert plates[:2] == list(footage.listed)
    assert len(plates) > 1_000
