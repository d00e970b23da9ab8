"""A decoded picture that becomes BGR only when somebody asks for it.

The conversion costs as much as the decoding, and most frames of an empty road are looked at by their luma alone, which
the decoder has anyway. The decoder's buffer lives as long as its ``Frame`` does: whoever keeps many frames keeps many
buffers.
"""

from __future__ import annotations

import threading

import av
import numpy as np
from numpy.typing import NDArray

from edge_agent.records import CaptureTime, Frame

# Those whose first plane is one byte of luma a pixel.
_LUMA_FIRST = frozenset({"yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "nv12", "nv21", "gray"})


class _Picture:
    def __init__(self, decoded: av.VideoFrame) -> None:
        self._decoded = decoded
        self._lock = threading.Lock()  # PyAV keeps one converter in the frame: two threads must not use it at once

    def image(self) -> NDArray[np.uint8]:
        with self._lock:
            return np.ascontiguousarray(self._decoded.to_ndarray(format="bgr24"))

    def luma(self) -> NDArray[np.uint8]:
        if self._decoded.format.name not in _LUMA_FIRST:
            with self._lock:
                return np.ascontiguousarray(self._decoded.to_ndarray(format="gray"))
        plane = self._decoded.planes[0]
        lines = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
        return lines[: self._decoded.height, : self._decoded.width]  # lines are padded


def lazy_frame(
    decoded: av.VideoFrame, camera: str, captured: CaptureTime, scene: int, name: str | None = None
) -> Frame:
    """Return ``decoded`` as a frame whose pixels are made at their first use."""
    picture = _Picture(decoded)
    return Frame(camera, picture.image, captured, scene, name, luma=picture.luma)
