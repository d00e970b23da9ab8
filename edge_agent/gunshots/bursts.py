"""Which rounds belong together, and how they were fired. Pure but for the counting; one tracker a microphone.

A burst is a series of rounds no more than ``SERIES_S`` apart. Automatic fire is told by its regular, short gaps: the
cyclic rates of automatic weapons lie between 400 and 1,200 rounds a minute, a round every 50 to 150 ms, and the gun,
not a finger, keeps the time.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

SERIES_S = 5.0
"""Rounds farther apart than this are not one burst: the same that the collector takes for one incident."""

_AUTOMATIC_ROUNDS = 3
_AUTOMATIC_GAP_S = 0.160
_REGULAR = 0.25  # standard deviation of the gaps over their mean


@dataclass(frozen=True, slots=True)
class Place:
    """Where a round stands in its burst.

    Attributes:
        burst: number of the burst, from 1.
        round: which round of it, from 1.
        fire: ``single``, ``burst`` or ``automatic``, as far as was heard so far.
    """

    burst: int
    round: int
    fire: str


class Bursts:
    """Counts the rounds of one microphone; to be told every round in order of time."""

    def __init__(self) -> None:
        self._burst = 0
        self._round = 0
        self._automatic = False
        self._last_s: deque[float] = deque(maxlen=_AUTOMATIC_ROUNDS)

    def add(self, at_s: float) -> Place:
        """Return the place of the round at ``at_s``, seconds on any clock that does not jump."""
        if not self._last_s or at_s - self._last_s[-1] > SERIES_S:
            self.end()
            self._burst += 1
        self._round += 1
        self._last_s.append(at_s)
        self._automatic = self._automatic or self._is_automatic()
        fire = "single" if self._round == 1 else "automatic" if self._automatic else "burst"
        return Place(self._burst, self._round, fire)

    def end(self) -> None:
        """The next round begins another burst, however soon it follows."""
        self._round, self._automatic = 0, False
        self._last_s.clear()

    def _is_automatic(self) -> bool:
        if len(self._last_s) < _AUTOMATIC_ROUNDS:
            return False
        gaps_s = np.diff(self._last_s)
        return bool(gaps_s.max() <= _AUTOMATIC_GAP_S and gaps_s.std() <= _REGULAR * gaps_s.mean())
