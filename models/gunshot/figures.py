"""The tables of the model card, from held-out scores: nobody copies a figure by hand.

Recall at the threshold that 1 % or 0.1 % of the negatives reach, with 95 % intervals by resampling whole sources; then
each data set, each hard negative, each firing position and the calibration apart.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.gunshot.corpus import GUNSHOT, Recording

_DRAWS = 200
_SHARES = (0.01, 0.001)
_HARD = {
    "fireworks": {"fireworks", "party_popper", "firecracker"},
    "doors": {"doorknock", "door_knock", "door_slam", "door_creak", "door-woodcreaks"},
    "glass": {"glass_breaking", "glassbreaking"},
    "hammering": {"chopping", "pickaxe", "metal_hit", "woodpecker"},
    "jackhammer and drilling": {"jackhammer", "drilling"},
    "thunder": {"thunder", "thunderstorm"},
    "forest": {"forest"},
}
_BINS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0)


def write_figures(recordings: Sequence[Recording], scores: Mapping[str, NDArray[np.float32]], folder: Path) -> None:
    """Write ``folder``/figures.md.

    Args:
        recordings: all of them.
        scores: by file, the (recordings,) held-out gun probabilities, before the temperature.
        folder: where to.
    """
    sets = {
        "all clips": np.array([not r.live_fire for r in recordings]),
        "clean clips": np.array([not r.live_fire and r.clean for r in recordings]),
        "live fire": np.array([r.live_fire for r in recordings]),
    }
    shot = np.array([r.kind == GUNSHOT for r in recordings])
    sources = np.array([r.source for r in recordings])
    usable = {name: part for name, part in sets.items() if (part & shot).any() and (part & ~shot).any()}
    lines = ["| file | on | shots, others | AUC | recall at 1 % | at 0.1 % |", "|---|---|---|---|---|---|"]
    for file, told in scores.items():
        for name, part in usable.items():
            row = recalls(shot[part], told[part])
            spans = intervals(shot[part], told[part], sources[part])
            both = " | ".join(f"{r:.3f} ({low:.2f}-{high:.2f})" for r, (low, high) in zip(row, spans, strict=True))
            counts = f"{int((shot & part).sum()):,}, {int((~shot & part).sum()):,}"
            lines.append(f"| `{file}` | {name} | {counts} | {auc(shot[part], told[part]):.3f} | {both} |")
    if "all clips" in usable:
        lines += ["", *_apart(recordings, scores, shot, sets["all clips"])]
    if "live fire" in usable:
        lines += ["", *_places(recordings, scores, shot, sets["live fire"])]
    (folder / "figures.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def threshold_at(negatives: NDArray[np.float32], share: float) -> float:
    """Return the lowest threshold that at most ``share`` of ``negatives`` reach."""
    allowed = math.floor(share * len(negatives) + 1e-9)
    if allowed >= len(negatives):
        return -math.inf
    return float(np.nextafter(np.sort(negatives)[::-1][allowed], np.float32(np.inf)))


def recalls(shot: NDArray[np.bool_], scores: NDArray[np.float32]) -> tuple[float, float]:
    """Return the share of shots found at 1 % and at 0.1 % of the others."""
    first, second = (float((scores[shot] >= threshold_at(scores[~shot], share)).mean()) for share in _SHARES)
    return first, second


def intervals(shot: NDArray[np.bool_], scores: NDArray[np.float32], sources: NDArray[np.str_]) -> NDArray[np.float64]:
    """Return the 95 % intervals of ``recalls``, (2, 2), by drawing whole sources with replacement."""
    names, of = np.unique(sources, return_inverse=True)
    rows = [np.flatnonzero(of == at) for at in range(len(names))]
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(_DRAWS):
        chosen = np.concatenate([rows[at] for at in rng.integers(0, len(rows), len(rows))])
        if 0 < shot[chosen].sum() < len(chosen):
            drawn.append(recalls(shot[chosen], scores[chosen]))
    spans: NDArray[np.float64] = np.percentile(np.array(drawn), [2.5, 97.5], axis=0).T
    return spans


def auc(shot: NDArray[np.bool_], scores: NDArray[np.float32]) -> float:
    """Return the share of pairs of a shot and another in which the shot scores higher; ties count half."""
    _, ranks, counts = np.unique(scores, return_inverse=True, return_counts=True)
    middle = (np.cumsum(counts) - (counts - 1) / 2)[ranks]
    shots, others = int(shot.sum()), int((~shot).sum())
    return float((middle[shot].sum() - shots * (shots + 1) / 2) / shots / others)


def _apart(
    recordings: Sequence[Recording],
    scores: Mapping[str, NDArray[np.float32]],
    shot: NDArray[np.bool_],
    part: NDArray[np.bool_],
) -> list[str]:
    """Each data set and each hard negative, at the 1 % threshold of all clips."""
    datasets = np.array([r.dataset for r in recordings])
    sounds = np.array([r.sound.lower() for r in recordings])
    limits = {file: threshold_at(told[part & ~shot], 0.01) for file, told in scores.items()}
    lines = ["| at the 1 % threshold of all clips | clips | " + " | ".join(f"`{file}`" for file in scores) + " |"]
    lines.append("|---|---|" + "---|" * len(scores))

    def add(name: str, rows: NDArray[np.bool_]) -> None:
        if rows.any():
            told = " | ".join(f"{100 * (scores[file][rows] >= limits[file]).mean():.1f} %" for file in scores)
            lines.append(f"| {name} | {int(rows.sum()):,} | {told} |")

    for dataset in np.unique(datasets[part & shot]):
        add(f"shots of {dataset} found", part & shot & (datasets == dataset))
    for dataset in np.unique(datasets[part & ~shot]):
        add(f"others of {dataset} taken for shots", part & ~shot & (datasets == dataset))
    for name, wanted in _HARD.items():
        add(f"{name} taken for shots", part & ~shot & np.isin(sounds, list(wanted)))
    return lines


def _places(
    recordings: Sequence[Recording],
    scores: Mapping[str, NDArray[np.float32]],
    shot: NDArray[np.bool_],
    part: NDArray[np.bool_],
) -> list[str]:
    """Each firing position, at the 1 % threshold of live fire."""
    sources = np.array([r.source for r in recordings])
    lines = ["| live fire, at its 1 % threshold | shots | " + " | ".join(f"`{file}`" for file in scores) + " |"]
    lines.append("|---|---|" + "---|" * len(scores))
    for position in np.unique(sources[part]):
        rows = part & shot & (sources == position)
        told = " | ".join(
            f"{100 * (of[rows] >= threshold_at(of[part & ~shot], 0.01)).mean():.1f} %" for of in scores.values()
        )
        lines.append(f"| {position} | {int(rows.sum()):,} | {told} |")
    return lines


def calibration(shot: NDArray[np.bool_], probabilities: NDArray[np.float32]) -> list[tuple[str, int, float, float]]:
    """Return, bin by bin, how many have such a probability, its mean, and the share of shots among them."""
    rows = []
    for low, high in pairwise(_BINS):
        inside = (probabilities >= low) & ((probabilities < high) | (high == 1))
        if inside.any():
            mean, share = float(probabilities[inside].mean()), float(shot[inside].mean())
            rows.append((f"{low:.1f}-{high:.1f}", int(inside.sum()), mean, share))
    return rows
