"""Vehicles and roads for rendered passes, cut from the evaluation photographs; all of it stays in memory.

A vehicle is the surroundings of a labelled plate in a photograph of us-dev or eu-dev, with soft edges. Its own plate is
painted over and a real plate crop of us-crops put in its place, or (``own_plate``) its own plate is kept. Sizes are in
plate units: 1 unit is the width of a US plate, 305 mm.

Split: crops, photographs and roads are each divided by a digest of the file's name. ``fit`` and ``held-out`` share
nothing; a plate of us-dev or eu-dev itself is only ever read in ``held-out``.

Licences: the photographs come with an AGPL-3 benchmark (us-dev, eu-dev, us-crops) or are MIT (ro-mit); none of them,
and nothing rendered from them, belongs into the repository or into a shipped model.
"""

from __future__ import annotations

import csv
import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

FRAME_WIDTH_PX, FRAME_HEIGHT_PX = 960, 540
# Pixels that a plate unit has in a vehicle's largest picture; each further one is smaller by the square root of two.
_UNIT_PX = 200
_LEVELS = 7
# How much of a vehicle is cut out around its plate, in plate units: each side, above, below.
_SIDE, _ABOVE, _BELOW = 2.9, 2.5, 1.0
_EU_PLATE_UNITS = 520 / 305
# A plate wider than this times its height is a European one.
_EU_ASPECT = 3.0
_FAR_PLATE_PX = 50
# A shorter label is that of a plate most of whose letters are stacked, and stacked letters are left out of labels.
_SHORTEST = 4
# Roads brighter than this on average were photographed by day.
_DAY_LUMA = 75


@dataclass(frozen=True, slots=True)
class Photograph:
    """A labelled photograph: the file, the plate's box (x, y, w, h) in pixels, and its text (empty: not labelled)."""

    path: Path
    box: tuple[float, float, float, float]
    text: str


@dataclass(frozen=True, slots=True)
class Vehicle:
    """A vehicle that can be drawn at any size.

    Attributes:
        text: what its plate reads.
        source: the file that the plate is from.
        levels: pictures (H, W, 4), BGR and opacity, from large to small.
        units_px: pixels of a plate unit in each level.
        plate: left, top, right, bottom of the plate in units, from its centre.
        origin: where the plate's centre lies in each level, in pixels.
    """

    text: str
    source: str
    levels: tuple[Image, ...]
    units_px: tuple[float, ...]
    plate: tuple[float, float, float, float]
    origin: tuple[tuple[float, float], ...]


def in_split(name: str, split: str) -> bool:
    """Whether the file called ``name`` belongs to ``split``, "fit" or "held-out"."""
    return (hashlib.sha256(name.encode()).digest()[0] < 128) == (split == "fit")


