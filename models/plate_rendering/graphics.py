"""Graphics of number plates, drawn from a few strokes and polygons each.

Each is a function that draws into its own box of a canvas. Canvases are drawn at ``SCALE`` times the size of the plate
and made smaller afterwards, which is what smooths the edges. No state beside the tables.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from models.plate_rendering.brush import Brush, Canvas, Points
from models.plate_rendering.looks import Art


def _outlines() -> dict[str, tuple[tuple[int, Points], ...]]:
    """Read outlines.toml: by name, layers of a colour's number and corners from 0 to 1."""
    table = tomllib.loads(Path(__file__).with_name("outlines.toml").read_text(encoding="utf-8"))
    return {name: tuple(_layer(layer) for layer in layers) for name, layers in table.items()}


def _layer(text: str) -> tuple[int, Points]:
    number, _, corners = text.rpartition(":")
    pairs = (corner.split() for corner in corners.split(","))
    return int(number or 0), tuple((float(x) / 100, float(y) / 100) for x, y in pairs)


OUTLINES = _outlines()

SCALE = 2
"""How much larger canvases are drawn than they are used."""


def _box(brush: Brush) -> None:
    brush.polygon([(0, 0), (1, 0), (1, 1), (0, 1)], brush.colour(0))


def _fade(brush: Brush) -> None:
    """A band that passes from the first colour at the top to the second."""
    steps = 24
    a, b = np.asarray(brush.colour(0), np.float64), np.asarray(brush.colour(1), np.float64)
    for step in range(steps):
        b_, g, r = np.rint(a + (b - a) * step / (steps - 1)).astype(int).tolist()
        brush.polygon(
            [(0, step / steps), (1, step / steps), (1, (step + 1) / steps), (0, (step + 1) / steps)], (b_, g, r)
        )


def _disc(brush: Brush) -> None:
    brush.ellipse((0.5, 0.5), (0.5, 0.5), brush.colour(0))
    if len(brush.colours) > 1:
        brush.ellipse((0.5, 0.5), (0.36, 0.36), brush.colour(1))
    if len(brush.colours) > 2:
        brush.ellipse((0.5, 0.5), (0.18, 0.18), brush.colour(2))


def _star(brush: Brush) -> None:
    brush.polygon([(0.5 + 0.5 * x, 0.5 + 0.5 * y) for x, y in _STAR], brush.colour(0))


_STAR = tuple(
    (r * math.sin(k * math.pi / 5), -r * math.cos(k * math.pi / 5)) for k in range(10) for r in ((1.0, 0.42)[k % 2],)
)


def _europe(brush: Brush) -> None:
    """The blue band with twelve stars; its letter is a word of the look."""
    _box(brush)
    aspect = brush.width_px / brush.height_px
    for k in range(12):
        angle = k * math.pi / 6
        brush.ellipse(
            (0.5 + 0.33 * math.sin(angle), 0.3 + 0.33 * aspect * math.cos(angle)),
            (0.055, 0.055 * aspect),
            brush.colour(1),
        )


def _badge(brush: Brush) -> None:
    """A cross of four arms in a disc, as fire fighters have it."""
    brush.ellipse((0.5, 0.5), (0.5, 0.5), brush.colour(0))
    brush.polygon([(0.35, 0.05), (0.65, 0.05), (0.6, 0.95), (0.4, 0.95)], brush.colour(1))
    brush.polygon([(0.05, 0.35), (0.05, 0.65), (0.95, 0.6), (0.95, 0.4)], brush.colour(1))
    brush.ellipse((0.5, 0.5), (0.15, 0.15), brush.colour(2))


def _shield(brush: Brush) -> None:
    brush.polygon([(0, 0), (1, 0), (1, 0.5), (0.8, 0.8), (0.5, 1), (0.2, 0.8), (0, 0.5)], brush.colour(0))
    brush.polygon([(0.12, 0.3), (0.88, 0.3), (0.85, 0.5), (0.5, 0.85), (0.15, 0.5)], brush.colour(1))


def _heart(brush: Brush) -> None:
    brush.ellipse((0.27, 0.3), (0.27, 0.28), brush.colour(0))
    brush.ellipse((0.73, 0.3), (0.27, 0.28), brush.colour(0))
    brush.polygon([(0.03, 0.4), (0.5, 0.35), (0.97, 0.4), (0.5, 1)], brush.colour(0))


def _wheelchair(brush: Brush) -> None:
    colour = brush.colour(0)
    brush.ellipse((0.38, 0.1), (0.11, 0.1), colour)
    brush.line([(0.4, 0.22), (0.43, 0.58), (0.72, 0.58), (0.82, 0.9), (0.95, 0.88)], colour, 0.09)
    brush.line([(0.42, 0.38), (0.7, 0.38)], colour, 0.07)
    brush.ellipse((0.42, 0.68), (0.34, 0.28), colour, 0.08, (60, 250))


