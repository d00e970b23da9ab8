"""Whether a place lies in an area. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Area:
    """A polygon on the map, without holes; it may cross itself, and the 180th meridian.

    By the even-odd rule (how often a ray from the place crosses its edges), with straight edges in latitude and
    longitude: over a city block or a county that is the line that somebody drew on a map. A place on an edge lies in
    one of two areas that share the edge, never in both.

    Attributes:
        corners: latitude and longitude of each, in order; the last joins the first.
    """

    corners: tuple[tuple[float, float], ...]

    @classmethod
    def of(cls, corners: Iterable[Iterable[float]]) -> Area:
        """Return the area with these corners, latitude and longitude each."""
        return cls(tuple((latitude, longitude) for latitude, longitude in corners))

    def holds(self, latitude: float, longitude: float) -> bool:
        """Whether the place lies in it."""
        # Longitudes as seen from the area's own first corner, so that none of its edges runs around the earth.
        origin = self.corners[0][1]
        x = _turn(longitude - origin)
        inside = False
        before_y, before_x = self.corners[-1][0], _turn(self.corners[-1][1] - origin)
        for corner_y, corner_longitude in self.corners:
            corner_x = _turn(corner_longitude - origin)
            if (corner_y > latitude) != (before_y > latitude):
                crossing = corner_x + (latitude - corner_y) / (before_y - corner_y) * (before_x - corner_x)
                inside ^= x < crossing
            before_y, before_x = corner_y, corner_x
        return inside


def _turn(longitude: float) -> float:
    """Return ``longitude`` between -180 and 180."""
    return (longitude + 180.0) % 360.0 - 180.0
