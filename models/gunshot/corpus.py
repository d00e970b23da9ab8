"""Which recordings there are, what each is, and on which side of a held-out split it stands.

Two folders, both optional, with the layout that the card describes: ``clips`` (a manifest.csv with one labelled clip a
row) and ``live_fire`` (a windows.csv with labelled stretches of long recordings). A fold holds out a quarter of the
clips' sources and, with them, whole firing positions; nothing of a fold may touch what is trained without it.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

CLASSES = ("gunshot", "fireworks", "impulsive", "background")
GUNSHOT, FIREWORKS, IMPULSIVE, BACKGROUND = range(4)
FOLDS = 4

_FIREWORKS = {"fireworks", "party_popper", "firecracker"}
_IMPULSIVE = {
    "jackhammer", "drilling", "gun_handling", "drum", "percussion", "metal_hit", "chopping", "pickaxe", "finger_snap",
    "switch", "gallop", "woodpecker", "ricochet", "balloon_pop", "clapping", "footsteps", "doorknock", "door_knock",
    "door_slam", "door_creak", "door-woodcreaks", "canopening", "glass_breaking", "glassbreaking", "thunder",
    "thunderstorm", "cracklingfire", "fire_crackle", "keyboard", "keyboardtyping", "mouseclick", "handsaw",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Recording:
    """One labelled stretch of sound.

    Attributes:
        clip: name as the scores carry it.
        path: the file that holds it.
        start_s: where it begins in that file.
        duration_s: its length; None: to the end of the file.
        kind: index into ``CLASSES``.
        dataset: where it comes from.
        source: what it shares with others that must stay on its side of a split; a firing position.
        sound: what it is, by the name that its data set gives it.
        fold: the fold that holds it out, 0 to ``FOLDS`` - 1.
        clean: whether its licence allows commercial and government use.
        onset_s: where in the stretch a shot begins, where that is known.
        live_fire: whether it belongs to the live-fire recordings.
    """

    clip: str
    path: Path
    start_s: float
    duration_s: float | None
    kind: int
    dataset: str
    source: str
    sound: str
    fold: int
    clean: bool
    onset_s: float | None
    live_fire: bool


def kind_of(label: str, name: str) -> int:
    """Return the class of a row from its 0/1 ``label`` and the name of its sound."""
    if label == "1":
        return GUNSHOT
    lowered = name.lower()
    if lowered in _FIREWORKS:
        return FIREWORKS
    return IMPULSIVE if lowered in _IMPULSIVE else BACKGROUND


def position_fold(position: str, positions: Iterable[str]) -> int:
    """Return the fold that holds out ``position``: the sorted positions are dealt to the folds in turn."""
    return sorted(set(positions)).index(position) % FOLDS


def read_clips(folder: Path) -> list[Recording]:
    """Read ``folder``/manifest.csv.

    Columns: clip, label, dataset, cls, source, split (0-3), clean; others are ignored.
    """
    return [
        Recording(
            row["clip"], folder / row["clip"], 0.0, None, kind_of(row["label"], row["cls"]), row["dataset"],
            row["source"], row["cls"], int(row["split"]) % FOLDS, row["clean"] == "1", None, False,
        )
        for row in _rows(folder / "manifest.csv")
    ]  # fmt: skip


def read_live_fire(folder: Path) -> list[Recording]:
    """Read ``folder``/windows.csv: columns clip, file, start_s, duration_s, label, split (the firing position).

    A positive stretch has its shot 0.5 s after the start.
    """
    rows = _rows(folder / "windows.csv")
    positions = {row["split"] for row in rows}
    return [
        Recording(
            row["clip"], folder / row["file"], float(row["start_s"]), float(row["duration_s"]),
            GUNSHOT if row["label"] == "1" else BACKGROUND, "live_fire", row["split"], row.get("cls", ""),
            position_fold(row["split"], positions), True,
            0.5 if row["label"] == "1" else None, True,
        )
        for row in rows
    ]  # fmt: skip


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