def _sun(brush: Brush) -> None:
    """A disc with rays."""
    for k in range(12):
        angle = k * math.pi / 6
        ends = [
            (0.5 + r * math.sin(angle + d), 0.5 + r * math.cos(angle + d))
            for r, d in ((0.3, -0.1), (0.5, 0), (0.3, 0.1))
        ]
        brush.polygon(ends, brush.colour(1))
    brush.ellipse((0.5, 0.5), (0.28, 0.28), brush.colour(0))


def _rays(brush: Brush) -> None:
    """Rays that rise from the middle of the lower edge, wide as the box."""
    for k in range(13):
        angle = math.pi * (k - 6) / 13
        brush.polygon(
            [(0.5, 1)] + [(0.5 + 0.6 * math.sin(angle + d), 1 - 1.1 * math.cos(angle + d)) for d in (-0.06, 0.06)],
            brush.colour(0),
        )


def _rainbow(brush: Brush) -> None:
    """Arcs from the lower left to the lower right, one a colour, the outermost first."""
    for k, colour in enumerate(brush.colours):
        brush.ellipse((0.5, 1.0), (0.49 - 0.02 * k, 0.94 - 0.055 * k), colour, 0.07, (180, 360))


def _swoosh(brush: Brush) -> None:
    """A band that hangs through the box, as wide as the box and thickest in the middle."""
    arc = [(x / 20, 0.15 + 0.6 * (1 - (x / 10 - 1) ** 2)) for x in range(21)]
    back = [(x / 20, 0.1 + 0.35 * (1 - (x / 10 - 1) ** 2)) for x in range(20, -1, -1)]
    brush.polygon(arc + back, brush.colour(0))


def _crest(brush: Brush) -> None:
    """The upper or lower edge of the plate as an arc: full at both ends of the box, shallow in the middle."""
    arc = [(x / 20, 1 - 0.75 * (1 - (x / 10 - 1) ** 2)) for x in range(21)]
    brush.polygon([(0, 0), *arc, (1, 0)], brush.colour(0))


def _cup(brush: Brush) -> None:
    """The same upside down: a hill over the lower edge, shallow at both ends."""
    arc = [(x / 20, 0.75 * (x / 10 - 1) ** 2) for x in range(21)]
    brush.polygon([(0, 1), *arc, (1, 1)], brush.colour(0))


def _moon(brush: Brush) -> None:
    outer = [(0.5 + 0.5 * math.cos(a), 0.5 + 0.5 * math.sin(a)) for a in np.linspace(0.2, math.pi + 0.8, 16).tolist()]
    inner = [
        (0.6 + 0.42 * math.cos(a), 0.36 + 0.42 * math.sin(a)) for a in np.linspace(math.pi + 0.6, 0.3, 16).tolist()
    ]
    brush.polygon(outer + inner, brush.colour(0))


def _oranges(brush: Brush) -> None:
    """Two oranges with their leaves and a blossom: colours fruit, leaf, blossom."""
    brush.ellipse((0.5, 0.5), (0.5, 0.42), brush.colour(1))
    brush.ellipse((0.36, 0.42), (0.33, 0.33), brush.colour(0))
    brush.ellipse((0.66, 0.64), (0.32, 0.32), brush.colour(0))
    brush.polygon([(0.3, 0.1), (0.9, 0.0), (0.6, 0.22)], brush.colour(1))
    brush.ellipse((0.32, 0.82), (0.16, 0.12), brush.colour(2))


def _peach(brush: Brush) -> None:
    brush.ellipse((0.5, 0.58), (0.46, 0.42), brush.colour(0))
    brush.ellipse((0.38, 0.55), (0.2, 0.3), brush.colour(2))
    brush.polygon([(0.46, 0.2), (0.7, 0.0), (1.0, 0.06), (0.8, 0.22)], brush.colour(1))


def _zia(brush: Brush) -> None:
    """The sun of New Mexico: a ring with four bundles of four rays."""
    colour = brush.colour(0)
    if len(brush.colours) > 1:
        brush.ellipse((0.5, 0.5), (0.16, 0.16), brush.colour(1))
    brush.ellipse((0.5, 0.5), (0.2, 0.2), colour, 0.07)
    for offset in (-0.12, -0.04, 0.04, 0.12):
        reach = 0.5 if abs(offset) < 0.1 else 0.4
        for sign in (-1, 1):
            brush.line([(0.5 + offset, 0.5 + sign * 0.24), (0.5 + offset, 0.5 + sign * reach)], colour, 0.04)
            brush.line([(0.5 + sign * 0.24, 0.5 + offset), (0.5 + sign * reach, 0.5 + offset)], colour, 0.04)


