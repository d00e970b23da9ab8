"""pains-18: memory does not grow with the frames, the passes, or the times a camera is opened again."""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from support import FakeClock

from edge_agent.plates.motion import MotionGate
from edge_agent.plates.stage import PlateStage
from edge_agent.records import CaptureTime, Frame, PlateCandidate, VotedRead
from edge_agent.sources.pacing import Pace
from edge_agent.sources.video import VideoSource, open_frame_source
from edge_agent.watch import Source, Watch

WIDTH_PX, HEIGHT_PX = 320, 180
LOOP_FRAMES = 50
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class PassingReader:
    """Finds a new vehicle in the first forty of every hundred pictures."""

    def __init__(self, candidate: Callable[..., PlateCandidate]) -> None:
        self._candidate = candidate
        self._frames = 0

    def read(self, image: NDArray[np.uint8]) -> Sequence[PlateCandidate]:
        number, at = divmod(self._frames, 100)
        self._frames += 1
        text = "".join(ALPHABET[(number * 7 + place * (number % 11 + 3)) % len(ALPHABET)] for place in range(6))
        return [self._candidate(text, x=5 + 6 * at, width=40)] if at < 40 else []


def picture(number: int) -> NDArray[np.uint8]:
    rng = np.random.default_rng(number)
    image = rng.integers(100, 110, (HEIGHT_PX, WIDTH_PX, 3), dtype=np.uint8)
    image[60:120, 5 + 6 * (number % 40) : 45 + 6 * (number % 40)] = 30
    return image


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "loop.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH_PX, HEIGHT_PX, "yuv420p"
        for number in range(LOOP_FRAMES):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(number), format="bgr24")))
        container.mux(stream.encode())
    return path


def resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def test_pains_18_decoding_and_reading_for_long_keeps_what_the_program_holds(
    clip: Path, candidate: Callable[..., PlateCandidate]
) -> None:
    clock = FakeClock()
    stage = PlateStage(PassingReader(candidate), clock, gate=MotionGate)
    opened: list[VideoSource] = []
    samples: list[float] = []
    reads = 0

    def loops() -> Iterator[Frame]:
        for _ in range(80):
            opened[:] = [open_frame_source(clip, camera="cam", clock=clock, pace=Pace.FAST)]
            for frame in opened[0].frames():
                clock.advance(40_000_000)
                frame.captured = CaptureTime(clock.now_utc_ns, clock.now_boot_ns, 1)  # as one long recording
                yield frame
            samples.append(resident_mib())

    def deliver(out: Sequence[VotedRead]) -> None:
        nonlocal reads
        reads += len(out)

    crashes: list[BaseException] = []
    watch = Watch(
        "cam",
        lambda: Source(loops, lambda: None),
        stage,
        deliver,
        live=False,
        newest_only=False,
        clock=clock,
        changed=lambda: None,
        crashed=crashes.append,
    )
    watch.start()
    watch.join()
    assert not crashes
    assert stage.frames_read + stage.frames_gated == 80 * LOOP_FRAMES
    assert reads >= 30
    # A converted picture is 0.17 MiB: one kept in two hundred would show.
    assert np.mean(samples[-10:]) - np.mean(samples[20:30]) < 2.0, samples


def test_pains_18_passes_that_are_over_leave_nothing_behind(candidate: Callable[..., PlateCandidate]) -> None:
    clock = FakeClock()
    stage = PlateStage(PassingReader(candidate), clock)
    images = [picture(number) for number in range(LOOP_FRAMES)]

    def play(frames: int) -> int:
        closed = 0
        for number in range(frames):
            clock.advance(100_000_000)
            captured = CaptureTime(clock.now_utc_ns, clock.now_boot_ns, 1)
            out = stage.observe(Frame("cam", images[number % LOOP_FRAMES], captured, 0))
            closed += sum(read.final for read in out)
        return closed

    play(300)
    tracemalloc.start()
    try:
        play(200)
        before_bytes = tracemalloc.get_traced_memory()[0]
        closed = play(800)
        grown_bytes = tracemalloc.get_traced_memory()[0] - before_bytes
    finally:
        tracemalloc.stop()
    assert closed >= 7
    assert grown_bytes < 100_000  # one pass holds pictures of more than that
