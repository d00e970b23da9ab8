"""What the classifier says of the two seconds around an onset, and of which other onsets that holds too.

Belongs to the thread of the detector; what was said last may be read from any.
"""

from __future__ import annotations

from collections.abc import Mapping

from edge_agent.gunshots.features import WINDOW_S
from edge_agent.gunshots.scene import Scene
from edge_agent.ports import ShotClassifier

BEFORE_S = 1.0
"""The onset stands in the middle of the window: what was before tells a shot from a busy street."""
SETTLED_S = 0.1
# A window's verdict holds for every onset in it, up to this long before its end: too little of later ones is heard.
_LEAST_AFTER_S = 0.1
# What is so much louder than what a window was judged for is asked about anew: a shot beside a jackhammer.
_LOUDER_DB = 6.0


class Verdicts:
    """The classifier's answers within one scene.

    Attributes:
        last: seconds since the scene began and the probability of each class, as said last; None before the first.
    """

    def __init__(self, classifier: ShotClassifier) -> None:
        self.last: tuple[float, Mapping[str, float]] | None = None
        self._classifier = classifier
        self._judged: tuple[int, float, Mapping[str, float]] | None = None

    def end(self) -> None:
        """Forget what was said: the scene is over."""
        self._judged = self.last = None

    def complete_at(self, scene: Scene, sample: int) -> int:
        """The sample up to which sound must be there: the window, and whatever onset may still share it."""
        return _window(scene, sample)[1] + round(SETTLED_S * scene.rate_hz)

    def classes(self, scene: Scene, sample: int, peak_dbfs: float) -> Mapping[str, float]:
        """Return the probability of each class for an onset at ``sample``, asking the classifier only if need be."""
        classes = self.shared(sample, peak_dbfs)
        if classes is None:
            first, last = _window(scene, sample)
            if last > scene.end:  # the recording ends first: the window slides back over what there is
                first, last = max(scene.begin, first - (last - scene.end)), scene.end
            classes = self._classifier.classify(scene.between(first, last), scene.rate_hz)
            # Where the recording ends first, nothing follows that could have a window of its own.
            slid = last < sample + round(BEFORE_S * scene.rate_hz)
            until = last if slid else last - round(_LEAST_AFTER_S * scene.rate_hz)
            self._judged = until, peak_dbfs, classes
            self.last = sample / scene.rate_hz, classes
        return classes

    def shared(self, sample: int, peak_dbfs: float) -> Mapping[str, float] | None:
        """Return what the classifier said of the window before, if that holds for an onset at ``sample`` as well."""
        if self._judged is None:
            return None
        until, judged_dbfs, classes = self._judged
        return None if sample >= until or peak_dbfs > judged_dbfs + _LOUDER_DB else classes


def _window(scene: Scene, sample: int) -> tuple[int, int]:
    first = max(0, sample - round(BEFORE_S * scene.rate_hz))
    return first, first + round(WINDOW_S * scene.rate_hz)
