"""The picture of sound that EfficientAT's mn04 looks at: 128 mel bands of two seconds at 32 kHz.

The network (MIT, trained on AudioSet) is somebody else's and so is this front end's definition: pre-emphasis, a power
spectrum every 10 ms, mel bands from 0 to 15 kHz, log, scaled. The level stays in. The recipe of ``models/gunshot``, to
which mn04 is the teacher, and the device, which may run it before our head, compute it with this very code.

Pure functions without state; any thread may call them.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft

RATE_HZ = 32_000
"""Sample rate of what mn04 hears."""
WINDOW_SAMPLES = 64_000
BANDS = 128
FRAMES = 200

_PRE_EMPHASIS = 0.97
_FFT = 1024
_TAPER_SAMPLES = 800
_HOP_SAMPLES = 320
_HIGH_HZ = 15_000.0
_FLOOR = 1e-5
_OFFSET, _SCALE = 4.5, 5.0


def log_mel(window: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return mn04's input for one window.

    Args:
        window: (WINDOW_SAMPLES,) float32 at ``RATE_HZ``, full scale 1; anything shorter has to be padded first.

    Returns:
        (BANDS, FRAMES) float32.

    Raises:
        ValueError: another length.
    """
    if window.shape != (WINDOW_SAMPLES,):
        raise ValueError(f"log_mel: got shape {window.shape}, expected ({WINDOW_SAMPLES},) at {RATE_HZ} Hz")
    emphasised = window[1:] - np.float32(_PRE_EMPHASIS) * window[:-1]
    centred = np.pad(emphasised, _FFT // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(centred, _FFT)[::_HOP_SAMPLES]
    spectrum = fft.rfft(frames * _taper(), axis=1)
    power = spectrum.real**2 + spectrum.imag**2
    level = np.log(_mel_bank() @ power.T + np.float32(_FLOOR))
    scaled: NDArray[np.float32] = ((level + np.float32(_OFFSET)) / np.float32(_SCALE)).astype(np.float32)
    return scaled


@lru_cache(maxsize=1)
def _taper() -> NDArray[np.float32]:
    taper: NDArray[np.float32] = np.pad(np.hanning(_TAPER_SAMPLES), (_FFT - _TAPER_SAMPLES) // 2).astype(np.float32)
    return taper


@lru_cache(maxsize=1)
def _mel_bank() -> NDArray[np.float32]:
    """(BANDS, _FFT // 2 + 1) triangles, equally spaced on the scale 1127 ln(1 + f / 700); no share in the last bin."""
    mel = 1127 * np.log1p(np.arange(_FFT // 2) * RATE_HZ / _FFT / 700)
    step = 1127 * np.log1p(_HIGH_HZ / 700) / (BANDS + 1)
    centre = (np.arange(BANDS) + 1)[:, None] * step
    bank = np.zeros((BANDS, _FFT // 2 + 1), np.float32)
    bank[:, :-1] = np.maximum(0, 1 - np.abs(mel - centre) / step)
    return bank
