"""Renders a folder of labelled crops in a font of your choice: what `train --data` is shown on.

    python -m models.plate_ocr.unseen_font FONT.otf FOLDER [--count 300] [--seed 1]

Plates of a place that the network never saw: one colour, one font that is none of the training's, serials of a form of
its own. They are photographed like all others (``models.plate_rendering.imaging``).
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from models.plate_rendering.faces import Face
from models.plate_rendering.imaging import view

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_WIDTH_PX, _HEIGHT_PX = 300, 130
_SIZE_PX = 80
_PAPER, _INK = (205, 235, 240), (60, 30, 20)


def plate(font: cv2.FontFace, text: str) -> NDArray[np.uint8]:
    """Draw a plate that reads ``text`` in ``font``: (130, 300, 3) uint8 BGR."""
    image = np.full((_HEIGHT_PX, _WIDTH_PX, 3), _PAPER, np.uint8)
    cv2.rectangle(image, (3, 3), (_WIDTH_PX - 4, _HEIGHT_PX - 4), _INK, 2)
    size_px = _SIZE_PX
    x, y, width, height = cv2.getTextSize((1000, 1000), text, (0, 0), font, size_px)
    if width > 0.88 * _WIDTH_PX:
        size_px = int(size_px * 0.88 * _WIDTH_PX / width)
        x, y, width, height = cv2.getTextSize((1000, 1000), text, (0, 0), font, size_px)
    at = ((_WIDTH_PX - width) // 2 - x, (_HEIGHT_PX - height) // 2 - y)
    cv2.putText(image, text, at, _INK, font, size_px)
    return image


def write_folder(font: Path, folder: Path, count: int, seed: int) -> None:
    """Write ``count`` crops and their truth.csv into ``folder``.

    Args:
        font: a TrueType or OpenType file.
        folder: made if it is not there.
        count: of crops, each of another plate.
        seed: the same one gives the same folder.

    Raises:
        SystemExit: the font cannot be read.
    """
    if not font.is_file():
        raise SystemExit(f"{font}: no such file; expected a .ttf or .otf.")
    face = cv2.FontFace(str(font))
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "truth.csv").open("w", newline="", encoding="utf-8") as handle:
        table = csv.writer(handle)
        table.writerow(["image", "text"])
        for at in range(count):
            text = "".join(rng.choice(list(_LETTERS), 3)) + "".join(str(d) for d in rng.integers(0, 10, 4))
            seen = view(Face(plate(face, text), text, "", 1), rng)
            name = f"{at:04d}.jpg"
            cv2.imwrite(str(folder / name), seen.image)
            table.writerow([name, text])


def main() -> None:
    """Read the arguments and write the folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("font", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    write_folder(args.font, args.folder, args.count, args.seed)


if __name__ == "__main__":
    main()
