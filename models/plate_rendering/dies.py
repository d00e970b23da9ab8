"""Dies: the sets of characters with which plates are stamped, and as many variations of them as training wants.

A die is an alphabet's choice of forms and a pen. There are named ones, drawn after the looks of real plates; those cut
from font files (absent without the files); and variations, whose name says what they vary and their number: "us~17" is
some US die altered, "din~3" a DIN altered. A name always means the same shapes, on every machine that has its font.

Invariants: masks are read-only and shared; every die has every letter and digit. Caches are this process's own.
"""

from __future__ import annotations

import dataclasses
import zlib
from functools import lru_cache
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray

from models.plate_rendering import fonts
from models.plate_rendering.alphabet import CHARACTERS, FORMS, form
from models.plate_rendering.catalogue import FAMILIES, NAMED, Die
from models.plate_rendering.strokes import stamp, tight

# Height at which a die is drawn before it is brought to size: that of the lines of faces, so that these need no second.
_DRAWN_PX = 64
# How many variations of a family, and of one die, have names: few enough that all their characters stay cached
# (some 25,000 masks of 2 kB), for drawing one takes as long as pasting a hundred.
_FAMILY_VARIATIONS = 80
_DIE_VARIATIONS = 4


# Forms that few plates have; a variation comes by them seldom, so that the common ones are learned first.
_RARE = frozenset(
    {("0", "slashed"), ("0", "steep"), ("Z", "bar"), ("7", "serif"), ("W", "round"), ("Y", "fork"), ("3", "flat")}
    | {("1", "base"), ("G", "plain"), ("C", "curled")}
    | {(character, "fe") for character in FORMS}
)

_FAMILIES: MappingProxyType[str, tuple[str, ...]] = MappingProxyType(
    {"us": tuple(FAMILIES["us"]), "eu": tuple(FAMILIES["eu"]), "any": tuple(NAMED)}
)
_FAMILY_FONTS: MappingProxyType[str, tuple[str, ...]] = MappingProxyType(
    {
        "us": ("roadgeek-b", "roadgeek-c", "routed-gothic-narrow", "routed-gothic", "national-park"),
        "eu": ("osp-din", "roadgeek-d", "dejavu-condensed", "national-park-heavy"),
        "any": fonts.DIE_FONTS,
    }
)


def die_names() -> tuple[str, ...]:
    """The named dies: our own first, then those of the fonts that are installed."""
    return (*NAMED, *(name for name in fonts.DIE_FONTS if fonts.present(name)))


def random_die(rng: np.random.Generator, family: str = "us") -> str:
    """The name of some variation.

    Args:
        rng: decides.
        family: "us", "eu", "any", or the name of a die, which is then altered a little.

    Raises:
        KeyError: no such family or die.
    """
    if family not in _FAMILIES:
        if family not in NAMED and not fonts.present(family):
            raise KeyError(f'die: got "{family}", expected us, eu, any or one of {", ".join(die_names())}')
        return f"{family}~{int(rng.integers(_DIE_VARIATIONS))}"
    if rng.random() < 0.1:
        choice = [name for name in _FAMILY_FONTS[family] if fonts.present(name)]
        if choice:
            return f"{choice[int(rng.integers(len(choice)))]}~{int(rng.integers(_DIE_VARIATIONS))}"
    return f"{family}~{int(rng.integers(_FAMILY_VARIATIONS))}"


@lru_cache(maxsize=4096)
def spacing(die: str) -> float:
    """The gap between two characters of a die, as a share of their height.

    Raises:
        KeyError: no such die.
    """
    base, _, number = die.partition("~")
    if base in fonts.DIE_FONTS:
        return 0.12 + 0.04 * (int(number or 0) % 3)
    return _resolved(die).gap


def _dice(name: str) -> np.random.Generator:
    """Random numbers that belong to a name."""
    return np.random.default_rng(zlib.crc32(name.encode()))


@lru_cache(maxsize=1024)
def _resolved(name: str) -> Die:
    """The die of a name that is not a font's."""
    base, mark, _ = name.partition("~")
    if not mark:
        if name not in NAMED:
            raise KeyError(
                f'die: got "{name}", expected one of {", ".join(die_names())}, or one of these with "~" and a number'
            )
        return NAMED[name]
    dice = _dice(name)
    if base in _FAMILIES:
        choice = _FAMILIES[base]
        return _altered(NAMED[choice[int(dice.integers(len(choice)))]], dice, 1.0)
    return _altered(_resolved(base), dice, 0.35)


