"""From recordings to training examples: many views of each, with the student's picture and the teacher's answer.

A view is two seconds: a crop of one recording, often with another mixed in, changed as another place and another
recorder would change it. The student's log-mel and the teacher's embedding and logits are computed from the same
samples, so that the student is asked for exactly what the teacher said. All of it is made once, by several workers, for
all trainings and folds, because it costs as much as training; a run that was stopped goes on. The seed of a view is
its number, so that a rerun gives the same in any number of workers.

Invariants: everything in a view comes from one fold and, for views that may train the default file, from recordings
with a free licence; sounds made of formulas belong to no fold. Nothing is labelled whose shot may be inaudible.
"""

from __future__ import annotations

import json
import math
import multiprocessing
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from edge_agent.gunshots.features import BANDS, FRAMES, RATE_HZ, WINDOW_SAMPLES, log_mel
from edge_agent.gunshots.resampling import resample
from models.gunshot.augment import Sound, elsewhere, loudest_onset, loudness, recorded, repeated, window_at
from models.gunshot.corpus import BACKGROUND, FIREWORKS, FOLDS, GUNSHOT, IMPULSIVE, Recording
from models.gunshot.synthetic import synthetic
from models.gunshot.teacher import BANG_COUNT, BANGS, EMBEDDING, Teacher, logits_of

EVERY_FOLD = -1
_CHUNK = 64
_BEFORE_S, _AFTER_S = 1.0, 1.0  # of a live-fire shot's stretch, taken along so that it can stand anywhere
_FULL_SCALE = 32_767
# Views of one recording. What is free serves both files and gets more; few shots have a free licence.
_VIEWS = {
    # (kind, clean): views
    (GUNSHOT, True): 220,
    (FIREWORKS, True): 110,
    (IMPULSIVE, True): 30,
    (BACKGROUND, True): 17,
    (GUNSHOT, False): 14,
    (FIREWORKS, False): 14,
    (IMPULSIVE, False): 11,
    (BACKGROUND, False): 8,
}
_LIVE_VIEWS = {GUNSHOT: 10, BACKGROUND: 6}
_SYNTHETIC_SHARE = 0.2  # of the clean views


@dataclass(frozen=True, slots=True)
class Stacked:
    """Two arrays, one after the other, without bringing either into memory."""

    first: NDArray[np.float16]
    second: NDArray[np.float16]

    def __getitem__(self, rows: NDArray[np.int64]) -> NDArray[np.float16]:
        """Return the rows of the given ascending numbers."""
        at = int(np.searchsorted(rows, len(self.first)))
        return np.concatenate([self.first[rows[:at]], self.second[rows[at:] - len(self.first)]])


@dataclass(frozen=True, slots=True)
class Views:
    """All views, row by row; the three large arrays may lie on the disk.

    Attributes:
        pictures: (views, bands, frames) float16, the student's input.
        embeddings: (views, 384) float16, NaN without a teacher.
        bangs: (views, 11) float16 logits, NaN without a teacher.
        recording: (views,) index into the list of recordings, -1 for sounds made of formulas.
        kind: (views,) index into ``CLASSES``.
        sure: (views,) whether ``kind`` may be learned as the label.
        fold: (views,) the fold that holds it out, or ``EVERY_FOLD``.
        clean: (views,) whether the default file may learn from it.
        live_fire: (views,) whether its main recording is live fire.
        plain: (views,) whether it is just what the device would have heard.
    """

    pictures: NDArray[np.float16] | Stacked
    embeddings: NDArray[np.float16]
    bangs: NDArray[np.float16]
    recording: NDArray[np.int32]
    kind: NDArray[np.int8]
    sure: NDArray[np.bool_]
    fold: NDArray[np.int8]
    clean: NDArray[np.bool_]
    live_fire: NDArray[np.bool_]
    plain: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Heard:
    """One recording in memory."""

    samples: NDArray[np.int16]
    onset: int

    def sound(self) -> Sound:
        return self.samples.astype(np.float32) / np.float32(_FULL_SCALE)


class _Library:
    """All recordings in memory, and which may be mixed with which."""

    def __init__(self, recordings: Sequence[Recording]) -> None:
        self.recordings = recordings
        self.heard = [_load(recording) for recording in recordings]
        self.beside = {
            (fold, clean): np.array([i for i, r in enumerate(recordings) if r.fold == fold and (r.clean or not clean)])
            for fold in range(FOLDS)
            for clean in (True, False)
        }


_library: _Library | None = None
_teacher: Teacher | None = None


def plan(recordings: Sequence[Recording], share: float) -> NDArray[np.int32]:
    """Return, shuffled, of which recording each view is, -1: made of formulas; ``share`` scales their number."""
    counts = [_LIVE_VIEWS[r.kind] if r.live_fire else _VIEWS[r.kind, r.clean] for r in recordings]
    clean = sum(count for count, r in zip(counts, recordings, strict=True) if r.clean)
    numbers = np.repeat(np.arange(len(recordings)), [max(1, round(share * count)) for count in counts])
    made = np.full(round(share * _SYNTHETIC_SHARE * clean), -1)
    return np.random.default_rng(0).permutation(np.concatenate([numbers, made])).astype(np.int32)


