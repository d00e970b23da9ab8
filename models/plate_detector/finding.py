"""Runs an exported detector over pictures, as the device does; and reads the folders that judge it.

NumPy, OpenCV and ONNX Runtime. One thread.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from models.plate_detector.evaluation import Found
from models.plate_detector.scenes import NOTHING, Photograph, letterboxed

_WARM, _TIMED = 3, 20


@dataclass(frozen=True, slots=True)
class Labelled:
    """Pictures that judge and never train.

    Attributes:
        name: of the folder.
        names: of the pictures' files.
        images: (H, W, 3) uint8 BGR.
        truth: for each picture (n, 4) boxes x1, y1, x2, y2.
        false_rate: how many finds beside the labels are allowed, per picture.
    """

    name: str
    names: tuple[str, ...]
    images: tuple[NDArray[np.uint8], ...]
    truth: tuple[NDArray[np.float32], ...]
    false_rate: float


def read_labelled(folder: Path, false_rate: float) -> Labelled:
    """Read the pictures that ``folder``/truth.csv (image,x,y,w,h, and whatever else) names.

    Raises:
        ValueError: a picture cannot be read, or a box is no box.
    """
    table = folder / "truth.csv"
    boxes: dict[str, list[tuple[float, float, float, float]]] = {}
    with table.open(newline="", encoding="utf-8-sig") as opened:
        for line, row in enumerate(csv.DictReader(opened), 2):
            try:
                x, y, w, h = (float(row[c]) for c in ("x", "y", "w", "h"))
            except (KeyError, TypeError, ValueError):
                raise ValueError(f"{table}:{line}: got {row}, expected image,x,y,w,h.") from None
            boxes.setdefault(row["image"], []).append((x, y, x + w, y + h))
    images = []
    for name in boxes:
        image = cv2.imread(str(folder / name), cv2.IMREAD_COLOR)
        if image is None:
            raise ValueError(f"{folder / name}: got no picture, expected the one that {table} names.")
        images.append(np.asarray(image, np.uint8))
    truth = tuple(np.array(b, np.float32) for b in boxes.values())
    return Labelled(folder.name, tuple(boxes), tuple(images), truth, false_rate)


class Finder:
    """An exported detector.

    Args:
        path: the ONNX file: float 1x3xHxW in, N x 7 out.
    """

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        given = self._session.get_inputs()[0]
        self._input = given.name
        self.size_px: tuple[int, int] = (given.shape[2], given.shape[3])

    def find(self, image: NDArray[np.uint8]) -> Found:
        """Return what is found in ``image``, (H, W, 3) uint8 BGR, at any score."""
        high, wide = image.shape[:2]
        boxed = letterboxed(Photograph(image, NOTHING, NOTHING), *self.size_px).image
        rows = self._run(boxed)
        scale = min(self.size_px[0] / high, self.size_px[1] / wide)
        left = (self.size_px[1] - round(wide * scale)) / 2
        top = (self.size_px[0] - round(high * scale)) / 2
        boxes = (rows[:, 1:5] - np.array((left, top, left, top), np.float32)) / np.float32(scale)
        return Found(np.clip(boxes, 0, (wide, high, wide, high)).astype(np.float32), rows[:, 6])

    def find_all(self, images: Sequence[NDArray[np.uint8]]) -> list[Found]:
        """Return what is found in each of ``images``."""
        return [self.find(image) for image in images]

    def milliseconds(self) -> float:
        """Return the median time of a picture, without letterboxing."""
        picture = np.random.default_rng(0).integers(0, 256, (*self.size_px, 3)).astype(np.uint8)
        taken = []
        for _ in range(_WARM + _TIMED):
            start = time.perf_counter()
            self._run(picture)
            taken.append(time.perf_counter() - start)
        return 1e3 * float(np.median(taken[_WARM:]))

    def _run(self, boxed: NDArray[np.uint8]) -> NDArray[np.float32]:
        planes = network_input(boxed)
        return np.asarray(self._session.run(None, {self._input: planes})[0], np.float32).reshape(-1, 7)


def network_input(boxed: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return (1, 3, H, W) RGB in [0, 1] of (H, W, 3) uint8 BGR."""
    return np.ascontiguousarray(boxed[:, :, ::-1].transpose(2, 0, 1)[None], np.float32) / np.float32(255)
