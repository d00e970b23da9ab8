"""Whether what a camera sends can be believed: frozen, black and corrupt streams.

- *frozen*: the same picture, to the last sample, for 10 s in which the camera has coded it afresh at least once (a key
  frame). Between key frames a quiet night's picture may really stay the same, because the encoder finds nothing worth
  sending; so without one it takes a minute. A camera whose encoder goes on adding its own noise to a standing picture
  looks like a quiet road; that is called frozen when for an hour nothing larger than a car's lamp has changed.
- *black*: for 30 s not one pixel in a hundred is brighter than a dark grey.
- *corrupt*: of the last 100 pictures ten or more were torn or could not be decoded.

Pictures are judged by a sample of about 8,000 pixels, in well under 0.2 ms. One thread feeds it; any may ask.
"""

from __future__ import annotations

import math
from collections import deque

import cv2
import numpy as np
from numpy.typing import NDArray

FROZEN_AFTER_S = 10.0
FROZEN_WITHOUT_KEY_FRAME_S = 60.0
STILL_AFTER_S = 3600.0
BLACK_AFTER_S = 30.0
_SAMPLES = 8_192
_DARK_GREY = 40  # of 255; black is 16 where the range is limited, and sensors at their highest gain add some noise
_BRIGHT_SHARE = 0.01
_PICTURES = 100
_CORRUPT_SHARE = 0.1
# A standing picture coded again at another quality moves the mean of a 16 x 9 grid's cell by less than this.
_CELL_STEP = 6.0
_GRID = (16, 9)
_STILL_EVERY_NS = 1_000_000_000


class Condition:
    """The condition of one camera's pictures, over one connection."""

    def __init__(self) -> None:
        self._sample: NDArray[np.uint8] | None = None
        self._cells: NDArray[np.float32] | None = None
        self._cells_at_ns = 0
        self._now_ns = 0
        self._same_since_ns = self._still_since_ns = 0
        self._coded_afresh = False
        self._black_since_ns: int | None = None
        self._lost: deque[bool] = deque(maxlen=_PICTURES)
        self._lost_of = (0, 0)

    def saw(self, luma: NDArray[np.uint8], *, key_frame: bool, boot_ns: int) -> None:
        """Take a whole picture: ``luma`` (H, W) uint8, and whether it was coded without reference to others."""
        step = max(1, round(math.sqrt(luma.size / _SAMPLES)))
        sample = np.ascontiguousarray(luma[step // 2 :: step, step // 2 :: step])
        self._now_ns = boot_ns
        self._count(lost=False)
        if self._sample is None or not np.array_equal(sample, self._sample):
            self._sample, self._same_since_ns, self._coded_afresh = sample, boot_ns, False
        elif key_frame:
            self._coded_afresh = True
        dark = np.count_nonzero(sample > _DARK_GREY) <= _BRIGHT_SHARE * sample.size
        if not dark:
            self._black_since_ns = None
        elif self._black_since_ns is None:
            self._black_since_ns = boot_ns
        if self._cells is None or boot_ns - self._cells_at_ns >= _STILL_EVERY_NS:
            self._look_for_change(sample, boot_ns)

    def lost(self) -> None:
        """Count a picture that was torn or could not be decoded."""
        self._count(lost=True)

    def text(self) -> str:
        """What is wrong, for people; empty if nothing is."""
        lost, of = self._lost_of
        if lost >= _CORRUPT_SHARE * _PICTURES:
            return f"corrupt: {lost} of the last {of} pictures were torn or could not be decoded"
        black_since_ns = self._black_since_ns
        if black_since_ns is not None:
            # A covered lens also gives the same picture all the time: it is not frozen.
            black_s = (self._now_ns - black_since_ns) / 1e9
            return f"black: no light for {black_s:.0f} s" if black_s >= BLACK_AFTER_S else ""
        same_s = (self._now_ns - self._same_since_ns) / 1e9
        if same_s >= (FROZEN_AFTER_S if self._coded_afresh else FROZEN_WITHOUT_KEY_FRAME_S):
            return f"frozen: the same picture for {same_s:.0f} s"
        still_s = (self._now_ns - self._still_since_ns) / 1e9
        if still_s >= STILL_AFTER_S:
            return f"frozen: nothing in the picture has changed for {still_s / 60:.0f} min"
        return ""

    def _count(self, *, lost: bool) -> None:
        self._lost.append(lost)
        self._lost_of = sum(self._lost), len(self._lost)  # at once, for whoever asks from another thread

    def _look_for_change(self, sample: NDArray[np.uint8], boot_ns: int) -> None:
        cells = np.asarray(cv2.resize(sample, _GRID, interpolation=cv2.INTER_AREA), np.float32)
        if self._cells is None or float(np.abs(cells - self._cells).max()) > _CELL_STEP:
            self._cells, self._still_since_ns = cells, boot_ns
        self._cells_at_ns = boot_ns
