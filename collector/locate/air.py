"""How fast sound travels through the air there is, and how well that is known.

The speed in still dry air is 331.3 m/s times the square root of the absolute temperature over 273.15 K; wind adds its
component along the way. Weather comes from the nearest station, not from between the houses: at 700 m a degree or half
a metre per second of wind are 4 ms, so the solver may bend both within the errors given here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collector.locate.records import Weather

SOUND_AT_ZERO_MPS = 331.3
ZERO_C_IN_K = 273.15
_USUAL_C, _USUAL_ERROR_MPS = 12.0, 8.0


@dataclass(frozen=True, slots=True)
class Air:
    """What sound travels through.

    Attributes:
        sound_mps: speed in still air.
        wind_x_mps: wind towards the east.
        wind_y_mps: wind towards the north.
        sound_error_mps: one sigma of ``sound_mps``.
        wind_error_mps: one sigma of either component of the wind.
    """

    sound_mps: float
    wind_x_mps: float
    wind_y_mps: float
    sound_error_mps: float
    wind_error_mps: float


def speed_of_sound_mps(temperature_c: float) -> float:
    """Speed of sound in still dry air. Humidity adds up to 0.5 %, in hot and wet air."""
    return SOUND_AT_ZERO_MPS * math.sqrt(1.0 + temperature_c / ZERO_C_IN_K)


def air_of(weather: Weather | None) -> Air:
    """The air of a weather report; without one, that of a temperate year with its spread."""
    if weather is None:
        return Air(speed_of_sound_mps(_USUAL_C), 0.0, 0.0, _USUAL_ERROR_MPS, 3.0)
    towards = math.radians(weather.wind_from_deg + 180.0)
    return Air(
        speed_of_sound_mps(weather.temperature_c),
        weather.wind_mps * math.sin(towards),
        weather.wind_mps * math.cos(towards),
        sound_error_mps=1.0,
        wind_error_mps=1.2,
    )


def travel_s(air: Air, from_m: NDArray[np.float64], to_m: NDArray[np.float64]) -> NDArray[np.float64]:
    """How long sound takes from every source to every sensor.

    Args:
        air: what it travels through.
        from_m: (N, 3) sources.
        to_m: (S, 3) sensors.

    Returns:
        (N, S) seconds.
    """
    east_m, north_m, up_m = (to_m[None, :, axis] - from_m[:, None, axis] for axis in range(3))
    distance_m = np.sqrt(east_m**2 + north_m**2 + up_m**2)
    # The wind's component along the way; where source and sensor are one place there is no way.
    wind_m2ps = east_m * air.wind_x_mps + north_m * air.wind_y_mps
    speed_mps = air.sound_mps + wind_m2ps / np.maximum(distance_m, 1e-9)
    travelled: NDArray[np.float64] = distance_m / speed_mps
    return travelled
