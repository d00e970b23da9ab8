"""From blocks of sound to shots: gate, picker, classifier, and the few seconds that are kept around a shot.

Invariants:

- A window is classified only around an onset: a quiet street costs the gate alone.
- Onsets within ``_SHARED_S`` of each other share one classification, so the classifier runs at most four times a
  second however busy the sound is.
- Within a window the loudest onset, and those within ``_BESIDE_DB`` of it, may be shots: what is fainter is taken for
  something else in the same two seconds. What follows a round within a second and is not like one is its echo
  (``waves``); echoes travel with the round that they answer.
- A shot is told once the second that the classifier wants after it has passed; its clip follows when that is whole.
- Continuous sound is only ever in the scene's ring in memory; a ``KeptClip`` is the only sound that leaves it. Beyond
  the ring only the first 70 ms of a series' last rounds are held, to know the next one by.

Belongs to one thread, the one that iterates the source; the properties may be read from any.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_agent.gunshots.bursts import SERIES_S, Bursts
from edge_agent.gunshots.classifier import gun_probability
from edge_agent.gunshots.clips import USUAL_CLIPS, ClipKeeper, ClipSettings
from edge_agent.gunshots.features import WINDOW_S
from edge_agent.gunshots.onsets import OnsetGate
from edge_agent.gunshots.picking import pick_onset, search_range
from edge_agent.gunshots.scene import Scene
from edge_agent.gunshots.soundness import Soundness
from edge_agent.gunshots.waves import (
    ECHOES_S,
    SHAPE_AFTER_S,
    SHAPE_BEFORE_S,
    Shape,
    is_blast_after,
    is_echo,
    is_repeated,
    shape_of,
    wave_of,
)
from edge_agent.ports import ShotClassifier
from edge_agent.records import AudioBlock, HeardShot, KeptClip, OtherOnset

_BEFORE_S = 1.0  # the onset stands in the middle of the window: what was before tells a shot from a busy street
_SHARED_S = 0.25
_BESIDE_DB = 10.0
_LEVEL_S = 0.050
_APART_S = 0.042
_SAME_S = 0.010
_SETTLED_S = 0.1
_FULL_SCALE = 0.999
_KNOWN_ROUNDS = 6
_OTHERS = 8
_OTHERS_DB = 20.0
# Live fire: what stands out by 4 dB and less is often picked on something else, tens of milliseconds away.
_FAINT_S = 0.050
_SILENCE_DBFS = -120.0
_NOTHING: NDArray[np.float32] = np.zeros(0, np.float32)


@dataclass(frozen=True, slots=True)
class Candidate:
    """An onset that waits for its window to be complete.

    Attributes:
        at: where it begins, in samples from the scene's first, between samples too.
        error_s: one sigma of ``at``.
        peak_dbfs: highest sample of the 50 ms from there.
        rms_dbfs: root mean square of the same.
        clipped: whether samples stood at full scale in them.
        snr_db: the same 50 ms over the 50 ms before, above 200 Hz: rumble drowns no bang.
        shape: what it sounds like.
    """

    at: float
    error_s: float
    peak_dbfs: float
    rms_dbfs: float
    clipped: bool
    snr_db: float
    shape: Shape

    @property
    def sample(self) -> int:
        """The sample that it begins at or in."""
        return int(self.at)


class ShotDetector:
    """Hears shots in the blocks of one microphone.

    Args:
        classifier: says what a window is.
        threshold: gun probability from which on an onset is a shot.
        clips: how much sound is kept around a shot; None keeps none.
    """

    def __init__(self, classifier: ShotClassifier, threshold: float, clips: ClipSettings | None = USUAL_CLIPS) -> None:
        self._classifier = classifier
        self._threshold = threshold
        self._clips = clips
        self._scene: Scene | None = None
        self._gate: OnsetGate | None = None
        self._sound: Soundness | None = None
        self._keeper: ClipKeeper | None = None
        self._bursts = Bursts()
        self._number = 0
        self._found: list[int] = []
        self._waiting: list[Candidate] = []
        self._past: list[Candidate] = []
        self._rounds: list[Candidate] = []
        self._judged: tuple[int, Mapping[str, float]] | None = None
        self._last_heard: tuple[float, Mapping[str, float]] | None = None

    @property
    def floor_dbfs(self) -> float | None:
        """The noise floor of the current scene, or None outside one."""
        return None if self._sound is None else self._sound.floor_dbfs

    @property
    def level_dbfs(self) -> float | None:
        """Root mean square of the last 100 ms, or None outside a scene."""
        return None if self._sound is None else self._sound.level_dbfs

    @property
    def held_s(self) -> float:
        """How many seconds of sound are in memory now."""
        return 0.0 if self._scene is None else (self._scene.end - self._scene.begin) / self._scene.rate_hz

    @property
    def condition(self) -> str:
        """Why the sound cannot be trusted now: dead channel, clipping, wind or automatic gain; empty when it can."""
        return "" if self._sound is None else self._sound.condition

    @property
    def last_heard(self) -> tuple[float, Mapping[str, float]] | None:
        """What the classifier last said: seconds since the scene began, and the probability of each class."""
        return self._last_heard

    def hear(self, block: AudioBlock) -> list[HeardShot | KeptClip]:
        """Take the next block; return the shots that have become certain and the clips that are whole, in order."""
        told: list[HeardShot | KeptClip] = []
        if self._scene is None or self._gate is None or self._sound is None or not self._scene.continues(block):
            told += self.finish()
            self._scene, self._gate, self._sound = Scene(block), OnsetGate(block.rate_hz), Soundness(block.rate_hz)
            self._keeper = None if self._clips is None else ClipKeeper(self._clips, block.rate_hz)
        self._scene.append(block)
        self._sound.feed(block.samples)
        self._found += self._gate.feed(block.samples)
        return told + self._advance(self._scene, over=False)

    def finish(self) -> list[HeardShot | KeptClip]:
        """End the scene (the file is over, the microphone is gone); return what was still waiting."""
        told: list[HeardShot | KeptClip] = []
        if self._scene is not None and self._gate is not None:
            self._found += self._gate.feed(_NOTHING, over=True)
            told = self._advance(self._scene, over=True)
        self._scene = self._gate = self._sound = self._keeper = self._judged = self._last_heard = None
        self._found, self._waiting, self._past, self._rounds = [], [], [], []
        self._bursts.end()
        return told

    def _advance(self, scene: Scene, *, over: bool) -> list[HeardShot | KeptClip]:
        told: list[HeardShot | KeptClip] = []
        self._pick(scene, over=over)
        while self._waiting and (over or self._complete_at(scene, self._waiting[0]) <= scene.end):
            candidate = self._waiting.pop(0)
            shot = self._decide(scene, candidate)
            if shot is not None:
                told.append(shot)
                told += [] if self._keeper is None else self._keeper.add(scene, shot.number, candidate.sample)
            self._past.append(candidate)
        if self._keeper is not None:
            told += self._keeper.complete(scene, self._undecided(scene), over=over)
        self._forget(scene)
        return told

    def _undecided(self, scene: Scene) -> int:
        """The first sample at which a shot may still be found."""
        found = [search_range(sample, scene.rate_hz)[0] for sample in self._found]
        waiting = [candidate.sample for candidate in self._waiting]
        return min([*found, *waiting, search_range(scene.end, scene.rate_hz)[0]])

    def _pick(self, scene: Scene, *, over: bool) -> None:
        """Turn the gate's frames into onsets as soon as the samples that picker, levels and shape need are there."""
        rate_hz = scene.rate_hz
        while self._found:
            first, last = search_range(self._found[0], rate_hz)
            if not over and last + round(SHAPE_AFTER_S * rate_hz) > scene.end:
                return
            candidate = self._found.pop(0)
            first = max(first, scene.begin)
            last_one = self._waiting[-1] if self._waiting else None
            replaces = last_one is not None and self._rustled(scene, last_one, candidate)
            if last_one is not None and not replaces:
                first = max(first, last_one.sample + round(_SAME_S * rate_hz))
            onset = pick_onset(scene.between(first, last), rate_hz)
            at = first + onset.sample
            if last_one is not None and at - last_one.at < _SAME_S * rate_hz:
                continue
            if replaces:
                self._waiting.pop()
            self._waiting.append(_measured(scene, at, onset.error_s))

    def _rustled(self, scene: Scene, before: Candidate, frame: int) -> bool:
        """Whether ``before`` was but a rustle ahead of the shot that the gate found in ``frame``: far fainter."""
        if frame - before.sample >= _APART_S * scene.rate_hz:
            return False
        rustle = float(np.abs(scene.between(before.sample, frame)).max(initial=0.0))
        shot = float(np.abs(scene.between(frame, search_range(frame, scene.rate_hz)[1])).max(initial=0.0))
        return _dbfs(shot) > _dbfs(rustle) + _BESIDE_DB

    def _complete_at(self, scene: Scene, candidate: Candidate) -> int:
        """The sample up to which sound must be there: the window, and whatever onset may still share it."""
        return self._window(scene, candidate)[1] + round(_SETTLED_S * scene.rate_hz)

    def _window(self, scene: Scene, candidate: Candidate) -> tuple[int, int]:
        first = max(0, candidate.sample - round(_BEFORE_S * scene.rate_hz))
        return first, first + round(WINDOW_S * scene.rate_hz)

    def _decide(self, scene: Scene, candidate: Candidate) -> HeardShot | None:
        self._rounds = [r for r in self._rounds if candidate.at - r.at <= SERIES_S * scene.rate_hz][-_KNOWN_ROUNDS:]
        if self._overshadowed(scene.rate_hz, candidate) or self._is_echo(scene, candidate, self._rounds):
            return None
        classes = self._classes(scene, candidate)
        probability = gun_probability(classes)
        if probability < self._threshold:
            return None
        # What is like a round heard before is no chance find, however loud the tail that it stands in.
        known = is_repeated(candidate.shape, _gaps(candidate, self._rounds, scene.rate_hz))
        error_s = candidate.error_s if known else math.hypot(candidate.error_s, _faint_s(candidate.snr_db))
        self._rounds.append(candidate)
        self._number += 1
        place = self._bursts.add(candidate.at / scene.rate_hz)
        block = scene.block_of(candidate.sample)
        following = self._following(scene, candidate)
        return HeardShot(
            microphone=scene.microphone,
            captured=scene.captured(candidate.at),
            onset_error_ns=max(1, round(error_s * 1e9)),
            probability=probability,
            classes=classes,
            peak_dbfs=candidate.peak_dbfs,
            rms_dbfs=candidate.rms_dbfs,
            clipped=candidate.clipped,
            model=self._classifier.name,
            rate_hz=scene.rate_hz,
            at_s=candidate.at / scene.rate_hz,
            number=self._number,
            snr_db=candidate.snr_db,
            wave=wave_of(candidate.shape, [other.shape for other in following]),
            others=_others(candidate, following, scene.rate_hz),
            burst=place.burst,
            round=place.round,
            rounds=place.round,
            fire=place.fire,
            marks=frozenset({"clipped"} if candidate.clipped else ()) | self._marks,
            channel=block.channel,
            timing=block.timing,
        )

    @property
    def _marks(self) -> frozenset[str]:
        return frozenset() if self._sound is None else self._sound.marks

    def _is_echo(self, scene: Scene, candidate: Candidate, rounds: list[Candidate]) -> bool:
        return is_echo(candidate.shape, _gaps(candidate, rounds, scene.rate_hz))

    def _following(self, scene: Scene, candidate: Candidate) -> list[Candidate]:
        """Return the onsets that answer ``candidate``: up to the next round, or as long as a street answers."""
        following: list[Candidate] = []
        for other in self._waiting:
            if other.at - candidate.at > ECHOES_S * scene.rate_hz:
                break
            if not self._is_echo(scene, other, self._rounds):
                break
            following.append(other)
        return following

    def _overshadowed(self, rate_hz: int, candidate: Candidate) -> bool:
        reach = _BEFORE_S * rate_hz
        beside = [c.peak_dbfs for c in (*self._past, *self._waiting) if abs(c.at - candidate.at) <= reach]
        return candidate.peak_dbfs < max(beside, default=_SILENCE_DBFS) - _BESIDE_DB

    def _classes(self, scene: Scene, candidate: Candidate) -> Mapping[str, float]:
        if self._judged is None or candidate.sample - self._judged[0] >= round(_SHARED_S * scene.rate_hz):
            first, last = self._window(scene, candidate)
            if last > scene.end:  # the recording ends first: the window slides back over what there is
                first, last = max(scene.begin, first - (last - scene.end)), scene.end
            classes = self._classifier.classify(scene.between(first, last), scene.rate_hz)
            self._judged = candidate.sample, classes
            self._last_heard = candidate.sample / scene.rate_hz, classes
        return self._judged[1]

    def _forget(self, scene: Scene) -> None:
        """Keep what a waiting candidate, a clip, or what the gate may name next can ask for; drop the rest."""
        undecided = self._undecided(scene)
        reach = round((WINDOW_S + _SETTLED_S) * scene.rate_hz)
        if self._keeper is not None:
            reach = max(reach, self._keeper.before)
        needed = undecided - reach
        if self._keeper is not None and self._keeper.oldest is not None:
            needed = min(needed, self._keeper.oldest)
        scene.forget(needed)
        self._past = [c for c in self._past if c.at >= undecided - round(_BEFORE_S * scene.rate_hz)]