def _star_bars(brush: Brush) -> None:
    """Three stars over two bars."""
    for x in (0.17, 0.5, 0.83):
        brush.polygon([(x + 0.11 * px, 0.16 + 0.16 * py) for px, py in _STAR], brush.colour(0))
    for y in (0.42, 0.76):
        brush.polygon([(0, y), (1, y), (1, y + 0.2), (0, y + 0.2)], brush.colour(0))


def _quarters(brush: Brush) -> None:
    """A shield in four quarters, two and two alike."""
    brush.polygon([(0, 0), (1, 0), (1, 0.6), (0.5, 1), (0, 0.6)], brush.colour(0))
    brush.polygon([(0.5, 0), (1, 0), (1, 0.45), (0.5, 0.45)], brush.colour(1))
    brush.polygon([(0, 0.45), (0.5, 0.45), (0.5, 1), (0, 0.6)], brush.colour(1))
    brush.line([(0, 0.1), (0.5, 0.4)], brush.colour(2), 0.08)
    brush.line([(0.55, 0.85), (0.95, 0.5)], brush.colour(2), 0.08)


def _stars(brush: Brush) -> None:
    """Stars strewn over the box, always the same."""
    aspect = brush.height_px / brush.width_px
    for k in range(14):
        x, y, size = (k * 0.754878) % 1, (k * 0.569840 + 0.2) % 1, 0.05 + 0.04 * (k % 3)
        brush.polygon([(x + size * aspect * px, y + size * py) for px, py in _STAR], brush.colour(0))


def _stripes(brush: Brush) -> None:
    """Bands from top to bottom, one a colour."""
    count = len(brush.colours)
    for k, colour in enumerate(brush.colours):
        brush.polygon([(0, k / count), (1, k / count), (1, (k + 1) / count), (0, (k + 1) / count)], colour)


def _columns(brush: Brush) -> None:
    """Bands from left to right, one a colour."""
    count = len(brush.colours)
    for k, colour in enumerate(brush.colours):
        brush.polygon([(k / count, 0), ((k + 1) / count, 0), ((k + 1) / count, 1), (k / count, 1)], colour)


def _seals(brush: Brush) -> None:
    """Two round seals, one above the other: colours of the upper, of the lower, and of their rims."""
    for y, colour in ((0.25, brush.colour(0)), (0.74, brush.colour(1))):
        brush.ellipse((0.5, y), (0.46, 0.19), brush.colour(2))
        brush.ellipse((0.5, y), (0.38, 0.155), colour)
        brush.ellipse((0.5, y), (0.14, 0.06), brush.colour(2))


def _ring(brush: Brush) -> None:
    brush.ellipse((0.5, 0.5), (0.44, 0.44), brush.colour(0), 0.1)


def _frame(brush: Brush) -> None:
    """The outline of a rectangle; where there is a second colour it fills the inside."""
    if len(brush.colours) > 1:
        brush.polygon([(0, 0), (1, 0), (1, 1), (0, 1)], brush.colour(1))
    brush.line([(0.01, 0.02), (0.99, 0.02), (0.99, 0.98), (0.01, 0.98)], brush.colour(0), 0.06, closed=True)


def _traced(name: str) -> Callable[[Brush], None]:
    """An outline of the table, filled."""

    def draw(brush: Brush) -> None:
        for number, points in OUTLINES[name]:
            if number == 0 or number < len(brush.colours):
                brush.polygon(points, brush.colour(number))

    return draw


def _outlined(name: str) -> Callable[[Brush], None]:
    """An outline of the table, as a line; a second colour fills it."""

    def draw(brush: Brush) -> None:
        for _, points in OUTLINES[name]:
            if len(brush.colours) > 1:
                brush.polygon(points, brush.colour(1))
            brush.line(points, brush.colour(0), 0.03, closed=True)

    return draw


def _arms(country: str) -> Callable[[Brush], None]:
    """A coat of arms, and below it the letters of the country, as plates had them before the blue band."""

    def draw(brush: Brush) -> None:
        for points, number in ((_ESCUTCHEON, 0), (_ESCUTCHEON_UPPER, 1)):
            brush.polygon([(0.1 + 0.8 * x, 0.64 * y) for x, y in points], brush.colour(number))
        brush.line([(0.5, 0.14), (0.5, 0.5)], brush.colour(2), 0.05)
        brush.line([(0.34, 0.24), (0.66, 0.24)], brush.colour(2), 0.05)
        wide = min(0.5, 0.2 * len(country))
        brush.write(country, (0.5 - wide, 0.74, 0.5 + wide, 1.0), brush.colour(3))

    return draw


