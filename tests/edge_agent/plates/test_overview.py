"""The picture of the vehicle beside the picture of its plate."""

from __future__ import annotations

import weakref

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_agent.plates.overview import KEPT_FRAMES, OverviewPicker, RecentFrames
from edge_agent.records import Box, CaptureTime, Frame, Picture, Reading, VotedRead

MS = 1_000_000
BEGAN = CaptureTime(1_795_256_000_000_000_000, 1_000_000_000_000, 1_000)


def frame(at_ms: int, scene: int = 0) -> Frame:
    shade = np.full((36, 64, 3), (at_ms // 10) % 256, np.uint8)
    return Frame("north-colour", shade, BEGAN.shifted(at_ms * MS), scene)


def read(at_ms: int, *, track: int = 1, revision: int = 0, final: bool = False) -> VotedRead:
    picture = Picture(b"jpeg", bytes(32), 8, 4)
    captured = BEGAN.shifted(at_ms * MS)
    reading = Reading("A_", "_", np.array([[1.0, 0.0]], np.float32), {}, "raw-0")
    return VotedRead(
        "north", track, revision, final, captured, captured, reading, Box(0, 0, 8, 4), 0.9, 3, picture, picture
    )


@pytest.fixture
def recent() -> RecentFrames:
    frames = RecentFrames("north-colour")
    for at_ms in range(0, 2_000, 40):
        frames.keep(frame(at_ms))
    return frames


def test_the_frame_nearest_in_time_goes_with_the_read(recent: RecentFrames) -> None:
    chosen = OverviewPicker(recent).pick(read(1_010))
    assert chosen is not None
    assert chosen.camera == "north-colour"
    assert abs(chosen.captured.utc_ns - BEGAN.utc_ns - 1_010 * MS) <= 60 * MS
    assert chosen.picture.sha256 != bytes(32)


def test_what_shows_another_moment_is_not_attached(recent: RecentFrames) -> None:
    assert OverviewPicker(recent).pick(read(4_000)) is None
    assert OverviewPicker(RecentFrames("empty")).pick(read(0)) is None


def test_a_pass_keeps_its_overview_while_its_picture_is_the_same(recent: RecentFrames) -> None:
    picker = OverviewPicker(recent)
    first = picker.pick(read(1_000))
    for at_ms in range(2_000, 60_000, 100):
        recent.keep(frame(at_ms))
    assert picker.pick(read(1_000, revision=1)) is first
    assert picker.pick(read(30_000, revision=2)) is first, "its moment is gone: the one it had, with its own time"
    newer = picker.pick(read(59_000, revision=3, final=True))
    assert newer is not None
    assert newer.captured.utc_ns == BEGAN.utc_ns + 59_000 * MS


def test_two_passes_have_their_own_and_a_closed_one_is_forgotten(recent: RecentFrames) -> None:
    picker = OverviewPicker(recent)
    early, late = picker.pick(read(200, track=1)), picker.pick(read(1_800, track=2))
    assert early is not None
    assert late is not None
    assert early.captured != late.captured
    picker.pick(read(200, track=1, revision=1, final=True))
    for at_ms in range(10_000, 14_000, 100):
        recent.keep(frame(at_ms))
    assert picker.pick(read(200, track=1)) is None
    assert picker.pick(read(1_800, track=2)) is late


def test_memory_is_bounded_and_pixels_are_only_made_for_what_is_chosen() -> None:
    made: list[int] = []
    frames = RecentFrames("north-colour")

    def lazily(at_ms: int) -> Frame:
        def pixels() -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
            made.append(at_ms)
            return np.zeros((36, 64, 3), np.uint8)

        return Frame("north-colour", pixels, BEGAN.shifted(at_ms * MS), 0)

    for at_ms in range(0, 100_000, 10):
        frames.keep(lazily(at_ms))
    assert frames.nearest(BEGAN) is None, "forgotten"
    kept = [at for at in range(0, 100_000, 10) if (f := frames.nearest(BEGAN.shifted(at * MS))) and f.captured]
    assert min(kept) >= 100_000 - 100 * KEPT_FRAMES - 1_000
    assert OverviewPicker(frames).pick(read(99_500)) is not None
    assert made == [99_500]


def test_after_a_reconnection_older_frames_are_forgotten(recent: RecentFrames) -> None:
    recent.keep(frame(2_000, scene=1))
    found = recent.nearest(BEGAN.shifted(1_500 * MS))
    assert found is not None
    assert found.scene == 1


def test_what_is_remembered_is_the_picture_as_it_was_decoded_whoever_looks_at_it_meanwhile() -> None:
    """31 pictures of a 4K camera that is read as well would be 1.1 GB, and are 0.4."""

    def convert() -> NDArray[np.uint8]:
        return np.zeros((36, 64, 3), np.uint8)

    frames = RecentFrames("north-colour")
    seen = Frame("north-colour", convert, BEGAN, 0)
    frames.keep(seen)
    pixels = weakref.ref(seen.image)
    del seen
    assert pixels() is None
    chosen = frames.nearest(BEGAN)
    assert chosen is not None
    assert chosen.image.shape == (36, 64, 3)
