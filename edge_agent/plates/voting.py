"""One reading out of many frames of the same plate.

Frames are pooled in log-probability, slot by slot, each weighted by the square of the plate's width and by how sure it
was: near and clear frames say more than far and garbled ones; a plate that stands says less with each look.
Neighbouring frames of one pass repeat each other's mistakes, so n of them count as only ``n / (1 + (n - 1) * rho)``
independent ones (Kish's design effect), which never exceeds ``1 / rho``.

A reading with a character too many or too few has its other characters in the wrong slots, so readings are pooled by
the length of their text, the heaviest length wins, and what the other lengths weigh is taken from the confidence. A
single frame comes out exactly as it went in. Memory is one array for each length, however long a car stands.

What was tried on rendered passes and is left out, because it did not pay (docs/plates.md): aligning readings of other
lengths instead of setting them apart, sharpness as a weight, and counting what is not readable.

Pure; owned by one pass.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge_agent.records import PlateCandidate, PlateMark, Reading

# Correlation of the errors of neighbouring frames. Fitted on rendered passes (bench/voting.py, fit split): both the
# log-loss and the expected calibration error of the fused confidence are lowest here (docs/plates.md).
FRAME_CORRELATION = 0.5
# So many looks of a plate that does not move count in full, each further one less, as the harmonic series goes: ten
# minutes of standing say little more than a second of it, and must not outweigh the looks from nearer by.
FULL_LOOKS = 12
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


def lowered(reading: Reading, share: float) -> Reading:
    """Return ``reading`` with its confidence multiplied by about ``share``, in (0, 1], spread over all slots."""
    slots = reading.probabilities.astype(np.float64)
    kept = share ** (1 / slots.shape[0])
    slots = kept * slots + (1 - kept) / slots.shape[1]
    return replace(reading, probabilities=slots.astype(np.float32))


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
    """The readings of one pass so far.

    Args:
        correlation: of the errors of neighbouring frames; only its fit (bench/voting.py) gives another.
    """

    def __init__(self, correlation: float = FRAME_CORRELATION) -> None:
        self._correlation = correlation
        self._pools: dict[int, _Pool] = {}
        self._marks: Counter[PlateMark] = Counter()
        self._count = 0
        self._fused: Reading | None = None

    def add(self, candidate: PlateCandidate, looks_here: int = 1) -> None:
        """Count one frame's readable ``candidate``, the plate's ``looks_here``-th look about where it is."""
        reading = candidate.reading
        repeated = min(1.0, FULL_LOOKS / looks_here)
        weight = (candidate.box.x2 - candidate.box.x1) ** 2 * readability(reading) * repeated
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
        self._marks.update(candidate.marks)
        self._count += 1
        self._fused = None

    def merge(self, other: Vote) -> None:
        """Count all that ``other`` counted."""
        for length, theirs in other._pools.items():
            pool = self._pools.get(length)
            if pool is None:
                self._pools[length] = theirs
                continue
            pool.log_probabilities += theirs.log_probabilities
            for code, mass in theirs.regions.items():
                pool.regions[code] = pool.regions.get(code, 0.0) + mass
            pool.latest = theirs.latest
            pool.frames += theirs.frames
            pool.weight += theirs.weight
            pool.mass += theirs.mass
        self._marks.update(other._marks)
        self._count += other._count
        self._fused = None

    @property
    def frames(self) -> int:
        """How many frames stand behind ``fused``."""
        return self._winner().frames if self._pools else 0

    @property
    def marks(self) -> frozenset[PlateMark]:
        """What marks more than half of the frames."""
        return frozenset(mark for mark, times in self._marks.items() if 2 * times > self._count)

    def fused(self) -> Reading:
        """Return the reading that all frames together make. At least one was added."""
        if self._fused is None:
            self._fused = self._fuse()
        return self._fused

    def _fuse(self) -> Reading:
        pool = self._winner()
        if pool.frames == 1 and len(self._pools) == 1:
            return pool.latest
        looks = pool.frames / (1 + (pool.frames - 1) * self._correlation)
        slots = np.exp(looks * pool.log_probabilities / pool.weight)
        slots /= slots.sum(axis=1, keepdims=True)
        # The region head sees the same crop each time; its mean is all that the frames add to each other.
        regions = sorted(((code, mass / pool.weight) for code, mass in pool.regions.items()), key=lambda r: -r[1])
        fused = replace(pool.latest, probabilities=slots.astype(np.float32), regions=dict(regions))
        return lowered(fused, pool.mass / sum(other.mass for other in self._pools.values()))

    def _winner(self) -> _Pool:
        return max(self._pools.values(), key=lambda pool: pool.mass)
