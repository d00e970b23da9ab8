"""Sensors that heard a series too late or too early, always by the same: an echo's way, or a wrong clock.

A clock that is a second wrong can still seem to fit where rounds were fired a second apart. What gives it away is that
it fits more rounds by its lag than in time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collector.locate.heard import Heard
from collector.locate.series import GATE_S, Series

LONGEST_LAG_S = 5.0
_SAME_LAG_S = 0.020
_CLEARLY_LOUDER_DB = 10.0
_NO_ECHO_S = 0.4


@dataclass(frozen=True, slots=True)
class Lag:
    """How a sensor's arrivals fit a series best.

    Attributes:
        sensor: its number.
        lag_s: how late all of them are; early if negative.
        rounds: how many rounds then have an arrival.
        rounds_in_time: how many have one without a lag.
    """

    sensor: int
    lag_s: float
    rounds: int
    rounds_in_time: int


def lags(heard: Heard, free: NDArray[np.bool_], series: Series, travel_s: NDArray[np.float64]) -> Iterator[Lag]:
    """Yield the best lag of every sensor with arrivals near the series; of equal ones the smallest.

    Args:
        heard: sensors and arrivals.
        free: (A,) which arrivals to look at.
        series: the rounds.
        travel_s: (sites,) from their place.
    """
    for sensor in np.unique(heard.sensor_of[free]):
        due_s = series.round_s + travel_s[heard.site_of[sensor]]
        late_s = heard.time_s[free & (heard.sensor_of == sensor)][:, None] - due_s
        near = np.abs(late_s) <= LONGEST_LAG_S
        if not near.any():
            continue
        in_time = int((np.abs(late_s) <= GATE_S).any(axis=0).sum())
        tried = np.sort(late_s[near])
        # Of each lag that occurs: how many rounds have an arrival that late.
        fitting = (np.abs(late_s[None] - tried[:, None, None]) <= _SAME_LAG_S).any(axis=1).sum(axis=1)
        best = min(range(len(tried)), key=lambda one: (-int(fitting[one]), abs(tried[one])))
        yield Lag(int(sensor), float(tried[best]), int(fitting[best]), in_time)


def suspected(heard: Heard, free: NDArray[np.bool_], series: Series, travel_s: NDArray[np.float64]) -> list[int]:
    """Name the sensors of a series that are probably in time by chance only: their clock or their way is wrong.

    Either they hear more of its rounds by a lag, or what they heard at another time is clearly louder, and too late to
    be an echo. Arguments as for ``lags``.
    """
    used = np.unique(heard.sensor_of[series.arrival])
    lagging = {lag.sensor for lag in lags(heard, free, series, travel_s) if lag.rounds > lag.rounds_in_time}
    level_db = np.array([np.nan if one.snr_db is None else one.snr_db for one in heard.arrivals])
    return [int(one) for one in used if one in lagging or _louder_elsewhere(heard, free, series, int(one), level_db)]


def _louder_elsewhere(
    heard: Heard, free: NDArray[np.bool_], series: Series, sensor: int, level_db: NDArray[np.float64]
) -> bool:
    own = free & (heard.sensor_of == sensor) & ~np.isnan(level_db)
    used = np.zeros(len(own), dtype=np.bool_)
    used[series.arrival] = True
    in_time = own & used
    if not in_time.any():
        return False
    from_rounds_s = np.abs(heard.time_s[:, None] - heard.time_s[in_time]).min(axis=1)
    elsewhere = own & (from_rounds_s > _NO_ECHO_S) & (from_rounds_s <= LONGEST_LAG_S)
    return bool(elsewhere.any() and level_db[elsewhere].max() >= level_db[in_time].max() + _CLEARLY_LOUDER_DB)
