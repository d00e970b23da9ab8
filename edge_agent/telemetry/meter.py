"""What a source's network takes: the median over the last minute, measured around the run itself.

Waiting for one's turn at the cores is not in it: that is a matter of how many sources there are, and shows as frames
that were passed over.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from statistics import median_low

import numpy as np
from numpy.typing import NDArray

from edge_agent.ports import PlateReader, ShotClassifier
from edge_agent.records import PlateCandidate

_WINDOW_NS = 60_000_000_000
_MOST_RUNS = 4_096  # 60 frames a second for a minute


class Meter:
    """Durations of the last minute. Noted by one thread, asked by another.

    Args:
        now_ns: the boot clock.
    """

    def __init__(self, now_ns: Callable[[], int]) -> None:
        self._now_ns = now_ns
        self._lock = threading.Lock()
        self._runs: deque[tuple[int, int]] = deque(maxlen=_MOST_RUNS)

    def note(self, since_ns: int) -> None:
        """Note a run that began at ``since_ns`` and has just ended."""
        now_ns = self._now_ns()
        with self._lock:
            self._runs.append((now_ns, now_ns - since_ns))

    def now_ns(self) -> int:
        """The clock that runs are measured by."""
        return self._now_ns()

    def median_us(self) -> int | None:
        """Return the median run of the last minute in microseconds; None if there was none."""
        oldest_ns = self._now_ns() - _WINDOW_NS
        with self._lock:
            while self._runs and self._runs[0][0] < oldest_ns:
                self._runs.popleft()
            runs_ns = [duration_ns for _, duration_ns in self._runs]
        return median_low(runs_ns) // 1_000 if runs_ns else None


class TimedReader:
    """A ``ports.PlateReader`` whose runs are noted.

    Args:
        reader: what reads.
        meter: where runs are noted.
    """

    def __init__(self, reader: PlateReader, meter: Meter) -> None:
        self._reader = reader
        self._meter = meter

    def read(self, image: NDArray[np.uint8]) -> Sequence[PlateCandidate]:
        """Return the plates of ``image``, (H, W, 3) uint8 BGR, best first."""
        since_ns = self._meter.now_ns()
        found = self._reader.read(image)
        self._meter.note(since_ns)
        return found


class TimedClassifier:
    """A ``ports.ShotClassifier`` whose runs are noted.

    Args:
        classifier: what classifies.
        meter: where runs are noted.
    """

    def __init__(self, classifier: ShotClassifier, meter: Meter) -> None:
        self._classifier = classifier
        self._meter = meter

    @property
    def name(self) -> str:
        """The model's name as arrivals carry it."""
        return self._classifier.name

    def classify(self, samples: NDArray[np.float32], rate_hz: int) -> Mapping[str, float]:
        """Return the probability of each class for ``samples``, (n,) float32 mono."""
        since_ns = self._meter.now_ns()
        classes = self._classifier.classify(samples, rate_hz)
        self._meter.note(since_ns)
        return classes
