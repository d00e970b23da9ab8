"""Which arrivals are whose: the rounds fired at one place, each with at most one arrival a sensor.

Of what fits a round well the first is taken, because an echo follows the sound that it is an echo of; but not what is
nearer to the round before, when rounds follow each other as fast as automatic fire.
"""

from __future__ import annotations

import bisect
import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collector.locate.heard import Heard
from collector.locate.voting import FULL_VOTE, Ballot, votes_over_time

SERIES_GAP_S = 5.0
"""Rounds of one place that are no farther apart are one incident."""

ROUND_SHARE = 0.5
"""A round is heard by this share at least of the sites that heard the best of its series."""

GATE_S = 0.045
"""How far off its computed time an arrival may be: three and a half sigma of the propagation."""

EARLY_GATE_S = 0.030
"""How far before its computed time: houses make a way longer, nothing makes it shorter."""

WELL_IN_TIME_S = 0.025
"""Of arrivals no farther off than this the first is taken, because echoes follow."""

KNOWN_GATE_S = 0.020
"""The same where the site's delay is known from other rounds."""

TWICE_S = 0.030
"""Arrivals of one sensor no farther apart are one sound, reported twice."""

_BALLOT = Ballot(step_s=0.004, full_s=0.008, none_s=0.044)
_LEAST_SITES = 3
_ROUNDING_S = 1e-9
_SHORTEST_SPAN_S = 2.0
_CHANCE_SIGMAS = 3.5
_MOST_ASKED = 0.7
"""However many arrivals there are, no more than this share of the sites has to agree."""


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """Rounds of one place.

    Attributes:
        round_s: (R,) emission times, ascending.
        arrival: (N,) which arrivals are used, by number, ascending.
        round_of: (N,) in which round.
        least_sites: what a round had to be heard by at least, so that it is no chance.
    """

    round_s: NDArray[np.float64]
    arrival: NDArray[np.int64]
    round_of: NDArray[np.int64]
    least_sites: int


def find_series(
    heard: Heard, free: NDArray[np.bool_], travel_s: NDArray[np.float64], late_s: NDArray[np.float64]
) -> Series | None:
    """Find the rounds fired at a place: the one that most sites heard, and those around it.

    Args:
        heard: sensors and arrivals.
        free: (A,) which arrivals may be used.
        travel_s: (sites,) from the place; infinite where a site is too far away to hear it.
        late_s: (sites,) how much later than that the sound of this place is known to reach a site; NaN if it is not.

    Returns:
        None if no round was heard by three sites.
    """
    known = ~np.isnan(late_s)
    due_s = travel_s + np.where(known, late_s, 0.0)
    site_of = heard.site_of[heard.sensor_of]
    left = free & np.isfinite(travel_s)[site_of]
    if not left.any():
        return None
    emitted_s = np.where(left, heard.time_s - np.where(left, due_s[site_of], 0.0), np.nan)
    slack_s = 2.0 * heard.own_s
    late_gate_s = np.where(known, KNOWN_GATE_S, GATE_S)[site_of] + slack_s
    early_gate_s = np.where(known, KNOWN_GATE_S, EARLY_GATE_S)[site_of] + slack_s
    gates_s = (-early_gate_s, late_gate_s)
    due = _Due(emitted_s, heard.sensor_of, gates_s, left)
    votes, first_s = _votes(emitted_s, site_of, left, heard.sites)

    rounds: list[tuple[float, NDArray[np.int64]]] = []
    least = needed = _more_than_chance(heard, left, gates_s, site_of)
    while True:
        peak = int(votes.argmax())
        if votes[peak] < needed * FULL_VOTE // 2:
            break
        moment_s = first_s + peak * _BALLOT.step_s
        votes[max(0, peak - 2) : peak + 3] = 0
        taken = due.at(moment_s)
        if taken:
            moment_s = statistics.median(emitted_s[taken].tolist())
            taken = due.at(moment_s)
        sites = len(set(site_of[taken].tolist()))
        if sites < needed:
            continue
        if not rounds:
            needed = max(least, math.ceil(ROUND_SHARE * sites))
        rounds.append((moment_s, np.array(taken)))
        due.take_out(same_sounds(heard, taken))
    return _around_the_first(rounds, least) if rounds else None


def same_sounds(heard: Heard, taken: Iterable[int]) -> NDArray[np.bool_]:
    """(A,) whether an arrival is one of ``taken``, by number, or the same sound that its sensor reported twice."""
    same = np.zeros(len(heard.arrivals), dtype=np.bool_)
    for one in taken:
        same |= (heard.sensor_of == heard.sensor_of[one]) & (np.abs(heard.time_s - heard.time_s[one]) <= TWICE_S)
    return same


