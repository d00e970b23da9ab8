"""The model card, written from what was measured: nobody copies a figure by hand, nobody leaves one out."""

from __future__ import annotations

import csv
import hashlib
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from models.plate_ocr.pictures import CHARACTERS
from models.plate_ocr.scoring import Score, wilson

# A character that the reference reads this much more often is a silent loss; the card's test holds the model to it.
RECALL_FLOOR = 0.03
_CURVE_ROWS = 12


@dataclass(frozen=True, slots=True)
class Column:
    """One network in the card's tables.

    Attributes:
        name: what it is called there.
        path: its file.
        milliseconds: median of one crop on one thread.
        scores: by the name of the set.
    """

    name: str
    path: Path
    milliseconds: float
    scores: dict[str, Score]


@dataclass(frozen=True, slots=True)
class Facts:
    """What a card tells about the training.

    Attributes:
        title: of the card.
        opening: what the network is, and how to run it, in Markdown.
        data: what it learnt from and under which licences, in Markdown.
        training: how, in Markdown: budget, seed, samples.
        failures: known failures, in Markdown.
        sets: what the sets of the tables are, by name.
        curve: the CSV of the training's curve; left out where there is none.
    """

    title: str
    opening: str
    data: str
    training: str
    failures: str
    sets: dict[str, str]
    curve: Path


def write_card(target: Path, facts: Facts, columns: Sequence[Column], rendered: str) -> None:
    """Write the card.

    Args:
        target: the Markdown file.
        facts: what is told.
        columns: the networks; the first is the one that the card is of.
        rendered: the name of the set that the table of characters is counted on.
    """
    own, *others = columns
    parts = [f"# Model card: {facts.title}", facts.opening, _files(columns), "## Data", facts.data, "## Training"]
    parts += [facts.training, _curve(facts.curve), "## Figures", _figures(facts.sets, columns)]
    parts += [
        "## Characters",
        f"On {own.scores[rendered].total:,} {facts.sets[rendered]}. Recall: the share of the plates' characters that "
        "was read as such, in per cent; then what else it was read as and how often, most often first (· is nothing). "
        f"`tests/models/plate_ocr/test_card.py` holds every character to {100 * RECALL_FLOOR:.0f} points below the "
        "reference at worst.",
        _characters(own.scores[rendered], [(other.name, other.scores[rendered]) for other in others]),
        "## Known failures",
        facts.failures + "\n" + _worst(own, facts.sets),
    ]
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
    rows = ["| network | SHA-256 | bytes | ms a crop |", "|---|---|---|---|"]
    rows += [f"| {c.name} | {sha256_of(c.path)} | {c.path.stat().st_size:,} | {c.milliseconds:.1f} |" for c in columns]
    return (
        "\n".join(rows) + "\n\nMilliseconds are medians on one thread of the machine that wrote this card: take ratios."
    )


def _curve(path: Path) -> str:
    if not path.is_file():
        return ""
    with path.open(newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    if not rows:
        return ""
    chosen = sorted({round(at * (len(rows) - 1) / (_CURVE_ROWS - 1)) for at in range(_CURVE_ROWS)})
    names = list(rows[0])
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    lines += ["| " + " | ".join(rows[at][name] for name in names) + " |" for at in chosen]
    return "\n".join(lines)


def _figures(sets: dict[str, str], columns: Sequence[Column]) -> str:
    lines = [
        "Shares in per cent, with 95 % intervals (Wilson). Read by the network alone: one crop, no zooms, no vote, "
        "no serial formats; `merged` takes 0 and O as one. Region: the likeliest of all, however unsure.",
        "",
        "| set | plates | network | exact | merged | region |",
        "|---|---|---|---|---|---|",
    ]
    for name, what in sets.items():
        for column in columns:
            found = column.scores.get(name)
            if found is not None and found.total:
                cells = [what, str(found.total), column.name, share(found.exact, found.total)]
                cells += [share(found.merged, found.total), share(found.right, found.known)]
                lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _characters(own: Score, others: Sequence[tuple[str, Score]]) -> str:
    heads = ["character", "plates' characters", "recall", "read as"]
    heads += [f"{name}: {what}" for name, _ in others for what in ("recall", "read as")]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for character in CHARACTERS:
        count = sum(n for (true, _), n in own.characters.items() if true == character)
        cells = [character, str(count)]
        for score in (own, *(score for _, score in others)):
            recall = score.recall(character)
            wrong = " ".join(f"{got or '·'}{n}" for got, n in score.mistaken(character))
            cells += ["-" if math.isnan(recall) else f"{100 * recall:.1f}", wrong]
        lines.append("| " + " | ".join(cells) + " |")
    added = sum(n for (true, _), n in own.characters.items() if not true)
    lines += ["", f"Characters that are not on the plate: {added} read."]
    return "\n".join(lines)


def _worst(own: Column, sets: dict[str, str]) -> str:
    """List what is most often taken for something else, as points of a list."""
    points = []
    for name, found in own.scores.items():
        letters = Counter({pair: n for pair, n in found.characters.items() if pair[0] != pair[1]}).most_common(10)
        told = ", ".join(f"{true or 'nothing'} as {got or 'nothing'} ({n})" for (true, got), n in letters)
        if told:
            points.append(f"- Characters most often misread on {sets[name]}: {told}.")
        wrong = Counter({pair: n for pair, n in found.regions.items() if pair[0] != pair[1]}).most_common(10)
        told = ", ".join(f"{true} as {got} ({n})" for (true, got), n in wrong)
        if told:
            points.append(f"- Regions most often mistaken on {sets[name]}: {told}.")
    return "\n".join(points)