def _measured(scene: Scene, at: float, error_s: float) -> Candidate:
    rate_hz, sample = scene.rate_hz, int(at)
    first = max(scene.begin, sample - round(SHAPE_BEFORE_S * rate_hz))
    stretch = scene.between(first, sample + round(SHAPE_AFTER_S * rate_hz))
    onset = sample - first
    length = round(_LEVEL_S * rate_hz)
    after = stretch[onset : onset + length]
    level = np.abs(after)
    shape = shape_of(stretch, rate_hz, onset)
    return Candidate(
        at=at,
        error_s=error_s,
        peak_dbfs=_dbfs(float(level.max(initial=0.0))),
        rms_dbfs=_dbfs(_rms(after)),
        clipped=int(np.count_nonzero(level >= _FULL_SCALE)) >= 2,  # one sample may touch full scale by chance
        snr_db=shape.snr_db,
        shape=shape,
    )


def _gaps(candidate: Candidate, rounds: list[Candidate], rate_hz: int) -> list[tuple[float, Shape]]:
    """Return the gap in seconds from each of ``rounds`` to ``candidate``, and its shape."""
    return [((candidate.at - r.at) / rate_hz, r.shape) for r in rounds]


def _faint_s(snr_db: float) -> float:
    """Return one sigma of having picked something else than the first arrival, because it hardly stands out."""
    return min(_FAINT_S, _FAINT_S * 10 ** (-snr_db / 5))


