"""Listening to a whole recording at once: its shots, and one score for all of it.

The shots come from the same detector as a live microphone's. The score is for comparing recordings and models: the
highest gun probability of any window of the recording, those around onsets and, so that a recording without any has a
score too, windows of 2 s every second.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_agent.gunshots.classifier import gun_probability
from edge_agent.gunshots.detector import ShotDetector
from edge_agent.gunshots.features import WINDOW_S
from edge_agent.ports import ShotClassifier
from edge_agent.records import AudioBlock, HeardShot

_STEP_S = 1.0  # half a window: every shot stands whole in at least one
_REST_S = 0.1  # a shorter rest at the end has been heard well enough


@dataclass(frozen=True, slots=True)
class Heard:
    """What was heard in one recording.

    Attributes:
        score: highest gun probability over all windows, of the grid and around onsets; 0 without a sample.
        shots: in order of arrival.
    """

    score: float
    shots: tuple[HeardShot, ...]


def listen_to(blocks: Iterable[AudioBlock], classifier: ShotClassifier, threshold: float) -> Heard:
    """Listen to the blocks of one recording, one scene, to its end.

    Args:
        blocks: as an ``AudioSource`` yields them.
        classifier: says what a window is.
        threshold: gun probability from which on an onset is a shot.

    Raises:
        SourceError: from ``blocks``.
    """
    listening = _Remembering(classifier)
    detector = ShotDetector(listening, threshold, clips=None)
    shots: list[HeardShot] = []
    waiting: NDArray[np.float32] = np.zeros(0, np.float32)
    judged = False
    rate_hz = 0
    for block in blocks:
        shots += [told for told in detector.hear(block) if isinstance(told, HeardShot)]
        rate_hz = block.rate_hz
        waiting = np.concatenate([waiting, block.samples])
        while len(waiting) >= round(WINDOW_S * rate_hz):
            window = waiting[: round(WINDOW_S * rate_hz)]
            listening.classify(window, rate_hz)
            waiting, judged = waiting[round(_STEP_S * rate_hz) :], True
            last = window
    shots += [told for told in detector.finish() if isinstance(told, HeardShot)]
    overlap = round((WINDOW_S - _STEP_S) * rate_hz) if judged else 0
    rest = len(waiting) - overlap
    if rest > (round(_REST_S * rate_hz) if judged else 0):
        if judged:
            waiting = np.concatenate([last[rest : round(_STEP_S * rate_hz)], waiting])
        listening.classify(waiting, rate_hz)
    return Heard(listening.highest, tuple(shots))


class _Remembering:
    """A classifier that remembers the highest gun probability it gave."""

    def __init__(self, classifier: ShotClassifier) -> None:
        self._classifier = classifier
        self.highest = 0.0

    @property
    def name(self) -> str:
        """The classifier's."""
        return self._classifier.name

    def classify(self, samples: NDArray[np.float32], rate_hz: int) -> Mapping[str, float]:
        """Return what the classifier says."""
        classes = self._classifier.classify(samples, rate_hz)
        self.highest = max(self.highest, gun_probability(classes))
        return classes
