"""What the device hears of each recording: the very windows that its listening code would judge, and their scores.

They serve twice. As plain views they teach: a detector that had learned from changed views alone took more for shots of
what it had not heard before. And whatever was trained without a recording's fold is scored on them, exactly as
``edge-agent listen`` would score the recording: by its likeliest window.
"""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from edge_agent.gunshots import features
from edge_agent.gunshots.classifier import ClassifierCard, FrontEnd, NetworkShotClassifier
from edge_agent.gunshots.listening import listen_to
from edge_agent.inference.providers import Provider
from edge_agent.records import AudioBlock, CaptureTime
from models.gunshot.augment import Sound
from models.gunshot.corpus import CLASSES, GUNSHOT, Recording
from models.gunshot.teacher import BANGS, GUNS, Teacher, logits_of
from models.gunshot.views import Stacked, Views

_BLOCK_S = 0.25
_NEVER = 2.0  # a threshold that no probability reaches: the shots are not wanted here
# In a recording of a shot, the windows that the teacher finds about as shot-like as its best hold the shot.
_BELOW_BEST = 1.5
_ARRAYS = ("recording", "pictures", "embeddings", "probabilities")


@dataclass(frozen=True, slots=True)
class Windows:
    """All windows of all recordings, in their order.

    Attributes:
        recording: (windows,) index into the list of recordings.
        pictures: (windows, bands, frames) float16, the student's input.
        embeddings: (windows, 384) float32, NaN without a teacher.
        probabilities: (windows, 527) float32, NaN without a teacher.
    """

    recording: NDArray[np.int32]
    pictures: NDArray[np.float16]
    embeddings: NDArray[np.float32]
    probabilities: NDArray[np.float32]


def hear(recordings: Sequence[Recording], teacher: Path | None, folder: Path, workers: int = 2) -> Windows:
    """Return the windows of ``recordings``, from ``folder`` where they have been made before."""
    folder.mkdir(parents=True, exist_ok=True)
    if not all((folder / f"window_{name}.npy").exists() for name in _ARRAYS):
        made, began, noted = [], time.monotonic(), time.monotonic()
        with multiprocessing.get_context("fork").Pool(workers, _begin, (teacher,)) as pool:
            for windows in pool.imap(_windows_of, list(enumerate(recordings)), chunksize=16):
                made.append(windows)
                if time.monotonic() - noted > 20:
                    noted = time.monotonic()
                    print(f"heard {len(made)}/{len(recordings)} {noted - began:.0f} s", file=sys.stderr, flush=True)
        for at, name in enumerate(_ARRAYS):
            np.save(folder / f"window_{name}.npy", np.concatenate([windows[at] for windows in made]))
    large = folder / "window_pictures.npy"
    kept = {name: np.load(folder / f"window_{name}.npy") for name in _ARRAYS if name != "pictures"}
    return Windows(pictures=np.load(large, mmap_mode="r"), **kept)


def with_windows(recordings: Sequence[Recording], views: Views, windows: Windows) -> Views:
    """Return ``views`` and, after them, the windows as plain views."""
    # Without a teacher nobody can tell where in the recording the shot is; most windows hold it.
    guns = np.nan_to_num(logits_of(windows.probabilities[:, GUNS]).max(1))
    best = highest(guns, windows, len(recordings))
    shot = np.array([r.kind == GUNSHOT for r in recordings])[windows.recording]
    sure = ~shot | (guns >= best[windows.recording] - _BELOW_BEST)
    of = windows.recording

    def each(values: list[int] | list[bool], kind: type) -> NDArray[np.generic]:
        return np.array(values, kind)[of]

    bangs = logits_of(windows.probabilities[:, BANGS]).astype(np.float16)
    assert isinstance(views.pictures, np.ndarray)
    return Views(
        pictures=Stacked(views.pictures, windows.pictures),
        embeddings=np.concatenate([views.embeddings, windows.embeddings.astype(np.float16)]),
        bangs=np.concatenate([views.bangs, bangs]),
        recording=np.concatenate([views.recording, of]),
        kind=np.concatenate([views.kind, each([r.kind for r in recordings], np.int8)]),
        sure=np.concatenate([views.sure, sure]),
        fold=np.concatenate([views.fold, each([r.fold for r in recordings], np.int8)]),
        clean=np.concatenate([views.clean, each([r.clean for r in recordings], np.bool_)]),
        live_fire=np.concatenate([views.live_fire, each([r.live_fire for r in recordings], np.bool_)]),
        plain=np.concatenate([views.plain, np.ones(len(of), bool)]),
    )


def highest(scores: NDArray[np.float32], windows: Windows, recordings: int) -> NDArray[np.float32]:
    """Return (recordings,) the highest of each recording's (windows,) scores."""
    best = np.full(recordings, -np.inf, np.float32)
    np.maximum.at(best, windows.recording, scores)
    return best


_teacher: Teacher | None = None


def _begin(teacher: Path | None) -> None:
    global _teacher  # one per worker of the pool, which hands nothing else down
    _teacher = Teacher(teacher) if teacher is not None else None


def _windows_of(task: tuple[int, Recording]) -> tuple[NDArray[np.generic], ...]:
    number, recording = task
    heard: list[Sound] = []

    def keep(pictures: NDArray[np.float32]) -> NDArray[np.float32]:
        heard.extend(pictures[:, 0, 0])
        return np.full((len(pictures), len(CLASSES)), 1 / len(CLASSES), np.float32)

    front_end = FrontEnd(features.RATE_HZ, features.WINDOW_SAMPLES, lambda window: window[None])
    card = ClassifierCard("hearing", CLASSES, _NEVER)
    listen_to(_blocks(recording), NetworkShotClassifier(card, front_end, keep, Provider.CPU), _NEVER)
    if not heard:  # not a single sample
        heard.append(np.zeros(features.WINDOW_SAMPLES, np.float32))
    pictures = np.stack([features.log_mel(window) for window in heard]).astype(np.float16)
    embeddings, probabilities = _teacher.judge(heard) if _teacher else Teacher.silence(len(heard))
    return np.full(len(heard), number, np.int32), pictures, embeddings, probabilities


def _blocks(recording: Recording) -> Iterator[AudioBlock]:
    with soundfile.SoundFile(recording.path) as file:
        file.seek(int(recording.start_s * file.samplerate))
        frames = -1 if recording.duration_s is None else int(recording.duration_s * file.samplerate)
        samples = file.read(frames, dtype="float32", always_2d=True).mean(axis=1)
        rate_hz = file.samplerate
    step = round(_BLOCK_S * rate_hz)
    for start in range(0, len(samples), step):
        captured = CaptureTime(round(start * 1e9 / rate_hz), 0, 0)
        yield AudioBlock("recording", samples[start : start + step], rate_hz, captured, 0, recording.clip)
