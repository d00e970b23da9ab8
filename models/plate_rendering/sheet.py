"""A contact sheet of rendered plates, to look at what was added or changed.

    python -m models.plate_rendering.sheet OUT.png [--region US-CA] [--text 7ABC123] [--views] [--count 40] [--seed 1]

Each plate stands over its region and the text that it is labelled with. Run it from the repository's root.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from models.plate_rendering import fonts
from models.plate_rendering.faces import Face, draw
from models.plate_rendering.imaging import view

_COLUMNS = 5
_CELL_PX = (400, 200)
_CAPTION_PX = 26
_PAPER, _INK = (70, 70, 70), (240, 240, 240)


def sheet(
    rng: np.random.Generator, count: int, region: str | None = None, text: str | None = None, *, views: bool = False
) -> NDArray[np.uint8]:
    """Draw ``count`` plates into one picture, (H, W, 3) uint8 BGR.

    Args:
        rng: where chance comes from.
        count: how many.
        region: one of ``faces.REGIONS``, "" for looks that are nobody's; None for any, as training draws them.
        text: what all of them read; None for serials.
        views: as cameras show them, instead of seen straight on.

    Raises:
        ValueError: there is no such region, or ``text`` has other characters than A-Z and 0-9.
    """
    width_px, height_px = _CELL_PX
    rows = -(-count // _COLUMNS)
    canvas = np.full((rows * height_px, _COLUMNS * width_px, 3), _PAPER, np.uint8)
    for number in range(count):
        face = draw(rng, region, text)
        top, left = number // _COLUMNS * height_px, number % _COLUMNS * width_px
        picture = view(face, rng).image if views else face.image
        _show(canvas[top : top + height_px, left : left + width_px], face, picture)
    return canvas


def _show(cell: NDArray[np.uint8], face: Face, picture: NDArray[np.uint8]) -> None:
    """Put ``picture`` into ``cell``, in its own size where it has room, and its caption below."""
    room_px = cell.shape[1] - 8, cell.shape[0] - _CAPTION_PX - 8
    scale = min(1.0, room_px[0] / picture.shape[1], room_px[1] / picture.shape[0])
    size_px = max(1, round(scale * picture.shape[1])), max(1, round(scale * picture.shape[0]))
    cell[4 : 4 + size_px[1], 4 : 4 + size_px[0]] = cv2.resize(picture, size_px, interpolation=cv2.INTER_AREA)
    caption = f"{face.region or 'nobody'}  {face.text}"
    cv2.putText(cell, caption, (4, cell.shape[0] - 8), cv2.FONT_HERSHEY_SIMPLEX, 0.55, _INK, 1, cv2.LINE_AA)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code, 2 for what cannot be drawn or written."""
    parser = argparse.ArgumentParser(description="Draw a contact sheet of rendered plates.")
    parser.add_argument("out", type=Path, metavar="OUT.png")
    parser.add_argument("--region", help="a code such as US-CA; any, as training draws them, without it")
    parser.add_argument("--text", help="what all of them read; serials without it")
    parser.add_argument("--views", action="store_true", help="as cameras show them, instead of seen straight on")
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    if given.count < 1:
        parser.error(f"--count: got {given.count}, expected 1 or more")
    try:
        picture = sheet(np.random.default_rng(given.seed), given.count, given.region, given.text, views=given.views)
    except ValueError as error:
        parser.error(str(error))
    _, encoded = cv2.imencode(".png", picture)
    try:
        given.out.write_bytes(encoded.tobytes())
    except OSError as error:
        parser.error(f"{given.out}: cannot be written ({error.strerror})")
    packages = sorted(set(fonts.missing().values()))
    if packages:
        print(f"drawn without fonts of {', '.join(packages)}: apt-get install them", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
