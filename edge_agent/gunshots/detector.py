"""From blocks of sound to shots: gate, picker, classifier, and the few seconds that are kept around a shot.

Invariants:

- A window is classified only around an onset: a quiet street costs the gate alone.
- Onsets within ``_SHARED_S`` of each other share one classification, so the classifier runs at most four times a
  second however busy the sound is.
- Within a window the loudest onset, and those within ``_BESIDE_DB`` of it, are the shots: what is fainter is taken for
  something else in the same two seconds. What follows a louder onset within ``_ECHO_S`` is taken for its echo, unless
  it is as loud: rounds of a burst are alike, answers of a street are fainter (5 dB at the median on live fire).
- Continuous sound is only ever in the scene's ring in memory; ``HeardShot.clip`` is the only sound that leaves it.

Belongs to one thread, the one that iterates the source.
"""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import soundfile
from numpy.typing import NDArray

from edge_agent.gunshots.classifier import gun_probability
from edge_agent.gunshots.features import WINDOW_S
from edge_agent.gunshots.onsets import OnsetGate, pick_onset, search_range
from edge_agent.gunshots.scene import Scene
from edge_agent.ports import ShotClassifier
from edge_agent.records import AudioBlock, HeardShot

_BEFORE_S = 1.0  # the onset stands in the middle of the window: what was before tells a shot from a busy street
_SHARED_S = 0.25
_BESIDE_DB = 10.0
_ECHO_S = 0.35
_ECHO_DB = 1.5
_LEVEL_S = 0.050
_APART_S = 0.040
_SETTLED_S = 0.1
_FULL_SCALE = 0.999
_SILENCE_DBFS = -120.0


@dataclass(frozen=True, slots=True)
class Candidate:
    """An onset that waits for its window and its clip to be complete.

    Attributes:
        sample: where it begins, counted from the scene's first sample.
        error_s: one sigma of ``sample``.
        peak_dbfs: highest sample of the 50 ms from there.
        rms_dbfs: root mean square of the same.
        clipped: whether samples stood at full scale in them.
    """

    sample: int
    error_s: float
    peak_dbfs: float
    rms_dbfs: float
    clipped: bool