def _altered(die: Die, dice: np.random.Generator, amount: float) -> Die:
    """A die with other proportions and, as the amount grows to 1, other forms."""

    def about(value: float, spread: float) -> float:
        return value * float(np.exp(amount * spread * np.clip(dice.normal(), -2, 2)))

    width = about(die.width, 0.1)
    # Beyond these a counter closes, or the paint is too thin to be seen from a road.
    stroke = min(max(about(die.pen.stroke, 0.16), 0.07), 0.3 * width, 0.19)
    rounding = about(1.0, 0.18)
    ends, softness = die.pen.ends, die.pen.softness
    if dice.random() < 0.3 * amount:
        ends, softness = ("round", 0.0) if ends == "square" else ("square", float(dice.uniform(0.05, 0.6)))
    pen = dataclasses.replace(
        die.pen,
        stroke=stroke,
        corner_x=die.pen.corner_x * rounding,
        corner_y=about(die.pen.corner_y * rounding, 0.1),
        fullness=min(about(die.pen.fullness, 0.08), 0.75),
        waist=about(die.pen.waist, 0.02),
        ends=ends,
        softness=softness,
        slant=die.pen.slant + (float(dice.uniform(-0.03, 0.14)) if dice.random() < 0.06 * amount else 0.0),
    )
    chosen = dict(die.forms)
    for character, forms in FORMS.items():
        if dice.random() < 0.3 * amount:
            names = [name for name in forms if (character, name) not in _RARE or dice.random() < 0.2]
            chosen[character] = names[int(dice.integers(len(names)))]
    chosen["9"] = chosen.get("6", "plain")
    return Die(pen, width, about(die.gap, 0.2), MappingProxyType(chosen))


def _font_drawn(name: str, character: str) -> NDArray[np.uint8]:
    """A font's character, or a variation of it: stretched, and bolder or lighter."""
    base, mark, _ = name.partition("~")
    mask = fonts.outline(base, character)
    if not mark:
        return mask
    dice = _dice(name)
    stretch, boldness = float(dice.uniform(0.8, 1.2)), int(dice.integers(-2, 7))
    width = max(2, round(mask.shape[1] * stretch))
    mask = np.asarray(cv2.resize(mask, (width, mask.shape[0])), dtype=np.uint8)
    if not boldness:
        return mask
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * abs(boldness) + 1, 2 * abs(boldness) + 1))
    margin = abs(boldness)
    framed = cv2.copyMakeBorder(mask, margin, margin, margin, margin, cv2.BORDER_CONSTANT, value=0)
    pressed: NDArray[np.uint8] = np.asarray((cv2.dilate if boldness > 0 else cv2.erode)(framed, kernel), np.uint8)
    rows = np.flatnonzero(pressed.max(axis=1) > 64)
    return tight(pressed[rows[0] : rows[-1] + 1])


@lru_cache(maxsize=32768)
def _drawn(die: str, character: str) -> NDArray[np.uint8]:
    """A character at its drawing height."""
    if die.partition("~")[0] in fonts.DIE_FONTS:
        return _font_drawn(die, character)
    resolved = _resolved(die)
    shape = form(character, resolved.forms.get(character, ""))
    width = shape.width * resolved.width
    return stamp(shape.paths, width, _DRAWN_PX, resolved.pen)


@lru_cache(maxsize=32768)
def glyph(die: str, character: str, height_px: int) -> NDArray[np.uint8]:
    """A character of a die.

    Args:
        die: a name of ``die_names``, or one that ``random_die`` gave.
        character: A to Z or 0 to 9.
        height_px: its height.

    Returns:
        Opacity, (height_px, w) uint8, tight in width, read-only and shared: copy before writing.

    Raises:
        KeyError: no such die or character.
        FileNotFoundError: the die is a font's that is not installed.
    """
    if character not in FORMS:
        raise KeyError(f'glyph: got character "{character}", expected one of {CHARACTERS}')
    drawn = _drawn(die, character)
    if drawn.shape[0] == height_px:
        drawn.setflags(write=False)
        return drawn
    width = max(1, round(drawn.shape[1] * height_px / drawn.shape[0]))
    mask = np.asarray(cv2.resize(drawn, (width, height_px), interpolation=cv2.INTER_AREA), dtype=np.uint8)
    mask.setflags(write=False)
    return mask
