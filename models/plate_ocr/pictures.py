"""What the network is given and what it says, without PyTorch: sizes, alphabet, resizing, and the text of columns."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

HEIGHT_PX, WIDTH_PX = 64, 128
CHARACTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
BLANK = len(CHARACTERS)


def resized(crop: NDArray[np.uint8], interpolation: int | None = None) -> NDArray[np.uint8]:
    """Bring a crop to the network's size, whatever its shape was.

    Args:
        crop: (h, w, 3) uint8 BGR, any size.
        interpolation: one of OpenCV's; as the product's reader does by default, which enlarges by cubic and averages
            what is wider than the network's picture, so that no stroke falls between two pixels.

    Returns:
        (64, 128, 3) uint8 RGB.
    """
    if interpolation is None:
        interpolation = cv2.INTER_AREA if crop.shape[1] > WIDTH_PX else cv2.INTER_CUBIC
    picture = cv2.resize(cv2.cvtColor(crop, cv2.COLOR_BGR2RGB), (WIDTH_PX, HEIGHT_PX), interpolation=interpolation)
    return np.asarray(picture, np.uint8)


def spelled(columns: NDArray[np.float32]) -> list[str]:
    """Return what the likeliest path through each row of ``columns`` (batch, columns, 37) spells; blank is last."""
    texts = []
    for path in columns.argmax(axis=2):
        changes = np.flatnonzero(np.diff(path, prepend=-1))
        texts.append("".join(CHARACTERS[path[i]] for i in changes if path[i] != BLANK))
    return texts
