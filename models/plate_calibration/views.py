"""Plate crops shown again as a roadside camera would have them: smaller, softer, noisier, on a car, and as JPEG.

Each view is drawn from a seed of its own name, so that every run and every machine renders the same ones.
"""

from __future__ import annotations

import csv
import zlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent.records import Box

# Widths of the plate in the frame; None is the crop as it is (mostly 320 px). 88 and 58 are the median and the 5th
# percentile of plate widths on roadside photographs.
WIDTHS_PX: tuple[int | None, ...] = (None, 88, 58)
# What light and lens do: by day with blur, noise and all; as infrared with the same; or only smaller, and a good JPEG.
CONDITIONS = ("day", "infrared", "clean")

# How far a detector's sides lie from a plate's labelled ones, as shares of its width and height: measured with the
# reference detector on 110 roadside photographs (medians within 0.025 of zero; standard deviations 0.035 and 0.09).
_BOX_ERROR = (0.035, 0.085)


@dataclass(frozen=True, slots=True)
class Crop:
    """A labelled picture of a plate.

    Attributes:
        name: the file's name; all views of one crop stay in one fold.
        path: where it is.
        text: what it reads; 0 stands for O too.
    """

    name: str
    path: Path
    text: str


@dataclass(frozen=True, slots=True)
class View:
    """One crop as one camera saw it.

    Attributes:
        image: the plate and what is around it, (H, W, 3) uint8 BGR.
        box: where a detector would have found it.
    """

    image: NDArray[np.uint8]
    box: Box


def read_crops(folder: Path) -> list[Crop]:
    """Read ``folder/truth.csv`` with the columns image and text.

    Raises:
        SystemExit: there is no such file, or it lacks a column.
    """
    path = folder / "truth.csv"
    try:
        with path.open(newline="", encoding="utf-8") as handle:
            rows = list(csv.DictReader(handle))
        return [Crop(row["image"], folder / row["image"], row["text"]) for row in rows]
    except OSError as error:
        raise SystemExit(f"{path}: cannot be read ({error.strerror}).") from error
    except KeyError as error:
        raise SystemExit(f"{path}: no column {error}, expected image and text.") from error


def render(crop: Crop, width_px: int | None, condition: str) -> View:
    """Show ``crop`` in a frame.

    Args:
        crop: the plate.
        width_px: its width in the frame; None, or more than it has, leaves its size.
        condition: one of ``CONDITIONS``. Infrared is a stand-in, as no such photograph was at hand: without colour, the
            inks as pale as red light shows them, the plate bright on a dark car.

    Raises:
        SystemExit: the crop's file is not a picture.
    """
    rng = np.random.default_rng(zlib.crc32(f"{crop.name} {width_px} {condition}".encode()))
    plate = cv2.imread(str(crop.path), cv2.IMREAD_COLOR)
    if plate is None:
        raise SystemExit(f"{crop.path}: not a picture.")
    height, width = plate.shape[:2]
    if width_px is not None and width_px < width:
        height, width = max(1, round(height * width_px / width)), width_px
        plate = cv2.resize(plate, (width, height), interpolation=cv2.INTER_AREA)
    # As much of the car as the widest crop of the plate may show.
    x, y = width // 3, height // 2
    image = _car(rng, height + 2 * y, width + 2 * x)
    image[y : y + height, x : x + width] = plate
    if condition == "infrared":
        image = cv2.cvtColor(np.ascontiguousarray(image[:, :, 2]), cv2.COLOR_GRAY2BGR).astype(np.float32)
        lit = np.full(image.shape, 0.3, np.float32)
        lit[y : y + height, x : x + width] = 1.1
        image *= lit
    quality = 90
    if condition != "clean":
        image = _seen(rng, image, grey=condition == "infrared")
        quality = int(rng.integers(40, 91))
    _, jpeg = cv2.imencode(".jpg", image.clip(0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return View(np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR), np.uint8), _found(rng, x, y, width, height))


def _car(rng: np.random.Generator, height: int, width: int) -> NDArray[np.float32]:
    """Painted metal: one colour that changes slowly, (height, width, 3)."""
    paint = rng.choice([30.0, 60.0, 110.0, 160.0, 200.0, 225.0]) + rng.normal(0, 8, 3)
    shade = rng.normal(0, 12, (4, 6, 1)) + paint
    return np.asarray(cv2.resize(shade.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC), np.float32)


def _seen(rng: np.random.Generator, image: NDArray[np.float32], *, grey: bool) -> NDArray[np.float32]:
    """What lens, motion, exposure and sensor make of ``image``."""
    soft = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.3, 1.4)))
    motion = int(rng.integers(0, 4))
    moved = np.asarray(cv2.blur(soft, (motion, 1)) if motion else soft, np.float32)
    lit = (moved - 128) * float(rng.uniform(0.4, 1.1)) + 128 + float(rng.uniform(-50, 40))
    noise = rng.normal(0, rng.uniform(1, 12), (*image.shape[:2], 1 if grey else 3))
    return np.asarray(lit.clip(0, 255) + noise, np.float32)


def _found(rng: np.random.Generator, x: int, y: int, width: int, height: int) -> Box:
    left, right = rng.normal(0, _BOX_ERROR[0] * width, 2)
    top, bottom = rng.normal(0, _BOX_ERROR[1] * height, 2)
    return Box(round(x + left), round(y + top), round(x + width + right), round(y + height + bottom))
