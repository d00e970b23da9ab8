"""What a microphone hears at the moment, for somebody who looks: levels, noise floor, likeliest classes, shots.

The detector itself asks the classifier only when something leaps out of the noise. Somebody who aims a microphone wants
to know what it makes of the hum and the traffic too, so here the last two seconds are judged once a second whatever the
gate says; what that costs is measured and told beside what the listening costs.

Owned by the thread that iterates the source. Keeps two seconds of sound beside what the detector holds.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_agent.gunshots.detector import ShotDetector
from edge_agent.gunshots.features import WINDOW_S
from edge_agent.ports import ShotClassifier
from edge_agent.records import AudioBlock, HeardShot

SILENCE_DBFS = -120.0
HELD_S = 3.0
"""How long a peak stays on the meter."""


@dataclass(frozen=True, slots=True)
class Meter:
    """How loud it is now.

    Attributes:
        at_s: seconds since the scene began (a recording, a sound card's opening), at the end of the block.
        level_dbfs: root mean square of the block.
        peak_dbfs: its highest sample.
        held_dbfs: the highest sample of the last ``HELD_S``.
        floor_dbfs: the noise floor, as the detector has it; None while there was no sound.
    """

    at_s: float
    level_dbfs: float
    peak_dbfs: float
    held_dbfs: float
    floor_dbfs: float | None


@dataclass(frozen=True, slots=True)
class Second:
    """What the last second was like.

    Attributes:
        at_s: its end, seconds since the scene began.
        level_dbfs: its root mean square.
        peak_dbfs: its highest sample.
        floor_dbfs: the noise floor, as the detector has it; None while there was no sound.
        top: the probability of each class for the last two seconds, likeliest first.
        condition: why the sound cannot be trusted; empty if it can.
        heard_ms: computing time of listening: gate, and classifier where something leapt.
        shown_ms: computing time of ``top``, which nothing but this view asks for.
    """

    at_s: float
    level_dbfs: float
    peak_dbfs: float
    floor_dbfs: float | None
    top: Mapping[str, float]
    condition: str
    heard_ms: float
    shown_ms: float


class LiveSound:
    """Hears a source's blocks, and tells what there is to show.

    Args:
        detector: hears the shots; should keep no clips.
        classifier: is asked once a second.
        source_condition: what the source thinks of its own sound; empty if nothing.
        cpu_ns: the computing time of this thread.
    """

    def __init__(
        self,
        detector: ShotDetector,
        classifier: ShotClassifier,
        source_condition: Callable[[], str] = lambda: "",
        cpu_ns: Callable[[], int] = time.thread_time_ns,
    ) -> None:
        self._detector = detector
        self._classifier = classifier
        self._source_condition = source_condition
        self._cpu_ns = cpu_ns
        self._scene: tuple[str, int, int] | None = None
        self._samples = self._unshown = self._heard_ns = 0
        self._last: NDArray[np.float32] = np.zeros(0, np.float32)
        self._peaks: deque[tuple[float, float]] = deque()

    def hear(self, block: AudioBlock) -> list[Meter | Second | HeardShot]:
        """Take the next block; return its shots, its ``Second`` where one is over, and its ``Meter``, in this order."""
        told: list[Meter | Second | HeardShot] = []
        began_ns = self._cpu_ns()
        told += [shot for shot in self._detector.hear(block) if isinstance(shot, HeardShot)]
        heard_ns = self._cpu_ns() - began_ns
        scene = block.microphone, block.scene, block.rate_hz
        if self._scene != scene:
            self._scene = scene
            self._samples = self._unshown = self._heard_ns = 0
            self._last = self._last[:0]
            self._peaks.clear()
        self._heard_ns += heard_ns
        self._samples += len(block.samples)
        window = np.concatenate([self._last, block.samples])
        self._last = window[-round(WINDOW_S * block.rate_hz) :]
        self._unshown += len(block.samples)
        if self._unshown >= block.rate_hz:
            told.append(self._second(block.rate_hz))
        return [*told, self._meter(block)]

    def finish(self) -> list[HeardShot]:
        """Return the shots that were still waiting for what follows them."""
        return [shot for shot in self._detector.finish() if isinstance(shot, HeardShot)]

    def _second(self, rate_hz: int) -> Second:
        began_ns = self._cpu_ns()
        classes = self._classifier.classify(self._last, rate_hz)
        shown_ns = self._cpu_ns() - began_ns
        recent = self._last[-self._unshown :]
        second = Second(
            at_s=self._samples / rate_hz,
            level_dbfs=_rms_dbfs(recent),
            peak_dbfs=_peak_dbfs(recent),
            floor_dbfs=self._detector.floor_dbfs,
            top=dict(sorted(classes.items(), key=lambda item: -item[1])),
            condition=self._detector.condition or self._source_condition(),
            heard_ms=self._heard_ns / 1e6 * rate_hz / self._unshown,
            shown_ms=shown_ns / 1e6,
        )
        self._unshown, self._heard_ns = 0, 0
        return second

    def _meter(self, block: AudioBlock) -> Meter:
        at_s, peak_dbfs = self._samples / block.rate_hz, _peak_dbfs(block.samples)
        self._peaks.append((at_s, peak_dbfs))
        while self._peaks[0][0] < at_s - HELD_S:
            self._peaks.popleft()
        held_dbfs = max(peak for _, peak in self._peaks)
        return Meter(at_s, _rms_dbfs(block.samples), peak_dbfs, held_dbfs, self._detector.floor_dbfs)


def _rms_dbfs(samples: NDArray[np.float32]) -> float:
    return _dbfs(math.sqrt(float(np.mean(samples.astype(np.float64) ** 2)))) if len(samples) else SILENCE_DBFS


def _peak_dbfs(samples: NDArray[np.float32]) -> float:
    return _dbfs(float(np.abs(samples).max(initial=0.0)))


def _dbfs(amplitude: float) -> float:
    return max(SILENCE_DBFS, 20 * math.log10(max(amplitude, 1e-9)))
