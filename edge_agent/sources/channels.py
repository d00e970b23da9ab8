"""One channel out of many: the loudest, and no hopping between them.

The mean of microphones that stand apart would smear an onset, and a dead input would halve it. An input that is dead
while others hear something is never chosen, and told: somebody believes it to be listening.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Energy ratio: another channel has to be this much louder, over a few blocks, before it is worth a seam in the sound.
_WORTH_A_SEAM = 10.0
_FADE = 0.8
DEAD_AFTER_S = 10.0
# An open or muted input gives at most the last bits of its converter; a microphone in a quiet street hears more.
_DEAD_POWER = 1e-8  # -80 dBFS
_LIVE_RATIO = 100.0  # and another input hears at least 20 dB more


class BestChannel:
    """Picks the channel of one scene; fed by the thread that reads the source, asked by any.

    Attributes:
        channel: the input that was chosen last, from 0.
        condition: which inputs are dead, for people; empty if none is.
    """

    def __init__(self) -> None:
        self.channel = 0
        self.condition = ""
        self._power: NDArray[np.float64] | None = None
        self._quiet_s: NDArray[np.float64] = np.zeros(0)

    def of(self, block: NDArray[np.float32], rate_hz: int) -> NDArray[np.float32]:
        """Return the chosen channel of ``block``, (n, channels), as (n,) float32; it may change between blocks."""
        if block.shape[1] > 1:
            self._choose(np.array([_power(each) for each in np.ascontiguousarray(block.T)]), len(block) / rate_hz)
        return np.ascontiguousarray(block[:, self.channel])

    def _choose(self, power: NDArray[np.float64], block_s: float) -> None:
        if self._power is None:
            self._power, self.channel, self._quiet_s = power, int(power.argmax()), np.zeros(len(power))
        else:
            self._power = self._power * _FADE + power * (1 - _FADE)
            loudest = int(self._power.argmax())
            if self._power[loudest] > _WORTH_A_SEAM * self._power[self.channel]:
                self.channel = loudest
        dead = (power < _DEAD_POWER) & (power * _LIVE_RATIO < power[self.channel])
        self._quiet_s = np.where(dead, self._quiet_s + block_s, 0.0)
        silent = [str(n + 1) for n in np.flatnonzero(self._quiet_s >= DEAD_AFTER_S)]
        self.condition = (
            f"input {', '.join(silent)} of {len(power)} is dead: silence while another hears sound" if silent else ""
        )


def _power(samples: NDArray[np.float32]) -> float:
    """Mean square about the mean: a constant is no sound."""
    around = samples - samples.mean()
    return float(np.dot(around, around)) / len(around)
