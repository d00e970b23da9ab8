"""Photographs with boxes: a folder of pictures and a ``boxes.csv`` (image,x,y,w,h, in pixels)."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from models.plate_detector.scenes import NOTHING, Photograph

BOXES = "boxes.csv"
_COLUMNS = ("image", "x", "y", "w", "h")
_PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")


@dataclass(frozen=True, slots=True)
class Folder:
    """What a folder holds.

    Attributes:
        photographs: every picture of it, also those without a plate.
        names: their file names, in the same order.
        wrong: what cannot be used and why, one line each: place, got, expected.
    """

    photographs: list[Photograph]
    names: list[str]
    wrong: list[str]


def read_folder(folder: Path, unknown: dict[str, NDArray[np.float32]] | None = None) -> Folder:
    """Read the pictures of ``folder`` and their boxes.

    Args:
        folder: holds the pictures and boxes.csv. A picture without a row holds no plate.
        unknown: for each picture's name (m, 4) boxes x1, y1, x2, y2 that nobody has judged.

    Raises:
        FileNotFoundError: there is no boxes.csv.
        ValueError: boxes.csv lacks a column.
    """
    table = folder / BOXES
    rows, wrong = _rows(table)
    photographs, names = [], []
    for path in sorted(p for p in folder.iterdir() if p.suffix.lower() in _PICTURES):
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if image is None:
            wrong.append(f"{path}: got no picture, expected JPEG, PNG, BMP or WebP.")
            rows.pop(path.name, None)
            continue
        high, wide = image.shape[:2]
        boxes = []
        for line, box in rows.pop(path.name, []):
            if box[0] >= wide or box[1] >= high or box[2] <= 0 or box[3] <= 0:
                wrong.append(f"{table}:{line}: {path.name}: got a box outside the picture of {wide}x{high} px.")
            else:
                boxes.append(np.clip(box, 0, (wide, high, wide, high)))
        plates = np.array(boxes, np.float32).reshape(-1, 4)
        photographs.append(Photograph(np.asarray(image, np.uint8), plates, (unknown or {}).get(path.name, NOTHING)))
        names.append(path.name)
    for name, lines in rows.items():
        wrong.append(f"{table}:{lines[0][0]}: got {name!r}, expected a picture in {folder}.")
    return Folder(photographs, names, wrong)


def _rows(table: Path) -> tuple[dict[str, list[tuple[int, tuple[float, float, float, float]]]], list[str]]:
    """Return for each picture (line number, box x1, y1, x2, y2), and what was wrong."""
    rows: dict[str, list[tuple[int, tuple[float, float, float, float]]]] = {}
    wrong: list[str] = []
    with table.open(newline="", encoding="utf-8-sig") as opened:
        reader = csv.DictReader(opened)
        missing = [c for c in _COLUMNS if c not in (reader.fieldnames or ())]
        if missing:
            raise ValueError(f"{table}:1: got columns {reader.fieldnames}, expected {','.join(_COLUMNS)}.")
        for row in reader:
            line = reader.line_num
            try:
                x, y, w, h = (float(row[c]) for c in _COLUMNS[1:])
            except (TypeError, ValueError):
                wrong.append(f"{table}:{line}: got {row}, expected numbers for x, y, w and h.")
                continue
            if not row["image"] or not all(math.isfinite(n) for n in (x, y, w, h)) or w <= 0 or h <= 0:
                wrong.append(f"{table}:{line}: got {row}, expected a picture's name and w, h above 0.")
                continue
            rows.setdefault(row["image"], []).append((line, (x, y, x + w, y + h)))
    return rows, wrong
