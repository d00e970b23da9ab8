"""What another detector knows about the photographs: where labels are loose, and where plates have none.

People frame plates by hand, each time a little differently; a trusted detector errs too, but in its own way: the mean
of both is closer to the plate than either. And a plate that nobody framed teaches a network that such plates are none:
where the trusted detector is sure, it becomes a label, and where it is not, nothing is judged.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.plate_detector.evaluation import Found, overlaps
from models.plate_detector.finding import Finder
from models.plate_detector.scenes import Photograph

# Finds below it are nothing at all: what is wrongly masked costs one place in a thousand.
_LEAST_SCORE = 0.25
# 150 such finds without a label in the shipped network's photographs were looked at: nearly all were plates.
_SURE_SCORE = 0.7
# The same plate, when the overlap with its label is at least this; and still no other plate, above the smaller one.
_SAME = 0.5
_APART = 0.2


def taught(photographs: Sequence[Photograph], finder: Finder) -> list[Photograph]:
    """Return ``photographs`` with labels tightened and added, and with what is uncertain as unknown."""
    return [_taught(photograph, finder) for photograph in photographs]


def _taught(photograph: Photograph, finder: Finder) -> Photograph:
    finds = _finds(photograph, finder)
    plates = photograph.plates.copy()
    overlap = overlaps(finds.boxes, plates)
    for k in range(len(plates)):
        if len(finds.boxes) and overlap[:, k].max() >= _SAME:
            plates[k] = (plates[k] + finds.boxes[int(overlap[:, k].argmax())]) / 2
    new = np.ones(len(finds.boxes), np.bool_)
    if len(plates):
        new &= (_shared(finds.boxes, plates) < _APART).all(1)
    sure = new & (finds.scores >= _SURE_SCORE)
    if sure.any():
        new &= sure | (_shared(finds.boxes, finds.boxes[sure]) < _APART).all(1)
    return Photograph(
        photograph.image,
        np.concatenate([plates, finds.boxes[sure]]).astype(np.float32),
        np.concatenate([photograph.unknown, finds.boxes[new & ~sure]]).astype(np.float32),
    )


def _finds(photograph: Photograph, finder: Finder) -> Found:
    """Return what is in ``photograph``; a wide one is looked at in halves, too, which shows smaller plates."""
    rows, columns = photograph.image.shape[:2]
    views = [(0, columns)]
    if columns > 1.5 * rows:
        views += [(0, rows), (columns - rows, columns)]
    boxes, scores = [], []
    for left, right in views:
        finds = finder.find(np.ascontiguousarray(photograph.image[:, left:right]))
        found = finds.boxes + np.array((left, 0, left, 0), np.float32)
        # A plate cut by the edge of a half is seen whole in another view.
        whole = ((found[:, 0] > left + 2) | (left == 0)) & ((found[:, 2] < right - 2) | (right == columns))
        keep = whole & (finds.scores >= _LEAST_SCORE)
        boxes.append(found[keep])
        scores.append(finds.scores[keep])
    return _best(np.concatenate(boxes), np.concatenate(scores))


def _best(boxes: NDArray[np.float32], scores: NDArray[np.float32]) -> Found:
    """Return the surest find of each plate."""
    kept: list[int] = []
    for k in np.argsort(-scores):
        if not kept or (_shared(boxes[k : k + 1], boxes[kept]) < _APART).all():
            kept.append(int(k))
    return Found(boxes[kept].reshape(-1, 4), scores[kept])


def _shared(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (n, m) the intersections' shares of the smaller box."""
    size = np.minimum(a[:, None, 2:], b[None, :, 2:]) - np.maximum(a[:, None, :2], b[None, :, :2])
    areas = [(c[:, 2:] - c[:, :2]).prod(-1) for c in (a, b)]
    smaller = np.maximum(np.minimum(areas[0][:, None], areas[1][None]), 1e-6)
    return np.asarray(np.clip(size, 0, None).prod(-1) / smaller, np.float32)
