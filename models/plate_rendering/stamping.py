"""Stamping: one colour through a mask into an image."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def stamp(image: NDArray[np.uint8], opacity: NDArray[np.uint8], left: int, top: int, ink: NDArray[np.float64]) -> None:
    """Press ``opacity`` into ``image`` in ``ink``; what lies beyond the image is cut off.

    Args:
        image: (H, W, 3) uint8 BGR; changed in place.
        opacity: (h, w) uint8.
        left: where its upper left corner comes to lie, px; may be outside.
        top: see ``left``.
        ink: (3,) BGR, 0 to 255.
    """
    height_px, width_px = image.shape[:2]
    x, y = max(left, 0), max(top, 0)
    seen = opacity[y - top : height_px - top, x - left : width_px - left]
    if not seen.size:
        return
    under = image[y : y + seen.shape[0], x : x + seen.shape[1]]
    printed = cv2.merge([cv2.convertScaleAbs(seen, alpha=shade / 255) for shade in ink.tolist()])
    rest = 255 - cv2.merge([seen, seen, seen])
    under[:] = cv2.add(cv2.multiply(under, rest, scale=1 / 255), printed)
