"""Whether a consensus of sites is more than chance.

For each site the model says how likely it hears a shot at that place (``hearing``) and how likely something else, an
echo or a false arrival, falls into its gate just then. The logarithm of their ratio, summed over all sites that heard
it and all that should have, is the evidence for a shot there and then against none. So many places and moments were
tried that chance finds a good one among them: their number's logarithm is taken off.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from collector.locate.heard import RANGE_OF_AUDIBLE, Heard
from collector.locate.hearing import chance_to_hear
from collector.locate.series import GATE_S, Series
from collector.locate.solving import Solution

_NEARBY_S = 1.0
_UNSEEN_ARRIVALS = 0.5
"""What is added to the arrivals counted near a round, because none in two seconds does not mean that none comes."""

_RESOLUTION_M = 40.0
"""Places nearer to each other than this share their arrivals' gates."""


def evidence_for(heard: Heard, series: Series, fit: Solution, area_m2: float) -> float:
    """Natural logarithm of the odds that a series is no chance; 0 is as likely as not.

    Args:
        heard: sensors and arrivals.
        series: the rounds.
        fit: where and when they were fired.
        area_m2: how large the area is in which places were tried.
    """
    site_of = heard.site_of[heard.sensor_of]
    away_m = np.hypot(*(heard.site_m[:, :2] - fit.place_m[:2]).T)
    audible_m = heard.range_m / RANGE_OF_AUDIBLE
    hears = chance_to_hear(away_m, audible_m)
    other = np.ones(len(heard.arrivals), dtype=np.bool_)
    other[series.arrival] = False
    moments = max(2.0, (heard.time_s[-1] - heard.time_s[0]) / (2.0 * GATE_S))
    rounds = sorted(
        (
            _of_round(
                heard,
                fit.round_s[number] + fit.travel_s,
                site_of[series.arrival[series.round_of == number]],
                hears,
                other,
                site_of,
            )
            for number in range(len(series.round_s))
        ),
        reverse=True,
    )
    tried = math.log(max(2.0, area_m2 / _RESOLUTION_M**2) * moments)
    # Once there is one round at a place, another one there only had the moments to choose from.
    return rounds[0] - tried + sum(max(0.0, one - math.log(moments)) for one in rounds[1:])


def _of_round(
    heard: Heard,
    due_s: NDArray[np.float64],
    sites: NDArray[np.int64],
    hears: NDArray[np.float64],
    other: NDArray[np.bool_],
    site_of: NDArray[np.int64],
) -> float:
    near = other & (np.abs(heard.time_s - due_s[site_of]) <= _NEARBY_S)
    arrivals = np.bincount(site_of[near], minlength=heard.sites) + _UNSEEN_ARRIVALS
    by_chance = -np.expm1(-arrivals / (2.0 * _NEARBY_S) * 2.0 * GATE_S)
    heard_it = np.zeros(heard.sites, dtype=np.bool_)
    heard_it[sites] = True
    return float(np.log(hears / by_chance + (1.0 - hears))[heard_it].sum() + np.log1p(-hears)[~heard_it].sum())
