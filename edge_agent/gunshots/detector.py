"""From blocks of sound to shots: gate, classifier, picker, and the few seconds that are kept around a shot.

Invariants:

- A window is classified only around an onset: a quiet street costs the gate alone, a look a second.
- Decided first, measured later: only what the classifier calls a shot, and what follows it, is picked and shaped.
- Onsets near each other share one classification, so the classifier runs about once a second however busy the sound is.
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
# A window's verdict holds for every onset in it, up to this long before its end: too little of later ones is heard.
_LEAST_AFTER_S = 0.1
# What is so much louder than what a window was judged for is asked about anew: a shot beside a jackhammer.
_LOUDER_DB = 6.0
# Sound is looked at when a verdict is due, but not more often than one, and not less often than the other.
_SOONEST_S = 0.2
_LATEST_S = 1.0
_FIRST_LOOK_S = 0.2
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
class Leap:
    """A frame that the gate named.

    Attributes:
        sample: its first sample.
        peak_dbfs: highest sample of the 50 ms from there.
    """

    sample: int
    peak_dbfs: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """An onset that may be a shot.

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
        # What the gate named goes from one to the next: until its 50 ms are there, until it is decided, until measured.
        self._found: list[int] = []
        self._leaps: list[Leap] = []
        self._waiting: list[Candidate] = []
        self._heard: list[Leap] = []  # decided or not, as long as it may overshadow another
        self._picked: Candidate | None = None
        self._rounds: list[Candidate] = []
        self._judged: tuple[int, float, Mapping[str, float]] | None = None
        self._last_heard: tuple[float, Mapping[str, float]] | None = None
        self._due = 0
        self._new = 0
        self._sounded = 0

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
            self._due, self._sounded = round(_FIRST_LOOK_S * block.rate_hz), 0
            self._new = 0
        self._scene.append(block)
        if self._scene.end < self._due:
            return told
        return told + self._look(self._scene, self._gate, self._sound, over=False)

    def finish(self) -> list[HeardShot | KeptClip]:
        """End the scene (the file is over, the microphone is gone); return what was still waiting."""
        told: list[HeardShot | KeptClip] = []
        if self._scene is not None and self._gate is not None and self._sound is not None:
            told = self._look(self._scene, self._gate, self._sound, over=True)
        self._scene = self._gate = self._sound = self._keeper = None
        self._judged = self._last_heard = self._picked = None
        self._found, self._leaps, self._waiting, self._heard, self._rounds = [], [], [], [], []
        self._bursts.end()
        return told

    def _look(self, scene: Scene, gate: OnsetGate, sound: Soundness, *, over: bool) -> list[HeardShot | KeptClip]:
        """Look at all that came since the last time."""
        self._found += gate.feed(scene.between(self._new, scene.end), over=over)
        self._new = scene.end
        if over or sound.level_dbfs is None or scene.end - self._sounded >= round(_LATEST_S * scene.rate_hz):
            sound.feed(scene.between(self._sounded, scene.end))
            self._sounded = scene.end
        self._measure(scene, over=over)
        told = self._advance(scene, over=over)
        undecided = self._undecided(scene, gate)
        if self._keeper is not None:
            told += self._keeper.complete(scene, undecided, over=over)
        self._forget(scene, undecided)
        self._due = self._next_look(scene)
        return told

    def _next_look(self, scene: Scene) -> int:
        """The sample with which there is something to decide or to hand out."""
        rate_hz = scene.rate_hz
        due = scene.end + round(_LATEST_S * rate_hz)
        first = [*self._found[:1], *(leap.sample for leap in self._leaps[:1]), *(c.sample for c in self._waiting[:1])]
        if first:
            due = max(scene.end + round(_SOONEST_S * rate_hz), min(due, self._complete_at(scene, min(first))))
        if self._keeper is not None and self._clips is not None and self._keeper.oldest is not None:
            clip = self._keeper.oldest + self._keeper.before + round(self._clips.after_s * rate_hz)
            due = min(due, clip) if clip > scene.end else due
        return due

    def _measure(self, scene: Scene, *, over: bool) -> None:
        """Measure what the gate named, as soon as the samples are there."""
        length = round(_LEVEL_S * scene.rate_hz)
        ready = sum(over or sample + length <= scene.end for sample in self._found)
        if ready == 0:
            return
        first = self._found[0]
        samples = scene.between(first, self._found[ready - 1] + length)
        level = np.zeros(len(samples) + 1, np.float32)
        np.abs(samples, out=level[:-1])
        # Pairs of begin and end: what lies between the end of one and the begin of the next is nobody's.
        bounds = np.array([(sample - first, sample - first + length) for sample in self._found[:ready]]).reshape(-1)
        peaks = np.maximum.reduceat(level, np.minimum(bounds, len(samples)))[::2]
        leaps = [Leap(s, _dbfs(peak)) for s, peak in zip(self._found[:ready], peaks.tolist(), strict=True)]
        self._found = self._found[ready:]
        self._leaps += leaps
        self._heard += leaps

    def _advance(self, scene: Scene, *, over: bool) -> list[HeardShot | KeptClip]:
        told: list[HeardShot | KeptClip] = []
        while self._waiting or self._leaps:
            first = self._waiting[0].sample if self._waiting else self._leaps[0].sample
            if not over and self._complete_at(scene, first) > scene.end:
                break
            if not self._waiting:
                self._sift(scene)
                continue
            candidate = self._waiting[0]
            shot = self._decide(scene, candidate)
            if self._waiting[0] is not candidate:  # it was but the rustle ahead of another
                continue
            self._waiting.pop(0)
            if shot is not None:
                told.append(shot)
                told += [] if self._keeper is None else self._keeper.add(scene, shot.number, candidate.sample)
        return told

    def _sift(self, scene: Scene) -> None:
        """Drop the first leap if it cannot be a shot; if it can, pick it and what follows it."""
        leap = self._leaps[0]
        shared = self._shared_classes(leap.sample, leap.peak_dbfs)
        if (
            (shared is not None and gun_probability(shared) < self._threshold)  # by far the cheapest to find out
            or self._overshadowed(scene.rate_hz, leap.sample, leap.peak_dbfs)
            or gun_probability(self._classes(scene, leap.sample, leap.peak_dbfs)) < self._threshold
        ):
            self._leaps.pop(0)
        else:
            self._pick(scene, leap.sample)

    def _undecided(self, scene: Scene, gate: OnsetGate) -> int:
        """The first sample at which a shot may still be found."""
        first = [gate.looked, *self._found[:1], *(leap.sample for leap in self._leaps[:1])]
        return min([*(search_range(sample, scene.rate_hz)[0] for sample in first), *(c.sample for c in self._waiting)])

    def _pick(self, scene: Scene, sample: int) -> None:
        """Turn the leaps from ``sample`` on into onsets, as far as they may be of a shot there."""
        rate_hz = scene.rate_hz
        last_of_it = sample + round(ECHOES_S * rate_hz)
        while self._leaps and self._leaps[0].sample <= last_of_it:
            candidate = self._leaps.pop(0).sample
            first, last = search_range(candidate, rate_hz)
            first = max(first, scene.begin)
            last_one = self._picked
            replaces = last_one is not None and self._rustled(scene, last_one, candidate)
            if last_one is not None and not replaces:
                first = max(first, last_one.sample + round(_SAME_S * rate_hz))
            onset = pick_onset(scene.between(first, last), rate_hz)
            at = first + onset.sample
            if last_one is not None and at - last_one.at < _SAME_S * rate_hz:
                continue
            if replaces and self._waiting:
                self._waiting.pop()
            self._picked = _measured(scene, at, onset.error_s)
            self._waiting.append(self._picked)

    def _rustled(self, scene: Scene, before: Candidate, frame: int) -> bool:
        """Whether ``before`` was but a rustle ahead of the shot that the gate found in ``frame``: far fainter."""
        if frame - before.sample >= _APART_S * scene.rate_hz:
            return False
        rustle = float(np.abs(scene.between(before.sample, frame)).max(initial=0.0))
        shot = float(np.abs(scene.between(frame, search_range(frame, scene.rate_hz)[1])).max(initial=0.0))
        return _dbfs(shot) > _dbfs(rustle) + _BESIDE_DB

    def _complete_at(self, scene: Scene, sample: int) -> int:
        """The sample up to which sound must be there: the window, and whatever onset may still share it."""
        return self._window(scene, sample)[1] + round(_SETTLED_S * scene.rate_hz)

    def _window(self, scene: Scene, sample: int) -> tuple[int, int]:
        first = max(0, sample - round(_BEFORE_S * scene.rate_hz))
        return first, first + round(WINDOW_S * scene.rate_hz)

    def _decide(self, scene: Scene, candidate: Candidate) -> HeardShot | None:
        self._rounds = [r for r in self._rounds if candidate.at - r.at <= SERIES_S * scene.rate_hz][-_KNOWN_ROUNDS:]
        if self._overshadowed(scene.rate_hz, candidate.sample, candidate.peak_dbfs):
            return None
        if self._is_echo(scene, candidate, self._rounds):
            return None
        classes = self._classes(scene, candidate.sample, candidate.peak_dbfs)
        probability = gun_probability(classes)
        if probability < self._threshold:
            return None
        self._pick(scene, candidate.sample)
        if self._waiting[0] is not candidate:
            return None
        # What is like a round heard before is no chance find, however loud the tail that it stands in.
        known = is_repeated(candidate.shape, _gaps(candidate, self._rounds, scene.rate_hz))
        error_s = candidate.error_s if known else math.hypot(candidate.error_s, _faint_s(candidate.snr_db))
        self._rounds.append(candidate)
        self._number += 1
        place = self._bursts.add(candidate.at / scene.rate_hz)
        channel, timing = scene.origin_of(candidate.sample)
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
            channel=channel,
            timing=timing,
        )

    @property
    def _marks(self) -> frozenset[str]:
        return frozenset() if self._sound is None else self._sound.marks

    def _is_echo(self, scene: Scene, candidate: Candidate, rounds: list[Candidate]) -> bool:
        return is_echo(candidate.shape, _gaps(candidate, rounds, scene.rate_hz))

    def _following(self, scene: Scene, candidate: Candidate) -> list[Candidate]:
        """Return the onsets that answer ``candidate``: up to the next round, or as long as a street answers."""
        following: list[Candidate] = []
        for other in self._waiting[1:]:
            if other.at - candidate.at > ECHOES_S * scene.rate_hz:
                break
            if not self._is_echo(scene, other, self._rounds):
                break
            following.append(other)
        return following

    def _overshadowed(self, rate_hz: int, sample: int, peak_dbfs: float) -> bool:
        reach = round(_BEFORE_S * rate_hz)
        return any(
            leap.peak_dbfs > peak_dbfs + _BESIDE_DB and abs(leap.sample - sample) <= reach for leap in self._heard
        )

    def _classes(self, scene: Scene, sample: int, peak_dbfs: float) -> Mapping[str, float]:
        classes = self._shared_classes(sample, peak_dbfs)
        if classes is None:
            first, last = self._window(scene, sample)
            if last > scene.end:  # the recording ends first: the window slides back over what there is
                first, last = max(scene.begin, first - (last - scene.end)), scene.end
            classes = self._classifier.classify(scene.between(first, last), scene.rate_hz)
            # Where the recording ends first, nothing follows that could have a window of its own.
            slid = last < sample + round(_BEFORE_S * scene.rate_hz)
            until = last if slid else last - round(_LEAST_AFTER_S * scene.rate_hz)
            self._judged = until, peak_dbfs, classes
            self._last_heard = sample / scene.rate_hz, classes
        return classes

    def _shared_classes(self, sample: int, peak_dbfs: float) -> Mapping[str, float] | None:
        """Return what the classifier said of the window before, if that holds for an onset at ``sample`` as well."""
        if self._judged is None:
            return None
        until, judged_dbfs, classes = self._judged
        return None if sample >= until or peak_dbfs > judged_dbfs + _LOUDER_DB else classes

    def _forget(self, scene: Scene, undecided: int) -> None:
        """Keep what a waiting candidate, a clip, or what the gate may name next can ask for; drop the rest."""
        reach = round((WINDOW_S + _SETTLED_S) * scene.rate_hz)
        if self._keeper is not None:
            reach = max(reach, self._keeper.before)
        needed = undecided - reach
        if self._keeper is not None and self._keeper.oldest is not None:
            needed = min(needed, self._keeper.oldest)
        scene.forget(needed)
        audible = undecided - round(_BEFORE_S * scene.rate_hz)
        self._heard = [leap for leap in self._heard if leap.sample >= audible]


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
