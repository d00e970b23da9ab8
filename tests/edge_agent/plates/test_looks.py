import gc
import weakref

import cv2
import numpy as np

from edge_agent.plates.looks import MAX_RAW_FRAMES, MAX_TEXTS, Darkroom, Look, Looks
from edge_agent.records import Box, CaptureTime, Frame, PlateCandidate

MS = 1_000_000


def seen(candidate: PlateCandidate, sharpness: float, at_ms: int = 0) -> Look:
    return Look(CaptureTime(at_ms * MS, at_ms * MS, 1), candidate, sharpness, None)


def test_the_picture_reads_what_the_vote_says(candidate) -> None:
    """pains-01, pains-04: a sharper picture of another text is not the one to show."""
    looks, dull, sharp = Looks(), seen(candidate("ABC123"), 1.0), seen(candidate("XYZ789"), 9.0)
    looks.add(sharp, "XYZ789")
    assert looks.best("XYZ789") is sharp
    looks.add(dull, "ABC123")
    assert looks.best("ABC123") is dull
    assert looks.best("XYZ789") is sharp
    assert looks.best("ABX123") is sharp  # no frame reads that: the sharpest


def test_the_sharpest_of_a_text_is_kept(candidate) -> None:
    looks, better = Looks(), seen(candidate("ABC123"), 2.0)
    looks.add(seen(candidate("ABC123"), 1.0), "ABC123")
    looks.add(better, "ABC123")
    looks.add(seen(candidate("ABC123"), 1.9), "ABC123")
    assert looks.best("ABC123") is better


def test_what_was_sent_is_only_replaced_by_a_clearly_better_one(candidate) -> None:
    looks, first, much_better = Looks(), seen(candidate("ABC123"), 2.0), seen(candidate("ABC123"), 3.1)
    looks.add(first, "ABC123")
    looks.sent = first
    looks.add(seen(candidate("ABC123"), 2.9), "ABC123")
    assert looks.best("ABC123") is first
    looks.add(much_better, "ABC123")
    assert looks.best("ABC123") is much_better


def test_texts_are_bounded_and_the_vote_s_is_never_dropped(candidate) -> None:
    """pains-18"""
    looks, voted = Looks(), seen(candidate("ABC123"), 0.1)
    looks.add(voted, "ABC123")
    for i in range(20):
        looks.add(seen(candidate(f"XYZ{i}"), 1.0 + i), "ABC123")
    assert len(list(looks)) == MAX_TEXTS
    assert looks.best("ABC123") is voted


def test_a_crop_is_cut_from_its_own_frame(candidate) -> None:
    image = np.zeros((120, 400, 3), np.uint8)
    image[60:80, 40:80] = 255
    darkroom = Darkroom(crop_pad=0.0)
    look = darkroom.look(Frame("cam", image, CaptureTime(5, 5, 1), 0), candidate("ABC123"))
    crop, frame = darkroom.develop(look)
    shown = cv2.imdecode(np.frombuffer(crop.jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert shown is not None
    assert shown.min() > 250
    assert (frame.width_px, frame.height_px) == (400, 120)
    assert darkroom.develop(look) == (crop, frame)


def test_side_by_side_a_frame_is_encoded_once(candidate, frame) -> None:
    darkroom, one = Darkroom(), frame(0)
    looks = [darkroom.look(one, candidate("ABC123")), darkroom.look(one, candidate("XYZ789", x=200))]
    first, second = (darkroom.develop(look) for look in looks)
    assert first[1] is second[1]


def test_few_raw_frames_are_kept(candidate) -> None:
    """pains-18: many passes open at once do not each hold a raw frame."""
    darkroom, looks, images = Darkroom(), [], []
    for i in range(12):
        image = np.full((120, 400, 3), i, np.uint8)
        images.append(weakref.ref(image))
        looks.append(darkroom.look(Frame("cam", image, CaptureTime(i, i, 1), 0), candidate("ABC123")))
        del image
        darkroom.tidy(looks)
    gc.collect()
    assert sum(ref() is not None for ref in images) == MAX_RAW_FRAMES
    assert [look.frame is None for look in looks] == [True] * 8 + [False] * 4
    assert looks[0].candidate.box == Box(40, 60, 80, 80)
