"""What makes a plate hard to read, as marks that its read carries. Pure.

A mark changes no probability: width and infrared are part of the calibration, and with width accounted for, the
detector's score left no confidence that claimed too much (docs/plates.md; blur was only compared without it).
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent.records import Box, PlateMark

# Made photographs narrower than this, 15 % of all, are read right half of the time; those wider four times in five.
SMALL_PX = 60
# So many of its steepest edges would fit side by side across the plate. Below it 45 % are read right, above it 84 %.
_LEAST_EDGES = 17.0
# Shares of a plate's pixels at full white. Its ground may be white by day and is by infrared; this is more than ground.
_GLARE_SHARE = 0.5
_WHITE = 250
_MEASURED_WIDTH_PX = 160
# Mean difference between the colours of one pixel, in grey levels; JPEG leaves about 1 in a picture without any.
_COLOURLESS = 2.0
_SAMPLE_EACH_PX = 16


def is_infrared(image: NDArray[np.uint8]) -> bool:
    """Whether ``image``, (H, W, 3) uint8 BGR, has no colour, as infrared cameras and colour cameras by night send it.

    A camera whose infrared picture is tinted is taken for a colour camera.
    """
    blue, green, red = np.moveaxis(image[::_SAMPLE_EACH_PX, ::_SAMPLE_EACH_PX].astype(np.int16), -1, 0)
    return float(np.abs(blue - green).mean() + np.abs(green - red).mean()) < 2 * _COLOURLESS


def edges_across(plate: NDArray[np.uint8]) -> float:
    """Return how many of its steepest edges fit across ``plate``, (H, W, 3) uint8 BGR: what is left after blur.

    The plate's contrast over its steepest slope is the width of an edge in pixels; the plate's width over that is the
    number. Contrast and exposure cancel. A sharp plate of 50 px has 20, a blurred one of 100 px has 15.
    """
    grey = cv2.cvtColor(plate, cv2.COLOR_BGR2GRAY)
    height_px, width_px = grey.shape
    if width_px > _MEASURED_WIDTH_PX:
        size_px = (_MEASURED_WIDTH_PX, max(height_px * _MEASURED_WIDTH_PX // width_px, 1))
        grey = cv2.resize(grey, size_px, interpolation=cv2.INTER_AREA)
    low, high = np.percentile(grey, (5, 95))
    steepest = np.percentile(np.abs(cv2.Sobel(grey, cv2.CV_32F, 1, 0, scale=1 / 8)), 98)
    return float(steepest / max(high - low, 1.0)) * int(grey.shape[1])


def marks_of(image: NDArray[np.uint8], box: Box) -> frozenset[PlateMark]:
    """Return what makes the plate within ``box`` of ``image``, (H, W, 3) uint8 BGR, hard to read."""
    height_px, width_px = image.shape[:2]
    plate = image[box.y1 : box.y2, box.x1 : box.x2]
    found = {
        PlateMark.SMALL: box.x2 - box.x1 < SMALL_PX,
        PlateMark.BLURRED: edges_across(plate) < _LEAST_EDGES,
        PlateMark.GLARE: float((_darkest(plate) >= _WHITE).mean()) > _GLARE_SHARE,
        PlateMark.CUT_OFF: min(box.x1, box.y1, width_px - box.x2, height_px - box.y2) <= 1,
    }
    return frozenset(mark for mark, is_so in found.items() if is_so)


def _darkest(plate: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the least of each pixel's three colours."""
    blue, green, red = cv2.split(plate)
    return np.asarray(cv2.min(cv2.min(blue, green), red), np.uint8)
