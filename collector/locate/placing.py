"""The place that most arrivals agree on: candidates by vote, each refined until its arrivals stay the same."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collector.locate.air import Air, travel_s
from collector.locate.evidence import evidence_for
from collector.locate.heard import Heard
from collector.locate.lagging import suspected
from collector.locate.series import Series, find_series
from collector.locate.solving import PROPAGATION_S, Solution, solve
from collector.locate.twins import other_starts, surprise
from collector.locate.voting import Ballot, Peak, find_peaks

GRID_M = 25.0
_GRID_RANGE = 0.8
"""Places are tried up to so much of the range of three sites: nobody is found at the edge of everybody's hearing."""

_COARSE = Ballot(step_s=0.025, full_s=0.04, none_s=0.10)
_FINE_M, _FINE_REACH_M = 5.0, 45.0
_FINE = Ballot(step_s=0.004, full_s=0.008, none_s=0.044)
_FINE_REACH_S = 0.25
_PEAKS, _CANDIDATES = 40, 4
_SHARE_OF_BEST = 0.7
_APART_M, _APART_S = 80.0, 0.25
_ROUNDS_OF_FITTING = 8
_TOO_LATE_S = 3.5 * PROPAGATION_S
_LEAST_SITES = 3
_ENOUGH_SITES = 4
_TWIN_SURPRISE = 6.0
"""A second place is told if it is less than this more surprising: 95 % of a chi-squared of two degrees."""


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """A place and the arrivals that it explains.

    Attributes:
        series: its rounds.
        fit: where and when.
        twin: the other place that explains them about as well.
        evidence: natural logarithm of the odds that the sites agree by more than chance.
    """

    series: Series
    fit: Solution
    twin: Solution | None
    evidence: float


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Where to look.

    Attributes:
        active: (sites,) which sites it was laid out for.
        nodes: (N, 3) places every ``GRID_M`` from where three of these sites at least may hear a shot.
        travel_s: (N, sites) from each place to each site.
        reached: (N, sites) whether a shot there may be heard at the site at all.
    """

    active: NDArray[np.bool_]
    nodes: NDArray[np.float64]
    travel_s: NDArray[np.float64]
    reached: NDArray[np.bool_]


def grid_for(heard: Heard, free: NDArray[np.bool_], air: Air, before: Grid | None) -> Grid | None:
    """Where to look for what the free arrivals say: ``before`` if that will do, None if nowhere."""
    active = np.zeros(heard.sites, dtype=np.bool_)
    active[heard.site_of[heard.sensor_of[free]]] = True
    if before is not None and np.array_equal(active, before.active):
        return before
    if active.sum() < _LEAST_SITES:
        return None
    nodes = _nodes(heard, active)
    if not len(nodes):
        return None
    return Grid(active, nodes, travel_s(air, nodes, heard.site_m), _within_range(heard, nodes))


def _nodes(heard: Heard, active: NDArray[np.bool_]) -> NDArray[np.float64]:
    places = heard.site_m[active]
    reach_m = heard.range_m[active] * _GRID_RANGE
    low = (places[:, :2] - reach_m[:, None]).min(axis=0)
    width, _ = np.ceil(((places[:, :2] + reach_m[:, None]).max(axis=0) - low) / GRID_M).astype(np.int64) + 1
    # Site by site, so that sites along a road cost by their number and not by the land around the road.
    found = [_around(place, reach, low, int(width)) for place, reach in zip(places, reach_m, strict=True)]
    number, sites = np.unique(np.concatenate(found), return_counts=True)
    number = number[sites >= _LEAST_SITES]
    east, north = low[0] + number % width * GRID_M, low[1] + number // width * GRID_M
    nodes = np.column_stack([east, north, np.full(east.size, places[:, 2].mean())])
    # From the middle outwards: of places that explain as much, the one among the sites comes first.
    return nodes[np.argsort(((nodes[:, :2] - places[:, :2].mean(axis=0)) ** 2).sum(axis=1), kind="stable")]


def _around(place_m: NDArray[np.float64], reach_m: float, low_m: NDArray[np.float64], width: int) -> NDArray[np.int64]:
    """Numbers of the grid's places within reach of one place, row by row from ``low_m``, ``width`` in a row."""
    first = np.maximum(np.floor((place_m[:2] - reach_m - low_m) / GRID_M).astype(np.int64), 0)
    last = np.ceil((place_m[:2] + reach_m - low_m) / GRID_M).astype(np.int64)
    column, row = np.arange(first[0], last[0] + 1), np.arange(first[1], last[1] + 1)
    away_m2 = (low_m[0] + column * GRID_M - place_m[0]) ** 2 + ((low_m[1] + row * GRID_M - place_m[1]) ** 2)[:, None]
    within: NDArray[np.int64] = (row[:, None] * width + column)[away_m2 <= reach_m**2]
    return within