class ShotDetector:
    """Hears shots in the blocks of one microphone.

    Args:
        classifier: says what a window is.
        threshold: gun probability from which on an onset is a shot.
        clip_before_s: seconds kept before a shot.
        clip_after_s: seconds kept after it; a shot is reported when they have passed, because the arrival names the
            clip's digest. With 0 no clip is kept, and a shot is reported after one second.
    """

    def __init__(
        self,
        classifier: ShotClassifier,
        threshold: float,
        clip_before_s: float = 1.0,
        clip_after_s: float = 3.0,
    ) -> None:
        self._classifier = classifier
        self._threshold = threshold
        self._clip_before_s = clip_before_s
        self._clip_after_s = clip_after_s
        self._scene: Scene | None = None
        self._gate: OnsetGate | None = None
        self._found: list[int] = []
        self._waiting: list[Candidate] = []
        self._past: list[Candidate] = []
        self._judged: tuple[int, Mapping[str, float]] | None = None
        self._kept: tuple[int, bytes, bytes] | None = None

    @property
    def floor_dbfs(self) -> float | None:
        """The noise floor of the current scene, or None outside one."""
        return None if self._gate is None else self._gate.floor_dbfs

    @property
    def held_s(self) -> float:
        """How many seconds of sound are in memory now."""
        return 0.0 if self._scene is None else (self._scene.end - self._scene.begin) / self._scene.rate_hz

    def hear(self, block: AudioBlock) -> list[HeardShot]:
        """Take the next block; return the shots that have become certain, in order of arrival."""
        shots: list[HeardShot] = []
        if self._scene is None or self._gate is None or not self._scene.continues(block):
            shots += self.finish()
            self._scene, self._gate = Scene(block), OnsetGate(block.rate_hz)
        self._scene.append(block)
        self._found += self._gate.feed(block.samples)
        return shots + self._advance(self._scene, over=False)

    def finish(self) -> list[HeardShot]:
        """End the scene (the file is over, the microphone is gone); return what was still waiting."""
        shots = [] if self._scene is None else self._advance(self._scene, over=True)
        self._scene = self._gate = self._judged = self._kept = None
        self._found, self._waiting, self._past = [], [], []
        return shots

    def _advance(self, scene: Scene, *, over: bool) -> list[HeardShot]:
        shots: list[HeardShot] = []
        self._pick(scene, over=over)
        while self._waiting and (over or self._complete_at(scene, self._waiting[0]) <= scene.end):
            candidate = self._waiting.pop(0)
            shot = self._decide(scene, candidate)
            shots += [] if shot is None else [shot]
            self._past.append(candidate)
        self._forget(scene)
        return shots

    def _pick(self, scene: Scene, *, over: bool) -> None:
        """Turn the gate's frames into onsets as soon as the samples that the picker and the levels need are there."""
        needed = round(_LEVEL_S * scene.rate_hz)
        while self._found:
            first, last = search_range(self._found[0], scene.rate_hz)
            if not over and last + needed > scene.end:
                return
            self._found.pop(0)
            first = max(first, scene.begin)
            onset = pick_onset(scene.between(first, last), scene.rate_hz)
            sample = first + onset.sample
            if self._waiting and sample - self._waiting[-1].sample < round(_APART_S * scene.rate_hz):
                continue
            self._waiting.append(_measured(sample, onset.error_s, scene.between(sample, sample + needed)))

    def _complete_at(self, scene: Scene, candidate: Candidate) -> int:
        """The sample up to which sound must be there: window, clip, and whatever onset may still share the window."""
        window_end = self._window(scene, candidate)[1]
        clip_end = candidate.sample + round(self._clip_after_s * scene.rate_hz)
        return max(window_end, clip_end) + round(_SETTLED_S * scene.rate_hz)

    def _window(self, scene: Scene, candidate: Candidate) -> tuple[int, int]:
        first = max(0, candidate.sample - round(_BEFORE_S * scene.rate_hz))
        return first, first + round(WINDOW_S * scene.rate_hz)

    def _decide(self, scene: Scene, candidate: Candidate) -> HeardShot | None:
        if self._overshadowed(scene.rate_hz, candidate):
            return None
        classes = self._classes(scene, candidate)
        probability = gun_probability(classes)
        if probability < self._threshold:
            return None
        clip, digest = self._clip(scene, candidate)
        return HeardShot(
            microphone=scene.microphone,
            captured=scene.captured(candidate.sample),
            onset_error_ns=max(1, round(candidate.error_s * 1e9)),
            probability=probability,
            classes=classes,
            peak_dbfs=candidate.peak_dbfs,
            rms_dbfs=candidate.rms_dbfs,
            clipped=candidate.clipped,
            model=self._classifier.name,
            rate_hz=scene.rate_hz,
            at_s=candidate.sample / scene.rate_hz,
            clip=clip,
            clip_sha256=digest,
        )

    def _overshadowed(self, rate_hz: int, candidate: Candidate) -> bool:
        reach, echo = round(_BEFORE_S * rate_hz), round(_ECHO_S * rate_hz)
        others = [*self._past, *self._waiting]
        beside = [c.peak_dbfs for c in others if abs(c.sample - candidate.sample) <= reach]
        before = [c.peak_dbfs for c in others if 0 < candidate.sample - c.sample <= echo]
        return candidate.peak_dbfs < max(
            max(beside, default=_SILENCE_DBFS) - _BESIDE_DB, max(before, default=_SILENCE_DBFS) - _ECHO_DB
        )

    def _classes(self, scene: Scene, candidate: Candidate) -> Mapping[str, float]:
        if self._judged is None or candidate.sample - self._judged[0] >= round(_SHARED_S * scene.rate_hz):
            first, last = self._window(scene, candidate)
            if last > scene.end:  # the recording ends first: the window slides back over what there is
                first, last = max(scene.begin, first - (last - scene.end)), scene.end
            self._judged = candidate.sample, self._classifier.classify(scene.between(first, last), scene.rate_hz)
        return self._judged[1]

    def _clip(self, scene: Scene, candidate: Candidate) -> tuple[bytes | None, bytes | None]:
        """Return the seconds around ``candidate`` as FLAC with their SHA-256; the rounds of a burst share one clip."""
        if self._clip_after_s <= 0:
            return None, None
        # A later round shares a clip in which at least a third of what should follow it does.
        shared_s = self._clip_after_s * 2 / 3
        if self._kept is None or candidate.sample - self._kept[0] > round(shared_s * scene.rate_hz):
            first = candidate.sample - round(self._clip_before_s * scene.rate_hz)
            last = candidate.sample + round(self._clip_after_s * scene.rate_hz)
            flac = _flac(scene.between(first, last), scene.rate_hz)
            self._kept = candidate.sample, flac, hashlib.sha256(flac).digest()
        return self._kept[1:]

    def _forget(self, scene: Scene) -> None:
        """Keep what a candidate still waiting, or one that the gate may name next, can ask for; drop the rest."""
        oldest = min([*self._found, *(c.sample for c in self._waiting), scene.end])
        reach_s = max(self._clip_before_s, WINDOW_S) + _SETTLED_S
        scene.forget(oldest - round(reach_s * scene.rate_hz))
        self._past = [c for c in self._past if c.sample >= oldest - round(_BEFORE_S * scene.rate_hz)]


def _measured(sample: int, error_s: float, after: NDArray[np.float32]) -> Candidate:
    level = np.abs(after)
    peak = float(level.max(initial=0.0))
    rms = float(np.sqrt(np.mean(after.astype(np.float64) ** 2))) if len(after) else 0.0
    clipped = int(np.count_nonzero(level >= _FULL_SCALE)) >= 2  # one sample may touch full scale by chance
    return Candidate(sample, error_s, _dbfs(peak), _dbfs(rms), clipped)


def _dbfs(amplitude: float) -> float:
    return max(_SILENCE_DBFS, 20 * math.log10(max(amplitude, 1e-9)))


def _flac(samples: NDArray[np.float32], rate_hz: int) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.clip(samples, -1, 1), rate_hz, format="FLAC", subtype="PCM_16")
    return file.getvalue()
