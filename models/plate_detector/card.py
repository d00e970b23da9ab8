"""The model card, written from what was measured: nobody copies a figure by hand, nobody leaves one out."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.plate_detector.evaluation import Found, overlaps, tally, wilson
from models.plate_detector.finding import Finder, Labelled

# The product's own (edge_agent.plates.detector.DEFAULT_MIN_SCORE): exported scores are moved to suit it.
THRESHOLD = 0.4
_WIDTHS_PX = (0, 24, 32, 48, 64, 96, 160, 10_000)
_CURVE_ROWS = 14
_WORST = 12


@dataclass(frozen=True, slots=True)
class Column:
    """One network in the card's tables: its name there, its file, ms a picture, and its finds by the set's name."""

    name: str
    path: Path
    size_px: tuple[int, int]
    milliseconds: float
    found: dict[str, list[Found]]


@dataclass(frozen=True, slots=True)
class Facts:
    """What a card tells about the training, in Markdown, and where its curve is."""

    title: str
    opening: str
    data: str
    training: str
    failures: str
    curve: Path


def judged(name: str, path: Path, sets: Sequence[Labelled]) -> Column:
    """Let the network at ``path`` look at ``sets``."""
    finder = Finder(path)
    return Column(name, path, finder.size_px, finder.milliseconds(), {s.name: finder.find_all(s.images) for s in sets})


def write_card(target: Path, facts: Facts, sets: Sequence[Labelled], columns: Sequence[Column]) -> None:
    """Write the card of the first of ``columns``."""
    parts = [f"# Model card: {facts.title}", facts.opening, _files(columns), "## Data", facts.data, "## Training"]
    parts += [facts.training, _curve(facts.curve)]
    if sets:
        parts += ["## Figures", _figures(sets, columns), _by_width(sets, columns[0])]
    parts += ["## Known failures", facts.failures]
    if sets:
        parts.append(_worst(sets, columns[0]))
    target.write_text("\n\n".join(part for part in parts if part) + "\n", encoding="utf-8")


def sha256_of(path: Path) -> str:
    """Return the digest of a file, in lower-case hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def share(hits: int, total: int) -> str:
    """Write a share with its 95 % interval, in per cent."""
    if not total:
        return "-"
    low, high = wilson(hits, total)
    return f"{100 * hits / total:.1f} ({100 * low:.1f}-{100 * high:.1f})"


def _files(columns: Sequence[Column]) -> str:
    rows = ["| network | SHA-256 | bytes | input, height x width | ms a picture |", "|---|---|---|---|---|"]
    for c in columns:
        size = f"{c.size_px[0]} x {c.size_px[1]}"
        rows.append(f"| {c.name} | {sha256_of(c.path)} | {c.path.stat().st_size:,} | {size} | {c.milliseconds:.1f} |")
    told = "Milliseconds are medians on one thread of the machine that wrote this card: take ratios."
    return "\n".join(rows) + "\n\n" + told


def _curve(path: Path) -> str:
    if not path.is_file():
        return ""
    with path.open(newline="", encoding="utf-8") as opened:
        rows = list(csv.DictReader(opened))
    if not rows:
        return ""
    chosen = sorted({round(at * (len(rows) - 1) / (_CURVE_ROWS - 1)) for at in range(_CURVE_ROWS)})
    names = list(rows[0])
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    lines += ["| " + " | ".join(rows[at][name] for name in names) + " |" for at in chosen]
    told = "The curve (recall in per cent where the false plates per picture are as many as the set allows):"
    return told + "\n\n" + "\n".join(lines)


def _figures(sets: Sequence[Labelled], columns: Sequence[Column]) -> str:
    lines = [
        f"Every network at the threshold {THRESHOLD}, by itself: nothing is rejected afterwards. A label is found "
        "where a find overlaps it enough (IoU); every other find is false, also a plate that nobody labelled. 95 % "
        "intervals (Wilson).",
        "",
        "| set | pictures | labels | network | found, IoU 0.5, % | found, IoU 0.3, % | false a picture | allowed |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for labelled in sets:
        for column in columns:
            found = column.found[labelled.name]
            close, loose = (tally(labelled.truth, found, THRESHOLD, iou) for iou in (0.5, 0.3))
            lines.append(
                f"| {labelled.name} | {close.pictures} | {close.plates} | {column.name} | "
                f"{share(close.detected, close.plates)} | {share(loose.detected, loose.plates)} | "
                f"{close.false_per_picture:.2f} | {labelled.false_rate:.2f} |"
            )
    return "\n".join(lines)


def _by_width(sets: Sequence[Labelled], column: Column) -> str:
    """Return how many plates were found, by how wide they are in front of the network."""
    found: list[list[bool]] = [[] for _ in _WIDTHS_PX[1:]]
    for labelled in sets:
        for image, truth, finds in zip(labelled.images, labelled.truth, column.found[labelled.name], strict=True):
            scale = min(column.size_px[0] / image.shape[0], column.size_px[1] / image.shape[1])
            hit = np.any(overlaps(finds.boxes[finds.scores >= THRESHOLD], truth) >= 0.5, axis=0).tolist()
            for box, was in zip(truth, hit, strict=True):
                at = int(np.searchsorted(_WIDTHS_PX, (box[2] - box[0]) * scale, side="right")) - 1
                found[at].append(bool(was))
    lines = ["By the plate's width in the network's input:", "", "| px | labels | found, IoU 0.5, % |", "|---|---|---|"]
    for low, high, hits in zip(_WIDTHS_PX, _WIDTHS_PX[1:], found, strict=False):
        if hits:
            span = f"{low}-{high}" if high < _WIDTHS_PX[-1] else f"{low} and more"
            lines.append(f"| {span} | {len(hits)} | {share(sum(hits), len(hits))} |")
    return "\n".join(lines)


def _worst(sets: Sequence[Labelled], column: Column) -> str:
    """Name the labels that were not found, and the surest false finds, for whoever wants to look."""
    lines = []
    for labelled in sets:
        missed, false = [], []
        for name, truth, finds in zip(labelled.names, labelled.truth, column.found[labelled.name], strict=True):
            overlap = overlaps(finds.boxes, truth)
            kept = finds.scores >= THRESHOLD
            for k in range(len(truth)):
                if not (overlap[kept, k] >= 0.5).any():
                    best = float(finds.scores[overlap[:, k] >= 0.5].max(initial=0.0))
                    loose = float(overlap[kept, k].max(initial=0.0))
                    missed.append(f"{name} (scored {best:.2f}, best overlap {loose:.2f})")
            sure = finds.scores[kept & ~(overlap >= 0.5).any(1)]
            false += [(float(score), name) for score in sure]
        false.sort(reverse=True)
        told = ", ".join(missed[:_WORST]) or "none"
        more = ", ".join(f"{name} ({score:.2f})" for score, name in false[:_WORST]) or "none"
        lines.append(f"- {labelled.name}: not found: {told}. Surest false finds: {more}.")
    return "\n".join(lines)
