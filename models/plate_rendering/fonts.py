"""Fonts: dies and lettering cut from font files where the machine has them (Debian's fonts-roadgeek, -opendin, …).

Nothing depends on them: ``missing`` says which are not there and which package brings each, and the dies ask
``present``. OpenCV brings a sans and an italic of its own, which lettering falls back to.

Invariants: a mask is exactly as tall as asked and tight in width. Faces are opened once; OpenCV's are not to be shared
between threads, so one thread owns this module in each process.
"""

from __future__ import annotations

import zlib
from functools import cache, lru_cache
from pathlib import Path
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray

from models.plate_rendering.strokes import tight

_ROOT = Path("/usr/share/fonts")

# Name of the font die, its file below the system's fonts, and the Debian package that brings it.
_FILES: MappingProxyType[str, tuple[str, str]] = MappingProxyType(
    {
        "roadgeek-b": ("truetype/roadgeek/RG2014B.ttf", "fonts-roadgeek"),
        "roadgeek-c": ("truetype/roadgeek/RG2014C.ttf", "fonts-roadgeek"),
        "roadgeek-d": ("truetype/roadgeek/RG2014D.ttf", "fonts-roadgeek"),
        "routed-gothic": ("truetype/routed-gothic/routed-gothic.ttf", "fonts-routed-gothic"),
        "routed-gothic-narrow": ("truetype/routed-gothic/routed-gothic-narrow.ttf", "fonts-routed-gothic"),
        "osp-din": ("truetype/opendin/OSP-DIN.ttf", "fonts-opendin"),
        "national-park": ("opentype/national-park/NationalPark-Regular.otf", "fonts-national-park"),
        "national-park-heavy": ("opentype/national-park/NationalPark-Heavy.otf", "fonts-national-park"),
        "dejavu-condensed": ("truetype/dejavu/DejaVuSansCondensed-Bold.ttf", "fonts-dejavu-extra"),
        "dejavu": ("truetype/dejavu/DejaVuSans-Bold.ttf", "fonts-dejavu-core"),
        "dejavu-serif": ("truetype/dejavu/DejaVuSerif-Bold.ttf", "fonts-dejavu-core"),
        "dejavu-serif-condensed": ("truetype/dejavu/DejaVuSerifCondensed-Bold.ttf", "fonts-dejavu-extra"),
        "dejavu-script": ("truetype/dejavu/DejaVuSerifCondensed-BoldItalic.ttf", "fonts-dejavu-extra"),
    }
)

# Those whose capitals and digits can pass for a plate's; the rest is for lettering only.
DIE_FONTS = (
    "roadgeek-b", "roadgeek-c", "roadgeek-d", "routed-gothic", "routed-gothic-narrow", "osp-din", "national-park",
    "national-park-heavy", "dejavu-condensed",
)  # fmt: skip

# Which fonts draw a style, where they are there: each text always gets the same one; and OpenCV's own for the rest.
_STYLES: MappingProxyType[str, tuple[tuple[str, ...], str]] = MappingProxyType(
    {
        "sans": (("roadgeek-d", "dejavu", "national-park"), "sans"),
        "condensed": (("dejavu-condensed", "roadgeek-c", "routed-gothic-narrow"), "sans"),
        "heavy": (("national-park-heavy", "dejavu"), "sans"),
        "serif": (("dejavu-serif", "dejavu-serif-condensed"), "sans"),
        "script": (("dejavu-script",), "italic"),
    }
)
STYLES = tuple(_STYLES)

# Height at which a font's characters are drawn before they are brought to a die's.
_DRAWN_PX = 160


@cache
def present(name: str, root: Path = _ROOT) -> bool:
    """Whether the font of this name is installed below ``root``; looked up once."""
    return name in _FILES and (root / _FILES[name][0]).is_file()


def missing(root: Path = _ROOT) -> dict[str, str]:
    """Fonts that are not installed below ``root``, each with the Debian package that brings it."""
    return {name: package for name, (_, package) in _FILES.items() if not present(name, root)}


@cache
def _face(name: str) -> cv2.FontFace:
    """The opened font; OpenCV's own "sans" or "italic" where the name is one of those."""
    return cv2.FontFace(str(_ROOT / _FILES[name][0]) if name in _FILES else name)


def _written(text: str, face: str, size_px: int, weight: int = 0) -> NDArray[np.uint8]:
    """A line of text with generous margins."""
    font = _face(face)
    _, _, width, height = cv2.getTextSize((0, 0), text, (0, 0), font, size_px, weight)
    canvas = np.zeros((2 * max(height, size_px), width + 2 * size_px), np.uint8)
    cv2.putText(canvas, text, (size_px, round(1.4 * size_px)), (255.0,), font, size_px, weight)
    return canvas


@lru_cache(maxsize=512)
def outline(name: str, character: str) -> NDArray[np.uint8]:
    """A character of a font, (160, w) opacity uint8, from the capitals' baseline to their height.

    Raises:
        FileNotFoundError: the font is not installed.
    """
    if not present(name):
        path, package = _FILES.get(name, ("?", "?"))
        raise FileNotFoundError(
            f'font "{name}": {_ROOT / path} is not there; install Debian\'s {package}, or take one of strokes'
        )
    canvas = _written(character, name, round(1.4 * _DRAWN_PX))
    rows = np.flatnonzero(canvas.max(axis=1) > 64)
    reference = np.flatnonzero(_written("H", name, round(1.4 * _DRAWN_PX)).max(axis=1) > 64)
    # Rounds and tails overshoot the capital height; a press has one height for all, so they are brought to it.
    low = rows[-1] + 1 if character != "Q" else max(reference[-1] + 1, min(rows[-1] + 1, reference[-1] + 12))
    cut = tight(canvas[rows[0] : low])
    width = max(2, round(cut.shape[1] * _DRAWN_PX / max(cut.shape[0], 1)))
    return np.asarray(cv2.resize(cut, (width, _DRAWN_PX), interpolation=cv2.INTER_AREA), dtype=np.uint8)


@lru_cache(maxsize=2048)
def lettering(text: str, style: str, height_px: int) -> NDArray[np.uint8]:
    """A slogan, a state's name, a web address.

    Args:
        text: what it says; at least one visible character.
        style: one of ``STYLES``.
        height_px: height of the mask, which is that of the text's own outline.

    Returns:
        Opacity, (height_px, w) uint8, read-only and shared: copy before writing.

    Raises:
        ValueError: no such style, or nothing to see in the text.
    """
    if style not in _STYLES:
        raise ValueError(f'lettering: got style "{style}", expected one of {", ".join(STYLES)}')
    names, own = _STYLES[style]
    choice = [name for name in names if present(name)] or [own]
    face = choice[zlib.crc32(text.encode()) % len(choice)]
    weight = 0 if face in _FILES else {"heavy": 800, "condensed": 600, "serif": 500, "script": 500}.get(style, 400)
    canvas = _written(text, face, max(24, 2 * height_px), weight)
    rows = np.flatnonzero(canvas.max(axis=1) > 64)
    if not len(rows):
        raise ValueError(f'lettering: got "{text}", in which there is nothing to see')
    cut = tight(canvas[rows[0] : rows[-1] + 1])
    # OpenCV's own sans is wide; what stands for condensed lettering is pressed together.
    narrowing = 0.72 if style == "condensed" and face == own else 1.0
    width = max(2, round(cut.shape[1] * narrowing * height_px / cut.shape[0]))
    mask = np.asarray(cv2.resize(cut, (width, height_px), interpolation=cv2.INTER_AREA), dtype=np.uint8)
    mask.setflags(write=False)
    return mask
