"""The curve that a training leaves: a CSV file, one row a judgement."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path


def append_row(path: Path, row: Mapping[str, str]) -> None:
    """Add ``row`` to the curve at ``path``; one with other columns is put aside as ``curve.old.csv``."""
    if path.exists():
        with path.open(newline="", encoding="utf-8") as handle:
            if next(csv.reader(handle), []) != list(row):
                path.replace(path.with_name("curve.old.csv"))
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, list(row))
        if new:
            writer.writeheader()
        writer.writerow(row)
