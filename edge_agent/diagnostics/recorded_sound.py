"""What a recording as a whole sounds like: the labels of its likeliest window, and whether its sound can be trusted.

Both look over the shoulder of ``listening.listen_to``: one stands in for the classifier, one between it and the blocks.
Each belongs to the thread that listens, and to one recording.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from edge_agent.gunshots.classifier import gun_probability
from edge_agent.gunshots.soundness import Soundness
from edge_agent.ports import ShotClassifier
from edge_agent.records import AudioBlock


class LikeliestWindow:
    """The ``ShotClassifier`` port: passes everything on, and remembers the window likeliest to hold a gunshot.

    Args:
        classifier: says what a window is.

    Attributes:
        classes: what it said of that window; empty before the first.
    """

    def __init__(self, classifier: ShotClassifier) -> None:
        self._classifier = classifier
        self.classes: Mapping[str, float] = {}

    @property
    def name(self) -> str:
        """The classifier's."""
        return self._classifier.name

    def classify(self, samples: NDArray[np.float32], rate_hz: int) -> Mapping[str, float]:
        """Return what the classifier says."""
        classes = self._classifier.classify(samples, rate_hz)
        if not self.classes or gun_probability(classes) > gun_probability(self.classes):
            self.classes = classes
        return classes


class Doubts:
    """Why the sound of a recording cannot be trusted.

    Args:
        of_source: what the source thinks of its own sound; empty if nothing.
    """

    def __init__(self, of_source: Callable[[], str] = lambda: "") -> None:
        self._of_source = of_source
        self._blocks: Counter[str] = Counter()

    def over(self, blocks: Iterable[AudioBlock]) -> Iterator[AudioBlock]:
        """Yield ``blocks``, of one scene, and listen to them on the way."""
        soundness: Soundness | None = None
        for block in blocks:
            soundness = soundness or Soundness(block.rate_hz)
            soundness.feed(block.samples)
            self._blocks[soundness.condition or self._of_source()] += 1
            yield block

    @property
    def condition(self) -> str:
        """What was wrong for longest; empty if nothing was for a tenth of the recording."""
        wrong = Counter({condition: count for condition, count in self._blocks.items() if condition})
        if wrong.total() < 0.1 * self._blocks.total() or not wrong:
            return ""
        return wrong.most_common(1)[0][0]
