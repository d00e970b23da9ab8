"""Plates that are not one line of characters: two lines, and small letters stacked beside large ones. Pure.

OCR networks are trained on one line. Many read a two-line plate all the same, others read one line and leave the other
out; so a plate that is nearly square is read whole and line by line, and the surer answer stands.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent.plates.fusion import without_surest_empty

# Two-line plates are 1.1 (motorcycle) to 1.6 (car) times as wide as high; one-line plates of the narrowest kind, North
# American ones, twice, and less where they are seen from the side.
WIDEST_TWO_LINE = 1.75
# The gap between the lines is sought here, as shares of the crop's height.
_GAP = (0.35, 0.62)
# Each line reaches a little into the other's, so that no character is cut.
_OVERLAP = 0.04
_STACK_SIZE_PX = (192, 96)
_NARROWEST_STACK_PX = 80


def lines_of(crop: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Cut ``crop``, (H, W, 3) uint8 BGR, where upright strokes are fewest: the upper and the lower line, views."""
    grey = cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY)
    strokes = np.abs(cv2.Sobel(grey, cv2.CV_32F, 1, 0)).mean(axis=1)
    smooth = np.convolve(np.pad(strokes, 1, mode="edge"), np.full(3, 1 / 3), mode="valid")
    height_px = crop.shape[0]
    low = int(_GAP[0] * height_px)
    high = max(int(_GAP[1] * height_px), low + 1)
    gap = low + int(smooth[low:high].argmin())
    overlap_px = max(1, round(_OVERLAP * height_px))
    return crop[: gap + overlap_px], crop[max(gap - overlap_px, 0) :]


def joined(upper: NDArray[np.float32], lower: NDArray[np.float32], pad: int) -> NDArray[np.float32]:
    """Put the characters of two lines, (slots, alphabet) each, one after the other.

    Args:
        upper: the first line's answer.
        lower: the second line's.
        pad: the place of "no character" in the alphabet.

    Returns:
        As many slots as the longer line has, or as there are characters if that is more. The empty slots are the two
        lines' own, least sure first and where they were, so that doubt whether a line goes on is kept.
    """
    rows = np.concatenate([upper, lower])
    return without_surest_empty(rows, pad, max(len(upper), len(lower)))


def has_stacked_letters(crop: NDArray[np.uint8]) -> bool:
    """Whether ``crop``, (H, W, 3) uint8 BGR, shows two small characters one above the other beside larger ones.

    Looks for a pair of blobs that together are as high as the line of characters and stand in one column. Misses
    letters that touch each other or the frame, and all in crops narrower than 80 px.
    """
    if crop.shape[1] < _NARROWEST_STACK_PX:
        return False
    grey = cv2.cvtColor(cv2.resize(crop, _STACK_SIZE_PX, interpolation=cv2.INTER_CUBIC), cv2.COLOR_BGR2GRAY)
    _, dark = cv2.threshold(grey, 0, 255, cv2.THRESH_BINARY_INV | cv2.THRESH_OTSU)
    return any(_stacked(_blobs(np.asarray(ink, np.uint8))) for ink in (dark, 255 - dark))


def _blobs(ink: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Return the connected parts of ``ink``, (H, W) with 0 as ground: rows of (left, top, width, height, area)."""
    return np.asarray(cv2.connectedComponentsWithStats(ink)[2][1:], np.int32)


def _stacked(blobs: NDArray[np.int32]) -> bool:
    """Whether ``blobs``, rows of (left, top, width, height, area), hold such a pair."""
    sheet_width_px, sheet_height_px = _STACK_SIZE_PX
    large = [b for b in blobs if 0.3 < b[3] / sheet_height_px < 0.7 and 0.02 < b[2] / sheet_width_px < 0.2]
    if len(large) < 3:
        return False
    line_top, line_height = (float(np.median([b[at] for b in large])) for at in (1, 3))
    small = [b for b in blobs if 0.25 < b[3] / line_height < 0.55 and 0.4 < b[2] / b[3] < 1.6]
    for upper in small:
        for lower in small:
            apart = lower[1] - (upper[1] + upper[3])
            column = min(upper[0] + upper[2], lower[0] + lower[2]) - max(upper[0], lower[0])
            whole = lower[1] + lower[3] - upper[1]
            if (
                0 <= apart < 0.3 * line_height
                and column > 0.6 * max(upper[2], lower[2])
                and max(upper[3], lower[3]) < 1.4 * min(upper[3], lower[3])
                and 0.8 < whole / line_height < 1.2
                and abs(upper[1] - line_top) < 0.15 * line_height
            ):
                return True
    return False
