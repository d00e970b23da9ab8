"""Whether a microphone's sound can be trusted: its levels ten times a second, and what they give away.

- *dead channel*: the same value for two seconds, or less than any microphone's own noise.
- *clipping*: samples at full scale in a third of the last seconds, far more than a shot or two.
- *wind*: most of the power below 100 Hz, coming in gusts. Traffic rumbles too, but evenly.
- *automatic gain*: after a loud sound the street falls quieter than it was before it, and creeps back. No street does
  that, an amplifier that turns itself down does. Levels then mean little.

Costs a few array operations every 100 ms. Belongs to the thread that feeds it; the properties may be read from any.
"""

from __future__ import annotations

import math
from collections import deque

import numpy as np
from numpy.typing import NDArray

PIECE_S = 0.1

_REMEMBERED = 30  # pieces: three seconds
_DEAD_S = 2.0
_DEAD_DBFS = -96.0  # one bit of 16 going back and forth
_FULL_SCALE = 0.999
_CLIPPED_SHARE = 0.3
_LOW_HZ = 100.0
_WIND_SHARE = 0.8
_WIND_DBFS = -50.0
_GUSTS_DB = 6.0
_SILENCE_DBFS = -120.0

_LOUD_DB = 15.0
_DUCKED_DB = 6.0
_BACK_DB = 2.5
_DUCKS_AFTER_PIECES = 3  # before that the sound itself still rings
_CREEPS_BACK_PIECES = 100
_FORGOTTEN_PIECES = 6000  # ten minutes without another one


class Soundness:
    """Watches one microphone; fed with consecutive blocks of one scene."""

    def __init__(self, rate_hz: int) -> None:
        self._piece = max(8, round(PIECE_S * rate_hz))
        self._averaged = max(1, round(rate_hz / (4 * _LOW_HZ)))
        self._ones = np.ones(self._piece, np.float32)
        self._left: NDArray[np.float32] = np.zeros(0, np.float32)
        self._levels_dbfs: deque[float] = deque(maxlen=_REMEMBERED)
        self._low_dbfs: deque[float] = deque(maxlen=_REMEMBERED)
        self._low_share: deque[float] = deque(maxlen=_REMEMBERED)
        self._clipped: deque[bool] = deque(maxlen=_REMEMBERED)
        self._dead_pieces = 0
        self._floor_dbfs: float | None = None
        self._gain = _Gain()

    @property
    def level_dbfs(self) -> float | None:
        """Root mean square of the last 100 ms relative to full scale, its offset taken off; None before the first."""
        return self._levels_dbfs[-1] if self._levels_dbfs else None

    @property
    def floor_dbfs(self) -> float | None:
        """The level that a fifth of the last seconds stayed below; None before the first sound."""
        return self._floor_dbfs

    @property
    def condition(self) -> str:
        """Why the sound cannot be trusted now, in a few words; empty when it can."""
        if self._dead_pieces * PIECE_S >= _DEAD_S:
            return "dead channel"
        if len(self._clipped) == _REMEMBERED and sum(self._clipped) >= _CLIPPED_SHARE * _REMEMBERED:
            return "clipping"
        if self._blows():
            return "wind"
        return "automatic gain" if self._gain.is_automatic else ""

    @property
    def marks(self) -> frozenset[str]:
        """What is wrong with the sound now, as shots carry it: ``wind``, ``agc``."""
        wind = {"wind"} if self._blows() else set()
        return frozenset(wind | ({"agc"} if self._gain.is_automatic else set()))

    def feed(self, samples: NDArray[np.float32]) -> None:
        """Take the next samples, (n,) float32."""
        waiting = np.concatenate([self._left, samples]) if len(self._left) else samples
        count = len(waiting) // self._piece
        for number in range(count):
            self._look(waiting[number * self._piece : (number + 1) * self._piece])
        self._left = waiting[count * self._piece :].copy()

    def _look(self, piece: NDArray[np.float32]) -> None:
        mean = float(piece @ self._ones[: len(piece)]) / len(piece)
        power = max(0.0, float(piece @ piece) / len(piece) - mean * mean)
        level_dbfs = 10 * math.log10(power + 10 ** (_SILENCE_DBFS / 10))
        highest = max(float(piece.max()), -float(piece.min()))
        clipped = highest >= _FULL_SCALE and int(np.count_nonzero(np.abs(piece) >= _FULL_SCALE)) >= 2
        self._dead_pieces = self._dead_pieces + 1 if level_dbfs < _DEAD_DBFS else 0
        self._clipped.append(clipped)
        self._levels_dbfs.append(level_dbfs)
        whole = len(piece) // self._averaged * self._averaged
        slow = piece[:whole].reshape(-1, self._averaged) @ self._ones[: self._averaged] / self._averaged - mean
        low = float(slow @ slow) / len(slow)
        self._low_share.append(min(1.0, low / power) if power > 0 else 0.0)
        self._low_dbfs.append(10 * math.log10(low + 10 ** (_SILENCE_DBFS / 10)))
        if level_dbfs >= _DEAD_DBFS:
            before_dbfs = self._floor_dbfs
            sounding = sorted(level for level in self._levels_dbfs if level >= _DEAD_DBFS)
            self._floor_dbfs = sounding[len(sounding) // 5]
            self._gain.look(level_dbfs, self._floor_dbfs if before_dbfs is None else before_dbfs)

    def _blows(self) -> bool:
        if len(self._low_share) < _REMEMBERED:
            return False
        low_dbfs = sorted(self._low_dbfs)
        typical_dbfs, gusts_db = low_dbfs[_REMEMBERED // 2], low_dbfs[-_REMEMBERED // 10] - low_dbfs[_REMEMBERED // 10]
        share = sorted(self._low_share)[_REMEMBERED // 3]
        return share >= _WIND_SHARE and typical_dbfs >= _WIND_DBFS and gusts_db >= _GUSTS_DB


class _Gain:
    """Looks for an amplifier that turns itself down after something loud, and up again."""

    def __init__(self) -> None:
        self._before_dbfs = 0.0
        self._since_loud: int | None = None
        self._ducked = False
        self._since_seen = _FORGOTTEN_PIECES
        self._seen = 0

    @property
    def is_automatic(self) -> bool:
        """Whether that was seen twice, and the last time not long ago."""
        return self._seen >= 2 and self._since_seen < _FORGOTTEN_PIECES

    def look(self, level_dbfs: float, floor_dbfs: float) -> None:
        """Take the level of the next piece and the floor before it."""
        self._since_seen += 1
        if level_dbfs >= floor_dbfs + _LOUD_DB:
            if self._since_loud is None or self._since_loud > _DUCKS_AFTER_PIECES:
                self._before_dbfs = floor_dbfs if not self._ducked else self._before_dbfs
            self._since_loud, self._ducked = 0, False
            return
        if self._since_loud is None:
            return
        self._since_loud += 1
        if self._since_loud > _CREEPS_BACK_PIECES:
            self._since_loud, self._ducked = None, False
        elif not self._ducked:
            self._ducked = self._since_loud >= _DUCKS_AFTER_PIECES and level_dbfs <= self._before_dbfs - _DUCKED_DB
        elif level_dbfs >= self._before_dbfs - _BACK_DB:
            self._since_loud, self._ducked = None, False
            self._seen = self._seen + 1 if self._since_seen < _FORGOTTEN_PIECES else 1
            self._since_seen = 0
