"""Where a shot was that fewer than three sites heard: not a point, but an area.

Two sites tell how much farther one is than the other: a band along one branch of a hyperbola with the sites as foci.
One site tells that it was in earshot.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from collector.locate.records import Point, Region

_CORNERS = 48
_SIGMAS = 2.0


def zone(x_m: float, y_m: float, audible_m: float) -> Region:
    """The audible zone around one site."""
    turns = 2.0 * math.pi * np.arange(_CORNERS) / _CORNERS
    return Region("zone", _points(x_m + audible_m * np.sin(turns), y_m + audible_m * np.cos(turns)))


def band(first: Point, second: Point, farther_m: float, error_m: float, audible_m: float) -> Region:
    """The band of places that are ``farther_m`` farther from the second site than from the first, in earshot of both.

    Args:
        first: where one site is.
        second: where the other is, elsewhere.
        farther_m: how much farther the shot was from the second; cut to what the sites' distance allows.
        error_m: one sigma of that.
        audible_m: how far a shot is heard.
    """
    focal_m = math.dist(first, second) / 2.0
    # Half the difference of distances is where the branch crosses the line between the foci; it opens around ``first``.
    low, high = (
        min(max((farther_m + side * _SIGMAS * error_m) / 2.0, -0.999 * focal_m), 0.999 * focal_m)
        for side in (-1.0, 1.0)
    )
    near, far = _branch(low, focal_m, audible_m), _branch(high, focal_m, audible_m)[::-1]
    along, across = np.concatenate([near, far]).T
    east, north = ((first[0] - second[0]) / (2.0 * focal_m), (first[1] - second[1]) / (2.0 * focal_m))
    middle = ((first[0] + second[0]) / 2.0, (first[1] + second[1]) / 2.0)
    return Region(
        "band",
        _points(middle[0] + along * east - across * north, middle[1] + along * north + across * east),
    )


def _branch(crossing_m: float, focal_m: float, audible_m: float) -> NDArray[np.float64]:
    """Points (N, 2) along and across the line between the foci, as far as both hear."""
    width_m = math.sqrt(focal_m**2 - crossing_m**2)
    # A point at cosh(u) is focal * cosh(u) +- crossing from the foci.
    most = max(1.2, (audible_m - abs(crossing_m)) / focal_m)
    turns = np.linspace(-math.acosh(most), math.acosh(most), _CORNERS // 2)
    return np.column_stack([crossing_m * np.cosh(turns), width_m * np.sinh(turns)])


def _points(x_m: NDArray[np.float64], y_m: NDArray[np.float64]) -> tuple[Point, ...]:
    return tuple((float(x), float(y)) for x, y in zip(x_m, y_m, strict=True))
