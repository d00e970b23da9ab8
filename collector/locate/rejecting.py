"""Why a sensor that heard something at the time does not count, for people."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from collector.locate.heard import Heard
from collector.locate.lagging import Lag, lags
from collector.locate.placing import Placed
from collector.locate.records import Rejected
from collector.locate.series import GATE_S

_LONGEST_ECHO_S = 0.6


def rejected_by(heard: Heard, placed: Placed, free: NDArray[np.bool_]) -> tuple[Rejected, ...]:
    """The sensors with arrivals near a series that it does not rest on, by id, each with its reason.

    Args:
        heard: sensors and arrivals.
        placed: the series.
        free: (A,) what was not used before.
    """
    used = set(heard.sensor_of[placed.series.arrival].tolist())
    rounds = len(placed.series.round_s)
    return tuple(
        Rejected(heard.sensors[lag.sensor].id, _why(lag, rounds))
        for lag in lags(heard, free, placed.series, placed.fit.travel_s)
        if lag.sensor not in used
    )


def _why(lag: Lag, rounds: int) -> str:
    side = "late" if lag.lag_s > 0 else "early"
    found = (
        f"{abs(lag.lag_s):.3f} s {side} in {lag.rounds} of {rounds} rounds"
        if rounds > 1
        else (f"{abs(lag.lag_s):.3f} s {side}")
    )
    if abs(lag.lag_s) <= 2.0 * GATE_S:
        return f"{found}: more than the air explains"
    if 0.0 < lag.lag_s <= _LONGEST_ECHO_S:
        return f"{found}: an echo without the direct sound, or a wrong clock"
    if lag.rounds > 1:
        return f"{found}: a wrong clock"
    return f"{found}: another sound, or a wrong clock"
