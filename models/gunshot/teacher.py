"""What a network that has heard all of AudioSet makes of a window: EfficientAT mn04 (MIT), run, never trained.

The student learns its 384 embeddings and its opinion of eleven kinds of bang beside the labels. The file
(``mn04_as.onnx``, input ``logmel``, outputs ``prob527`` and ``emb384``) is not part of the project; without it the
recipe trains on labels alone.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from scipy import signal

from edge_agent.gunshots.features import RATE_HZ

# AudioSet's classes 426-436: explosion, gunshot, machine gun, fusillade, artillery fire, cap gun, fireworks,
# firecracker, burst or pop, eruption, boom.
BANGS = slice(426, 437)
EMBEDDING = 384

_RATE_HZ, _FFT, _HOP, _TAPER, _BANDS, _HIGH_HZ = 32_000, 1024, 320, 800, 128, 15_000.0


class Teacher:
    """mn04 behind its own front end: 32 kHz, pre-emphasis, 128 mel bands every 10 ms."""

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._bank = _bank()
        self._taper = np.pad(np.hanning(_TAPER), (_FFT - _TAPER) // 2).astype(np.float32)

    def judge(self, window: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the embedding (384,) and the bangs' probabilities (11,) of ``window``, at the classifier's rate."""
        x = signal.resample_poly(window, 8, 3).astype(np.float32)
        x = x - x.mean()
        x = np.pad(x[1:] - np.float32(0.97) * x[:-1], _FFT // 2, mode="reflect")
        frames = np.lib.stride_tricks.sliding_window_view(x, _FFT)[::_HOP] * self._taper
        power = np.abs(np.fft.rfft(frames, axis=1)).astype(np.float32) ** 2
        mel = ((np.log(self._bank @ power.T + 1e-5) + 4.5) / 5).astype(np.float32)
        bangs, embedding = self._session.run(["prob527", "emb384"], {"logmel": mel[None, None]})
        return embedding[0], bangs[0, BANGS]


def _bank() -> NDArray[np.float32]:
    mel = 1127 * np.log1p(np.arange(_FFT // 2) * _RATE_HZ / _FFT / 700)
    step = 1127 * np.log1p(_HIGH_HZ / 700) / (_BANDS + 1)
    centre = (np.arange(_BANDS) + 1)[:, None] * step
    bank = np.zeros((_BANDS, _FFT // 2 + 1), np.float32)
    bank[:, :-1] = np.maximum(0, 1 - np.abs(mel - centre) / step)
    return bank


assert _RATE_HZ * 3 == RATE_HZ * 8
