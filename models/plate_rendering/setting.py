"""Setting a line of characters, and stamping it into a ground, with what stands between the characters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from models.plate_rendering import dies
from models.plate_rendering.graphics import INITIALS, SCHOOLS
from models.plate_rendering.grounds import ground_of
from models.plate_rendering.looks import SHAPES, Art, Look, colour_of
from models.plate_rendering.pictures import place
from models.plate_rendering.serials import parts_of
from models.plate_rendering.stamping import stamp

# All characters are set at this height and the line is brought to size: dies keep their masks by height.
_SET_PX = 64
_EMBLEMS = 320
_WHEELCHAIRS = 12


@dataclass(slots=True)
class _Strip:
    """One line of characters as it is set.

    Attributes:
        opacity: (height, width) uint8 of what is stamped in ink.
        pictures: what stands between, in its own colours, and its centre x in the strip.
    """

    opacity: NDArray[np.uint8]
    pictures: list[tuple[Art, float]]


def set_lines(look: Look, lines: Sequence[str], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Stamp the one or two ``lines`` of a layout on a ground of ``look``: (H, W, 3) uint8 BGR."""
    width_px, height_px = SHAPES[look.shape]
    image = ground_of(look, rng)
    die = _die(look, rng)
    ink = np.clip(np.asarray(colour_of(look.ink), np.float64) + rng.normal(0, 12, 3) + rng.normal(0, 14), 0, 255)
    centre_y, line_height, greatest, centre_x = look.line
    embossed = rng.random() < 0.3
    scale = rng.uniform(0.92, 1.06)
    for number, line in enumerate(lines):
        strip = _strip(look, line, die, rng)
        y, height = (centre_y, line_height) if len(lines) == 1 else look.rows[number]
        size_px = round(height_px * height * scale)
        room_px = greatest * width_px * rng.uniform(0.96, 1.02)
        squeeze = min(size_px / _SET_PX, room_px / strip.opacity.shape[1])
        long_px = max(1, round(strip.opacity.shape[1] * squeeze))
        opacity = np.asarray(cv2.resize(strip.opacity, (long_px, size_px), interpolation=cv2.INTER_AREA), np.uint8)
        slack_px = room_px - long_px
        left = round(
            centre_x * width_px - long_px / 2 + rng.normal(0, 0.01) * width_px + rng.uniform(-0.08, 0.08) * slack_px
        )
        top = round(y * height_px - size_px / 2 + rng.normal(0, 0.012) * height_px)
        for art, at in strip.pictures:
            place(image, art, left + at * squeeze, top + size_px / 2, size_px)
        if embossed:
            shade = np.clip(ink * 0.4 + (255 if ink.sum() < 300 else 0) * 0.5, 0, 255)
            stamp(image, opacity, left - 1, top - 1, shade)
        stamp(image, opacity, left, top, ink)
    return image


def _die(look: Look, rng: np.random.Generator) -> str:
    """The name of a die: mostly the look's own, altered a little or as it is, else any of the continent's."""
    choice = rng.random()
    if look.dies and choice < 0.65:
        die = look.dies[int(rng.integers(len(look.dies)))]
        return dies.random_die(rng, die) if choice < 0.4 else die
    return dies.random_die(rng, "us" if look.shape in ("us", "moto") else "any" if choice > 0.95 else "eu")


def _strip(look: Look, line: str, die: str, rng: np.random.Generator) -> _Strip:
    """Set one line of a layout, ``_SET_PX`` high."""
    size_px = _SET_PX
    cell = dies.glyph(die, "0", size_px).shape[1]
    space = dies.spacing(die) * size_px * rng.uniform(0.75, 1.35)
    mono = rng.uniform(0.5, 1.0) if rng.random() < 0.7 else 0.0
    wide = rng.uniform(0.2, 0.5) * size_px
    at = 0.0
    stamps: list[tuple[NDArray[np.uint8], int, int]] = []
    pictures: list[tuple[Art, float]] = []
    for part in parts_of(line):
        if part == " " or (part == "*" and look.picture is None):
            part = look.gap if look.gap != "*" or look.picture else " "
        elif part == "-":
            part = look.dash if look.dash != "*" or look.picture else "-"
        if part.isalnum():
            mask = dies.glyph(die, part, size_px)
            spare = max(0.0, (cell - mask.shape[1]) * mono)
            stamps.append((mask, round(at + spare / 2), 0))
            at += mask.shape[1] + spare
        elif part == " ":
            at += wide
        elif part == "-":
            long, thick = round(size_px * rng.uniform(0.16, 0.32)), round(size_px * rng.uniform(0.07, 0.15))
            stamps.append((np.full((thick, long), 255, np.uint8), round(at), round(size_px * 0.5 - thick / 2)))
            at += long
        elif part == ".":
            # Square on some plates, round on others.
            long, thick = round(size_px * rng.uniform(0.12, 0.22)), round(size_px * rng.uniform(0.11, 0.17))
            dot: NDArray[np.uint8] = np.full((thick, long), 255, np.uint8)
            if rng.random() < 0.5:
                dot = np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (long, thick)) * 255, np.uint8)
            stamps.append((dot, round(at), round(size_px * 0.5 - thick / 2)))
            at += long
        elif part[0] == "[":
            column = _stack(stamps, part[1:-1], die, at, rng)
            at += column
        else:
            art = _art_of(part, look, rng)
            if art is None:
                at += wide
            else:
                half = art.width * size_px / 2
                pictures.append((art, at + half))
                at += 2 * half
        at += space
    opacity = np.zeros((size_px, max(1, round(at - space) + 1)), np.uint8)
    for mask, left, top in stamps:
        part_of = opacity[top : top + mask.shape[0], left : left + mask.shape[1]]
        np.maximum(part_of, mask[: part_of.shape[0], : part_of.shape[1]], out=part_of)
    return _Strip(opacity, pictures)


