"""Scores of whole recordings by files that never heard them, and what follows: calibration, threshold, JSON lines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from scipy.optimize import minimize

from models.gunshot.corpus import GUNSHOT, Recording
from models.gunshot.hearing import Windows, highest

FALSE_SHARE = 0.01
"""Held-out negatives that may pass: the threshold that ships is set on them."""
_BATCH = 256
_LEAST = 1e-6


def scores_of(path: Path, windows: Windows, count: int, chosen: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return (count,) the highest gun probability that the file at ``path`` gives any window of each recording.

    Args:
        path: a student's or a head's ONNX file.
        windows: what the device hears.
        count: recordings in all.
        chosen: (count,) those to judge; the others get minus infinity.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    rows = np.flatnonzero(chosen[windows.recording])
    student = session.get_inputs()[0].name == "logmel"
    guns = np.full(len(windows.recording), -np.inf, np.float32)
    for first in range(0, len(rows), _BATCH):
        part = rows[first : first + _BATCH]
        if student:
            given = {"logmel": windows.pictures[part].astype(np.float32)[:, None]}
        else:
            given = {"emb384": windows.embeddings[part], "prob527": windows.probabilities[part]}
        guns[part] = session.run(["probabilities"], given)[0][:, GUNSHOT]
    return highest(guns, windows, count)


@dataclass(frozen=True, slots=True)
class Calibration:
    """What makes shares of a network's scores: a shot's logit is shifted, then all are divided.

    Attributes:
        temperature: what the logits are divided by.
        shift: added to the shot's logit before.
        threshold: the probability, after both, from which on something is called a shot.
    """

    temperature: float = 1.0
    shift: float = 0.0
    threshold: float = 0.5


def calibrate(recordings: Sequence[Recording], scores: NDArray[np.float32], *, clean_only: bool) -> Calibration:
    """Fit a calibration to held-out scores.

    It makes the scores likeliest, gunshot against the rest, shots and others counted alike; the threshold is what at
    most ``FALSE_SHARE`` of the others reach, among the clips and among the live-fire windows.

    Args:
        recordings: all of them.
        scores: (recordings,) held-out gun probabilities of a file without a calibration.
        clean_only: whether to look at those recordings only whose licence allows any use.
    """
    heard = np.array([r.clean or not clean_only for r in recordings])
    shot = np.array([r.kind == GUNSHOT for r in recordings])[heard]
    live_fire = np.array([r.live_fire for r in recordings])[heard]
    odds = odds_of(scores[heard])

    def cost(told: NDArray[np.float64]) -> float:
        surprise = np.logaddexp(0, np.where(shot, -1, 1) * (odds + told[1]) / np.exp(told[0]))
        return float(sum(surprise[part].mean() for part in (shot, ~shot) if part.any()))

    fitted = minimize(cost, np.zeros(2), method="Nelder-Mead", bounds=((-1.2, 1.4), (-4, 4))).x
    temperature, shift = float(np.exp(fitted[0])), float(fitted[1])
    # Softmax over four classes is not exactly a scaled logit, but near the threshold two classes have it all.
    scaled = 1 / (1 + np.exp(-(odds + shift) / temperature))
    quiet = [scaled[~shot & part] for part in (live_fire, ~live_fire)]
    threshold = max((float(np.quantile(part, 1 - FALSE_SHARE)) for part in quiet if len(part)), default=0.5)
    return Calibration(temperature, shift, threshold)


def odds_of(probabilities: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the log odds of ``probabilities``, which may be 0 or 1."""
    kept = np.clip(probabilities.astype(np.float64), _LEAST, 1 - _LEAST)
    return np.log(kept / (1 - kept))


def write_scores(recordings: Sequence[Recording], scores: NDArray[np.float32], stem: Path) -> None:
    """Write ``stem``-clips.jsonl and ``stem``-live_fire.jsonl, one JSON object a recording."""
    for live_fire, part in ((False, "clips"), (True, "live_fire")):
        lines = (
            json.dumps({"clip": r.clip, "score": round(float(score), 6)})
            for r, score in zip(recordings, scores, strict=True)
            if r.live_fire == live_fire
        )
        stem.with_name(f"{stem.name}-{part}.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def read_scores(recordings: Sequence[Recording], stem: Path) -> NDArray[np.float32]:
    """Read what ``write_scores`` wrote."""
    told: dict[str, float] = {}
    for part in ("clips", "live_fire"):
        for line in stem.with_name(f"{stem.name}-{part}.jsonl").read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            told[row["clip"]] = row["score"]
    return np.array([told[r.clip] for r in recordings], np.float32)
