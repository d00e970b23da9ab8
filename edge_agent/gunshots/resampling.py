"""Bringing sound to another sample rate: scipy's polyphase filter as one matrix product.

``scipy.signal.resample_poly`` walks through the samples one by one; the same filter over blocks of samples is a product
of matrices, five times as fast (``bench/hearing.py``). The result is the same to rounding. Rates that have hardly a
common divisor, as no converter's have, would make that matrix too large, and go through scipy.

Pure functions without state; any thread may call them.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import signal

# Outputs that one row of the product gives: more waste multiplications with zero, fewer copy each sample more often.
_BLOCK = 32
# Cells of the matrix, about: 44,101 samples a second would need half a billion.
_LARGEST = 1_000_000


def resample(samples: NDArray[np.float32], rate_hz: int, to_hz: int) -> NDArray[np.float32]:
    """Return ``samples``, (n,) at ``rate_hz``, at ``to_hz``: (ceil(n * to_hz / rate_hz),) float32.

    Cut off at the lower of the two Nyquist frequencies by scipy's default filter, a Kaiser window (beta 5) over twenty
    periods; silence is taken to lie before and after.
    """
    if rate_hz == to_hz or len(samples) == 0:
        return samples
    common = math.gcd(rate_hz, to_hz)
    up, down = to_hz // common, rate_hz // common
    if up * down > _LARGEST:
        slowly: NDArray[np.float32] = signal.resample_poly(samples, up, down)
        return slowly
    matrix, before = _filter(up, down)
    length = -(-len(samples) * up // down)
    advance = matrix.shape[1] * down // up
    rows = -(-length // matrix.shape[1])
    padded = np.zeros((rows - 1) * advance + matrix.shape[0], np.float32)
    kept = samples[: len(padded) - before]
    padded[before : before + len(kept)] = kept
    windows = np.lib.stride_tricks.sliding_window_view(padded, matrix.shape[0])[::advance]
    resampled: NDArray[np.float32] = (np.ascontiguousarray(windows) @ matrix).reshape(-1)[:length]
    return resampled


@lru_cache(maxsize=8)
def _filter(up: int, down: int) -> tuple[NDArray[np.float32], int]:
    """Return the (inputs, outputs) matrix of one row, and how many inputs before the row's first it reaches back."""
    widest = max(up, down)
    half = 10 * widest
    taps = up * signal.firwin(2 * half + 1, 1 / widest, window=("kaiser", 5.0))
    outputs = up * max(1, round(_BLOCK / up))
    before = half // up
    # Output j stands at j * down on the grid of the higher rate, input i at (i - before) * up.
    last = ((outputs - 1) * down + half) // up + before
    place = (np.arange(last + 1)[:, None] - before) * up - np.arange(outputs) * down
    matrix = np.where(np.abs(place) <= half, taps[np.clip(half - place, 0, 2 * half)], 0)
    return matrix.astype(np.float32), before