def best_place(heard: Heard, free: NDArray[np.bool_], air: Air, grid: Grid) -> Placed | None:
    """The place that explains most of the free arrivals; None if none explains those of three sites."""
    site_of = heard.site_of[heard.sensor_of]
    nodes = grid.nodes
    by_site = [heard.time_s[free & (site_of == site)] for site in range(heard.sites)]
    refined = [
        one
        for start_m in _candidates(heard, grid, by_site, air)
        if (one := _refined(heard, free, air, start_m)) is not None
    ]
    if not refined:
        return None
    series, fit = _without_suspects(heard, free, air, *max(refined, key=_merit))
    site = site_of[series.arrival]
    fits = [fit]
    for start_m in other_starts(site, fit, nodes, grid.travel_s):
        other = _fit(heard, air, series, start_m)
        if all(np.hypot(*(other.place_m[:2] - one.place_m[:2])) > _same_place_m(one) for one in fits):
            fits.append(other)
    surprises = [surprise(heard, site, one) for one in fits]
    likely = [one for one, how in zip(fits, surprises, strict=True) if how - min(surprises) < _TWIN_SURPRISE]
    # Nothing in the arrivals tells these apart; shots among the sites are heard by more of them.
    likely.sort(key=lambda one: float(one.travel_s[np.unique(site)].mean()))
    fit = likely[0]
    evidence = evidence_for(heard, series, fit, len(nodes) * GRID_M**2)
    return Placed(series, fit, likely[1] if len(likely) > 1 else None, evidence)


def _merit(one: tuple[Series, Solution]) -> float:
    """What a place explains: arrivals, less those that any place finds for a round, less what they do not fit."""
    series, fit = one
    return len(series.arrival) - (series.least_sites - 0.5) * len(series.round_s) - fit.misfit / 2.0


def _same_place_m(fit: Solution) -> float:
    """Nearer to each other than this, two solutions are one: three sigma of the long axis, and no less than 40 m."""
    return max(40.0, 3.0 * math.sqrt(float(np.linalg.eigvalsh(fit.covariance_m2)[1])))