_ESCUTCHEON = ((0, 0), (1, 0), (1, 0.55), (0.82, 0.85), (0.5, 1), (0.18, 0.85), (0, 0.55))
_ESCUTCHEON_UPPER = (
    (0.1, 0.55),
    (0.3, 0.5),
    (0.5, 0.42),
    (0.7, 0.5),
    (0.9, 0.55),
    (0.75, 0.82),
    (0.5, 0.93),
    (0.25, 0.82),
)


def _lettered(text: str) -> Callable[[Brush], None]:
    """Letters of a club or a school: a name, mostly over a mascot."""

    def draw(brush: Brush) -> None:
        brush.write(text, (0.0, 0.05, 1.0, 0.42), brush.colour(0))
        brush.ellipse((0.5, 0.72), (0.3, 0.24), brush.colour(1))
        brush.ellipse((0.56, 0.68), (0.14, 0.12), brush.colour(2))

    return draw


def _initial(text: str) -> Callable[[Brush], None]:
    """A seal with letters in it."""

    def draw(brush: Brush) -> None:
        brush.ellipse((0.5, 0.5), (0.5, 0.5), brush.colour(0))
        brush.ellipse((0.5, 0.5), (0.4, 0.4), brush.colour(1))
        half = 0.14 if len(text) == 1 else 0.26
        brush.write(text, (0.5 - half, 0.26, 0.5 + half, 0.74), brush.colour(2))

    return draw


def _rings(brush: Brush) -> None:
    """Letters over five rings."""
    brush.write("USA", (0.05, 0.02, 0.95, 0.45), brush.colour(0))
    for k, (x, y) in enumerate(((0.18, 0.66), (0.5, 0.66), (0.82, 0.66), (0.34, 0.82), (0.66, 0.82))):
        brush.ellipse((x, y), (0.15, 0.15), brush.colour(k), 0.05)


def _marks(brush: Brush) -> None:
    """Two small round stamps, one above the other, as inspections leave them."""
    brush.ellipse((0.5, 0.27), (0.42, 0.22), brush.colour(0))
    brush.ellipse((0.5, 0.75), (0.42, 0.22), brush.colour(1))


def _tab(brush: Brush) -> None:
    """A sticker with a year on it, where other plates have a picture."""
    _box(brush)
    brush.write("11", (0.22, 0.3, 0.78, 0.85), brush.colour(1))


INITIALS = ("A", "L", "VT", "S", "F", "UN", "G", "C", "M", "UM", "B", "W")
SCHOOLS = ("UNCG", "ODU", "STATE", "4-H", "USMC", "NAVY", "AGGIES", "PTA")
COUNTRIES = ("SK", "BIH", "MK", "SRB", "YU", "UA", "HR", "GE", "MD", "RUS", "CZ", "LV")

ART: dict[str, Callable[[Brush], None]] = {
    "box": _box,
    "fade": _fade,
    "disc": _disc,
    "star": _star,
    "europe": _europe,
    "badge": _badge,
    "shield": _shield,
    "heart": _heart,
    "wheelchair": _wheelchair,
    "sun": _sun,
    "rays": _rays,
    "rainbow": _rainbow,
    "swoosh": _swoosh,
    "crest": _crest,
    "cup": _cup,
    "moon": _moon,
    "oranges": _oranges,
    "peach": _peach,
    "zia": _zia,
    "star-bars": _star_bars,
    "quarters": _quarters,
    "stars": _stars,
    "stripes": _stripes,
    "columns": _columns,
    "seals": _seals,
    "ring": _ring,
    "frame": _frame,
    "rings": _rings,
    "marks": _marks,
    "tab": _tab,
    **{f"initial-{text}": _initial(text) for text in INITIALS},
    **{f"school-{text}": _lettered(text) for text in SCHOOLS},
    **{f"arms-{country}": _arms(country) for country in COUNTRIES},
    **{name: _traced(name) for name in OUTLINES},
    **{f"{name}-line": _outlined(name) for name in OUTLINES},
}
"""Every graphic by name. Most are outlines of the table; "-line" behind an outline's name draws only its edge."""


def paint(canvas: Canvas, art: Art, box: tuple[float, float, float, float]) -> None:
    """Draw ``art`` into ``box`` of ``canvas``.

    Args:
        canvas: (H, W, 3) uint8 BGR, changed in place.
        art: which graphic, in which colours; its place and size are the box's.
        box: left, top, width and height in pixels.

    Raises:
        KeyError: there is no graphic of that name.
    """
    ART[art.name](Brush(canvas, art, box))
