"""From recordings to training examples: crops, their variations as features, and the teacher's judgement of each.

Done once for all trainings and folds, because it costs more than training; kept as one .npz outside the repository.
The seed of each recording is its place in the list, so that a rerun gives the same examples in any number of workers.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from augment import Sound, loudest_onset, vary, window_at
from corpus import BACKGROUND, FIREWORKS, FOLDS, GUNSHOT, Recording
from numpy.typing import NDArray
from teacher import BANGS, EMBEDDING, Teacher

from edge_agent.gunshots.features import RATE_HZ, WINDOW_SAMPLES, log_mel, resample

VARIATIONS = 4
_BACKGROUNDS_PER_FOLD = 250


@dataclass(frozen=True, slots=True)
class Examples:
    """Crops as arrays, row by row.

    Attributes:
        features: (crops, VARIATIONS, bands, frames) float16; variation 0 is the crop itself.
        embeddings: (crops, 384) float16, NaN without a teacher.
        bangs: (crops, 11) float16 probabilities, NaN without a teacher.
        recording: (crops,) index into the list of recordings.
    """

    features: NDArray[np.float16]
    embeddings: NDArray[np.float16]
    bangs: NDArray[np.float16]
    recording: NDArray[np.int32]


_pools: dict[tuple[int, bool], list[Sound]] = {}
_teacher: Teacher | None = None


def prepare(recordings: Sequence[Recording], teacher: Path | None, workers: int = 2) -> Examples:
    """Make the examples of ``recordings``; ``teacher`` is mn04's file, or None to go without."""
    tasks = list(enumerate(recordings))
    with multiprocessing.Pool(workers, _begin, (recordings, teacher)) as pool:
        made = [crop for crops in pool.imap(_crops_of, tasks, chunksize=32) for crop in crops]
    return Examples(*(np.stack([crop[i] for crop in made]) for i in range(3)), np.array([c[3] for c in made], np.int32))


def _begin(recordings: Sequence[Recording], teacher: Path | None) -> None:
    global _teacher  # one per worker of the pool, which hands nothing else down
    _teacher = Teacher(teacher) if teacher is not None else None
    rng = np.random.default_rng(0)
    for fold in range(FOLDS):
        for clean in (True, False):
            usable = [r for r in recordings if r.kind == BACKGROUND and r.fold == fold and (r.clean or not clean)]
            chosen = rng.permutation(len(usable))[:_BACKGROUNDS_PER_FOLD]
            windows = (window_at(load(usable[i]), 0, rng) for i in chosen)
            _pools[fold, clean] = [w for w in windows if np.abs(w).max() > 1e-4]


def load(recording: Recording) -> Sound:
    """Return the stretch at the classifier's rate, mono."""
    with soundfile.SoundFile(recording.path) as file:
        file.seek(int(recording.start_s * file.samplerate))
        frames = -1 if recording.duration_s is None else int(recording.duration_s * file.samplerate)
        samples = file.read(frames, dtype="float32", always_2d=True).mean(axis=1)
        return resample(samples, file.samplerate)


def _starts(recording: Recording, samples: Sound, rng: np.random.Generator) -> list[int]:
    """Where to cut: shots at any place of the window, everything else spread over the recording."""
    spare = len(samples) - WINDOW_SAMPLES
    if recording.live_fire:
        return [0] if recording.kind != GUNSHOT else [0, int(RATE_HZ * rng.uniform(-0.6, 0.4))]
    if recording.kind == GUNSHOT:
        onset = loudest_onset(samples)
        # The few shots with a free licence carry a whole file: more of their variations, not more of the same.
        count = 12 if recording.clean else 3
        return [onset - int(RATE_HZ * (0.05 + 1.5 * (i + rng.random()) / count)) for i in range(count)]
    count = 8 if recording.kind == FIREWORKS else 1 if spare <= RATE_HZ // 2 else 2
    return [int(rng.uniform(min(0, spare), max(0, spare))) for _ in range(count)]


def _crops_of(
    task: tuple[int, Recording],
) -> list[tuple[NDArray[np.float16], NDArray[np.float16], NDArray[np.float16], int]]:
    index, recording = task
    rng = np.random.default_rng(index)
    samples = load(recording)
    backgrounds = _pools[recording.fold, recording.clean]
    crops = []
    for start in _starts(recording, samples, rng):
        window = window_at(samples, start, rng)
        if _teacher is not None:
            embedding, bangs = _teacher.judge(window)
        else:
            embedding, bangs = np.full(EMBEDDING, np.nan), np.full(BANGS.stop - BANGS.start, np.nan)
        varied = [window, *(vary(window, backgrounds, recording.kind == GUNSHOT, rng) for _ in range(VARIATIONS - 1))]
        features = np.stack([log_mel(w) for w in varied]).astype(np.float16)
        crops.append((features, embedding.astype(np.float16), bangs.astype(np.float16), index))
    return crops
