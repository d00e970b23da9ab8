"""The model card, written from what was measured: nobody copies a figure by hand, nobody leaves one out."""

from __future__ import annotations

import csv
import hashlib
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from models.plate_ocr.pictures import CHARACTERS
from models.plate_ocr.scoring import Score, mistaken, recall, wilson

# A character that another network reads this much more often is a loss that the card must name; its test sees to it.
WORTH_NAMING = 0.03
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


def write_card(target: Path, facts: Facts, columns: Sequence[Column], groups: Mapping[str, Sequence[str]]) -> None:
    """Write the card.

    Args:
        target: the Markdown file.
        facts: what is told.
        columns: the networks; the first is the one that the card is of.
        groups: the names of the sets that a table of characters is counted on, by what it is of.
    """
    own = columns[0]
    counted = {what: [_together(column, names) for column in columns] for what, names in groups.items()}
    parts = [f"# Model card: {facts.title}", facts.opening, _files(columns), "## Data", facts.data, "## Training"]
    parts += [facts.training, _curve(facts.curve), "## Figures", _figures(facts.sets, columns)]
    parts += [
        "## Characters",
        "Recall: the share of the plates' characters that was read as such, in per cent; then what else it was read "
        "as and how often, most often first (· is nothing). Every character that another network reads more often by "
        f"{100 * WORTH_NAMING:.0f} points is named under Known failures; "
        "`tests/models/plate_ocr/test_card.py` sees to it.",
    ]
    for what, scores in counted.items():
        parts += [f"### {what}", _characters(columns, scores)]
    parts += [
        "## Known failures",
        "\n".join([facts.failures, *_lost(columns, counted), *_worst(own, facts.sets)]),
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
        "\n".join(rows)
        + "\n\nMilliseconds of processor time, medians, on one thread of the machine that wrote this card: take ratios."
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
        "no serial formats (what they add is in docs/plates.md); `merged` takes 0 and O as one. Region: the likeliest "
        "of all, however unsure.",
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


def _together(column: Column, names: Sequence[str]) -> Counter[tuple[str, str]]:
    """Count the (true, read) characters of several sets."""
    total: Counter[tuple[str, str]] = Counter()
    for name in names:
        total.update(column.scores[name].characters)
    return total


def _characters(columns: Sequence[Column], counts: Sequence[Counter[tuple[str, str]]]) -> str:
    heads = ["character", "plates' characters", "recall", "read as"]
    heads += [f"{column.name}: {what}" for column in columns[1:] for what in ("recall", "read as")]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for character in CHARACTERS:
        cells = [character, str(sum(n for (true, _), n in counts[0].items() if true == character))]
        for count in counts:
            share = recall(count, character)
            wrong = " ".join(f"{got or '·'}:{n}" for got, n in mistaken(count, character))
            cells += ["-" if math.isnan(share) else f"{100 * share:.1f}", wrong]
        lines.append("| " + " | ".join(cells) + " |")
    added = ", ".join(
        f"{column.name} {sum(n for (true, _), n in count.items() if not true)}"
        for column, count in zip(columns, counts, strict=True)
    )
    lines += ["", f"Characters read that are not on the plate: {added}."]
    return "\n".join(lines)


def _lost(columns: Sequence[Column], counted: dict[str, list[Counter[tuple[str, str]]]]) -> list[str]:
    """List the characters that another network reads more often, as points of a list."""
    points = []
    for what, (own, *others) in counted.items():
        for column, count in zip(columns[1:], others, strict=True):
            by = {c: 100 * (recall(count, c) - recall(own, c)) for c in CHARACTERS}
            worse = sorted((c for c in CHARACTERS if by[c] > 100 * WORTH_NAMING), key=lambda c: -by[c])
            told = ", ".join(f"{c} {by[c]:.1f}" for c in worse) or "none"
            points.append(f"- Read less often than by {column.name}, {what}, in points: {told}.")
    return points


def _worst(own: Column, sets: dict[str, str]) -> list[str]:
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
    return points