class Library:
    """The photographs and crops of one split.

    Args:
        folder: the folder that holds us-crops, us-dev, eu-dev and train-boxes.
        split: "fit" or "held-out".
    """

    def __init__(self, folder: Path, split: str) -> None:
        self.split = split
        self.crops = [
            (folder / "us-crops" / row["image"], row["text"])
            for row in _rows(folder / "us-crops" / "truth.csv")
            if in_split(row["image"], split) and len(row["text"]) >= _SHORTEST
        ]
        self.us_cars = _photographs(folder / "us-dev", split)
        self.eu_cars = _photographs(folder / "eu-dev", split)
        roads = folder / "train-boxes" / "ro-mit"
        self._road_boxes: dict[str, list[tuple[float, float, float, float]]] = {}
        for row in _rows(roads / "boxes.csv"):
            self._road_boxes.setdefault(row["image"], []).append(_box(row))
        paths = sorted(p for p in roads.glob("*.jpg") if in_split(p.name, split))
        # A car that fills the road is no background.
        paths = [
            p for p in paths if max((b[2] for b in self._road_boxes.get(p.name, [])), default=0.0) <= _FAR_PLATE_PX
        ]
        lumas = {p: _mean_luma(p) for p in paths}
        self._roads = {
            "day": [p for p in paths if lumas[p] >= _DAY_LUMA],
            "night": [p for p in paths if 8 <= lumas[p] < _DAY_LUMA],
        }

    def road(self, rng: np.random.Generator, *, day: bool) -> Image:
        """Return a road without readable plates, (540, 960, 3) BGR, a little out of focus as a background is."""
        paths = self._roads["day" if day else "night"]
        path = paths[int(rng.integers(len(paths)))]
        image = _load(path)
        for x, y, w, h in self._road_boxes.get(path.name, []):
            x1, y1, x2, y2 = (round(v) for v in (x - w * 0.2, y - h * 0.3, x + w * 1.2, y + h * 1.3))
            part = image[max(y1, 0) : y2, max(x1, 0) : x2]
            if part.size:
                part[:] = cv2.GaussianBlur(part, (0, 0), max(w / 6, 3))
        # Half way to a grey world: the photographs have the pink cast of their camera.
        cast = np.sqrt(image.mean() / np.maximum(image.mean(axis=(0, 1)), 1))
        image = _u8(np.clip(image * cast, 0, 255))
        image = _u8(cv2.resize(image, (FRAME_WIDTH_PX, FRAME_HEIGHT_PX), interpolation=cv2.INTER_CUBIC))
        return _u8(cv2.GaussianBlur(image, (0, 0), 2.2))

    def vehicle(
        self,
        rng: np.random.Generator,
        *,
        own_plate: bool = False,
        body_gain: float = 1.0,
        plate_gain: float = 1.0,
        grey: bool = False,
    ) -> Vehicle:
        """Return a vehicle.

        Args:
            rng: chooses the plate and the photograph.
            own_plate: whether the photograph's own plate is kept; only for "held-out".
            body_gain: brightness of the vehicle, below 1 at night.
            plate_gain: brightness of the plate: a retro-reflective one shines at night.
            grey: whether it is seen without colours, as by an infrared camera.
        """
        if own_plate and self.split == "fit":
            raise ValueError("the plates of us-dev and eu-dev are for the held-out split alone")
        cars = self.us_cars if rng.random() < 0.7 else self.eu_cars
        car = cars[int(rng.integers(len(cars)))]
        crop, text = self.crops[int(rng.integers(len(self.crops)))]
        picture, plate, origin = _cut_car(_load(car.path), car.box, None if own_plate else _load(crop))
        left, top, right, bottom = plate
        x1, y1 = round(origin[0] + left * _UNIT_PX), round(origin[1] + top * _UNIT_PX)
        x2, y2 = round(origin[0] + right * _UNIT_PX), round(origin[1] + bottom * _UNIT_PX)
        shining = _scaled(picture[y1:y2, x1:x2], plate_gain)
        picture = _scaled(picture, body_gain)
        picture[y1:y2, x1:x2] = shining
        if grey:
            picture = _u8(cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR))
        whole = np.dstack([picture, _opacity(picture.shape[0], picture.shape[1])])
        levels, units, origins = [], [], []
        for level in range(_LEVELS):
            ratio = 0.5 ** (level / 2)
            levels.append(_u8(cv2.resize(whole, None, fx=ratio, fy=ratio, interpolation=cv2.INTER_AREA)))
            units.append(_UNIT_PX * ratio)
            origins.append((origin[0] * ratio, origin[1] * ratio))
        named = car.text if own_plate else text
        source = car.path.name if own_plate else crop.name
        return Vehicle(named, source, tuple(levels), tuple(units), plate, tuple(origins))


