"""The picture of sound that the gunshot classifier looks at: a normalised log-mel spectrogram of two seconds.

Training (``models/gunshot``) and the device compute it with this very code, so that nothing can differ between them.
Everything is brought to 16 kHz, a third of what microphones give, and cut off at 7.6 kHz. Police live-fire recordings
end at 6 kHz; training takes the top off everything else as often, so that its absence tells nothing. The level is taken
out (each window's mean is subtracted), because microphone gain says nothing about what was heard; a silent window comes
out as zeros.

Pure functions without state; any thread may call them.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft

RATE_HZ = 16_000
"""Sample rate of what the classifier hears."""
WINDOW_S = 2.0
"""Length of what the classifier judges at once."""
WINDOW_SAMPLES = 32_000
BANDS = 64
FRAMES = 200

_TAPER_SAMPLES = 400  # 25 ms
_HOP_SAMPLES = 160  # 10 ms
_FFT = 512
_LOW_HZ, _HIGH_HZ = 60.0, 7600.0
# Below the rounding noise of 16-bit recordings nothing is sound: one floor for quiet rooms and digital silence.
_FLOOR = 1e-7
# Natural log of power, 61 dB below the loudest cell: keeps a padded or gated stretch from pulling the mean away.
_RANGE = 14.0
_SCALE = 3.0  # brings typical values to about one


def log_mel(window: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the classifier's input for one window.

    Args:
        window: (WINDOW_SAMPLES,) float32 at ``RATE_HZ``; anything shorter has to be padded first.

    Returns:
        (BANDS, FRAMES) float32: natural log of mel-band power, mean of the window subtracted, divided by 3.

    Raises:
        ValueError: another length.
    """
    if window.shape != (WINDOW_SAMPLES,):
        raise ValueError(f"log_mel: got shape {window.shape}, expected ({WINDOW_SAMPLES},) at {RATE_HZ} Hz")
    centred = np.pad(window - window.mean(dtype=np.float64).astype(np.float32), (_TAPER_SAMPLES - _HOP_SAMPLES) // 2)
    frames = np.lib.stride_tricks.sliding_window_view(centred, _TAPER_SAMPLES)[::_HOP_SAMPLES]
    spectrum = fft.rfft(frames * _taper(), _FFT, axis=1)
    power = spectrum.real**2 + spectrum.imag**2
    level = np.log(_mel_bank() @ power.T + np.float32(_FLOOR))
    level = np.maximum(level, level.max() - np.float32(_RANGE))
    mean = np.float32(level.mean(dtype=np.float64))  # exact, so that silence is exactly zero
    normal: NDArray[np.float32] = ((level - mean) / np.float32(_SCALE)).astype(np.float32)
    return normal


@lru_cache(maxsize=1)
def _taper() -> NDArray[np.float32]:
    taper: NDArray[np.float32] = np.hanning(_TAPER_SAMPLES).astype(np.float32)
    return taper


@lru_cache(maxsize=1)
def _mel_bank() -> NDArray[np.float32]:
    """(BANDS, _FFT // 2 + 1) triangles, equally spaced on the HTK mel scale, 2595 log10(1 + f / 700)."""
    edges = 700 * (10 ** (np.linspace(_mel(_LOW_HZ), _mel(_HIGH_HZ), BANDS + 2) / 2595) - 1)
    at = np.arange(_FFT // 2 + 1) * RATE_HZ / _FFT
    rising = (at - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - at) / (edges[2:] - edges[1:-1])[:, None]
    bank: NDArray[np.float32] = np.maximum(0, np.minimum(rising, falling)).astype(np.float32)
    # The lowest triangles are narrower than a bin: such a band gets the bin that is nearest to it.
    for band in np.flatnonzero(bank.sum(axis=1) == 0):
        bank[band, round(float(edges[band + 1]) * _FFT / RATE_HZ)] = 1
    return bank


def _mel(hz: float) -> float:
    return 2595 * math.log10(1 + hz / 700)
