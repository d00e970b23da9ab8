"""What a network that has heard all of AudioSet makes of a window: EfficientAT mn04 (MIT), run, never trained.

The file (``mn04_as.onnx``, input ``logmel``, outputs ``prob527`` and ``emb384``) is not part of the project; without it
the recipe trains on labels alone.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from edge_agent.gunshots import features, mn04
from edge_agent.gunshots.resampling import resample

KINDS = 527
EMBEDDING = 384
# AudioSet's classes 426-436: explosion, gunshot, machine gun, fusillade, artillery fire, cap gun, fireworks,
# firecracker, burst or pop, eruption, boom.
BANGS = slice(426, 437)
BANG_COUNT = BANGS.stop - BANGS.start
GUNS = slice(427, 432)
"""Gunshot, machine gun, fusillade, artillery fire, cap gun."""
LEAST_PROBABILITY = 1e-5
"""Below it the network is equally sure that there is nothing."""


class Teacher:
    """mn04 behind its own front end."""

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def judge(self, windows: list[NDArray[np.float32]]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the embeddings (n, 384) and probabilities (n, 527) of ``windows`` at the student's rate."""
        pictures = np.stack([mn04.log_mel(_resampled(window)) for window in windows])[:, None]
        probabilities, embeddings = self._session.run(["prob527", "emb384"], {"logmel": pictures})
        return embeddings, probabilities

    @staticmethod
    def silence(count: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return what there is without a teacher: as ``judge``, all NaN."""
        return np.full((count, EMBEDDING), np.nan, np.float32), np.full((count, KINDS), np.nan, np.float32)


def logits_of(probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the logits of ``probabilities``, none below that of ``LEAST_PROBABILITY``."""
    kept = np.clip(probabilities, LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
    return np.log(kept / (1 - kept))


def _resampled(window: NDArray[np.float32]) -> NDArray[np.float32]:
    level = window - window.mean(dtype=np.float64).astype(np.float32)
    return resample(level, features.RATE_HZ, mn04.RATE_HZ)
