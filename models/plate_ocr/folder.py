"""A technician's folder of labelled crops: truth.csv with the columns image, text and, if known, region.

A row that cannot be used is listed with its line and what is wrong, and the others load: one bad label among hundreds
is normal. Some of the plates are held out to judge by, chosen by what they read: no plate is on both sides, and the
same ones are held out next time.
"""

from __future__ import annotations

import csv
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from models.plate_ocr.pictures import CHARACTERS, HEIGHT_PX, WIDTH_PX, resized
from models.plate_ocr.samples import MOST_CHARACTERS, NO_REGION, Samples, Source, varied
from models.plate_ocr.scoring import Labelled

_SEPARATORS = str.maketrans("", "", " -.·")
# Real pictures are few, so each time they are met they are varied more than rendered ones.
_VARIATION = 1.7


@dataclass(frozen=True, slots=True)
class Crop:
    """A labelled picture of a plate.

    Attributes:
        image: the file's name as the table has it.
        picture: (64, 128, 3) uint8 RGB.
        text: what it reads, A-Z and 0-9.
        region: one of the region head's codes, or "".
    """

    image: str
    picture: NDArray[np.uint8]
    text: str
    region: str


@dataclass(frozen=True, slots=True)
class Crops:
    """What a folder holds.

    Attributes:
        good: the rows that can be used.
        bad: for each other row, its line and what is wrong with it.
    """

    good: tuple[Crop, ...]
    bad: tuple[str, ...]

    def parts(self, held_out: float) -> tuple[tuple[Crop, ...], tuple[Crop, ...]]:
        """Return what trains, and the share ``held_out`` that judges."""
        judged = [zlib.crc32(crop.text.encode()) < held_out * 2**32 for crop in self.good]
        training = tuple(crop for crop, held in zip(self.good, judged, strict=True) if not held)
        return training, tuple(crop for crop, held in zip(self.good, judged, strict=True) if held)


def read_folder(folder: Path, regions: Collection[str]) -> Crops:
    """Read ``folder/truth.csv`` and its pictures.

    Args:
        folder: where they are.
        regions: the codes that the column region may have.

    Raises:
        SystemExit: there is no such table, or it lacks a column.
    """
    path = folder / "truth.csv"
    good: list[Crop] = []
    bad: list[str] = []
    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:
            rows = csv.DictReader(handle)
            missing = {"image", "text"} - set(rows.fieldnames or ())
            if missing:
                raise SystemExit(
                    f"{path}: line 1: got the columns {', '.join(rows.fieldnames or ()) or 'none'}, expected "
                    "image,text and, if known, region."
                )
            for row in rows:
                read = _read_row(folder, row, regions)
                if isinstance(read, Crop):
                    good.append(read)
                else:
                    bad.append(f"{path}: line {rows.line_num}: {read}")
    except OSError as error:
        raise SystemExit(f"{path}: cannot be read ({error.strerror}); expected a table image,text[,region].") from error
    except UnicodeDecodeError as error:
        raise SystemExit(f"{path}: not UTF-8 ({error.reason}); save the table as CSV UTF-8.") from error
    return Crops(tuple(good), tuple(bad))


def _read_row(folder: Path, row: dict[str, str | None], regions: Collection[str]) -> Crop | str:
    """Return the row's crop, or what is wrong with it."""
    image, label, region = (row.get(key) or "" for key in ("image", "text", "region"))
    text = label.upper().translate(_SEPARATORS)
    if not text:
        return "text: got nothing, expected what the plate reads."
    strange = sorted(set(text) - set(CHARACTERS))
    if strange:
        return f"text: got {label!r} with {' '.join(strange)}, expected A-Z, 0-9 and separators."
    if len(text) > MOST_CHARACTERS:
        return f"text: got {len(text)} characters, expected {MOST_CHARACTERS} at most."
    if region and region not in regions:
        return f'region: got {region!r}, expected an ISO 3166 code such as "US-TX" or "DE", or nothing.'
    path = folder / image
    if not image or not path.is_file():
        return f"image: got {image!r}, expected a file in {folder}."
    crop = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if crop is None:
        return f"image: {image} is no picture that OpenCV reads."
    return Crop(image, resized(np.asarray(crop, np.uint8)), text, region)


def samples_of(crops: Collection[Crop], regions: tuple[str, ...]) -> Samples:
    """Bring ``crops`` into the form that trains; ``regions`` is the region head's order."""
    samples = Samples.empty(len(crops))
    for at, crop in enumerate(crops):
        samples.put(at, crop.picture, crop.text, regions.index(crop.region) if crop.region else NO_REGION)
    return samples


def labelled_of(name: str, crops: Collection[Crop]) -> Labelled:
    """Bring ``crops`` into the form that judges."""
    pictures = np.stack([crop.picture for crop in crops]) if crops else np.zeros((0, HEIGHT_PX, WIDTH_PX, 3), np.uint8)
    images, texts = tuple(c.image for c in crops), tuple(c.text for c in crops)
    return Labelled(name, images, pictures, texts, tuple(c.region for c in crops))


class Mixed:
    """Batches of half a folder's crops and half rendered plates, so that little learnt before is forgotten.

    Args:
        crops: what the folder has for training; at least one.
        rendered: where the other half comes from; any source with ``batch``.
    """

    def __init__(self, crops: Samples, rendered: Source) -> None:
        self._crops = crops
        self._rendered = rendered

    def batch(self, count: int, rng: np.random.Generator) -> Samples:
        """Return ``count`` labelled pictures."""
        own = self._crops.take(rng.integers(0, len(self._crops.lengths), count // 2))
        other = self._rendered.batch(count - count // 2, rng)
        return Samples(
            np.concatenate([varied(own.pictures, rng, _VARIATION), other.pictures]),
            np.concatenate([own.characters, other.characters]),
            np.concatenate([own.lengths, other.lengths]),
            np.concatenate([own.regions, other.regions]),
        )