def prepare(
    recordings: Sequence[Recording], teacher: Path | None, folder: Path, *, share: float = 1.0, workers: int = 2
) -> Views:
    """Make the views of ``recordings`` in ``folder``, or those that are not there yet.

    Args:
        recordings: what to hear.
        teacher: mn04's file, or None to go without.
        folder: where the arrays are kept.
        share: of the usual number of views.
        workers: processes side by side.

    Raises:
        SystemExit: the folder holds views of other recordings.
    """
    global _library  # the workers inherit it by forking; it is large
    of = plan(recordings, share)
    folder.mkdir(parents=True, exist_ok=True)
    told = {"views": len(of), "recordings": len(recordings), "teacher": teacher is not None}
    state = folder / "views.json"
    if state.exists() and json.loads(state.read_text(encoding="utf-8")) != told:
        sys.exit(f"{state}: the views there are of something else; expected {told}. Remove the folder or name another.")
    shapes = {"pictures": (BANDS, FRAMES), "embeddings": (EMBEDDING,), "bangs": (BANG_COUNT,)}
    arrays = {}
    for name, shape in shapes.items():
        path = folder / f"{name}.npy"
        mode = "r+" if path.exists() else "w+"
        arrays[name] = np.lib.format.open_memmap(
            path, mode=mode, dtype=np.float16, shape=None if mode == "r+" else (len(of), *shape)
        )
    state.write_text(json.dumps(told), encoding="utf-8")
    done_path, rows_path = folder / "done.npy", folder / "rows.npy"
    chunks = range(0, len(of), _CHUNK)
    done = np.load(done_path) if done_path.exists() else np.zeros(len(chunks), bool)
    rows = np.load(rows_path) if rows_path.exists() else np.zeros((len(of), 2), np.int8)
    todo = [first for number, first in enumerate(chunks) if not done[number]]
    if todo:
        _library = _Library(recordings)
        began, noted = time.monotonic(), time.monotonic()
        tasks = [(first, of[first : first + _CHUNK]) for first in todo]
        with multiprocessing.get_context("fork").Pool(workers, _begin, (teacher,)) as pool:
            for count, (first, made) in enumerate(pool.imap_unordered(_views_of, tasks), 1):
                last = first + len(made[0])
                for array, part in zip(arrays.values(), made, strict=False):
                    array[first:last] = part
                rows[first:last] = made[3]
                done[first // _CHUNK] = True
                if time.monotonic() - noted > 20 or count == len(todo):
                    noted = time.monotonic()
                    for array in arrays.values():
                        array.flush()
                    np.save(rows_path, rows)
                    np.save(done_path, done)
                    print(f"views {done.sum() * _CHUNK}/{len(of)} {noted - began:.0f} s", file=sys.stderr, flush=True)
        _library = None
    return open_views(recordings, folder, share)


def open_views(recordings: Sequence[Recording], folder: Path, share: float) -> Views:
    """Open what ``prepare`` made; the pictures stay on the disk."""
    of = plan(recordings, share)
    rows = np.load(folder / "rows.npy")
    pictures = np.load(folder / "pictures.npy", mmap_mode="r")
    embeddings, bangs = np.load(folder / "embeddings.npy"), np.load(folder / "bangs.npy")
    fold = np.array([r.fold for r in recordings] + [EVERY_FOLD], np.int8)[of]
    clean = np.array([r.clean for r in recordings] + [True])[of]
    live_fire = np.array([r.live_fire for r in recordings] + [False])[of]
    plain = np.zeros(len(of), bool)
    return Views(pictures, embeddings, bangs, of, rows[:, 0], rows[:, 1].astype(bool), fold, clean, live_fire, plain)


def _begin(teacher: Path | None) -> None:
    global _teacher  # one per worker of the pool, which hands nothing else down
    _teacher = Teacher(teacher) if teacher is not None else None


def _load(recording: Recording) -> _Heard:
    """Read a recording at the student's rate; of a live-fire shot, a little before and after too."""
    before_s, after_s = (_BEFORE_S, _AFTER_S) if recording.live_fire and recording.kind == GUNSHOT else (0.0, 0.0)
    with soundfile.SoundFile(recording.path) as file:
        first_s = max(0.0, recording.start_s - before_s)
        file.seek(int(first_s * file.samplerate))
        until_s = math.inf if recording.duration_s is None else recording.start_s + recording.duration_s + after_s
        frames = -1 if until_s == math.inf else int((until_s - first_s) * file.samplerate)
        samples = file.read(frames, "float32", always_2d=True)
        sound = resample(samples.mean(axis=1), file.samplerate, RATE_HZ)
    if recording.onset_s is not None:
        onset = int((recording.start_s - first_s + recording.onset_s) * RATE_HZ)
    else:
        onset = loudest_onset(sound)
    return _Heard((np.clip(sound, -1, 1) * _FULL_SCALE).astype(np.int16), onset)


def _views_of(
    task: tuple[int, NDArray[np.int32]],
) -> tuple[int, tuple[NDArray[np.float16], NDArray[np.float16], NDArray[np.float16], NDArray[np.int8]]]:
    first, numbers = task
    windows, rows = [], []
    for view, number in enumerate(numbers, first):
        window, kind, sure = _view(int(number), np.random.default_rng([7, view]))
        windows.append(window)
        rows.append((kind, sure))
    pictures = np.stack([log_mel(window) for window in windows]).astype(np.float16)
    embeddings, probabilities = _teacher.judge(windows) if _teacher else Teacher.silence(len(windows))
    bangs = logits_of(probabilities[:, BANGS])
    return first, (pictures, embeddings.astype(np.float16), bangs.astype(np.float16), np.array(rows, np.int8))


def _view(number: int, rng: np.random.Generator) -> tuple[Sound, int, bool]:
    """Return one window, its kind, and whether that is sure."""
    if number < 0:
        window = synthetic(rng)
        return recorded(elsewhere(window, rng) if rng.random() < 0.5 else window, rng), BACKGROUND, False
    assert _library is not None
    recording = _library.recordings[number]
    window, kind, sure = _crop(number, rng), recording.kind, True
    if rng.random() < 0.12:
        return window, kind, sure
    if rng.random() < 0.6:
        window = elsewhere(window, rng)
    for _ in range(int(rng.choice([0, 1, 2], p=[0.45, 0.4, 0.15]))):
        other_number = int(rng.choice(_library.beside[recording.fold, recording.clean]))
        if rng.random() < 0.15:
            other, other_kind = synthetic(rng), BACKGROUND
            sure_beside = False  # formulas may sound like a shot, or like nothing
        else:
            other, other_kind = _crop(other_number, rng), _library.recordings[other_number].kind
            sure_beside = True
            if rng.random() < 0.4:
                other = elsewhere(other, rng)
        below_db = rng.uniform(-8, 32)
        window = window + other * np.float32(loudness(window) / loudness(other) * 10 ** (-below_db / 20))
        kind, sure = _mixed_kind((kind, sure), (other_kind, sure_beside), below_db)
    return recorded(window, rng), kind, sure


def _mixed_kind(main: tuple[int, bool], other: tuple[int, bool], below_db: float) -> tuple[int, bool]:
    """Return what a mixture is, and whether that is sure; ``other`` is ``below_db`` fainter than ``main``."""
    if GUNSHOT in (main[0], other[0]):
        if main[0] == other[0]:
            return GUNSHOT, True
        lead_db = below_db if main[0] == GUNSHOT else -below_db
        shot = main if main[0] == GUNSHOT else other
        return GUNSHOT, shot[1] and lead_db >= -3
    louder = main if below_db > 0 else other
    # The rarer kind names a mixture as long as it is not far below.
    kind = min(main[0], other[0]) if abs(below_db) < 10 else louder[0]
    return kind, main[1] and (other[1] or below_db > 20)


def _crop(number: int, rng: np.random.Generator) -> Sound:
    """Cut one window of a recording, at a random place and speed; bangs at times repeated into a burst."""
    assert _library is not None
    recording, heard = _library.recordings[number], _library.heard[number]
    sound, onset = heard.sound(), heard.onset
    bang = recording.kind != BACKGROUND
    if bang and rng.random() < _burst_chance(recording):
        rate_hz = float(np.exp(rng.uniform(np.log(2.5), np.log(18))))
        sound = repeated(sound, onset, rate_hz, int(rng.integers(2, 3 + int(2.2 * rate_hz))), rng)
        onset = RATE_HZ // 100
    speed = rng.uniform(0.7, 1.4) if rng.random() < 0.3 else 1.0
    length = WINDOW_SAMPLES if speed == 1 else int(WINDOW_SAMPLES * speed) + 1
    spare = len(sound) - length
    if bang and (recording.kind == GUNSHOT or rng.random() < 0.5):
        start = onset - int(RATE_HZ * speed * rng.uniform(0.02, 1.6))
    else:
        start = int(rng.uniform(min(0, spare), max(0, spare)))
    window = window_at(sound, start, length, rng)
    if speed != 1:
        window = np.interp(np.arange(WINDOW_SAMPLES) * speed, np.arange(length), window).astype(np.float32)
    return window


def _burst_chance(recording: Recording) -> float:
    if recording.kind == GUNSHOT:
        return 0.12 if recording.live_fire else 0.35 if recording.clean else 0.15
    return 0.15  # hammers, too: a burst is not yet a gun