def _cut_car(
    photo: Image, box: tuple[float, float, float, float], plate: Image | None
) -> tuple[Image, tuple[float, float, float, float], tuple[float, float]]:
    """Return the car at ``_UNIT_PX``, its plate's place in units, and the plate's centre in pixels."""
    x, y, w, h = box
    unit_px = w / _EU_PLATE_UNITS if w > _EU_ASPECT * h else w
    cx, cy = x + w / 2, y + h / 2
    left, top = max(cx - _SIDE * unit_px, 0), max(cy - _ABOVE * unit_px, 0)
    right = min(cx + _SIDE * unit_px, photo.shape[1])
    bottom = min(cy + _BELOW * unit_px, photo.shape[0])
    ratio = _UNIT_PX / unit_px
    car = photo[round(top) : round(bottom), round(left) : round(right)]
    car = _u8(cv2.resize(car, None, fx=ratio, fy=ratio, interpolation=cv2.INTER_CUBIC))
    centre = ((cx - round(left)) * ratio, (cy - round(top)) * ratio)
    half_w, half_h = w * ratio / 2, h * ratio / 2
    if plate is not None:
        old = _area(car, centre, half_w * 1.12, half_h * 1.2)
        brightness = float(car[old].mean())
        _paint_over(car, old)
        half_w = _UNIT_PX / 2
        half_h = half_w * plate.shape[0] / plate.shape[1]
        new = _area(car, centre, half_w, half_h)
        height_px, width_px = car[new].shape[:2]
        fitted = _u8(cv2.resize(plate, (width_px, height_px), interpolation=cv2.INTER_AREA))
        # Half way to the light that fell on the photograph's own plate.
        gain = 0.5 + 0.5 * np.clip(brightness / max(float(fitted.mean()), 1), 0.5, 1.5)
        car[new] = _scaled(fitted, float(gain))
        cv2.rectangle(car, (new[1].start, new[0].start), (new[1].stop - 1, new[0].stop - 1), (40, 40, 40), 2)
    place = tuple(v / _UNIT_PX for v in (-half_w, -half_h, half_w, half_h))
    return car, (place[0], place[1], place[2], place[3]), centre


def _area(image: Image, centre: tuple[float, float], half_w: float, half_h: float) -> tuple[slice, slice]:
    height_px, width_px = image.shape[:2]
    return (
        slice(max(round(centre[1] - half_h), 0), min(round(centre[1] + half_h), height_px)),
        slice(max(round(centre[0] - half_w), 0), min(round(centre[0] + half_w), width_px)),
    )


def _paint_over(image: Image, area: tuple[slice, slice]) -> None:
    """Fill ``area`` with what lies left and right of it."""
    rows, columns = area
    left = image[rows, max(columns.start - 12, 0) : max(columns.start - 4, 1)].mean(axis=1, keepdims=True)
    right = image[rows, min(columns.stop + 4, image.shape[1] - 1) : columns.stop + 12].mean(axis=1, keepdims=True)
    share = np.linspace(0, 1, columns.stop - columns.start)[None, :, None]
    image[area] = _u8(cv2.GaussianBlur((left * (1 - share) + right * share).astype(np.uint8), (0, 0), 3))


@functools.lru_cache(maxsize=64)
def _opacity(height_px: int, width_px: int) -> Image:
    """Return a soft-edged mask, 255 inside."""
    x = np.abs(np.linspace(-1, 1, width_px))[None, :] ** 6
    y = np.abs(np.linspace(-1, 1, height_px))[:, None] ** 6
    return _u8(np.clip((1.0 - (x + y)) / 0.35, 0, 1) * 255)


def _scaled(image: Image, gain: float) -> Image:
    return image.copy() if gain == 1.0 else _u8(cv2.convertScaleAbs(image, alpha=gain))


def _u8(image: object) -> Image:
    return np.asarray(image, np.uint8)


@functools.lru_cache(maxsize=256)
def _decoded(path: Path) -> Image:
    image = cv2.imread(str(path))
    if image is None:
        raise SystemExit(f"{path}: cannot be read as a picture.")
    return _u8(image)


def _load(path: Path) -> Image:
    return _decoded(path).copy()


def _mean_luma(path: Path) -> float:
    image = cv2.imread(str(path), cv2.IMREAD_REDUCED_GRAYSCALE_8)
    return 0.0 if image is None else float(image.mean())


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _box(row: Mapping[str, str]) -> tuple[float, float, float, float]:
    return float(row["x"]), float(row["y"]), float(row["w"]), float(row["h"])


def _photographs(folder: Path, split: str) -> list[Photograph]:
    """Return the photographs whose plate is large enough to be a vehicle's centre, without studio backgrounds."""
    rows = _rows(folder / "truth.csv")
    return [
        Photograph(folder / row["image"], _box(row), row["text"])
        for row in rows
        if in_split(row["image"], split) and float(row["w"]) >= 60
    ]
