"""Where and when, once it is settled which arrivals belong to which round.

Unknowns are the place (one for all rounds), the emission time of each round, and what the weather report leaves open:
the speed of sound, the wind, and the height of the shot. The latter three have priors, so that they bend as far as
they are uncertain and their uncertainty reaches the covariance.

The way of the sound from a place to a site is the same for all rounds, and so is its delay around houses: on live fire
a site is 13 ms off its geometry, but only some 3 ms off itself from round to round. So a site's arrivals share one
propagation error, and ten rounds locate hardly better than one.

Gauss-Newton, weighed anew in each step by the soft-L1 loss (Charbonnier): near zero it is least squares, far from it an
error counts by its size and no more by its square.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collector.locate.air import Air

PROPAGATION_S = 0.013
"""One sigma of a way's delay beside geometry, on live fire against the survey (bench/locating.py)."""

HEIGHT_ERROR_M = 20.0
_PRIOR_WEIGHT = 8.0
_STEPS = 30
_LONGEST_STEP_M = 150.0
_CLOSE_ENOUGH_M = 0.005


@dataclass(frozen=True, slots=True, eq=False)
class Solution:
    """A fit.

    Attributes:
        place_m: (3,) x, y, z.
        round_s: (R,) emission times.
        round_error_s: (R,) their one sigma.
        covariance_m2: (2, 2) of x and y, scaled by the residuals.
        residual_s: (A,) how much later than computed each arrival came.
        travel_s: (S,) from the place to each site, through the air as fitted.
        misfit: sum of squared residuals over their variance, a site counting once; robust.
    """

    place_m: NDArray[np.float64]
    round_s: NDArray[np.float64]
    round_error_s: NDArray[np.float64]
    covariance_m2: NDArray[np.float64]
    residual_s: NDArray[np.float64]
    travel_s: NDArray[np.float64]
    misfit: float


def solve(
    air: Air,
    site_m: NDArray[np.float64],
    site: NDArray[np.int64],
    round_of: NDArray[np.int64],
    time_s: NDArray[np.float64],
    own_s: NDArray[np.float64],
    start_m: NDArray[np.float64],
) -> Solution:
    """Fit place and emission times.

    Args:
        air: what is known of it.
        site_m: (S, 3) all sites.
        site: (A,) where each arrival was heard.
        round_of: (A,) its round, 0 to R - 1, each with an arrival at least.
        time_s: (A,) when it was heard.
        own_s: (A,) one sigma of that.
        start_m: (3,) a place within some dozen metres; its height is the expected one.
    """
    rounds = int(round_of.max()) + 1
    heard = np.bincount(site, minlength=len(site_m))
    variance_s2 = PROPAGATION_S**2 * heard[site] + own_s**2
    # A site's own errors average out over its arrivals, its propagation error does not.
    spread_s = np.sqrt(PROPAGATION_S**2 + own_s**2)
    prior = np.array(
        [0.0, 0.0, HEIGHT_ERROR_M**-2, air.sound_error_mps**-2, air.wind_error_mps**-2, air.wind_error_mps**-2]
    )
    known = np.array([0.0, 0.0, start_m[2], air.sound_mps, air.wind_x_mps, air.wind_y_mps])
    state = np.concatenate([start_m[:2], known[2:], np.zeros(rounds)])
    rows = np.arange(len(site))
    for step in range(_STEPS):
        travel, slope = _travel(state, site_m)
        if step == 0:
            late = time_s - travel[site]
            state[6:] = [np.median(late[round_of == one]) for one in range(rounds)]
        residual = time_s - travel[site] - state[6 + round_of]
        weight = 1.0 / np.sqrt(1.0 + (residual / spread_s) ** 2) / variance_s2
        jacobian = np.zeros((len(site), 6 + rounds))
        jacobian[:, :6] = slope[site]
        jacobian[rows, 6 + round_of] = 1.0
        information = jacobian.T @ (weight[:, None] * jacobian)
        information[np.arange(6), np.arange(6)] += prior + 1e-9
        gradient = jacobian.T @ (weight * residual)
        gradient[:6] += prior * (known - state[:6])
        change = np.linalg.solve(information, gradient)
        moved_m = float(np.hypot(change[0], change[1]))
        state += change * min(1.0, _LONGEST_STEP_M / max(moved_m, 1e-9))
        if moved_m < _CLOSE_ENOUGH_M:
            break
    travel, _ = _travel(state, site_m)
    residual = time_s - travel[site] - state[6 + round_of]
    robust = 2.0 * (np.sqrt(1.0 + (residual / spread_s) ** 2) - 1.0)
    misfit = float((robust / heard[site]).sum() + (prior * (known - state[:6]) ** 2).sum())
    covariance = np.linalg.inv(information)
    # As much trust in the figures above as eight more sites would earn that fit as expected. Never below them: sites
    # that agree by luck, or because few of them leave nothing over, do not make the air better known.
    spare = max(0, int((heard > 0).sum()) - 3)
    scale = max(
        1.0, (_PRIOR_WEIGHT + float(((residual / spread_s) ** 2 / heard[site]).sum())) / (_PRIOR_WEIGHT + spare)
    )
    return Solution(
        state[:3].copy(),
        state[6:].copy(),
        np.sqrt(np.diag(covariance)[6:] * scale),
        covariance[:2, :2] * scale,
        residual,
        travel,
        misfit,
    )


def _travel(state: NDArray[np.float64], site_m: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Travel times (S,) and their derivatives (S, 6) by x, y, z, speed of sound and wind."""
    away = state[:3] - site_m
    distance = np.sqrt((away**2).sum(axis=1))
    unit = away / np.maximum(distance, 1e-6)[:, None]
    speed = state[3] - unit[:, :2] @ state[4:6]
    slope = np.empty((len(site_m), 6))
    slope[:, :3] = unit / speed[:, None]
    slope[:, 3] = -distance / speed**2
    slope[:, 4:] = (distance / speed**2)[:, None] * unit[:, :2]
    travel: NDArray[np.float64] = distance / speed
    return travel, slope
