"""The last seconds of one scene: samples in memory, and the capture time of each.

Privacy by construction: this ring is the only place where sound waits, it is never written anywhere, and what is older
than a shot's clip can need is dropped with every block. Owned by the thread that feeds the detector.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from edge_agent.records import AudioBlock, CaptureTime


class Scene:
    """Consecutive blocks of one microphone, addressed by sample number from the scene's first."""

    def __init__(self, first: AudioBlock) -> None:
        self.microphone = first.microphone
        self.number = first.scene
        self.rate_hz = first.rate_hz
        self._samples: NDArray[np.float32] = np.zeros(0, np.float32)
        self._begin = 0
        self._times: deque[tuple[int, CaptureTime]] = deque()

    def continues(self, block: AudioBlock) -> bool:
        """Whether ``block`` belongs to this scene."""
        return (block.microphone, block.scene, block.rate_hz) == (self.microphone, self.number, self.rate_hz)

    @property
    def begin(self) -> int:
        """Number of the oldest sample still held."""
        return self._begin

    @property
    def end(self) -> int:
        """Number of the sample that comes next."""
        return self._begin + len(self._samples)

    def append(self, block: AudioBlock) -> None:
        """Add a block that continues the scene."""
        self._times.append((self.end, block.captured))
        self._samples = np.concatenate([self._samples, block.samples])

    def between(self, first: int, last: int) -> NDArray[np.float32]:
        """Return the samples from ``first`` up to but without ``last``, as far as they are held."""
        return self._samples[max(0, first - self._begin) : max(0, last - self._begin)]

    def captured(self, sample: int) -> CaptureTime:
        """Return the capture time of ``sample``, counted from the block that holds it."""
        start, time = self._times[0]
        for begin, captured in self._times:
            if begin > sample:
                break
            start, time = begin, captured
        return time.shifted(round((sample - start) * 1_000_000_000 / self.rate_hz))

    def forget(self, before: int) -> None:
        """Drop what lies before sample ``before``."""
        drop = min(max(0, before - self._begin), len(self._samples))
        self._samples = self._samples[drop:].copy() if drop else self._samples
        self._begin += drop
        while len(self._times) > 1 and self._times[1][0] <= self._begin:
            self._times.popleft()
