"""Finds plates in a picture with a network that has its non-maximum suppression inside.

The form is fast-alpr's: float32 NCHW RGB in [0, 1], letterboxed, in; rows of (picture, x1, y1, x2, y2, class, score)
out. Letterboxing is open-image-models' own, so that the same weights give the same boxes here as there
(tests/integration/test_plates_parity.py).

Safe to call from several threads.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from open_image_models.detection.core.yolo_v9.preprocess import letterbox

from edge_agent.errors import ModelError
from edge_agent.inference.providers import Provider
from edge_agent.inference.session import open_session, provider_of
from edge_agent.records import Box

# fast-alpr's default; below it false plates grow faster than finds.
DEFAULT_MIN_SCORE = 0.4


@dataclass(frozen=True, slots=True)
class Detection:
    """Where a plate may be.

    Attributes:
        box: in pixels, clipped to the picture, never empty.
        score: the network's own, in [0, 1].
    """

    box: Box
    score: float


class PlateDetector:
    """A detector network.

    Args:
        path: the ONNX file.
        min_score: detections below this score are dropped.
        threads: cores that one run may use.
        provider: what to run on.

    Raises:
        ModelError: the file is damaged or has another form.
    """

    def __init__(
        self, path: Path, *, min_score: float = DEFAULT_MIN_SCORE, threads: int = 1, provider: Provider = Provider.AUTO
    ) -> None:
        self._session = open_session(path, threads=threads, provider=provider)
        self._min_score = min_score
        given = self._session.get_inputs()[0]
        self._input = given.name
        if given.type != "tensor(float)" or len(given.shape) != 4 or not all(isinstance(n, int) for n in given.shape):
            raise ModelError(f"{path}: input {given.name}: got {given.type} {given.shape}, expected float 1x3xHxW.")
        self._size_px: tuple[int, int] = (given.shape[2], given.shape[3])

    @property
    def provider(self) -> Provider:
        """What the network really runs on."""
        return provider_of(self._session)

    def detect(self, image: NDArray[np.uint8]) -> list[Detection]:
        """Return the plates of ``image``, (H, W, 3) uint8 BGR, in the network's order."""
        boxed, (ratio, _), (left_px, top_px) = letterbox(image, self._size_px)
        rgb = np.empty((1, 3, *self._size_px), np.float32)
        for plane, colour in zip(rgb[0], reversed(cv2.split(boxed)), strict=True):
            np.divide(colour, np.float32(255), out=plane)  # plane by plane: a quarter of the time of a strided division
        (rows,) = self._session.run(None, {self._input: rgb})
        rows = rows.reshape(-1, 7)
        rows = rows[rows[:, 6] >= self._min_score]
        rows[:, [1, 3]] = (rows[:, [1, 3]] - left_px) / ratio
        rows[:, [2, 4]] = (rows[:, [2, 4]] - top_px) / ratio
        height_px, width_px = image.shape[:2]
        found = []
        for row in rows:
            x1, y1, x2, y2 = (int(edge) for edge in row[1:5])
            box = Box(max(x1, 0), max(y1, 0), min(x2, width_px), min(y2, height_px))
            if box.x2 > box.x1 and box.y2 > box.y1:
                found.append(Detection(box, float(row[6])))
        return found
