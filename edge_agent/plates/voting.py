"""One reading out of many frames of the same plate.

Frames are pooled in log-probability, slot by slot, each weighted by the square of the plate's width and by how sure it
was: near and clear frames say more than far and garbled ones; a plate that stands says less with each look.
Neighbouring frames of one pass repeat each other's mistakes, so n of them count as only ``n / (1 + (n - 1) * rho)``
independent ones (Kish's design effect), which never exceeds ``1 / rho``.

A reading with a character too many or too few has its other characters in the wrong slots, so readings are pooled by
the length of their text, the heaviest length wins, and what the other lengths weigh is taken from the confidence.
Slots that most likely are empty may stand anywhere, and not in all frames: character is added to character, and empty
slots to those in the same place. A single frame comes out exactly as it went in. Memory is one array for each slot of
each length, however long a car stands.

What was tried on rendered passes and is left out, because it did not pay (docs/plates.md): aligning readings of other
lengths instead of setting them apart, sharpness as a weight, and counting what is not readable.

Pure; owned by one pass.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge_agent.plates.fusion import without_surest_empty
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
# A frame without a slot where others have an empty one found it not worth telling: a character there is less likely.
_UNTOLD = 0.01
# Behind so many empty slots a character has its place.
_BEHIND = 1_000


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
    """What the readings of one length add up to.

    Attributes:
        untold: the log-probabilities of a slot that a reading does not have.
        rows: the log-probabilities of each slot, by its place: how many characters stand before it, and how many empty
            slots since the last one.
        most: slots of the reading that has most.
    """

    latest: Reading
    untold: NDArray[np.float64]
    rows: dict[tuple[int, int], NDArray[np.float64]]
    regions: dict[str, float]
    most: int
    frames: int
    weight: float
    mass: float

    def add(self, other: _Pool) -> None:
        """Count all that ``other`` counted, of readings of the same length."""
        for place in self.rows.keys() | other.rows.keys():
            mine = self.rows.get(place, self.weight * self.untold)
            self.rows[place] = mine + other.rows.get(place, other.weight * other.untold)
        for code, mass in other.regions.items():
            self.regions[code] = self.regions.get(code, 0.0) + mass
        self.latest = other.latest
        self.most = max(self.most, other.most)
        self.frames += other.frames
        self.weight += other.weight
        self.mass += other.mass


def _places(reading: Reading) -> Iterator[tuple[int, int]]:
    """Yield the place of each slot of ``reading``; see ``_Pool.rows``. In order, places ascend."""
    pad = reading.alphabet.index(reading.pad)
    characters = empty = 0
    for best in reading.probabilities.argmax(axis=1):
        if best == pad:
            yield characters, empty
            empty += 1
        else:
            yield characters, _BEHIND
            characters, empty = characters + 1, 0


def _pool_of(reading: Reading, weight: float) -> _Pool:
    """Return ``reading`` alone, counting ``weight``."""
    logs = weight * np.log(np.maximum(reading.probabilities.astype(np.float64), _FLOOR))
    untold = np.full(len(reading.alphabet), _UNTOLD / (len(reading.alphabet) - 1))
    untold[reading.alphabet.index(reading.pad)] = 1 - _UNTOLD
    return _Pool(
        latest=reading,
        untold=np.log(untold),
        rows=dict(zip(_places(reading), logs, strict=True)),
        regions={code: weight * probability for code, probability in reading.regions.items()},
        most=len(logs),
        frames=1,
        weight=weight,
        mass=weight * reading.confidence,
    )


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
        self._add(len(reading.text), _pool_of(reading, weight))
        self._marks.update(candidate.marks)
        self._count += 1
        self._fused = None

    def merge(self, other: Vote) -> None:
        """Count all that ``other`` counted."""
        for length, theirs in other._pools.items():
            self._add(length, theirs)
        self._marks.update(other._marks)
        self._count += other._count
        self._fused = None

    def _add(self, length: int, theirs: _Pool) -> None:
        if length in self._pools:
            self._pools[length].add(theirs)
        else:
            self._pools[length] = theirs

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
        logs = np.stack([pool.rows[place] for place in sorted(pool.rows)])
        slots = np.exp(looks * logs / pool.weight)
        slots /= slots.sum(axis=1, keepdims=True)
        # The region head sees the same crop each time; its mean is all that the frames add to each other.
        regions = sorted(((code, mass / pool.weight) for code, mass in pool.regions.items()), key=lambda r: -r[1])
        pad = pool.latest.alphabet.index(pool.latest.pad)
        kept = without_surest_empty(slots.astype(np.float32), pad, pool.most)
        fused = replace(pool.latest, probabilities=kept, regions=dict(regions))
        return lowered(fused, pool.mass / sum(other.mass for other in self._pools.values()))

    def _winner(self) -> _Pool:
        return max(self._pools.values(), key=lambda pool: pool.mass)
