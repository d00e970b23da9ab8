"""The last seconds of one scene: samples in memory, and the capture time of each.

Privacy by construction: this ring is the only place where sound waits, it is never written anywhere, and what is older
than a shot's window and clip can need is dropped every second. Owned by the thread that feeds the detector.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from edge_agent.records import AudioBlock, CaptureTime, SampleTiming

_FIRST_S = 8.0  # twice what is held between shots, so that it moves to the front every few seconds only
# Of a block: its first sample, when that was captured, of which channel, and how well timed. With the block itself, old
# sound would stay in memory as long as its times do.
_Origin = tuple[int, CaptureTime, int, SampleTiming]


class Scene:
    """Consecutive blocks of one microphone, addressed by sample number from the scene's first.

    The samples lie in one array that is moved to its front when it is full, and doubled when more than half of it is
    still needed: what a block costs does not depend on how much is held.
    """

    def __init__(self, first: AudioBlock) -> None:
        self.microphone = first.microphone
        self.number = first.scene
        self.rate_hz = first.rate_hz
        self._room: NDArray[np.float32] = np.zeros(round(_FIRST_S * first.rate_hz), np.float32)
        self._from, self._to = 0, 0  # what is held, as places in the room
        self._begin = self._end = 0
        self._blocks: deque[_Origin] = deque()

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
        return self._end

    def append(self, block: AudioBlock) -> None:
        """Add a block that continues the scene."""
        self._blocks.append((self._end, block.captured, block.channel, block.timing))
        count = len(block.samples)
        if self._to + count > len(self._room):
            held = self._room[self._from : self._to]
            need = len(held) + count
            room = self._room if 2 * need <= len(self._room) else np.zeros(2 * need, np.float32)
            room[: len(held)] = held
            self._room, self._from, self._to = room, 0, len(held)
        self._room[self._to : self._to + count] = block.samples
        self._to += count
        self._end += count

    def between(self, first: int, last: int) -> NDArray[np.float32]:
        """Return a copy of the samples from ``first`` up to but without ``last``, as far as they are held."""
        held = self._room[self._from : self._to]
        return held[max(0, first - self._begin) : max(0, last - self._begin)].copy()

    def origin_of(self, sample: int) -> tuple[int, SampleTiming]:
        """Return channel and timing of the block that holds ``sample``; of the nearest one for a sample outside."""
        _, _, channel, timing = self._holding(sample)
        return channel, timing

    def captured(self, sample: float) -> CaptureTime:
        """Return the capture time of ``sample``, a fraction of one too, counted from the block that holds it."""
        start, captured, _, _ = self._holding(int(sample))
        return captured.shifted(round((sample - start) * 1_000_000_000 / self.rate_hz))

    def forget(self, before: int) -> None:
        """Drop what lies before sample ``before``."""
        drop = min(max(0, before - self._begin), self._to - self._from)
        self._room[self._from : self._from + drop] = 0.0  # dropped is gone, not merely out of reach
        self._from += drop
        self._begin += drop
        while len(self._blocks) > 1 and self._blocks[1][0] <= self._begin:
            self._blocks.popleft()

    def _holding(self, sample: int) -> _Origin:
        found = self._blocks[0]
        for begun in self._blocks:
            if begun[0] > sample:
                break
            found = begun
        return found
