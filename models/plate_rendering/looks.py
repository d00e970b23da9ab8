"""Looks: what the base design of a plate is made of, as values, and how they are read from looks_*.toml.

A look says what is printed and pressed into one kind of plate: ground, lettering, graphics, where stickers sit, which
dies stamp it, and how the separators of its serials are drawn. Places and sizes are shares of the plate: x and y of a
centre, height of a line of lettering; so that one look serves any resolution. Colours are "rrggbb". Values and their
reading only; no state.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

# Width and height in pixels of what is drawn: car plates of North America (12 by 6 inches) and of Europe (520 by 110
# mm), motorcycle plates (7 by 4 inches), European two-line plates, and South America's and Australia's.
SHAPES: dict[str, tuple[int, int]] = {
    "us": (256, 128),
    "moto": (224, 128),
    "eu": (384, 84),
    "square": (224, 160),
    "wide": (320, 104),
}
_CORNERS = {"tl": (0.085, 0.115), "tr": (0.915, 0.115), "bl": (0.085, 0.885), "br": (0.915, 0.885)}
_BLUE, _WHITE = "1038a0", "ffffff"
# Two-line plates for one of one line.
_SQUARE = 0.12


@dataclass(frozen=True, slots=True)
class Word:
    """Printed lettering: a state's name, a slogan, a county.

    Attributes:
        text: what it says; alternatives between "|".
        style: one of ``fonts.STYLES``.
        colour: its colour.
        x: its centre, a share of the plate's width.
        y: its centre, a share of the plate's height.
        height: of the lettering, a share of the plate's height.
        width: at most so wide, a share of the plate's width.
        often: how often it is there.
    """

    text: str
    style: str
    colour: str
    x: float = 0.5
    y: float = 0.12
    height: float = 0.17
    width: float = 0.62
    often: float = 0.97


@dataclass(frozen=True, slots=True)
class Art:
    """One graphic.

    Attributes:
        name: which one of ``graphics.ART``.
        x: its centre, a share of the plate's width.
        y: its centre, a share of the plate's height.
        width: a share of the plate's width; of a picture between characters, of their height.
        height: a share of the plate's height; of a picture between characters, of their height.
        colours: as many as the graphic takes.
        often: how often it is there.
    """

    name: str
    x: float = 0.5
    y: float = 0.5
    width: float = 1.0
    height: float = 1.0
    colours: tuple[str, ...] = ("000000",)
    often: float = 0.97


@dataclass(frozen=True, slots=True)
class Look:
    """One base design.

    Attributes:
        region: code of the region that issued it; "" where it is nobody's.
        ground: colours from top to bottom, each with an optional place: "ffffff", "88aadd, ffffff 0.4, 88aadd"; from
            left to right where it starts with ">".
        ink: colour of the characters.
        words: lettering, in the order of printing.
        art: graphics, in the order of printing, below the words.
        serials: patterns of its own (see ``serials``); none: the region's formats.
        dies: names of the dies that stamp it; none: the region's, or any of the continent's.
        picture: what stands for a "*" between characters.
        dash: what stands for a "-": "-", ".", " " or "*" (the picture).
        gap: what stands for a " ", and for a "*" where there is no picture: " ", "-", "." or "*".
        line: the characters' centre y, height, and greatest width, and their centre x.
        rows: of a plate of two lines, the centre y and height of each.
        stickers: centres of the wells (x, y).
        shape: one of ``SHAPES``.
        rim: colour of a line around it; "" for none.
        weight: how often it is drawn among the looks of its region.
        vanity: whether owners may choose the text.
    """

    region: str
    ground: str
    ink: str
    words: tuple[Word, ...] = ()
    art: tuple[Art, ...] = ()
    serials: tuple[str, ...] = ()
    dies: tuple[str, ...] = ()
    picture: Art | None = None
    dash: str = "-"
    gap: str = " "
    line: tuple[float, float, float, float] = (0.54, 0.46, 0.9, 0.5)
    rows: tuple[tuple[float, float], ...] = ((0.28, 0.36), (0.72, 0.36))
    stickers: tuple[tuple[float, float], ...] = ()
    shape: str = "us"
    rim: str = ""
    weight: float = 1.0
    vanity: bool = True


def colour_of(code: str) -> tuple[int, int, int]:
    """Return "rrggbb" as (blue, green, red)."""
    value = int(code, 16)
    return value & 255, value >> 8 & 255, value >> 16


def load(path: Path) -> tuple[Look, ...]:
    """Read a table of looks.

    Raises:
        ValueError: an entry is not as ``Look``, ``Word`` and ``Art`` have it; says which.
    """
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    names: dict[str, str] = table.get("names", {})
    looks: list[Look] = []
    for number, row in enumerate(table["looks"], 1):
        try:
            looks.extend(_looks(dict(row), names))
        except (TypeError, KeyError, ValueError) as error:
            raise ValueError(f"{path.name}: looks[{number}] ({row.get('region', 'no region')}): {error}.") from error
    return tuple(looks)


def _looks(row: dict[str, Any], names: Mapping[str, str]) -> Iterable[Look]:
    """Make the looks of one entry: itself, and where it has a band also its two-line plate and, maybe, a bare one."""
    band: dict[str, Any] | None = row.pop("band", None)
    bare = float(row.pop("bare", 0.0))
    words = tuple(_word(word, names) for word in row.pop("words", ()))
    art = tuple(_art(one) for one in row.pop("art", ()))
    picture = _art(row.pop("picture")) if "picture" in row else None
    stickers = tuple(_CORNERS[well] if isinstance(well, str) else tuple(well) for well in row.pop("stickers", ()))
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}
    look = Look(words=words, art=art, picture=picture, stickers=stickers, **values)
    if look.shape not in SHAPES:
        raise ValueError(f"shape: got {look.shape!r}, expected one of {', '.join(SHAPES)}")
    return (look,) if band is None else _banded(look, bare, **band)


def _word(row: Mapping[str, Any], names: Mapping[str, str]) -> Word:
    text = str(row["text"])
    for name, said in names.items():
        text = text.replace(f"${name}", said)
    return Word(**{**row, "text": text})


def _art(row: Mapping[str, Any]) -> Art:
    return Art(**{**row, "colours": tuple(row.get("colours", ("000000",)))})


def _banded(look: Look, bare: float, letter: str, stars: bool = True, colour: str = _BLUE) -> Iterable[Look]:
    """Put the blue band at the left of ``look``, with the country's ``letter`` and the Union's stars, if any."""
    band = Art("europe" if stars else "box", 0.042, 0.5, 0.084, 1.04, (colour, "f4d010"), 1.0)
    name = Word(letter, "sans", _WHITE, 0.042, 0.8, 0.22, 0.06, 1.0)
    if bare < 1:
        yield replace(look, art=(band, *look.art), words=(name, *look.words), weight=look.weight * (1 - bare))
        yield replace(
            look,
            shape="square",
            line=(0.5, 0.34, 0.8, 0.54),
            rows=((0.28, 0.37), (0.73, 0.37)),
            art=(replace(band, x=0.07, y=0.28, width=0.12, height=0.5),),
            words=(replace(name, x=0.07, y=0.44, height=0.1, width=0.1),),
            weight=look.weight * _SQUARE,
        )
    if bare:
        yield replace(look, line=(*look.line[:2], 0.92, 0.5), weight=look.weight * bare)


_SHORT_SERIALS = ("99A9999", "A99999", "999AA", "9999A", "AA9999", "AA999", "99999")
_BROKEN_SERIALS = ("999|AAA", "AA|999", "99A|999", "AA9|99A")


def motorcycles(looks: Iterable[Look]) -> tuple[Look, ...]:
    """Make motorcycle plates of each region's commonest look: less wide, with short serials in one or two lines."""
    common: dict[str, Look] = {}
    for look in looks:
        if look.region not in common or look.weight > common[look.region].weight:
            common[look.region] = look
    return tuple(
        replace(
            look,
            shape="moto",
            weight=look.weight * share,
            line=(0.55, 0.48, 0.9, 0.5),
            rows=((0.36, 0.31), (0.73, 0.31)),
            picture=None,
            vanity=False,
            serials=serials,
        )
        for look in common.values()
        for serials, share in ((_SHORT_SERIALS, 0.06), (_BROKEN_SERIALS, 0.03))
    )