def _others(arrival: Candidate, following: list[Candidate], rate_hz: int) -> tuple[OtherOnset, ...]:
    """Return the loudest of the onsets that followed ``arrival``, in order of time."""
    level_db = arrival.shape.level_db
    loud = [other for other in following if other.shape.level_db >= level_db - _OTHERS_DB]
    kept = sorted(sorted(loud, key=lambda other: -other.shape.level_db)[:_OTHERS], key=lambda other: other.at)
    shock = wave_of(arrival.shape, [other.shape for other in following]) == "shock-wave"
    others: list[OtherOnset] = []
    for other in kept:
        blast = shock and is_blast_after(arrival.shape, other.shape)
        shock = shock and not blast  # the first that may be it is it
        offset_ns = round((other.at - arrival.at) * 1e9 / rate_hz)
        wave = "muzzle-blast" if blast else "echo"
        others.append(OtherOnset(offset_ns, wave, other.shape.level_db - level_db))
    return tuple(others)


def _rms(samples: NDArray[np.float32]) -> float:
    return float(np.sqrt(np.mean(samples.astype(np.float64) ** 2))) if len(samples) else 0.0


def _dbfs(amplitude: float) -> float:
    return max(_SILENCE_DBFS, 20 * math.log10(max(amplitude, 1e-9)))
