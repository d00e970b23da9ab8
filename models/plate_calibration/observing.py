"""Let the device's own code read plates, and note what it hands to its calibration: raw slots, width, infrared."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from fitting import Answers, stacked, texts_of
from numpy.typing import NDArray
from views import WIDTHS_PX, Crop, render

from edge_agent.inference.models import PlateModels, resolve_set, sha256_of
from edge_agent.plates.calibration import REFERENCE_WIDTH_PX, Calibration
from edge_agent.plates.detector import Detection, PlateDetector
from edge_agent.plates.ocr import PlateOcr
from edge_agent.plates.reader import NetworkPlateReader
from edge_agent.records import Box

# How far a box must overlap a photograph's label to be that plate; the share that score_plates asks.
_LEAST_OVERLAP = 0.3
_SURE_DETECTION = 0.9


class Seen(NamedTuple):
    """One plate: what the reader handed to its calibration, and what it really reads."""

    slots: NDArray[np.float32]
    width_px: float
    infrared: bool
    text: str
    distance: int


@dataclass(frozen=True, slots=True)
class _Notes(Calibration):
    """A calibration that changes nothing and keeps what it is given."""

    given: list[tuple[NDArray[np.float32], float, bool]] = field(default_factory=list)

    def apply(self, probabilities: NDArray[np.float32], width_px: float, infrared: bool) -> NDArray[np.float32]:
        """Keep the arguments."""
        self.given.append((probabilities, width_px, infrared))
        return probabilities


class _Given(PlateDetector):
    """A detector that is told where the plate is."""

    def __init__(self) -> None:
        self.box = Box(0, 0, 1, 1)

    def detect(self, image: NDArray[np.uint8]) -> list[Detection]:
        """Return the box, whatever ``image`` shows."""
        return [Detection(self.box, _SURE_DETECTION)]


class Observer:
    """The device's reader with one OCR, asked for plates whose place is known."""

    def __init__(self, models: PlateModels) -> None:
        self._notes = _Notes("raw")
        self._given = _Given()
        self._found = PlateDetector(models.detector)
        self._reader = NetworkPlateReader(models, calibration=self._notes)
        # Everything but finding is measured here, so that a plate that would have been missed counts all the same.
        self._reader._detector = self._given
        ocr = PlateOcr(models.ocr, models.ocr_config)
        self._alphabet, self._pad = ocr.alphabet, ocr.pad

    def see(self, image: NDArray[np.uint8], box: Box, text: str, distance: int = 0) -> Seen:
        """Read the plate within ``box`` of ``image``, (H, W, 3) uint8 BGR, which really reads ``text``."""
        self._given.box = box
        self._reader.read(image)
        return Seen(*self._notes.given.pop(), text, distance)

    def photographs(self, folder: Path) -> Answers:
        """Read the labelled plates of photographs, those that the detector finds.

        Args:
            folder: has a truth.csv with the columns image, x, y, w, h, text.
        """
        seen = []
        with (folder / "truth.csv").open(newline="", encoding="utf-8") as handle:
            for row in csv.DictReader(handle):
                image = np.asarray(cv2.imread(str(folder / row["image"]), cv2.IMREAD_COLOR), np.uint8)
                x, y, width, height = (round(float(row[name])) for name in ("x", "y", "w", "h"))
                label = Box(x, y, x + width, y + height)
                boxes = [found.box for found in self._found.detect(image)]
                box = max(boxes, key=lambda b: _overlap(b, label), default=label)
                if boxes and _overlap(box, label) >= _LEAST_OVERLAP:
                    seen.append(self.see(image, box, row["text"]))
        return self.answers(seen)

    def lines(self, path: Path) -> Answers:
        """Take raw slots from JSON lines: ``{"truth", "slots": [{character: probability}, …]}``; widths are unknown."""
        seen = []
        for line in path.read_text(encoding="utf-8").splitlines():
            read = json.loads(line)
            slots = np.zeros((len(read["slots"]), len(self._alphabet)), np.float32)
            for slot, given in zip(slots, read["slots"], strict=True):
                slot[[self._alphabet.index(character) for character in given]] = list(given.values())
            # What was too small to be written down is somewhere.
            slots += np.maximum(1 - slots.sum(axis=-1, keepdims=True), 0) / len(self._alphabet)
            slots /= slots.sum(axis=-1, keepdims=True)
            seen.append(Seen(slots, REFERENCE_WIDTH_PX, False, read["truth"], 0))
        return self.answers(seen)

    def answers(self, seen: Sequence[Seen]) -> Answers:
        """Put what was seen together."""
        return Answers(
            self._alphabet,
            self._pad,
            stacked([one.slots for one in seen], self._alphabet.index(self._pad)),
            np.array([one.width_px for one in seen]),
            np.array([one.infrared for one in seen], np.bool_),
            texts_of([one.text for one in seen]),
            np.array([one.distance for one in seen], np.int64),
        )


def look_at(observers: Sequence[Observer], crops: Sequence[Crop], condition: str) -> list[Answers]:
    """Let each of ``observers`` read the same views: every crop at every width in ``condition``."""
    seen: list[list[Seen]] = [[] for _ in observers]
    for crop in crops:
        for distance, width_px in enumerate(WIDTHS_PX):
            view = render(crop, width_px, condition)
            for observer, noted in zip(observers, seen, strict=True):
                noted.append(observer.see(view.image, view.box, crop.text, distance))
    return [observer.answers(noted) for observer, noted in zip(observers, seen, strict=True)]


def models_of(name: str, folder: Path | None) -> PlateModels:
    """Find the files of the manifest's set ``name``, in ``folder`` or where they are usually sought."""
    parts = resolve_set(name, folder)
    return PlateModels(name, parts["detector"], parts["ocr"], parts["ocr-config"], sha256_of(parts["ocr"]))


def _overlap(a: Box, b: Box) -> float:
    """Return the intersection over the union of two boxes."""
    width, height = min(a.x2, b.x2) - max(a.x1, b.x1), min(a.y2, b.y2) - max(a.y1, b.y1)
    both = max(width, 0) * max(height, 0)
    either = (a.x2 - a.x1) * (a.y2 - a.y1) + (b.x2 - b.x1) * (b.y2 - b.y1) - both
    return both / either
