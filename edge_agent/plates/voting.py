"""One reading out of many frames of the same plate.

Frames are pooled in log-probability, slot by slot, each weighted by the plate's width and by how sure it was: near and
sharp frames say more than far and blurred ones. Neighbouring frames of one pass repeat each other's mistakes, so n of
them count as only ``n / (1 + (n - 1) * rho)`` independent ones (Kish's design effect), which never exceeds ``1 / rho``.

A reading with a character too many or too few has its other characters in the wrong slots, so readings are pooled by
the length of their text, the heaviest length wins, and what the other lengths weigh is taken from the confidence. A
single frame comes out exactly as it went in. Memory is one array for each length, however long a car stands.

Pure; owned by one pass.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_agent.records import Reading

# Correlation of the errors of neighbouring frames: a guess on the safe side, by which a pass counts as at most two
# independent looks. Fitting it needs real passes with truth.
FRAME_CORRELATION = 0.5
# Below this a crop is texture, lettering or blur: of 372 right readings of photographs at three resolutions none lies
# below it, of 65 finds that overlap no labelled plate 56 do (docs/plates.md).
MIN_READABILITY = 0.75
_FLOOR = 1e-6


def readability(reading: Reading) -> float:
    """Return the mean probability of the characters of ``text``; 0 where there are none.

    Empty slots do not count: a network is sure of those even where it can read nothing.
    """
    best = reading.probabilities.argmax(axis=1)
    is_character = best != reading.alphabet.index(reading.pad)
    return float(reading.probabilities.max(axis=1)[is_character].mean()) if is_character.any() else 0.0


def is_readable(reading: Reading) -> bool:
    """Whether a reading is sure enough to take part in a vote."""
    return readability(reading) >= MIN_READABILITY


@dataclass(slots=True)
class _Pool:
    """What the readings of one length add up to."""

    log_probabilities: NDArray[np.float64]
    regions: dict[str, float]
    latest: Reading
    frames: int = 0
    weight: float = 0.0
    mass: float = 0.0


class Vote:
    """The readings of one pass so far."""

    def __init__(self) -> None:
        self._pools: dict[int, _Pool] = {}

    def add(self, reading: Reading, width_px: int) -> None:
        """Count one frame's readable ``reading`` of a plate that is ``width_px`` wide."""
        weight = width_px * readability(reading)
        pool = self._pools.get(len(reading.text))
        if pool is None:
            pool = _Pool(np.zeros(reading.probabilities.shape), {}, reading)
            self._pools[len(reading.text)] = pool
        pool.log_probabilities += weight * np.log(np.maximum(reading.probabilities.astype(np.float64), _FLOOR))
        for code, probability in reading.regions.items():
            pool.regions[code] = pool.regions.get(code, 0.0) + weight * probability
        pool.latest = reading
        pool.frames += 1
        pool.weight += weight
        pool.mass += weight * reading.confidence

    @property
    def frames(self) -> int:
        """How many frames stand behind ``fused``."""
        return self._winner().frames if self._pools else 0

    def fused(self) -> Reading:
        """Return the reading that all frames together make. At least one was added."""
        pool = self._winner()
        if pool.frames == 1 and len(self._pools) == 1:
            return pool.latest
        looks = pool.frames / (1 + (pool.frames - 1) * FRAME_CORRELATION)
        slots = np.exp(looks * pool.log_probabilities / pool.weight)
        slots /= slots.sum(axis=1, keepdims=True)
        share = pool.mass / sum(other.mass for other in self._pools.values())
        # The confidence is a product over the slots; this lowers the product by about the share.
        kept = share ** (1 / slots.shape[0])
        slots = kept * slots + (1 - kept) / slots.shape[1]
        # The region head sees the same crop each time; its mean is all that the frames add to each other.
        regions = sorted(((code, mass / pool.weight) for code, mass in pool.regions.items()), key=lambda r: -r[1])
        return Reading(
            alphabet=pool.latest.alphabet,
            pad=pool.latest.pad,
            probabilities=slots.astype(np.float32),
            regions=dict(regions),
            calibration=pool.latest.calibration,
        )

    def _winner(self) -> _Pool:
        return max(self._pools.values(), key=lambda pool: pool.mass)