def _candidates(heard: Heard, grid: Grid, by_site: list[NDArray[np.float64]], air: Air) -> list[NDArray[np.float64]]:
    """Places (3,) where votes meet, sharpened on a finer grid."""
    nodes, travel, reached = grid.nodes, grid.travel_s, grid.reached
    from_s = min(float(times[0]) for times in by_site if len(times)) - float(travel.max())
    until_s = max(float(times[-1]) for times in by_site if len(times))
    moments = int((until_s - from_s) / _COARSE.step_s) + 1
    chosen: list[Peak] = []
    for peak in find_peaks(_COARSE, by_site, travel, reached, from_s, moments, most=_PEAKS):
        if all(
            np.hypot(*(nodes[peak.node, :2] - nodes[one.node, :2])) > _APART_M
            or abs(peak.time_s - one.time_s) > _APART_S
            for one in chosen
        ):
            chosen.append(peak)
    offsets = np.arange(-_FINE_REACH_M, _FINE_REACH_M + _FINE_M / 2, _FINE_M)
    east, north = (axis.ravel() for axis in np.meshgrid(offsets, offsets))
    found = []
    for peak in chosen[: _CANDIDATES if sum(map(len, by_site)) > 60 else 3 * _CANDIDATES]:
        around = nodes[peak.node] + np.column_stack([east, north, np.zeros(east.size)])
        best = find_peaks(
            _FINE,
            by_site,
            travel_s(air, around, heard.site_m),
            _within_range(heard, around),
            peak.time_s - _FINE_REACH_S,
            int(2 * _FINE_REACH_S / _FINE.step_s) + 1,
        )[0]
        found.append((best.votes, around[best.node]))
    enough = _SHARE_OF_BEST * max(votes for votes, _ in found)
    return [place_m for votes, place_m in found if votes >= enough]


def _refined(
    heard: Heard, free: NDArray[np.bool_], air: Air, start_m: NDArray[np.float64]
) -> tuple[Series, Solution] | None:
    """Take what fits and solve, until the same arrivals are taken; leave out sites and clocks that do not fit."""
    site_of = heard.site_of[heard.sensor_of]
    usable = free.copy()
    place_m, travel = start_m, travel_s(air, start_m[None], heard.site_m)[0]
    late = np.full(heard.sites, np.nan)
    placed: tuple[Series, Solution] | None = None
    for _ in range(_ROUNDS_OF_FITTING):
        within = _within_range(heard, place_m[None])[0]
        series = find_series(heard, usable, np.where(within, travel, np.inf), late)
        if series is None:
            return None
        fit = _fit(heard, air, series, start_m)
        late = _late(heard, series, fit)
        wrong = np.abs(np.nan_to_num(late)) > _TOO_LATE_S
        same = placed is not None and np.array_equal(series.arrival, placed[0].arrival)
        placed = series, fit
        place_m, travel = fit.place_m, fit.travel_s
        if wrong.any():
            usable &= ~wrong[site_of]
            late[wrong] = np.nan
        elif same:
            break
    return placed


def _without_suspects(
    heard: Heard, free: NDArray[np.bool_], air: Air, series: Series, fit: Solution
) -> tuple[Series, Solution]:
    """Leave out sensors that only seem to be in time, as long as sites enough remain to do without them."""
    suspects = suspected(heard, free, series, fit.travel_s)
    if not suspects:
        return series, fit
    usable = free & ~np.isin(heard.sensor_of, suspects)
    again = _refined(heard, usable, air, fit.place_m)
    if again is None or len(np.unique(heard.site_of[heard.sensor_of[again[0].arrival]])) < _ENOUGH_SITES:
        return series, fit
    return again


def _fit(heard: Heard, air: Air, series: Series, start_m: NDArray[np.float64]) -> Solution:
    at = series.arrival
    site = heard.site_of[heard.sensor_of[at]]
    return solve(air, heard.site_m, site, series.round_of, heard.time_s[at], heard.own_s[at], start_m)


def _late(heard: Heard, series: Series, fit: Solution) -> NDArray[np.float64]:
    """Each site's median residual where it heard two rounds at least; NaN elsewhere."""
    late = np.full(heard.sites, np.nan)
    site = heard.site_of[heard.sensor_of[series.arrival]]
    for one in np.flatnonzero(np.bincount(site, minlength=heard.sites) >= 2):
        late[one] = np.median(fit.residual_s[site == one])
    return late


def _within_range(heard: Heard, places_m: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(N, sites) whether a shot at a place may be heard at a site."""
    east_m, north_m = (places_m[:, None, axis] - heard.site_m[None, :, axis] for axis in range(2))
    within: NDArray[np.bool_] = east_m**2 + north_m**2 <= heard.range_m**2
    return within
