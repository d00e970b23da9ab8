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

import numpy as np

from edge_agent.gunshots.bursts import SERIES_S, Bursts
from edge_agent.gunshots.candidates import LEVEL_S, Candidate, Leap, dbfs, faint_s, gaps, leaps_at, measured, others_of
from edge_agent.gunshots.classifier import gun_probability
from edge_agent.gunshots.clips import USUAL_CLIPS, ClipKeeper, ClipSettings
from edge_agent.gunshots.features import WINDOW_S
from edge_agent.gunshots.onsets import OnsetGate
from edge_agent.gunshots.picking import pick_onset, search_range
from edge_agent.gunshots.scene import Scene
from edge_agent.gunshots.soundness import Soundness
from edge_agent.gunshots.verdicts import BEFORE_S, SETTLED_S, Verdicts
from edge_agent.gunshots.waves import ECHOES_S, is_echo, is_repeated, wave_of
from edge_agent.ports import ShotClassifier
from edge_agent.records import AudioBlock, HeardShot, KeptClip

# Sound is looked at when a verdict is due, but not more often than one, and not less often than the other.
_SOONEST_S = 0.2
_LATEST_S = 1.0
_FIRST_LOOK_S = 0.2
_BESIDE_DB = 10.0
_APART_S = 0.042
_SAME_S = 0.010
_KNOWN_ROUNDS = 6


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
        self._verdicts = Verdicts(classifier)
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
        return self._verdicts.last

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
        self._picked = None
        self._verdicts.end()
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
            due = max(scene.end + round(_SOONEST_S * rate_hz), min(due, self._verdicts.complete_at(scene, min(first))))
        if self._keeper is not None and self._clips is not None and self._keeper.oldest is not None:
            clip = self._keeper.oldest + self._keeper.before + round(self._clips.after_s * rate_hz)
            due = min(due, clip) if clip > scene.end else due
        return due

    def _measure(self, scene: Scene, *, over: bool) -> None:
        """Measure what the gate named, as soon as the samples are there."""
        length = round(LEVEL_S * scene.rate_hz)
        ready = sum(over or sample + length <= scene.end for sample in self._found)
        if ready == 0:
            return
        leaps = leaps_at(scene, self._found[:ready])
        self._found = self._found[ready:]
        self._leaps += leaps
        self._heard += leaps

    def _advance(self, scene: Scene, *, over: bool) -> list[HeardShot | KeptClip]:
        told: list[HeardShot | KeptClip] = []
        while self._waiting or self._leaps:
            first = self._waiting[0].sample if self._waiting else self._leaps[0].sample
            if not over and self._verdicts.complete_at(scene, first) > scene.end:
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
        shared = self._verdicts.shared(leap.sample, leap.peak_dbfs)
        if (
            (shared is not None and gun_probability(shared) < self._threshold)  # by far the cheapest to find out
            or self._overshadowed(scene.rate_hz, leap.sample, leap.peak_dbfs)
            or gun_probability(self._verdicts.classes(scene, leap.sample, leap.peak_dbfs)) < self._threshold
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
            self._picked = measured(scene, at, onset.error_s)
            self._waiting.append(self._picked)

    def _rustled(self, scene: Scene, before: Candidate, frame: int) -> bool:
        """Whether ``before`` was but a rustle ahead of the shot that the gate found in ``frame``: far fainter."""
        if frame - before.sample >= _APART_S * scene.rate_hz:
            return False
        rustle = float(np.abs(scene.between(before.sample, frame)).max(initial=0.0))
        shot = float(np.abs(scene.between(frame, search_range(frame, scene.rate_hz)[1])).max(initial=0.0))
        return dbfs(shot) > dbfs(rustle) + _BESIDE_DB

    def _decide(self, scene: Scene, candidate: Candidate) -> HeardShot | None:
        self._rounds = [r for r in self._rounds if candidate.at - r.at <= SERIES_S * scene.rate_hz][-_KNOWN_ROUNDS:]
        if self._overshadowed(scene.rate_hz, candidate.sample, candidate.peak_dbfs):
            return None
        if self._is_echo(scene, candidate):
            return None
        classes = self._verdicts.classes(scene, candidate.sample, candidate.peak_dbfs)
        probability = gun_probability(classes)
        if probability < self._threshold:
            return None
        self._pick(scene, candidate.sample)
        if self._waiting[0] is not candidate:
            return None
        # What is like a round heard before is no chance find, however loud the tail that it stands in.
        known = is_repeated(candidate.shape, gaps(candidate, self._rounds, scene.rate_hz))
        error_s = candidate.error_s if known else math.hypot(candidate.error_s, faint_s(candidate.snr_db))
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
            others=others_of(candidate, following, scene.rate_hz),
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

    def _is_echo(self, scene: Scene, candidate: Candidate) -> bool:
        return is_echo(candidate.shape, gaps(candidate, self._rounds, scene.rate_hz))

    def _following(self, scene: Scene, candidate: Candidate) -> list[Candidate]:
        """Return the onsets that answer ``candidate``: up to the next round, or as long as a street answers."""
        following: list[Candidate] = []
        for other in self._waiting[1:]:
            if other.at - candidate.at > ECHOES_S * scene.rate_hz:
                break
            if not self._is_echo(scene, other):
                break
            following.append(other)
        return following

    def _overshadowed(self, rate_hz: int, sample: int, peak_dbfs: float) -> bool:
        reach = round(BEFORE_S * rate_hz)
        return any(
            leap.peak_dbfs > peak_dbfs + _BESIDE_DB and abs(leap.sample - sample) <= reach for leap in self._heard
        )

    def _forget(self, scene: Scene, undecided: int) -> None:
        """Keep what a waiting candidate, a clip, or what the gate may name next can ask for; drop the rest."""
        reach = round((WINDOW_S + SETTLED_S) * scene.rate_hz)
        if self._keeper is not None:
            reach = max(reach, self._keeper.before)
        needed = undecided - reach
        if self._keeper is not None and self._keeper.oldest is not None:
            needed = min(needed, self._keeper.oldest)
        scene.forget(needed)
        audible = undecided - round(BEFORE_S * scene.rate_hz)
        self._heard = [leap for leap in self._heard if leap.sample >= audible]
