"""Whether anything moved in front of a camera since plates were last read there. Pure.

An empty road costs a look at 160 x 90 grey cells instead of two networks. A vehicle missed is a read lost and a look
too many is only time, so every choice here leans towards "changed":

- A frame is compared with the last one that was *read*, not with the last one that came: a car that creeps has moved at
  some point, and a car that stands has not.
- A difference counts by its mean over three by three cells (36 pixels square of a 1080p picture, less than a plate that
  can be read), so that the noise of a sensor averages out and a plate does not.
- What a place usually looks like, and how far it departs from that by itself (noise, compression, leaves, a mast in the
  wind), is learnt place by place as a running median and a running 80th percentile: traffic that covers a place less
  than a fifth of the time moves neither. Only a place that departs further counts. How far is bounded: a place can
  become dull, never blind.
- What changes the whole picture by one factor, as exposure and flickering lamps do, is taken out before comparing.
  When most of it changed otherwise, as at a switch to infrared, everything is learnt anew.
- After a change some more frames are read: the sharpest picture of a car that stops is the one after it stopped.

Cost: bench/plates.py shows it in milliseconds per 1080p frame. Used by one thread.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent.records import Frame

_WIDTH_CELLS = 160
# Rows of pixels that are looked at per row of cells; all columns are. More cost time and find nothing more.
_ROWS_PER_CELL = 2
_AROUND_CELLS = (3, 3)
# In grey levels of 255. Below _LEAST nothing that could carry a readable plate differs from a road; compression alone
# reaches 2. At _MOST a dark car on a dark road still counts by its plate.
_LEAST = 4.0
_MOST = 16.0
_TIMES_USUAL = 2.5
_USUALLY = np.float32(0.8)
# A vehicle is larger; what a mean over three by three makes of one cell alone is not much smaller.
_MOVED_CELLS = 4
# Levels a frame: a car that stopped is part of the road after a minute. The first frames teach more.
_LEARN_LOOK = np.float32(0.05)
_LEARN_DEPARTURE = np.float32(0.02)
_LEARN_AT_FIRST = np.float32(3.0)
_MORE_FRAMES = 3
# Added before brightness is compared as a ratio: near black a ratio is only noise.
_BLACK = 16.0


class MotionGate:
    """The gate of one camera: tells frames worth reading from those in which nothing moved."""

    def __init__(self) -> None:
        self._scene: int | None = None
        self._more = 0
        # All by cell: the last frame that was read and where it was unusual; the usual look, and departures from it.
        self._read = self._look = self._departure = np.zeros((0, 0), np.float32)
        self._read_unusual = np.zeros((0, 0), np.bool_)
        self._learnt = 0

    def changed(self, frame: Frame) -> bool:
        """Whether anything moved since the last frame for which this was True.

        Args:
            frame: the next frame of this camera, in order; only its ``luma`` is looked at.

        Returns:
            True when plates should be read in ``frame``; the caller does so, for the next frames are compared with it.
        """
        now = _cells(frame.luma)
        if frame.scene != self._scene or now.shape != self._read.shape:
            self._scene, self._more = frame.scene, _MORE_FRAMES
            self._begin(now)
            return True
        departs = _differences(now, self._look)
        unusual = departs > np.clip(_TIMES_USUAL * self._departure, _LEAST, _MOST)
        moved = np.count_nonzero((unusual | self._read_unusual) & (_differences(now, self._read) > _LEAST))
        if moved >= _MOVED_CELLS:
            self._more = _MORE_FRAMES
        else:
            self._more -= 1
        if 2 * moved > now.size:
            self._begin(now)
            return True
        self._learn(now, departs)
        if self._more < 0:
            return False
        self._read, self._read_unusual = now, unusual
        return True

    def _begin(self, now: NDArray[np.float32]) -> None:
        self._read = self._look = now
        self._read_unusual = np.zeros(now.shape, np.bool_)
        self._departure = np.zeros_like(now)
        self._learnt = 0

    def _learn(self, now: NDArray[np.float32], departs: NDArray[np.float32]) -> None:
        """Move look and departure towards the median and the percentile of what is seen, by steps of one size."""
        self._learnt += 1
        at_first = _LEARN_AT_FIRST / np.float32(self._learnt)
        self._look = self._look + max(_LEARN_LOOK, at_first) * np.sign(now - self._look)
        step = max(_LEARN_DEPARTURE, at_first)
        self._departure += np.where(departs > self._departure, step * _USUALLY, step * (_USUALLY - 1))


def _cells(luma: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the mean brightness of each cell, (cells high, 160) float32, black as ``_BLACK``."""
    height_px, width_px = luma.shape
    high = min(max(1, round(height_px * _WIDTH_CELLS / width_px)), 2 * _WIDTH_CELLS)
    rows = luma[:: max(1, height_px // (high * _ROWS_PER_CELL))]
    small = cv2.resize(rows, (_WIDTH_CELLS, high), interpolation=cv2.INTER_AREA)
    return small.astype(np.float32) + np.float32(_BLACK)


def _differences(now: NDArray[np.float32], before: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return by how many levels each place differs, after ``before`` was made as bright as ``now``."""
    # Every ninth cell, over all rows and columns, is enough for a median.
    gain = np.float32(np.median(now.ravel()[::9] / before.ravel()[::9]))
    return np.asarray(cv2.blur(cv2.absdiff(now, before * gain), _AROUND_CELLS), np.float32)
