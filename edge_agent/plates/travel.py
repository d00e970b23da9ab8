"""Which way a plate moved through the picture during its pass. Pure; owned by one track.

A plate that comes nearer grows, one that goes away shrinks, one that crosses keeps its size. The first places are
averaged and the latest ones smoothed, because detectors' boxes tremble by a pixel or two, and places where the plate is
cut off by the picture's edge are not to be given, because there it only seems to shrink.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from edge_agent.records import Box, Travel

# Before this many places nothing is said: two trembling boxes make a direction of any kind.
_MIN_PLACES = 4
_FIRST_PLACES = 3
_NEWEST_WEIGHT = 0.5
# Boxes of a plate that stands tremble by up to 5 % of its width.
_GROWTH = math.log(1.15)
_SHIFT_WIDTHS = 0.75
# A doubling over six widths sideways is an approach, a fifth over ten widths is a crossing with some perspective.
_GROWTH_PER_WIDTH = 0.06
# What has not moved in this time stands; before it, it may be about to move.
_STANDING_NS = 1_000_000_000


@dataclass(slots=True)
class Way:
    """From where to where a plate went: the middle of its box and the logarithm of its width."""

    places: int = 0
    began_ns: int = 0
    latest_ns: int = 0
    first: tuple[float, float, float] = field(default=(0.0, 0.0, 0.0))
    latest: tuple[float, float, float] = field(default=(0.0, 0.0, 0.0))

    def follow(self, box: Box, at_ns: int) -> None:
        """Take in that the whole plate was at ``box`` at ``at_ns`` of the boot clock."""
        place = ((box.x1 + box.x2) / 2, (box.y1 + box.y2) / 2, math.log(box.x2 - box.x1))
        if not self.places:
            self.began_ns, self.first, self.latest = at_ns, place, place
        self.places += 1
        self.latest_ns = at_ns
        if self.places <= _FIRST_PLACES:
            self.first = _towards(self.first, place, 1 / self.places)
        self.latest = _towards(self.latest, place, _NEWEST_WEIGHT)

    def stays(self, at_ns: int) -> None:
        """Take in that it was still where it was at ``at_ns``."""
        self.latest_ns = at_ns

    @property
    def stood(self) -> bool:
        """Whether it was seen often enough to tell, and ended where it began."""
        if self.places < _MIN_PLACES:
            return False
        dx, dy, growth = (b - a for a, b in zip(self.first, self.latest, strict=True))
        return abs(growth) < _GROWTH and math.hypot(dx, dy) < _SHIFT_WIDTHS * math.exp(self.first[2])

    @property
    def travel(self) -> Travel | None:
        """How it moved so far; None while too little was seen to tell."""
        if self.places < _MIN_PLACES:
            return None
        dx, growth = self.latest[0] - self.first[0], self.latest[2] - self.first[2]
        width_px = math.exp((self.first[2] + self.latest[2]) / 2)
        if abs(growth) >= max(_GROWTH, _GROWTH_PER_WIDTH * abs(dx) / width_px):
            return Travel.APPROACHING if growth > 0 else Travel.RECEDING
        if abs(dx) >= _SHIFT_WIDTHS * width_px:
            return Travel.RIGHT if dx > 0 else Travel.LEFT
        return Travel.STANDING if self.stood and self.latest_ns - self.began_ns >= _STANDING_NS else None


def _towards(a: tuple[float, float, float], b: tuple[float, float, float], gain: float) -> tuple[float, float, float]:
    return (a[0] + gain * (b[0] - a[0]), a[1] + gain * (b[1] - a[1]), a[2] + gain * (b[2] - a[2]))
