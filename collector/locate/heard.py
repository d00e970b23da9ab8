"""Sensors and arrivals as arrays, in an order that does not depend on how they came."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collector.locate.records import Arrival, Sensor

SITE_M = 5.0
"""Sensors no farther apart hear the same sound by the same way: they are one site."""

_USUAL_OWN_ERROR_S = 0.004
_METRES_PER_SECOND = 340.0


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """What there is to locate from.

    Attributes:
        sensors: by id.
        arrivals: by time; ties by sensor and by what else they say.
        place_m: (S, 3) of each sensor.
        site_of: (S,) each sensor's site, 0 to ``sites`` - 1.
        site_m: (sites, 3) middle of each site.
        range_m: (sites,) from how far a site may hear a shot at most.
        sensor_of: (A,) each arrival's sensor.
        time_s: (A,) seconds after ``origin_s``.
        own_s: (A,) one sigma of each arrival: onset, clock and the sensor's position.
        origin_s: time of the first arrival.
    """

    sensors: tuple[Sensor, ...]
    arrivals: tuple[Arrival, ...]
    place_m: NDArray[np.float64]
    site_of: NDArray[np.int64]
    site_m: NDArray[np.float64]
    range_m: NDArray[np.float64]
    sensor_of: NDArray[np.int64]
    time_s: NDArray[np.float64]
    own_s: NDArray[np.float64]
    origin_s: float

    @property
    def sites(self) -> int:
        """How many sites there are."""
        return len(self.site_m)


RANGE_OF_AUDIBLE = 1.5
"""How much farther than it usually hears a sensor may hear a shot at all."""


def heard_of(sensors: Iterable[Sensor], arrivals: Iterable[Arrival]) -> Heard:
    """Put sensors and arrivals into arrays.

    Raises:
        ValueError: two sensors of one id, an arrival of an unknown sensor, or a number that is not finite.
    """
    known = tuple(sorted(sensors, key=lambda one: one.id))
    number = {one.id: at for at, one in enumerate(known)}
    if len(number) < len(known):
        twice = next(a.id for a, b in itertools.pairwise(known) if a.id == b.id)
        raise ValueError(f"sensor {twice!r}: given twice, expected each id once")
    for one in known:
        _check_sensor(one)
    ordered = tuple(sorted(arrivals, key=_order))
    for arrival in ordered:
        _check_arrival(arrival, number)
    place_m = np.array([(one.x_m, one.y_m, one.z_m) for one in known], dtype=np.float64).reshape(-1, 3)
    site_of = _sites(place_m)
    sites = int(site_of.max(initial=-1)) + 1
    site_m = np.array([place_m[site_of == site].mean(axis=0) for site in range(sites)]).reshape(-1, 3)
    audible_m = np.array([one.audible_m for one in known])
    range_m = np.array([audible_m[site_of == site].max() for site in range(sites)]) * RANGE_OF_AUDIBLE
    origin_s = ordered[0].time_s if ordered else 0.0
    sensor_of = np.array([number[one.sensor] for one in ordered], dtype=np.int64)
    own_s = np.array(
        [
            math.hypot(
                _USUAL_OWN_ERROR_S if one.error_s is None else one.error_s,
                known[number[one.sensor]].error_m / _METRES_PER_SECOND,
            )
            for one in ordered
        ]
    )
    time_s = np.array([one.time_s - origin_s for one in ordered])
    return Heard(known, ordered, place_m, site_of, site_m, range_m, sensor_of, time_s, own_s, origin_s)


def _order(one: Arrival) -> tuple[float, str, float, float, float, str]:
    nothing = math.inf
    return (
        one.time_s,
        one.sensor,
        nothing if one.error_s is None else one.error_s,
        nothing if one.score is None else one.score,
        nothing if one.snr_db is None else one.snr_db,
        str(one.key),
    )


def _sites(place_m: NDArray[np.float64]) -> NDArray[np.int64]:
    """Number the sensors' sites: whoever is within ``SITE_M`` of a member is one too."""
    site_of = np.full(len(place_m), -1, dtype=np.int64)
    sites = 0
    for first in range(len(place_m)):
        if site_of[first] >= 0:
            continue
        waiting = [first]
        while waiting:
            at = waiting.pop()
            site_of[at] = sites
            near = np.hypot(*(place_m[:, :2] - place_m[at, :2]).T) <= SITE_M
            waiting.extend(np.flatnonzero(near & (site_of < 0)).tolist())
        sites += 1
    return site_of


def _check_sensor(one: Sensor) -> None:
    if not all(map(math.isfinite, (one.x_m, one.y_m, one.z_m, one.error_m, one.audible_m))):
        raise ValueError(f"sensor {one.id!r}: got a number that is not finite")
    if one.error_m < 0.0 or one.audible_m <= 0.0:
        raise ValueError(
            f"sensor {one.id!r}: got error_m {one.error_m} and audible_m {one.audible_m}, "
            "expected not below 0, and above 0"
        )


def _check_arrival(one: Arrival, number: dict[str, int]) -> None:
    if one.sensor not in number:
        raise ValueError(f"arrival at {one.time_s} s: got sensor {one.sensor!r}, expected one that is given")
    if not math.isfinite(one.time_s):
        raise ValueError(f"arrival of sensor {one.sensor!r}: got time_s {one.time_s}, expected a finite number")
    if one.error_s is not None and not (math.isfinite(one.error_s) and one.error_s >= 0.0):
        raise ValueError(f"arrival of sensor {one.sensor!r}: got error_s {one.error_s}, expected 0 or more")
    if one.score is not None and not 0.0 <= one.score <= 1.0:
        raise ValueError(f"arrival of sensor {one.sensor!r}: got score {one.score}, expected a probability")
