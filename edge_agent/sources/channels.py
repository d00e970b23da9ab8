"""One channel out of many: the loudest, and no hopping between them.

The mean of microphones that stand apart would smear an onset, and a dead input would halve it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Energy ratio: another channel has to be this much louder, over a few blocks, before it is worth a seam in the sound.
_WORTH_A_SEAM = 10.0
_FADE = 0.8


class BestChannel:
    """Picks the channel of one scene; belongs to the thread that reads the source."""

    def __init__(self) -> None:
        self._energy: NDArray[np.float64] | None = None
        self._channel = 0

    def of(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the chosen channel of ``block``, (n, channels), as (n,) float32; it may change between blocks."""
        energy = (block.astype(np.float64) ** 2).sum(axis=0)
        if self._energy is None:
            self._energy, self._channel = energy, int(energy.argmax())
        else:
            self._energy = self._energy * _FADE + energy
            loudest = int(self._energy.argmax())
            if self._energy[loudest] > _WORTH_A_SEAM * self._energy[self._channel]:
                self._channel = loudest
        return np.ascontiguousarray(block[:, self._channel])
