from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge_agent.plates.passes import SETTLE_NS
from edge_agent.plates.stage import PlateStage
from edge_agent.records import Frame, PlateCandidate


class FakeReader:
    """Finds the same in every picture."""

    def __init__(self, candidates: Sequence[PlateCandidate]) -> None:
        self.candidates = candidates

    def read(self, image: NDArray[np.uint8]) -> Sequence[PlateCandidate]:
        assert image.ndim == 3
        return self.candidates


class FakeClock:
    def __init__(self) -> None:
        self.now_ns = 0

    def utc_ns(self) -> int:
        return self.now_ns

    def boot_ns(self) -> int:
        return self.now_ns

    def error_ns(self) -> int:
        return 0


def test_frames_become_reads_that_tick_and_close_finish(frame, candidate) -> None:
    clock = FakeClock()
    stage = PlateStage(FakeReader([candidate("ABC123", sure=0.8)]), clock)
    assert stage.observe(frame(0)) == []
    assert [r.revision for r in stage.tick(SETTLE_NS)] == [0]
    assert [(r.revision, r.final) for r in stage.close()] == [(1, True)]
    assert stage.close() == []


def test_each_camera_has_its_own_passes(frame, candidate) -> None:
    stage = PlateStage(FakeReader([candidate("ABC123")]), FakeClock())
    for camera in ("front", "rear"):
        one = frame(0)
        stage.observe(Frame(camera, one.image, one.captured, 0))
    reads = stage.close()
    assert [r.camera for r in reads] == ["front", "rear"]
    assert len({r.track for r in reads}) == 2


def test_stills_pass_through(frame, candidate) -> None:
    stage = PlateStage(FakeReader([candidate("ABC123")]), FakeClock(), stills=True)
    assert [r.final for r in stage.observe(frame(0))] == [True]
