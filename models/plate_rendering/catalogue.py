"""The catalogue: the named dies of ``dies.toml``, checked.

Invariants: read once, when imported; a die that asks for a form that its character does not have is refused there.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from models.plate_rendering.alphabet import FORMS
from models.plate_rendering.strokes import Pen

_FILE = Path(__file__).with_name("dies.toml")


@dataclass(frozen=True, slots=True)
class Die:
    """A set of characters.

    Attributes:
        pen: its stroke.
        width: outer width of a common character as a share of the height.
        gap: space between two characters as a share of the height.
        forms: the name of the form of each character that does not take the common one.
    """

    pen: Pen
    width: float
    gap: float
    forms: MappingProxyType[str, str]


def read(text: str, name: str) -> dict[str, dict[str, Die]]:
    """Read a catalogue.

    Each table is a family; each of its keys a die with width, stroke, corner (along and down), gap, forms ("1:foot
    W:short") and, where they are not the common ones, fullness, waist, ends, softness and slant as in ``strokes.Pen``.

    Args:
        text: TOML.
        name: what to call it in errors.

    Returns:
        Dies by name, by family.

    Raises:
        ValueError: an unknown key, character or form, or a missing key.
    """
    return {
        family: {key: _die(row, f"{name}: {family}.{key}") for key, row in rows.items()}
        for family, rows in tomllib.loads(text).items()
    }


def _die(row: dict[str, Any], where: str) -> Die:
    """One die of the file."""
    row = dict(row)
    try:
        width, gap, (corner_x, corner_y) = row.pop("width"), row.pop("gap"), row.pop("corner")
        chosen = dict(word.split(":", 1) for word in row.pop("forms").split())
        pen = Pen(corner_x=corner_x, corner_y=corner_y, **row)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{where}: got {error}; expected width, stroke, corner, gap, forms, then optional keys of Pen"
        ) from error
    for character, form in chosen.items():
        if form not in FORMS.get(character, {}):
            raise ValueError(
                f'{where}: got form "{form}" for {character}, expected one of {", ".join(FORMS.get(character, {}))}'
            )
    return Die(pen, width, gap, MappingProxyType(chosen))


FAMILIES = MappingProxyType(read(_FILE.read_text(encoding="utf-8"), _FILE.name))
NAMED: MappingProxyType[str, Die] = MappingProxyType(
    {name: die for dies in FAMILIES.values() for name, die in dies.items()}
)
