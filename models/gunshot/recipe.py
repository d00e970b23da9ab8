"""Make the gunshot classifiers from folders of audio: prepare, cross-validate, calibrate, train, export.

    PYTHONPATH=. python models/gunshot/recipe.py --clips DIR --live-fire DIR --teacher mn04_as.onnx --work DIR

with the packages of requirements.txt. ``--clips`` and ``--live-fire`` are laid out as card.md says and may be your own;
either may be left out, and so may ``--teacher``. Everything in between is kept in ``--work`` and reused, so that a run
that was stopped goes on where it was. The ONNX files go to ``--out``, by default the folder of this file; the scores of
the cross-validation stay in ``--work`` as ``NAME-clips.jsonl`` and ``NAME-live_fire.jsonl``, one JSON object a clip.

"gunshot" learns only from recordings whose licence allows commercial and government use, "gunshot-research" from all.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import soundfile
from corpus import FOLDS, GUNSHOT, Recording, read_clips, read_live_fire
from network import export
from numpy.typing import NDArray
from prepare import Examples, prepare
from scipy.optimize import minimize_scalar
from training import train

from edge_agent.gunshots.classifier import OnnxShotClassifier
from edge_agent.gunshots.listening import listen_to
from edge_agent.records import AudioBlock, CaptureTime

NAMES = ("gunshot", "gunshot-research")
# Held-out negatives that may pass: the threshold that ships is set on them.
FALSE_SHARE = 0.01
_BLOCK_S = 0.25


def main() -> None:
    """Run the stages that are not done yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path)
    parser.add_argument("--live-fire", type=Path)
    parser.add_argument("--teacher", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    parser.add_argument("--steps", type=int, default=2500, help="batches of 64 a training")
    parser.add_argument("--workers", type=int, default=2, help="trainings side by side, one thread each")
    parser.add_argument("--only", choices=NAMES, help="make one file instead of both")
    args = parser.parse_args()
    recordings = [
        *(read_clips(args.clips) if args.clips else []),
        *(read_live_fire(args.live_fire) if args.live_fire else []),
    ]
    if not recordings:
        parser.error("no recordings: name --clips, --live-fire or both")
    args.work.mkdir(parents=True, exist_ok=True)
    examples = load_examples(args.work / "examples.npz", recordings, args.teacher, args.workers)
    del examples  # the workers read it themselves; here it would only take their memory
    names = [args.only] if args.only else list(NAMES)
    tasks = [(name, fold) for name in names for fold in (*range(FOLDS), None)]
    with ProcessPoolExecutor(args.workers, get_context("spawn")) as pool:
        jobs = [pool.submit(_train_one, recordings, args.work, name, fold, args.steps) for name, fold in tasks]
        for job in jobs:
            job.result()
        for name in names:
            parts = [pool.submit(score_fold, recordings, args.work, name, fold) for fold in range(FOLDS)]
            scores = {clip: score for part in parts for clip, score in part.result().items()}
            temperature, threshold = calibrate(recordings, scores, clean_only=name == "gunshot")
            _write_scores(recordings, scores, args.work / name)
            student = train(*_what(recordings, args.work, name, None), steps=args.steps, **_as(args.work, name, None))
            target = args.out / f"{name}.onnx"
            export(student, target, name=name, temperature=temperature, threshold=threshold)
            print(f"{target}: temperature {temperature:.3f}, threshold {threshold:.3f}", file=sys.stderr)


def load_examples(path: Path, recordings: Sequence[Recording], teacher: Path | None, workers: int) -> Examples:
    """Read the prepared examples, or prepare them.

    Raises:
        SystemExit: those in ``path`` belong to another list of recordings.
    """
    if not path.exists():
        made = prepare(recordings, teacher, workers)
        np.savez(path, features=made.features, embeddings=made.embeddings, bangs=made.bangs, recording=made.recording)
    with np.load(path) as kept:
        examples = Examples(kept["features"], kept["embeddings"], kept["bangs"], kept["recording"])
    if int(examples.recording[-1]) != len(recordings) - 1:
        sys.exit(f"{path}: made from {int(examples.recording[-1]) + 1} recordings, got {len(recordings)}. Remove it.")
    return examples


def allowed_for(
    name: str, held_out: int | None, recordings: Sequence[Recording], examples: Examples
) -> NDArray[np.bool_]:
    """Return which crops the file ``name`` may learn from while fold ``held_out`` (None: none) is held out."""
    chosen = (recordings[i] for i in examples.recording)
    return np.array([(r.clean or name != "gunshot") and r.fold != held_out for r in chosen])


def score_fold(recordings: Sequence[Recording], work: Path, name: str, fold: int) -> dict[str, float]:
    """Let the device's own code hear the recordings of ``fold`` with the network that never heard them."""
    kept = work / f"{name}-{fold}.scores.json"
    if not kept.exists():
        classifier = OnnxShotClassifier(work / f"{name}-{fold}.onnx")
        chosen = (r for r in recordings if r.fold == fold)
        scores = {r.clip: listen_to(_blocks(r), classifier, threshold=2.0).score for r in chosen}
        kept.write_text(json.dumps(scores), encoding="utf-8")
    return dict(json.loads(kept.read_text(encoding="utf-8")))


def calibrate(recordings: Sequence[Recording], scores: dict[str, float], *, clean_only: bool) -> tuple[float, float]:
    """Fit temperature and threshold to held-out scores.

    Returns:
        The temperature that makes the held-out scores likeliest (gunshot against the rest, shots and others counted
        alike), and the probability, after it, that at most ``FALSE_SHARE`` of the held-out others reach, among the
        clips and among the live-fire windows.
    """
    heard = [r for r in recordings if r.clean or not clean_only]
    probability = np.clip([scores[r.clip] for r in heard], 1e-6, 1 - 1e-6)
    shot = np.array([r.kind == GUNSHOT for r in heard])
    odds = np.log(probability / (1 - probability))

    def cost(temperature: float) -> float:
        surprise = np.logaddexp(0, np.where(shot, -odds, odds) / temperature)
        return float(surprise[shot].mean() + surprise[~shot].mean())

    temperature = float(minimize_scalar(cost, bounds=(0.3, 4.0), method="bounded").x)
    # Softmax over four classes is not exactly a scaled logit, but near the threshold two classes have it all.
    scaled = 1 / (1 + np.exp(-odds / temperature))
    live_fire = np.array([r.live_fire for r in heard])
    quiet = [scaled[~shot & part] for part in (live_fire, ~live_fire)]
    threshold = max(float(np.quantile(part, 1 - FALSE_SHARE)) for part in quiet if len(part))
    return temperature, threshold


def _train_one(recordings: Sequence[Recording], work: Path, name: str, fold: int | None, steps: int) -> None:
    student = train(*_what(recordings, work, name, fold), steps=steps, **_as(work, name, fold))
    if fold is not None:
        export(student, work / f"{name}-{fold}.onnx", name=name, temperature=1.0, threshold=0.5)


def _what(
    recordings: Sequence[Recording], work: Path, name: str, fold: int | None
) -> tuple[Sequence[Recording], Examples, NDArray[np.bool_]]:
    examples = load_examples(work / "examples.npz", recordings, None, 1)
    return recordings, examples, allowed_for(name, fold, recordings, examples)


def _as(work: Path, name: str, fold: int | None) -> dict[str, Path | int]:
    return {"seed": 1, "checkpoint": work / f"{name}-{'all' if fold is None else fold}.pt"}


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


def _write_scores(recordings: Sequence[Recording], scores: dict[str, float], stem: Path) -> None:
    for live_fire, part in ((False, "clips"), (True, "live_fire")):
        lines = (json.dumps({"clip": r.clip, "score": scores[r.clip]}) for r in recordings if r.live_fire == live_fire)
        stem.with_name(f"{stem.name}-{part}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
