"""Grounds: everything of a plate but its characters, drawn once per process and look in a few variants and kept."""

from __future__ import annotations

import zlib
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from models.plate_rendering import fonts
from models.plate_rendering.graphics import SCALE, paint
from models.plate_rendering.looks import SHAPES, Look, Word, colour_of
from models.plate_rendering.stamping import stamp

_VARIANTS = 4  # of each look
_STICKERS = 96
_OFTEN_STUCK = 0.75


def ground_of(look: Look, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return a ground of ``look`` with stickers on it, (H, W, 3) uint8 BGR, the caller's own."""
    image = _lit(_ground(look, int(rng.integers(_VARIANTS))), rng)
    for x, y in look.stickers:
        if rng.random() < _OFTEN_STUCK:
            _stick(image, _sticker(int(rng.integers(_STICKERS))), x + rng.normal(0, 0.006), y + rng.normal(0, 0.012))
    return image


def _lit(ground: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return a copy of ``ground``, faded and tinted a little."""
    gain = rng.uniform(0.86, 1.04) * rng.normal(1, 0.022, 3)
    lift = rng.uniform(-8, 14) + rng.normal(0, 3, 3)
    table = np.clip(_RAMP * gain + lift, 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(ground, table[None]), np.uint8)


_RAMP = np.arange(256, dtype=np.float64)[:, None]


@lru_cache(maxsize=4096)
def _ground(look: Look, variant: int) -> NDArray[np.uint8]:
    """Draw everything of ``look`` but characters and stickers."""
    rng = np.random.default_rng([zlib.crc32(repr(look).encode()), variant])
    width_px, height_px = (side * SCALE for side in SHAPES[look.shape])
    canvas = _graded(look.ground, width_px, height_px, rng)
    for art in look.art:
        if rng.random() < art.often:
            wide, high = (
                art.width * width_px * rng.uniform(0.96, 1.05),
                art.height * height_px * rng.uniform(0.96, 1.05),
            )
            x, y = (art.x + rng.normal(0, 0.005)) * width_px, (art.y + rng.normal(0, 0.008)) * height_px
            paint(canvas, art, (x - wide / 2, y - high / 2, wide, high))
    for word in look.words:
        if rng.random() < word.often:
            _print(canvas, word, rng)
    if look.rim and rng.random() < 0.9:
        inset = round(height_px * rng.uniform(0.015, 0.04))
        cv2.rectangle(
            canvas,
            (inset, inset),
            (width_px - inset, height_px - inset),
            colour_of(look.rim),
            round(height_px * 0.02),
            cv2.LINE_AA,
        )
    if look.shape in ("us", "moto"):
        if rng.random() < 0.55:
            _ridge(canvas, rng)
        _bolts(canvas, rng)
    return np.asarray(cv2.resize(canvas, SHAPES[look.shape], interpolation=cv2.INTER_AREA), np.uint8)


def _graded(spec: str, width_px: int, height_px: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return a canvas filled as ``spec`` says (see ``Look.ground``)."""
    across = spec.startswith(">")
    stops = [stop.split() for stop in spec.lstrip(">").split(",")]
    places = [float(stop[1]) if len(stop) > 1 else i / max(1, len(stops) - 1) for i, stop in enumerate(stops)]
    places = np.maximum.accumulate(np.asarray(places) + rng.normal(0, 0.015, len(places))).tolist()
    colours = np.asarray([colour_of(stop[0]) for stop in stops], np.float64)
    length = width_px if across else height_px
    at = np.linspace(0, 1, length)
    ramp = np.stack([np.interp(at, places, colours[:, c]) for c in range(3)], axis=-1)
    ramp = np.clip(np.rint(ramp), 0, 255).astype(np.uint8)
    return np.array(np.broadcast_to(ramp[None] if across else ramp[:, None], (height_px, width_px, 3)), order="C")


def _print(canvas: NDArray[np.uint8], word: Word, rng: np.random.Generator) -> None:
    """Print ``word`` on ``canvas``."""
    height_px, width_px = canvas.shape[:2]
    choices = word.text.split("|")
    size_px = max(6, round(word.height * height_px * rng.uniform(0.92, 1.08)))
    opacity = fonts.lettering(choices[int(rng.integers(len(choices)))], word.style, size_px)
    room_px = round(word.width * width_px)
    if opacity.shape[1] > room_px:
        opacity = np.asarray(cv2.resize(opacity, (room_px, size_px), interpolation=cv2.INTER_AREA), np.uint8)
    left = round((word.x + rng.normal(0, 0.006)) * width_px - opacity.shape[1] / 2)
    top = round((word.y + rng.normal(0, 0.008)) * height_px - size_px / 2)
    stamp(canvas, opacity, left, top, np.asarray(colour_of(word.colour), np.float64))


def _ridge(canvas: NDArray[np.uint8], rng: np.random.Generator) -> None:
    """The ridge pressed along the plate's edge: a dark line and a bright one, close beside the characters."""
    height_px, width_px = canvas.shape[:2]
    inset, round_px = round(height_px * rng.uniform(0.01, 0.045)), round(height_px * rng.uniform(0.05, 0.12))
    wide = max(1, round(height_px * rng.uniform(0.006, 0.016)))
    for off, shade, share in ((0, 20, rng.uniform(0.15, 0.6)), (wide + 1, 250, rng.uniform(0.2, 0.7))):
        line = np.zeros(canvas.shape[:2], np.uint8)
        x0, y0, x1, y1 = inset + off, inset + off, width_px - inset - off, height_px - inset - off
        for a, b in (
            ((x0 + round_px, y0), (x1 - round_px, y0)),
            ((x0 + round_px, y1), (x1 - round_px, y1)),
            ((x0, y0 + round_px), (x0, y1 - round_px)),
            ((x1, y0 + round_px), (x1, y1 - round_px)),
        ):
            cv2.line(line, a, b, 255, wide, cv2.LINE_AA)
        for x, y, start in ((x0, y0, 180), (x1, y0, 270), (x1, y1, 0), (x0, y1, 90)):
            centre = (x + round_px if x == x0 else x - round_px, y + round_px if y == y0 else y - round_px)
            cv2.ellipse(line, centre, (round_px, round_px), 0, start, start + 90, 255, wide, cv2.LINE_AA)
        opacity = np.asarray(cv2.convertScaleAbs(line, alpha=share), np.uint8)
        stamp(canvas, opacity, 0, 0, np.full(3, float(shade)))


def _bolts(canvas: NDArray[np.uint8], rng: np.random.Generator) -> None:
    """Bore the holes, or put bolts into them: above, below, or at all four."""
    height_px, width_px = canvas.shape[:2]
    rows = ((0.09,), (0.09, 0.91), (), (0.09,))[int(rng.integers(4))]
    shade = int(rng.choice([25, 60, 150, 210]))
    for y in rows:
        for x in (0.21, 0.79):
            centre = (round(x * width_px), round(y * height_px))
            cv2.ellipse(
                canvas,
                centre,
                (round(height_px * 0.035), round(height_px * 0.025)),
                0,
                0,
                360,
                (shade,) * 3,
                -1,
                cv2.LINE_AA,
            )


@lru_cache(maxsize=_STICKERS)
def _sticker(number: int) -> NDArray[np.uint8]:
    """Draw one of the month and year stickers, (h, w, 3)."""
    rng = np.random.default_rng([99, number])
    width_px, height_px = int(rng.integers(26, 38)), int(rng.integers(16, 24))
    ground = _STICKER_COLOURS[int(rng.integers(len(_STICKER_COLOURS)))]
    dark = sum(colour_of(ground)) < 380
    canvas = np.full((height_px * SCALE, width_px * SCALE, 3), colour_of(ground), np.uint8)
    month = rng.random() < 0.4
    text = _MONTHS[int(rng.integers(12))] if month else f"{int(rng.integers(0, 26)):02d}"
    _print(
        canvas,
        Word(
            text,
            "heavy" if rng.random() < 0.5 else "sans",
            "ffffff" if dark and rng.random() < 0.8 else "101010",
            0.5,
            0.5,
            0.7,
            0.85,
        ),
        rng,
    )
    return np.asarray(cv2.resize(canvas, (width_px, height_px), interpolation=cv2.INTER_AREA), np.uint8)


_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_STICKER_COLOURS = (
    "f5d000",
    "e8452c",
    "1d8f3f",
    "1f5fbf",
    "f08020",
    "ffffff",
    "ffffff",
    "e04080",
    "70c8e8",
    "b0d840",
    "7a3fa0",
    "f8f0a0",
    "c01028",
    "20a090",
)


def _stick(image: NDArray[np.uint8], sticker: NDArray[np.uint8], x: float, y: float) -> None:
    """Put a sticker with its centre at the shares (x, y), as much of it as lies on the plate."""
    height_px, width_px = image.shape[:2]
    left, top = round(x * width_px - sticker.shape[1] / 2), round(y * height_px - sticker.shape[0] / 2)
    left, top = min(max(left, 0), width_px - sticker.shape[1]), min(max(top, 0), height_px - sticker.shape[0])
    image[top : top + sticker.shape[0], left : left + sticker.shape[1]] = sticker
