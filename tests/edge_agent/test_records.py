"""What stages hand to each other may be looked at by several threads."""

import sys
from types import FrameType
from typing import Any

import numpy as np
import pytest

from edge_agent.records import CaptureTime, Frame


@pytest.mark.parametrize("step", range(12))
def test_a_frames_pixels_may_be_made_by_another_thread_at_any_moment(step: int) -> None:
    pixels = np.zeros((2, 2, 3), np.uint8)
    frame = Frame("cam", lambda: pixels, CaptureTime(0, 0, 0), 0)
    steps = iter(range(step + 1))

    def other_thread(called: FrameType, kind: str, _: object) -> Any:
        if called.f_code is not Frame.image.fget.__code__:
            return None
        called.f_trace_opcodes = True
        if kind == "opcode" and next(steps, None) == step:
            frame._image = pixels
        return other_thread

    before = sys.gettrace()
    sys.settrace(other_thread)
    try:
        assert frame.image is pixels
    finally:
        sys.settrace(before)
