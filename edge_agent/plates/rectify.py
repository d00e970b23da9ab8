"""Straightens a crop of a plate seen from the side. Pure.

A plate beside the road is sheared twice in the picture: its lines climb or fall, and its characters lean. Both are
found by the picture itself: lines of text, once level, make the sums along rows differ most from row to row, and
upright strokes do the same for columns (the projection profile of document scanning). It costs about half a run of the
OCR, so only crops that could not be read surely come here; what it gains is in docs/plates.md.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

# Crops are compared at the size and shape in which OCR networks see them.
_SIZE_PX = (128, 64)
_CENTRE_PX = ((_SIZE_PX[0] - 1) / 2, (_SIZE_PX[1] - 1) / 2)
# Lines that climb or fall by up to a quarter of the way, characters that lean by up to a third.
_CLIMBS = np.arange(-7, 8) * 0.035
_LEANS = np.arange(-6, 7) * 0.06

Affine = NDArray[np.float64]


def rectified(crop: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """Return ``crop``, (H, W, 3) uint8 BGR, made level and upright, (64, 128, 3); None where it already is."""
    picture = cv2.resize(crop, _SIZE_PX, interpolation=cv2.INTER_CUBIC)
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    climb = _steepest(np.abs(cv2.Sobel(grey, cv2.CV_32F, 0, 1)), [_level(c) for c in _CLIMBS], axis=1)
    level = cv2.warpAffine(grey, climb, _SIZE_PX, borderMode=cv2.BORDER_REPLICATE)
    lean = _steepest(np.abs(cv2.Sobel(level, cv2.CV_32F, 1, 0)), [_upright(s) for s in _LEANS], axis=0)
    both = np.vstack([lean, [0, 0, 1]]) @ np.vstack([climb, [0, 0, 1]])
    if np.allclose(both, np.eye(3)):
        return None
    straight = cv2.warpAffine(picture, both[:2], _SIZE_PX, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(straight, np.uint8)


def _level(climb: float) -> Affine:
    """Return the map that lowers what lies right of the centre by ``climb`` of its distance."""
    return np.array([[1.0, 0.0, 0.0], [climb, 1.0, -climb * _CENTRE_PX[0]]])


def _upright(lean: float) -> Affine:
    """Return the map that moves what lies below the centre right by ``lean`` of its distance."""
    return np.array([[1.0, lean, -lean * _CENTRE_PX[1]], [0.0, 1.0, 0.0]])


def _steepest(edges: NDArray[np.float32], maps: list[Affine], axis: int) -> Affine:
    """Return the map under which the means of ``edges`` along ``axis`` vary most; what a map pulls in is left out."""
    margin_px = 8
    best, found = -1.0, maps[0]
    for candidate in maps:
        moved = cv2.warpAffine(edges, candidate, _SIZE_PX)
        spread = float(moved[margin_px:-margin_px, 2 * margin_px : -2 * margin_px].mean(axis=axis).var())
        if spread > best:
            best, found = spread, candidate
    return found
