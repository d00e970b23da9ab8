"""Where in the waveform an arrival begins, to fractions of a sample, and how sure that is.

The stretch around a gate's candidate is split where two variances, of noise before and of the transient after, explain
it best: the Akaike criterion that seismologists use for first arrivals (Maeda 1985). The criterion is a likelihood: its
weighted mean over all splits is the arrival between the samples, and its spread tells how sharply noise and transient
can be told apart, which is what signal-to-noise ratio and bandwidth decide.

Pure functions; any thread may call them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import signal

_HIGHPASS_HZ = 200.0  # wind and traffic rumble lie below, the muzzle blast's energy mostly above
_SEARCH_BEFORE_S = 0.045
_SEARCH_AFTER_S = 0.020
_PAST_PEAK_S = 0.001  # so that there is something to the right of an edge that begins with its peak
_LEAST_SAMPLES = 8
_UNKNOWN_S = 0.005
_LEAST_ERROR_SAMPLES = 0.7
_FLOOR = 1e-14  # digital silence before the onset would be minus infinity


@dataclass(frozen=True, slots=True)
class Onset:
    """Where a transient begins.

    Attributes:
        sample: place in the picked stretch, between samples too.
        error_s: one sigma, in seconds.
    """

    sample: float
    error_s: float


def search_range(candidate: int, rate_hz: int) -> tuple[int, int]:
    """Return first and last-plus-one sample that ``pick_onset`` wants around a gate's ``candidate``."""
    return candidate - round(_SEARCH_BEFORE_S * rate_hz), candidate + round(_SEARCH_AFTER_S * rate_hz)


def pick_onset(stretch: NDArray[np.float32], rate_hz: int) -> Onset:
    """Find where the transient in ``stretch`` begins.

    Args:
        stretch: (n,) samples around a candidate, ideally ``search_range`` of them; shorter at a recording's start.
        rate_hz: samples per second.

    Returns:
        The onset. ``error_s`` takes together how far the likelihood of the splits spreads, the jitter of a level on
        the rising edge (noise over slope: a slow, faint rise is seen late), and a good half of a sample, by which
        what limits the band moves an edge.
    """
    if len(stretch) < _LEAST_SAMPLES or not np.any(stretch):
        return Onset(0.0, _UNKNOWN_S)
    wave = highpassed(stretch, rate_hz)
    if not np.any(wave):
        return Onset(0.0, _UNKNOWN_S)
    peak = int(np.argmax(np.abs(wave)))
    if peak < _LEAST_SAMPLES // 2:
        return Onset(0.0, max(_UNKNOWN_S / 5, 1 / rate_hz))
    sample, spread = _split(wave[: peak + 1 + round(_PAST_PEAK_S * rate_hz)])
    sample = min(sample, float(peak))
    before = wave[: max(1, int(sample))]
    noise = float(np.sqrt(np.mean(before**2)))
    height = float(np.abs(wave[peak]))
    first = int(sample) + int(np.argmax(np.abs(wave[int(sample) : peak + 1]) >= height / 2))
    jitter = noise / height * 2 * max(0.0, first - sample)
    return Onset(sample, math.sqrt(spread**2 + jitter**2 + _LEAST_ERROR_SAMPLES**2) / rate_hz)


def highpassed(stretch: NDArray[np.float32], rate_hz: float) -> NDArray[np.float64]:
    """Return ``stretch``, (n,), without its rumble, begun in the steady state of its first sample."""
    if len(stretch) == 0:
        return np.zeros(0)
    forward, back, steady = _highpass(rate_hz)
    wave: NDArray[np.float64] = signal.lfilter(forward, back, stretch, zi=steady * stretch[0])[0]
    return wave


@lru_cache(maxsize=16)
def _highpass(rate_hz: float) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    # Of second order the plain form is exact enough, and costs half of what sections do.
    forward, back = signal.butter(2, _HIGHPASS_HZ, "highpass", fs=rate_hz)
    return forward, back, signal.lfilter_zi(forward, back)


def _split(wave: NDArray[np.float64]) -> tuple[float, float]:
    """Return the likeliest split of ``wave`` into noise and transient, and its standard deviation, in samples."""
    power = wave**2
    ahead = np.cumsum(power)
    count = len(wave)
    splits = np.arange(2, count - 1)
    left = ahead[splits - 1] / splits
    right = (ahead[-1] - ahead[splits - 1]) / (count - splits)
    cost = splits * np.log(left + _FLOOR) + (count - splits) * np.log(right + _FLOOR)
    cost[right <= left] = math.inf  # that is where something dies away
    if not np.isfinite(cost).any():
        return float(count - 1), float(count) / 4
    # Twice the negative log likelihood; neighbouring samples tell the same where the band is narrower than the rate.
    weight = np.exp((cost.min() - cost) / 2 * _independent(wave))
    weight /= weight.sum()
    best = int(np.argmin(cost))
    mean = float(weight @ splits)
    spread = math.sqrt(float(weight @ (splits - mean) ** 2))
    near = slice(max(0, best - 1), best + 2)
    return float(weight[near] @ splits[near] / weight[near].sum()), spread


def _independent(wave: NDArray[np.float64]) -> float:
    """The share of samples that tell something new: the occupied bandwidth over half the rate (Bartlett's formula)."""
    power = float(wave @ wave)
    if power == 0.0:
        return 1.0
    lags = min(16, len(wave) - 1)
    similar = np.array([float(wave[lag:] @ wave[:-lag]) / power for lag in range(1, lags + 1)])
    return 1 / (1 + 2 * float(np.sum(similar**2)))
