"""What fewer than three sites heard: incidents with a region and no point.

Of what could not be located only arrivals count that are gunshots likelier than not; those without a score only if
nothing could be located at all. What follows a located shot within some seconds at the same sensor is its echo.

Two sites are one incident if all their rounds have the same difference of arrival times, and one that the distance
between them allows; what no second site shares is an incident of its own.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collector.locate.air import Air
from collector.locate.heard import RANGE_OF_AUDIBLE, Heard
from collector.locate.records import Incident, Region, Round, Used
from collector.locate.regions import band, zone
from collector.locate.series import GATE_S, KNOWN_GATE_S, SERIES_GAP_S
from collector.locate.solving import PROPAGATION_S

ECHO_S = 3.0
"""Echoes of a located shot reach the same sensor within this time."""

_LIKELY = 0.5

_SAME_LAG_S = KNOWN_GATE_S + 1e-9
"""Lags no farther apart may be one, but for rounding."""


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two sites with a common lag: the number of the one, of the other, and which arrivals go together."""

    first: int
    second: int
    lag_s: float
    rounds: tuple[tuple[int, int], ...]

    @property
    def rank(self) -> tuple[int, float]:
        """The better pair's is less."""
        return -len(self.rounds), abs(self.lag_s)


def remaining_incidents(heard: Heard, free: NDArray[np.bool_], air: Air) -> list[Incident]:
    """The incidents of what is left when everything has been located that can be.

    Args:
        heard: sensors and arrivals.
        free: (A,) what is left; what is not free belongs to located incidents.
        air: what the sound travels through.
    """
    left = [one for one in np.flatnonzero(free).tolist() if _counts(heard, one, free)]
    site_of = heard.site_of[heard.sensor_of]
    found = []
    for group in _groups(heard, left):
        waiting = list(group)
        while (pair := _best_pair(heard, waiting, site_of, air)) is not None:
            found.append(_of_pair(heard, pair, air))
            taken = set(itertools.chain.from_iterable(pair.rounds))
            waiting = [one for one in waiting if one not in taken]
        for site in sorted({int(site_of[one]) for one in waiting}):
            found.append(_of_site(heard, site, [one for one in waiting if site_of[one] == site]))
    return found


def _counts(heard: Heard, one: int, free: NDArray[np.bool_]) -> bool:
    score = heard.arrivals[one].score
    if score is None:
        return bool(free.all())
    before = heard.time_s[~free & (heard.sensor_of == heard.sensor_of[one])]
    since_s = heard.time_s[one] - before
    return score >= _LIKELY and not bool(((since_s >= 0.0) & (since_s <= ECHO_S)).any())


def _groups(heard: Heard, ordered: Sequence[int]) -> list[list[int]]:
    """Arrivals with no gap between them that is longer than one between the rounds of a series."""
    groups: list[list[int]] = []
    for one in ordered:
        if groups and heard.time_s[one] - heard.time_s[groups[-1][-1]] <= SERIES_GAP_S:
            groups[-1].append(one)
        else:
            groups.append([one])
    return groups


def _best_pair(heard: Heard, waiting: Sequence[int], site_of: NDArray[np.int64], air: Air) -> _Pair | None:
    """The two sites and the lag that most arrivals share; of equals the one with the shortest lag."""
    best: _Pair | None = None
    for first, second in itertools.combinations(sorted({int(site_of[one]) for one in waiting}), 2):
        apart_m = math.dist(heard.site_m[first], heard.site_m[second])
        if apart_m > heard.range_m[first] + heard.range_m[second]:
            continue
        ones = [one for one in waiting if site_of[one] == first]
        others = [one for one in waiting if site_of[one] == second]
        for most, lag_s in _likely_lags(heard.time_s[ones], heard.time_s[others], apart_m / air.sound_mps + GATE_S):
            if best is not None and (-most, abs(lag_s)) >= best.rank:
                # The next one of these sites is no better.
                break
            pair = _Pair(first, second, lag_s, _matched(heard, ones, others, lag_s))
            if best is None or pair.rank < best.rank:
                best = pair
    return best