def _more_than_chance(
    heard: Heard,
    left: NDArray[np.bool_],
    gates_s: tuple[NDArray[np.float64], NDArray[np.float64]],
    site_of: NDArray[np.int64],
) -> int:
    """How many sites have to agree on a moment: three, or more where so many arrivals agree on most moments."""
    span_s = max(_SHORTEST_SPAN_S, float(np.ptp(heard.time_s[left])))
    covered = np.bincount(site_of[left], weights=(gates_s[1] - gates_s[0])[left], minlength=heard.sites) / span_s
    by_chance = -np.expm1(-covered)
    usual = float(by_chance.sum() + _CHANCE_SIGMAS * np.sqrt((by_chance * (1.0 - by_chance)).sum()))
    # The arrivals of a long burst cover much of the time and are no chance: never ask for all sites.
    return max(_LEAST_SITES, math.ceil(min(usual, _MOST_ASKED * np.count_nonzero(covered))))


def _votes(
    emitted_s: NDArray[np.float64], site_of: NDArray[np.int64], left: NDArray[np.bool_], sites: int
) -> tuple[NDArray[np.uint16], float]:
    first_s = float(emitted_s[left].min()) - _BALLOT.none_s
    moments = math.ceil((float(emitted_s[left].max()) - first_s + _BALLOT.none_s) / _BALLOT.step_s) + 1
    by_site = [emitted_s[left & (site_of == site)] for site in range(sites)]
    return votes_over_time(_BALLOT, by_site, first_s, moments), first_s


class _Due:
    """Arrivals by the moment at which they would have been emitted: few of many are near any one.

    So few that plain numbers are faster than arrays, and this is asked hundreds of times an incident.
    """

    def __init__(
        self,
        emitted_s: NDArray[np.float64],
        sensor_of: NDArray[np.int64],
        gates_s: tuple[NDArray[np.float64], NDArray[np.float64]],
        left: NDArray[np.bool_],
    ) -> None:
        numbers = np.flatnonzero(left)
        numbers = numbers[np.argsort(emitted_s[numbers], kind="stable")]
        self._numbers = numbers.tolist()
        self._emitted_s = emitted_s[numbers].tolist()
        self._sensor_of = sensor_of[numbers].tolist()
        self._early_s = gates_s[0][numbers].tolist()
        self._late_s = gates_s[1][numbers].tolist()
        self._widest_s = (min(self._early_s), max(self._late_s))
        self._left = [True] * len(numbers)

    def at(self, moment_s: float) -> list[int]:
        """Of each sensor the arrival that is the round's, by number, ascending.

        That is the first of those well in time, or else the one that is least off.
        """
        low = bisect.bisect_left(self._emitted_s, moment_s + self._widest_s[0] - _ROUNDING_S)
        high = bisect.bisect_right(self._emitted_s, moment_s + self._widest_s[1] + _ROUNDING_S)
        best: dict[int, tuple[float, int]] = {}
        for one in range(low, high):
            off_s = self._emitted_s[one] - moment_s
            if not self._left[one] or off_s < self._early_s[one] or off_s > self._late_s[one]:
                continue
            rank = (max(abs(off_s), WELL_IN_TIME_S), self._numbers[one])
            sensor = self._sensor_of[one]
            if sensor not in best or rank < best[sensor]:
                best[sensor] = rank
        return sorted(number for _, number in best.values())

    def take_out(self, taken: NDArray[np.bool_]) -> None:
        """Take arrivals out, by number: they are of a round now."""
        self._left = [here and not taken[number] for here, number in zip(self._left, self._numbers, strict=True)]


def _around_the_first(rounds: list[tuple[float, NDArray[np.int64]]], least: int) -> Series:
    """The rounds that hang together with the first of the list, without gaps."""
    ordered = sorted(rounds, key=lambda one: one[0])
    at = next(number for number, one in enumerate(ordered) if one is rounds[0])
    low = high = at
    while low > 0 and ordered[low][0] - ordered[low - 1][0] <= SERIES_GAP_S:
        low -= 1
    while high + 1 < len(ordered) and ordered[high + 1][0] - ordered[high][0] <= SERIES_GAP_S:
        high += 1
    kept = ordered[low : high + 1]
    arrival = np.concatenate([taken for _, taken in kept])
    round_of = np.repeat(np.arange(len(kept)), [len(taken) for _, taken in kept])
    order = np.argsort(arrival)
    return Series(np.array([moment_s for moment_s, _ in kept]), arrival[order], round_of[order], least)
