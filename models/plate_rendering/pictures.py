"""Pictures between characters: a graphic with its opacity, drawn once for each size and laid into a plate.

Drawn pictures are kept and shared, never changed. One thread per process.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from models.plate_rendering.graphics import SCALE, paint
from models.plate_rendering.looks import Art


def place(image: NDArray[np.uint8], art: Art, x: float, y: float, size_px: int) -> None:
    """Put a picture with its centre at (x, y) px; its width and height are shares of ``size_px``."""
    picture, opacity = _cut(art, size_px)
    left, top = (
        round(x - picture.shape[1] / 2 + (art.x - 0.5) * size_px),
        round(y - picture.shape[0] / 2 + (art.y - 0.5) * size_px),
    )
    height_px, width_px = image.shape[:2]
    x0, y0 = max(left, 0), max(top, 0)
    window = np.s_[y0 - top : max(height_px - top, 0), x0 - left : max(width_px - left, 0)]
    seen = opacity[window]
    if not seen.size:
        return
    under = image[y0 : y0 + seen.shape[0], x0 : x0 + seen.shape[1]]
    under[:] = np.minimum(picture[window] + (under * (255 - seen).astype(np.uint16) + 127) // 255, 255)


@lru_cache(maxsize=4000)
def _cut(art: Art, size_px: int) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
    """Return ``art`` times its opacity, and its opacity: (h, w, 3). Drawn on black and on white, which tells both."""
    width_px, height_px = max(2, round(art.width * size_px)), max(2, round(art.height * size_px))
    canvases = []
    for shade in (0, 255):
        canvas = np.full((height_px * SCALE, width_px * SCALE, 3), shade, np.uint8)
        paint(canvas, art, (0, 0, width_px * SCALE, height_px * SCALE))
        canvases.append(cv2.resize(canvas, (width_px, height_px), interpolation=cv2.INTER_AREA))
    opacity = 255 - (canvases[1].astype(np.int16) - canvases[0])
    return np.asarray(canvases[0], np.uint8), np.clip(opacity, 0, 255).astype(np.uint16)