def _likely_lags(
    ones_s: NDArray[np.float64], others_s: NDArray[np.float64], longest_s: float
) -> Iterator[tuple[int, float]]:
    """Yield how many rounds could share a lag at most, and the lag: most rounds first, of equals the shortest."""
    lags_s = (others_s[:, None] - ones_s).ravel()
    lags_s = np.sort(lags_s[np.abs(lags_s) <= longest_s])
    near = np.searchsorted(lags_s, lags_s + _SAME_LAG_S, "right") - np.searchsorted(lags_s, lags_s - _SAME_LAG_S)
    for at in np.lexsort((np.abs(lags_s), -near)):
        yield int(near[at]), float(lags_s[at])


def _matched(heard: Heard, ones: Sequence[int], others: Sequence[int], lag_s: float) -> tuple[tuple[int, int], ...]:
    rounds = []
    waiting = iter(others)
    other = next(waiting, None)
    for one in ones:
        due_s = heard.time_s[one] + lag_s
        # Both are in order of time: who is too early for this one is so for all that follow.
        while other is not None and heard.time_s[other] < due_s - KNOWN_GATE_S:
            other = next(waiting, None)
        if other is not None and heard.time_s[other] <= due_s + KNOWN_GATE_S:
            rounds.append((one, other))
            other = next(waiting, None)
    return tuple(rounds)


def _of_pair(heard: Heard, pair: _Pair, air: Air) -> Incident:
    lags_s = [float(heard.time_s[other] - heard.time_s[one]) for one, other in pair.rounds]
    own_s = max(math.hypot(heard.own_s[one], heard.own_s[other]) for one, other in pair.rounds)
    region = band(
        (float(heard.site_m[pair.first, 0]), float(heard.site_m[pair.first, 1])),
        (float(heard.site_m[pair.second, 0]), float(heard.site_m[pair.second, 1])),
        farther_m=float(np.median(lags_s)) * air.sound_mps,
        error_m=math.hypot(math.sqrt(2.0) * PROPAGATION_S, own_s) * air.sound_mps,
        audible_m=float(max(heard.range_m[pair.first], heard.range_m[pair.second])) / RANGE_OF_AUDIBLE,
    )
    return _without_a_point(heard, [sorted(one) for one in pair.rounds], region)


def _of_site(heard: Heard, site: int, ones: Sequence[int]) -> Incident:
    x_m, y_m, _ = heard.site_m[site]
    region = zone(float(x_m), float(y_m), float(heard.range_m[site]) / RANGE_OF_AUDIBLE)
    by_round: list[list[int]] = []
    for one in ones:
        # Sensors of one site hear the same round at nearly the same time, each once.
        if (
            by_round
            and heard.time_s[one] - heard.time_s[by_round[-1][0]] <= KNOWN_GATE_S
            and all(heard.sensor_of[one] != heard.sensor_of[other] for other in by_round[-1])
        ):
            by_round[-1].append(one)
        else:
            by_round.append([one])
    return _without_a_point(heard, by_round, region)


def _without_a_point(heard: Heard, by_round: Sequence[Sequence[int]], region: Region) -> Incident:
    rounds = tuple(
        Round(
            heard.arrivals[ones[0]].time_s,
            math.hypot(PROPAGATION_S, float(heard.own_s[ones[0]])),
            tuple(heard.arrivals[one] for one in ones),
        )
        for ones in by_round
    )
    counts: dict[str, int] = {}
    for arrival in itertools.chain.from_iterable(one.arrivals for one in rounds):
        counts[arrival.sensor] = counts.get(arrival.sensor, 0) + 1
    return Incident(
        time_s=rounds[0].time_s,
        x_m=None,
        y_m=None,
        covariance_m2=None,
        ellipse50=None,
        ellipse95=None,
        rounds=rounds,
        used=tuple(Used(sensor, 0.0, count) for sensor, count in sorted(counts.items())),
        rejected=(),
        confidence="low",
        twin=None,
        region=region,
    )