def _stack(
    stamps: list[tuple[NDArray[np.uint8], int, int]], letters: str, die: str, at: float, rng: np.random.Generator
) -> int:
    """Set small ``letters`` one above the other at ``at``, or a single one beside the line; returns their width, px."""
    size_px = _SET_PX
    count = len(letters)
    small_px = round(size_px * (rng.uniform(0.28, 0.31) if count > 2 else rng.uniform(0.38, 0.5)))
    # Dies for these are squarer than those of the serial: some are two thirds as wide as a digit.
    wider = rng.uniform(1.0, 1.65)
    masks = [_smaller(dies.glyph(die, letter, size_px), small_px, wider) for letter in letters]
    column = int(max(mask.shape[1] for mask in masks))
    slack_px = size_px - small_px
    lone_px = slack_px * (0.5 if rng.random() < 0.5 else rng.random())
    for row, mask in enumerate(masks):
        top = lone_px if count == 1 else row * slack_px / (count - 1)
        stamps.append((mask, round(at + (column - mask.shape[1]) / 2), round(top)))
    return column


def _smaller(mask: NDArray[np.uint8], height_px: int, wider: float) -> NDArray[np.uint8]:
    width_px = max(2, round(mask.shape[1] * height_px / mask.shape[0] * wider))
    return np.asarray(cv2.resize(mask, (width_px, height_px), interpolation=cv2.INTER_AREA), np.uint8)


def _art_of(mark: str, look: Look, rng: np.random.Generator) -> Art | None:
    """Return the picture that stands for ``mark``."""
    if mark == "*":
        return look.picture
    if mark == "@":
        return _emblem(int(rng.integers(_EMBLEMS)))
    if mark == "&":
        return _wheelchair(int(rng.integers(_WHEELCHAIRS)), look.ink)
    return Art("heart", width=0.6, height=0.6, colours=("d01030" if rng.random() < 0.5 else look.ink,))


_EMBLEM_ARTS = (
    *("disc", "disc", "disc", "disc", "badge", "badge", "shield", "shield", "box", "star", "heart", "frame", "ring"),
    *("bird", "leaf", "deer", "fish", "horse-head", "crown", "anchor", "bell", "sun", "ship", "cotton", "diamond"),
    *("profile", "lobster", "pelican", "statue", "torch", "pine", "saguaro", "bronco", "zia", "palmetto", "rings"),
    *("windmill", "lighthouse", "oranges", "peach", "keystone", "fleur", "boat", "shuttle", "archer", "skier"),
    *(f"initial-{text}" for text in INITIALS),
    *(f"school-{text}" for text in SCHOOLS),
)


@lru_cache(maxsize=_EMBLEMS)
def _emblem(number: int) -> Art:
    """One of the emblems of clubs."""
    rng = np.random.default_rng([77, number])
    colours = tuple(f"{int(c):06x}" for c in rng.integers(0, 1 << 24, 4))
    return Art(
        _EMBLEM_ARTS[int(rng.integers(len(_EMBLEM_ARTS)))],
        width=float(rng.uniform(0.5, 1.35)),
        height=float(rng.uniform(0.7, 1.3)),
        colours=colours,
    )


@lru_cache(maxsize=4096)
def _wheelchair(number: int, ink: str) -> Art:
    """One of the wheelchairs that states draw: narrow or wide, in ink or in blue."""
    rng = np.random.default_rng([78, number])
    colour = ink if rng.random() < 0.7 else "1848b0"
    return Art("wheelchair", width=float(rng.uniform(0.5, 0.9)), height=float(rng.uniform(0.6, 1.0)), colours=(colour,))
