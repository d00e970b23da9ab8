"""Where transients begin: a gate that costs almost nothing on a quiet street.

``OnsetGate`` watches the level in frames of 5 ms against an adaptive noise floor and names the frames in which it
leaps; ``picking`` then finds the place in the waveform. The level is that of the difference between neighbours after
averaging down to some 6 kHz: traffic, wind and hum vanish, a bang stays, and it takes two passes over the samples.

Digital silence (a muted card, the padding of a recording) is no sound: it moves no floor, and where it ends the floor
is taken anew. The gate keeps state between blocks and belongs to the thread that feeds it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FRAME_S = 0.005
CHUNK_FRAMES = 20
"""Frames that are looked at together, so that a quiet street costs a few array operations ten times a second."""

_AVERAGED_HZ = 6_000
# A candidate stands this far above the noise floor, and above the quietest of the frames just before it: 97 % of live
# fire up to 900 m does, and a quiet street does once a second; less only sends more noise to the classifier.
_ABOVE_FLOOR_DB = 9.0
_RISE_DB = 6.0
_RISE_FRAMES = 6
# Rounds of the fastest automatic weapons follow each other by 50 ms, give or take a frame.
_REFRACTORY_S = 0.04
# Within that time only what is so much louder begins anew: a bump of the tail must not hide the round behind it.
_LOUDER_DB = 8.0
# The floor follows the lower quarter of the levels by this much a second: slow enough for a burst, quick enough for a
# bus.
_FLOOR_DB_PER_S = 6.0
_SILENCE_DB = -100.0


class OnsetGate:
    """Names the frames in which the level leaps; fed with consecutive blocks of one scene."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._averaged = max(1, round(rate_hz / _AVERAGED_HZ))
        self._frame = max(1, round(rate_hz * FRAME_S / self._averaged)) * self._averaged
        self._weights = np.full(self._averaged, 1 / self._averaged, np.float32)
        self._left: NDArray[np.float32] = np.zeros(0, np.float32)
        self._last: float | None = None
        self._begin = 0
        self._floor_db: float | None = None
        self._before = np.full(_RISE_FRAMES, _SILENCE_DB)
        self._refractory = round(_REFRACTORY_S / FRAME_S)
        self._named: tuple[int, float] | None = None  # frame and level of the last candidate

    @property
    def frame_samples(self) -> int:
        """How many samples a frame has."""
        return self._frame

    def feed(self, samples: NDArray[np.float32], *, over: bool = False) -> list[int]:
        """Return the candidates in what ``samples`` complete, as sample indices counted from the scene's first.

        Args:
            samples: (n,), the next ones.
            over: nothing follows: what is left of a chunk is looked at as well.
        """
        waiting = np.concatenate([self._left, samples]) if len(self._left) else samples
        chunk = CHUNK_FRAMES * self._frame
        candidates: list[int] = []
        first = 0
        while len(waiting) - first >= chunk or (over and len(waiting) - first >= self._frame):
            whole = min(chunk, (len(waiting) - first) // self._frame * self._frame)
            candidates += self._look(waiting[first : first + whole])
            first += whole
        self._left = waiting[first:].copy()
        return candidates

    def _look(self, samples: NDArray[np.float32]) -> list[int]:
        levels_db = self._levels_db(samples)
        sounding = levels_db[levels_db > _SILENCE_DB + 0.1]
        if len(sounding) == 0:
            self._floor_db = None
        else:
            ascending_db = np.sort(sounding)
            if self._floor_db is None:
                # The quietest, for the chunk in which sound begins may hold a shot as well; but the frame in which it
                # begins may be half silent.
                self._floor_db = float(ascending_db[min(1, len(ascending_db) - 1)])
            quarter_db = float(ascending_db[len(ascending_db) // 4])
            candidates = self._leaps(levels_db, self._floor_db)
            step_db = _FLOOR_DB_PER_S * FRAME_S * len(levels_db)
            self._floor_db += max(-step_db, min(step_db, quarter_db - self._floor_db))
        named = [] if len(sounding) == 0 else [self._begin + frame * self._frame for frame in candidates]
        self._begin += len(samples)
        self._before = np.concatenate([self._before, levels_db])[-_RISE_FRAMES:]
        return named

    def _levels_db(self, samples: NDArray[np.float32]) -> NDArray[np.float64]:
        averaged = samples.reshape(-1, self._averaged) @ self._weights
        # As if the first sample had always been: an offset of the sound card is no transient.
        last = float(averaged[0]) if self._last is None else self._last
        self._last = float(averaged[-1])
        steps = averaged.copy()
        steps[0] -= last
        steps[1:] -= averaged[:-1]
        steps = steps.reshape(-1, self._frame // self._averaged)
        energy = np.einsum("fs,fs->f", steps, steps) / steps.shape[1]
        levels_db: NDArray[np.float64] = 10 * np.log10(energy + 10 ** (_SILENCE_DB / 10), dtype=np.float64)
        return levels_db

    def _leaps(self, levels_db: NDArray[np.float64], floor_db: float) -> list[int]:
        if float(levels_db.max()) <= floor_db + _ABOVE_FLOOR_DB:
            return []
        loud = np.flatnonzero(levels_db > floor_db + _ABOVE_FLOOR_DB)
        ahead = np.concatenate([self._before, levels_db])
        number = self._begin // self._frame
        frames: list[int] = []
        for frame in loud.tolist():
            level_db = float(levels_db[frame])
            rises = level_db > ahead[frame : frame + _RISE_FRAMES].min() + _RISE_DB
            if rises and self._is_new(number + frame, level_db):
                self._named = number + frame, level_db
                frames.append(frame)
        return frames

    def _is_new(self, frame: int, level_db: float) -> bool:
        if self._named is None or frame - self._named[0] > self._refractory:
            return True
        return level_db > self._named[1] + _LOUDER_DB
