"""Latitude and longitude to metres in a local frame, and back.

Azimuthal equidistant on WGS 84 around an origin: distances from the origin are true, and those between any two points
within 20 km of it are good to 1 in 100,000, which is a hundredth of what the air leaves uncertain.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from pyproj import Proj


class LocalFrame:
    """Metres east and north of an origin.

    Args:
        latitude_deg: of the origin, -90 to 90.
        longitude_deg: of the origin, -180 to 180.

    Raises:
        ValueError: the origin is not a place on earth.
    """

    def __init__(self, latitude_deg: float, longitude_deg: float) -> None:
        _check(latitude_deg, longitude_deg)
        self.origin = (latitude_deg, longitude_deg)
        self._proj = Proj(proj="aeqd", lat_0=latitude_deg, lon_0=longitude_deg, ellps="WGS84", units="m")

    @classmethod
    def around(cls, places: Iterable[tuple[float, float]]) -> LocalFrame:
        """A frame with its origin amid some places, also where these lie on both sides of the 180th meridian.

        Args:
            places: latitude and longitude of each, at least one.
        """
        east = north = up = 0.0
        for latitude_deg, longitude_deg in places:
            _check(latitude_deg, longitude_deg)
            latitude, longitude = math.radians(latitude_deg), math.radians(longitude_deg)
            east += math.cos(latitude) * math.cos(longitude)
            north += math.cos(latitude) * math.sin(longitude)
            up += math.sin(latitude)
        return cls(math.degrees(math.atan2(up, math.hypot(east, north))), math.degrees(math.atan2(north, east)))

    def to_local(self, latitude_deg: float, longitude_deg: float) -> tuple[float, float]:
        """Metres east and north of the origin.

        Raises:
            ValueError: not a place on earth.
        """
        _check(latitude_deg, longitude_deg)
        x_m, y_m = self._proj(longitude_deg, latitude_deg)
        return float(x_m), float(y_m)

    def to_geographic(self, x_m: float, y_m: float) -> tuple[float, float]:
        """Latitude and longitude in degrees."""
        longitude_deg, latitude_deg = self._proj(x_m, y_m, inverse=True)
        return float(latitude_deg), float(longitude_deg)


def _check(latitude_deg: float, longitude_deg: float) -> None:
    if not (-90.0 <= latitude_deg <= 90.0 and -180.0 <= longitude_deg <= 180.0):
        raise ValueError(
            f"got latitude {latitude_deg} and longitude {longitude_deg}, expected -90 to 90 and -180 to 180"
        )
