"""Whether a microphone's sound can be trusted: its levels ten times a second, and what they give away.

- *dead channel*: the same value for two seconds, or less than any microphone's own noise.
- *clipping*: samples at full scale in a third of the last seconds, far more than a shot or two.
- *wind*: most of the power below 100 Hz, coming in gusts. Traffic rumbles too, but evenly.
- *automatic gain*: after a loud sound the street falls quieter than it was before it, and creeps back. No street does
  that, an amplifier that turns itself down does. Levels then mean little.

Costs a few array operations, however many tenths of a second it is fed at once. Belongs to the thread that feeds it;
the properties may be read from any.
"""

from __future__ import annotations

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
_SILENCE = 1e-12  # power: -120 dBFS

_LOUD_DB = 15.0
_DUCKED_DB = 6.0
_BACK_DB = 2.5
_DUCKS_AFTER_PIECES = 3  # before that the sound itself still rings
_CREEPS_BACK_PIECES = 100
_FORGOTTEN_PIECES = 6000  # ten minutes without another one


class Soundness:
    """Watches one microphone; fed with consecutive blocks of one scene, the longer the cheaper."""

    def __init__(self, rate_hz: int) -> None:
        self._piece = max(8, round(PIECE_S * rate_hz))
        self._averaged = max(1, round(rate_hz / (4 * _LOW_HZ)))
        self._slow = self._piece // self._averaged * self._averaged
        self._weights = np.full(self._piece, 1 / self._piece, np.float32)
        self._low_weights = np.full(self._averaged, 1 / self._averaged, np.float32)
        self._left: NDArray[np.float32] = np.zeros(0, np.float32)
        # Of the last pieces, the newest last; not a number: not yet heard, or no sound at all.
        self._sounding_dbfs = np.full(_REMEMBERED, np.nan)
        self._low_dbfs = np.full(_REMEMBERED, np.nan)
        self._low_share = np.full(_REMEMBERED, np.nan)
        self._clipped = np.zeros(_REMEMBERED, np.bool_)
        self._dead_pieces = 0
        self._level_dbfs: float | None = None
        self._floor_dbfs: float | None = None
        self._blows = False
        self._gain = _Gain()

    @property
    def level_dbfs(self) -> float | None:
        """Root mean square of the last 100 ms relative to full scale, its offset taken off; None before the first."""
        return self._level_dbfs

    @property
    def floor_dbfs(self) -> float | None:
        """The level that a fifth of the last seconds stayed below; None before the first sound."""
        return self._floor_dbfs

    @property
    def condition(self) -> str:
        """Why the sound cannot be trusted now, in a few words; empty when it can."""
        if self._dead_pieces * PIECE_S >= _DEAD_S:
            return "dead channel"
        if np.count_nonzero(self._clipped) >= _CLIPPED_SHARE * _REMEMBERED and not np.isnan(self._low_dbfs[0]):
            return "clipping"
        if self._blows:
            return "wind"
        return "automatic gain" if self._gain.is_automatic else ""

    @property
    def marks(self) -> frozenset[str]:
        """What is wrong with the sound now, as shots carry it: ``wind``, ``agc``."""
        wind = {"wind"} if self._blows else set()
        return frozenset(wind | ({"agc"} if self._gain.is_automatic else set()))

    def feed(self, samples: NDArray[np.float32]) -> None:
        """Take the next samples, (n,) float32."""
        waiting = np.concatenate([self._left, samples]) if len(self._left) else samples
        whole = len(waiting) // self._piece * self._piece
        if whole:
            self._look(waiting[:whole].reshape(-1, self._piece))
        self._left = waiting[whole:].copy()

    def _look(self, pieces: NDArray[np.float32]) -> None:
        centred = pieces - (pieces @ self._weights)[:, None]
        power = np.einsum("ps,ps->p", centred, centred) / self._piece
        slow = centred[:, : self._slow].reshape(len(pieces), -1, self._averaged) @ self._low_weights
        low = np.einsum("ps,ps->p", slow, slow) / slow.shape[1]
        levels_dbfs = _dbfs(power)
        self._low_dbfs = np.concatenate([self._low_dbfs, _dbfs(low)])[-_REMEMBERED:]
        shares = low / np.maximum(power, _SILENCE)
        self._low_share = np.concatenate([self._low_share, shares])[-_REMEMBERED:]
        self._clipped = np.concatenate([self._clipped, _are_clipped(pieces)])[-_REMEMBERED:]
        self._level_dbfs = float(levels_dbfs[-1])
        self._blows = self._is_wind()
        self._follow(levels_dbfs)

    def _follow(self, levels_dbfs: NDArray[np.float64]) -> None:
        """Count dead pieces, let the floor follow the others, and tell the floor to who looks for automatic gain."""
        count = len(levels_dbfs)
        alive = levels_dbfs >= _DEAD_DBFS
        living = np.flatnonzero(alive)
        self._dead_pieces = count - 1 - int(living[-1]) if len(living) else self._dead_pieces + count
        history_dbfs = np.concatenate([self._sounding_dbfs, np.where(alive, levels_dbfs, np.nan)])
        self._sounding_dbfs = history_dbfs[-_REMEMBERED:]
        if len(living) == 0:
            return
        # One row for each new piece, the last seconds up to it: what is no number is sorted behind the rest.
        rows = np.arange(1, count + 1)[:, None] + np.arange(_REMEMBERED)
        ascending_dbfs = np.sort(history_dbfs[rows], axis=1)
        fifth = (_REMEMBERED - np.count_nonzero(np.isnan(ascending_dbfs), axis=1)) // 5
        floors_dbfs = ascending_dbfs[np.arange(count), fifth]
        for level_dbfs, floor_dbfs in zip(levels_dbfs[living].tolist(), floors_dbfs[living].tolist(), strict=True):
            self._gain.look(level_dbfs, floor_dbfs if self._floor_dbfs is None else self._floor_dbfs)
            self._floor_dbfs = floor_dbfs

    def _is_wind(self) -> bool:
        mostly_low = np.count_nonzero(self._low_share >= _WIND_SHARE) >= _REMEMBERED - _REMEMBERED // 3
        if not mostly_low or np.isnan(self._low_dbfs[0]):
            return False
        low_dbfs = np.sort(self._low_dbfs)
        gusts_db = low_dbfs[-_REMEMBERED // 10] - low_dbfs[_REMEMBERED // 10]
        return bool(low_dbfs[_REMEMBERED // 2] >= _WIND_DBFS and gusts_db >= _GUSTS_DB)


def _dbfs(power: NDArray[np.float32]) -> NDArray[np.float64]:
    dbfs: NDArray[np.float64] = 10 * np.log10(power + _SILENCE, dtype=np.float64)
    return dbfs


def _are_clipped(pieces: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Whether each of (pieces, samples) touches full scale; one sample may by chance."""
    if max(float(pieces.max()), -float(pieces.min())) < _FULL_SCALE:
        return np.zeros(len(pieces), np.bool_)
    clipped: NDArray[np.bool_] = np.count_nonzero(np.abs(pieces) >= _FULL_SCALE, axis=1) >= 2
    return clipped


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
