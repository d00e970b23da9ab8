"""How many labelled plates are found, and how many others: recall and false plates per picture at a threshold.

Counts as the benchmark's scorer does: a find that overlaps no label enough is false, though it may be a plate that
nobody labelled. NumPy only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Found:
    """What a detector found in one picture: (n, 4) boxes x1, y1, x2, y2 in the picture's pixels, (n,) scores."""

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts at one threshold."""

    threshold: float
    plates: int
    detected: int
    pictures: int
    false: int

    @property
    def recall(self) -> float:
        """Share of the labelled plates that were found."""
        return self.detected / max(self.plates, 1)

    @property
    def false_per_picture(self) -> float:
        """Finds that overlap no label, per picture."""
        return self.false / max(self.pictures, 1)


def overlaps(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (n, m) intersections over unions of boxes (n, 4) and (m, 4)."""
    shared = np.minimum(a[:, None, 2:], b[None, :, 2:]) - np.maximum(a[:, None, :2], b[None, :, :2])
    area = np.clip(shared, 0, None).prod(-1)
    sizes = [(c[:, 2:] - c[:, :2]).prod(-1) for c in (a, b)]
    return np.asarray(area / np.maximum(sizes[0][:, None] + sizes[1][None] - area, 1e-6), np.float32)


def tally(
    truth: Sequence[NDArray[np.float32]], found: Sequence[Found], threshold: float, least_overlap: float = 0.5
) -> Tally:
    """Count the finds whose score is ``threshold`` or more."""
    detected = false = 0
    for labels, finds in zip(truth, found, strict=True):
        boxes = finds.boxes[finds.scores >= threshold]
        match = overlaps(boxes, labels) >= least_overlap
        detected += int(match.any(0).sum())
        false += int((~match.any(1)).sum())
    return Tally(threshold, sum(len(t) for t in truth), detected, len(truth), false)


def at_false_rate(
    truth: Sequence[NDArray[np.float32]], found: Sequence[Found], rate: float, least_overlap: float = 0.5
) -> Tally:
    """Return the tally at the lowest threshold that lets no more than ``rate`` false plates per picture pass."""
    false = []
    for labels, finds in zip(truth, found, strict=True):
        match = (overlaps(finds.boxes, labels) >= least_overlap).any(1)
        false.extend(finds.scores[~match].tolist())
    false.sort(reverse=True)
    allowed = math.floor(rate * len(truth) + 1e-9)
    threshold = float(np.nextafter(np.float32(false[allowed]), np.float32(2.0))) if len(false) > allowed else 0.0
    return tally(truth, found, threshold, least_overlap)


def wilson(hits: int, total: int, z: float = 1.96) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson, 1927)."""
    if not total:
        return 0.0, 1.0
    share, spread = hits / total, 1 + z * z / total
    middle = (share + z * z / (2 * total)) / spread
    half = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total)) / spread
    return middle - half, middle + half
