"""Where transients begin: a gate that costs almost nothing on a quiet street.

``OnsetGate`` watches the level in frames of 5 ms against an adaptive noise floor and names the frames in which it
leaps; ``picking`` then finds the place in the waveform. The level is that of the difference between neighbours after
averaging down to some 6 kHz: traffic, wind and hum vanish, a bang stays, and it takes two passes over the samples.

Digital silence (a muted card, the padding of a recording) is no sound: it moves no floor, and where it ends the floor
is taken anew. The gate keeps state between blocks and belongs to the thread that feeds it.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

FRAME_S = 0.005
CHUNK_FRAMES = 20
"""Frames after which the floor moves: a tenth of a second."""

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
_NEXT_TO_DB = 0.1


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

    @property
    def looked(self) -> int:
        """How many samples it has looked at: what it names next lies at or after that."""
        return self._begin

    def feed(self, samples: NDArray[np.float32], *, over: bool = False) -> list[int]:
        """Return the candidates in what ``samples`` complete, as sample indices counted from the scene's first.

        Args:
            samples: (n,), the next ones; the more at once, the less each costs.
            over: nothing follows: what is left of a chunk is looked at as well.
        """
        waiting = np.concatenate([self._left, samples]) if len(self._left) else samples
        frames = len(waiting) // self._frame
        whole = frames // CHUNK_FRAMES * CHUNK_FRAMES
        candidates = self._look(waiting[: whole * self._frame], CHUNK_FRAMES) if whole else []
        if over and frames > whole:
            candidates += self._look(waiting[whole * self._frame : frames * self._frame], frames - whole)
            whole = frames
        self._left = waiting[whole * self._frame :].copy()
        return candidates

    def _look(self, samples: NDArray[np.float32], chunk_frames: int) -> list[int]:
        levels_db = self._levels_db(samples)
        above_db = self._limits_db(levels_db.reshape(-1, chunk_frames))
        ahead_db = np.concatenate([self._before, levels_db])
        self._before = ahead_db[-_RISE_FRAMES:]
        begin = self._begin
        self._begin += len(samples)
        loud = levels_db > np.repeat(above_db, chunk_frames)
        if not loud.any():
            return []
        quietest_db = np.minimum.reduce([ahead_db[back : back + len(levels_db)] for back in range(_RISE_FRAMES)])
        leaping = np.flatnonzero(loud & (levels_db > quietest_db + _RISE_DB))
        first = begin // self._frame
        return [
            (first + frame) * self._frame
            for frame, level_db in zip(leaping.tolist(), levels_db[leaping].tolist(), strict=True)
            if self._is_new(first + frame, level_db)
        ]

    def _levels_db(self, samples: NDArray[np.float32]) -> NDArray[np.float64]:
        averaged = samples.reshape(-1, self._averaged) @ self._weights
        steps = np.empty_like(averaged)
        # As if the first sample had always been: an offset of the sound card is no transient.
        steps[0] = 0.0 if self._last is None else float(averaged[0]) - self._last
        np.subtract(averaged[1:], averaged[:-1], out=steps[1:])
        self._last = float(averaged[-1])
        steps = steps.reshape(-1, self._frame // self._averaged)
        energy = np.einsum("fs,fs->f", steps, steps) / steps.shape[1]
        levels_db: NDArray[np.float64] = 10 * np.log10(energy + 10 ** (_SILENCE_DB / 10), dtype=np.float64)
        return levels_db

    def _limits_db(self, chunks_db: NDArray[np.float64]) -> list[float]:
        """Return what leaps out of each chunk of (chunks, frames) levels, and let the floor follow them."""
        ascending_db = np.sort(chunks_db, axis=1)
        quarter = chunks_db.shape[1] // 4
        silent = ascending_db[:, 0] <= _SILENCE_DB + _NEXT_TO_DB
        step_db = _FLOOR_DB_PER_S * FRAME_S * chunks_db.shape[1]
        limits_db: list[float] = []
        for chunk, quarter_db in enumerate(ascending_db[:, quarter].tolist()):
            # The quietest but one, for the chunk in which sound begins may hold a shot as well, and the frame in which
            # it begins may be half silent.
            first_db = float(ascending_db[chunk, :2][-1]) if self._floor_db is None else self._floor_db
            if silent[chunk]:
                sounding_db = ascending_db[chunk][ascending_db[chunk] > _SILENCE_DB + _NEXT_TO_DB]
                if len(sounding_db) == 0:
                    self._floor_db = None
                    limits_db.append(math.inf)
                    continue
                quarter_db = float(sounding_db[len(sounding_db) // 4])
                first_db = float(sounding_db[:2][-1]) if self._floor_db is None else self._floor_db
            limits_db.append(first_db + _ABOVE_FLOOR_DB)
            self._floor_db = first_db + max(-step_db, min(step_db, quarter_db - first_db))
        return limits_db

    def _is_new(self, frame: int, level_db: float) -> bool:
        if self._named is not None:
            named, named_db = self._named
            if frame - named <= self._refractory and level_db <= named_db + _LOUDER_DB:
                return False
        self._named = frame, level_db
        return True
