"""The other places that explain the same arrivals: three sites often leave one, and sites along a line their mirror.

This looks all over the grid, so it is also what keeps a fit from ending in the wrong one of two valleys.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from collector.locate.heard import RANGE_OF_AUDIBLE, Heard
from collector.locate.hearing import chance_to_hear
from collector.locate.solving import PROPAGATION_S, Solution

_APART_M = 100.0
_TRIED = 5


def other_starts(
    site: NDArray[np.int64], fit: Solution, nodes: NDArray[np.float64], travel_s: NDArray[np.float64]
) -> Iterator[NDArray[np.float64]]:
    """Yield places (3,) of the grid, apart from the fitted one and each other, that explain the arrivals best.

    Args:
        site: (A,) where each arrival of the fit was heard.
        fit: the place that is known.
        nodes: (N, 3) the grid.
        travel_s: (N, sites) from there to each site.
    """
    used = np.unique(site)
    late_s = np.array([fit.residual_s[site == one].mean() for one in used])
    missing_s = fit.travel_s[used] + late_s - travel_s[:, used]
    misfit = (((missing_s - missing_s.mean(axis=1, keepdims=True)) / PROPAGATION_S) ** 2).sum(axis=1)
    taken = [fit.place_m]
    for at in np.argsort(misfit, kind="stable"):
        if all(np.hypot(*(nodes[at, :2] - one[:2])) > _APART_M for one in taken):
            taken.append(nodes[at])
            yield np.array([nodes[at, 0], nodes[at, 1], nodes[at, 2]])
            if len(taken) > _TRIED:
                return


def surprise(heard: Heard, site: NDArray[np.int64], fit: Solution) -> float:
    """How badly a place explains what was heard and by whom: twice the negative log-likelihood, less a constant."""
    away_m = np.hypot(*(heard.site_m[:, :2] - fit.place_m[:2]).T)
    hears = chance_to_hear(away_m, heard.range_m / RANGE_OF_AUDIBLE)
    heard_it = np.isin(np.arange(heard.sites), site)
    return fit.misfit - 2.0 * float(np.log(hears[heard_it]).sum() + np.log1p(-hears[~heard_it]).sum())
