"""The detector and the OCR together behind ``ports.PlateReader``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_agent.errors import ConfigurationError
from edge_agent.inference.models import PlateModels
from edge_agent.plates.detector import DEFAULT_MIN_SCORE, PlateDetector
from edge_agent.plates.ocr import PlateOcr
from edge_agent.records import Box, PlateCandidate

# Detectors cut close, and a character that touches the edge is misread. docs/plates.md has the figures by padding.
DEFAULT_PAD = 0.12


def padded(box: Box, pad: float, width_px: int, height_px: int) -> Box:
    """Grow ``box`` on each side by ``pad`` of its own width and height, within a picture of the given size."""
    dx, dy = round(pad * (box.x2 - box.x1)), round(pad * (box.y2 - box.y1))
    return Box(max(box.x1 - dx, 0), max(box.y1 - dy, 0), min(box.x2 + dx, width_px), min(box.y2 + dy, height_px))


def cut(image: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    """Return the pixels of ``image`` within ``box``, a view."""
    return image[box.y1 : box.y2, box.x1 : box.x2]


class NetworkPlateReader:
    """Detector, crop, OCR. Safe to call from several threads.

    Args:
        models: the files, as ``resolve_plates`` found them.
        pad: by how much of its own size each box is widened on each side before it is read.
        min_score: detections below this score are dropped.
        threads: cores that one network may use.

    Raises:
        ModelError: a file is damaged or has another form.
        ConfigurationError: ``pad`` is out of bounds.
    """

    def __init__(
        self,
        models: PlateModels,
        *,
        pad: float = DEFAULT_PAD,
        min_score: float = DEFAULT_MIN_SCORE,
        threads: int = 1,
    ) -> None:
        if not 0.0 <= pad <= 0.5:
            raise ConfigurationError(f"pad: got {pad}, expected a fraction of the box from 0 to 0.5.")
        self.pad = pad
        self._detector = PlateDetector(models.detector, min_score=min_score, threads=threads)
        # "raw": straight from the network; a fitted temperature will have an id of its own.
        calibration = f"raw-{models.ocr_sha256[:8]}"
        self._ocr = PlateOcr(models.ocr, models.ocr_config, calibration=calibration, threads=threads)

    def read(self, image: NDArray[np.uint8]) -> list[PlateCandidate]:
        """Return the plates of ``image``, (H, W, 3) uint8 BGR, the surest reading first."""
        height_px, width_px = image.shape[:2]
        candidates = [
            PlateCandidate(found.box, found.score, self._ocr.read(cut(image, wide)))
            for found in self._detector.detect(image)
            for wide in [padded(found.box, self.pad, width_px, height_px)]
        ]
        return sorted(candidates, key=lambda c: -c.reading.confidence)
