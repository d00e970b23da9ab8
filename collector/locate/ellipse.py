"""Error ellipses of a covariance."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from collector.locate.records import Ellipse, Point

_CORNERS = 36


def ellipse_of(covariance_m2: NDArray[np.float64], probability: float) -> Ellipse:
    """The ellipse of a two-dimensional normal distribution that holds so much of it.

    Args:
        covariance_m2: (2, 2), of x east and y north.
        probability: 0 to 1; the squared distance of a plane normal is exponential, so its quantile needs no table.
    """
    values, vectors = np.linalg.eigh(covariance_m2)
    radius = math.sqrt(-2.0 * math.log1p(-probability))
    east, north = vectors[:, 1]
    azimuth_deg = math.degrees(math.atan2(east, north)) % 180.0
    minor, major = np.sqrt(np.maximum(values, 0.0)) * radius
    return Ellipse(float(major), float(minor), azimuth_deg)


def outline_of(x_m: float, y_m: float, ellipse: Ellipse) -> tuple[Point, ...]:
    """Corners of a polygon along an ellipse, clockwise from the north end of its long axis."""
    azimuth = math.radians(ellipse.azimuth_deg)
    points = []
    for corner in range(_CORNERS):
        turn = 2.0 * math.pi * corner / _CORNERS
        along, across = ellipse.semi_major_m * math.cos(turn), ellipse.semi_minor_m * math.sin(turn)
        points.append(
            (
                x_m + along * math.sin(azimuth) + across * math.cos(azimuth),
                y_m + along * math.cos(azimuth) - across * math.sin(azimuth),
            )
        )
    return tuple(points)
