"""Faces: number plates seen straight on, with the text that a person would report.

``draw`` takes every chance from the generator that it is given: the same generator state gives the same face, on any
machine with the same libraries and fonts. Grounds and stickers are drawn once per process and kept (some 300 MB in
all); a face is then a copy of one with its colours shifted and the characters stamped on. One thread per process.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.plate_rendering import dies
from models.plate_rendering.layouts import broken, cumulative, layout_for, layout_of, pick
from models.plate_rendering.looks import Look, load, motorcycles
from models.plate_rendering.serials import text_of
from models.plate_rendering.setting import set_lines
from models.plate_rendering.strays import STRAY_LOOKS, stray_look

_STATES = (
    "AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK OR PA "
    "RI SC SD TN TX UT VT VA WA WV WI WY DC"
)
_PROVINCES = "AB BC MB NB NL NS NT NU ON PE QC SK YT"
_COUNTRIES = (
    "AD AL AR AT AU BA BE BG BR BY CH CY CZ DE DK EE ES FI FR GB GE GR HR HU IE IL IN IS IT LI LT LU LV MC MD ME MK MT "
    "NL NO NZ PL PT RO RS RU SE SI SK SM TR UA ZA"
)
REGIONS: tuple[str, ...] = (
    *(f"US-{code}" for code in _STATES.split()),
    *(f"CA-{code}" for code in _PROVINCES.split()),
    "MX",
    *_COUNTRIES.split(),
    "Other",
)
"""Codes of the regions, in the order of the region head: ISO 3166-2 for states and provinces, else alpha-2."""


@dataclass(frozen=True, slots=True)
class Face:
    """A plate seen straight on, with nothing around it.

    Attributes:
        image: (H, W, 3) uint8 BGR.
        text: what a person reports: no separators, stacked small letters left out, zero "0" and letter "O" apart.
        region: one of ``REGIONS``, or "" for a plate that is nobody's.
        lines: how many lines of characters there are, 1 or 2.
    """

    image: NDArray[np.uint8]
    text: str
    region: str
    lines: int


def _tables() -> tuple[Look, ...]:
    """Read the looks; a state's dies are those that are named like it."""
    here = Path(__file__).parent
    named = dies.die_names()
    states = []
    for look in load(here / "looks_us.toml"):
        code = look.region.lower()
        states.append(replace(look, dies=tuple(die for die in named if die == code or die.startswith(f"{code}-"))))
    return (*states, *motorcycles(states), *load(here / "looks_world.toml"))


_LOOKS: tuple[Look, ...] = _tables()
_BY_REGION: dict[str, tuple[int, ...]] = {
    region: tuple(i for i, look in enumerate(_LOOKS) if look.region == region) for region in REGIONS
}
# Shares of a draw without a region: states, provinces and Mexico, countries, Other; the rest are looks of nobody's,
# which teach the reader characters on grounds that no table has.
_SHARES = (0.61, 0.07, 0.18, 0.02)


def _group(code: str) -> int:
    """Which of ``_SHARES`` a region belongs to."""
    if code == "Other":
        return 3
    if code.startswith("CA-") or code == "MX":
        return 1
    return 0 if code.startswith("US-") else 2


def _region_weights() -> list[float]:
    """How often each region is drawn, and last nobody's; regions with many looks more often, as the root of that."""
    groups: list[list[int]] = [[], [], [], []]
    for index, code in enumerate(REGIONS):
        groups[_group(code)].append(index)
    weights = [0.0] * (len(REGIONS) + 1)
    for share, members in zip(_SHARES, groups, strict=True):
        roots = [sum(_LOOKS[i].weight for i in _BY_REGION[REGIONS[m]]) ** 0.5 for m in members]
        for member, root in zip(members, roots, strict=True):
            weights[member] = share * root / sum(roots)
    weights[-1] = 1 - sum(_SHARES)
    return weights


_REGION_PICK = cumulative(_region_weights())
_LOOK_PICK = {code: cumulative([_LOOKS[i].weight for i in members]) for code, members in _BY_REGION.items()}


def draw(rng: np.random.Generator, region: str | None = None, text: str | None = None) -> Face:
    """Draw a plate.

    Args:
        rng: where every chance comes from.
        region: one of ``REGIONS``, "" for a look that is nobody's; None draws one, about 60 % states of the USA.
        text: what it shall read, A-Z and 0-9; None draws a serial of the region or what an owner might choose.

    Raises:
        ValueError: there is no such region, or ``text`` has other characters.
    """
    if text is not None and (not text or text_of(text) != text):
        raise ValueError(f"faces.draw: text: got {text!r}, expected one or more of A-Z and 0-9.")
    if region is None:
        index = pick(_REGION_PICK, rng)
        region = REGIONS[index] if index < len(REGIONS) else ""
    if region == "":
        look = stray_look(int(rng.integers(STRAY_LOOKS)))
    elif region in _BY_REGION:
        look = _LOOKS[_BY_REGION[region][pick(_LOOK_PICK[region], rng)]]
    else:
        raise ValueError(f"faces.draw: region: got {region!r}, expected one of REGIONS, or an empty string.")
    layout = layout_for(look, rng) if text is None else layout_of(look, text)
    if look.shape == "square":
        layout = broken(layout)
    lines = layout.split("|")
    return Face(set_lines(look, lines, rng), text_of(layout), look.region, len(lines))
