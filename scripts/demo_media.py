"""What the demo plays: photographs and recordings from the assets where they are, else footage rendered here.

The rendered clip (``demo_street.py``) shows vehicles that come nearer; rendered sound is a street with sharp bangs,
which the shipped model takes for shots. They exercise the chain on a machine without sample data; nothing is measured
on them.
"""

from __future__ import annotations

import csv
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import soundfile
from demo_street import PASSINGS, write_clip

_PHOTOGRAPHS = 12
_LISTED = 3
_OTHERS = 1_000
_RATE_HZ = 48_000
# Which vehicles of the rendered clip are listed.
_LISTED_PASSINGS = (0, 2)


@dataclass(frozen=True, slots=True)
class Footage:
    """What is played, and the plates in it that are certain enough to be expected as alerts.

    Attributes:
        video: a file, a folder, a camera's address.
        audio: a file, a folder, ``device``.
        listed: plates in ``video`` that go on the demo's hotlist.
        shots_expected: whether there is something in ``audio`` that must be taken for a shot.
        face: which end of vehicles ``video`` shows, where it is one.
    """

    video: str
    audio: str
    listed: tuple[str, ...]
    shots_expected: bool
    face: Literal["front", "rear"] | None = None


def from_assets(assets: Path, folder: Path) -> Footage | None:
    """Take a dozen photographs and a live-fire recording; None when ``assets`` does not hold them.

    Args:
        assets: the folder with ``data/``.
        folder: gets links to the photographs.
    """
    photographs = assets / "data/plates/us-dev"
    recordings = sorted((assets / "data/audio/live_fire/FP1/test_001").glob("*.flac"))
    if not (photographs / "truth.csv").is_file() or not recordings:
        return None
    with (photographs / "truth.csv").open(newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    # The widest plates are the surest to be read; one photograph of each.
    rows.sort(key=lambda row: -int(row["w"]))
    chosen = list({row["text"]: row for row in reversed(rows)}.values())[::-1][:_PHOTOGRAPHS]
    folder.mkdir(parents=True, exist_ok=True)
    for number, row in enumerate(random.Random(1).sample(chosen, len(chosen))):
        link = folder / f"{number:02d}-{row['image']}"
        link.unlink(missing_ok=True)
        link.symlink_to((photographs / row["image"]).resolve())
    listed = tuple(row["text"] for row in chosen[:_LISTED])
    return Footage(str(folder), str(recordings[0]), listed, shots_expected=True)


def rendered(folder: Path) -> Footage:
    """Render a clip and a sound file into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    write_clip(folder / "street.avi")
    _render_audio(folder / "street.wav")
    listed = tuple(PASSINGS[number].text for number in _LISTED_PASSINGS)
    return Footage(str(folder / "street.avi"), str(folder / "street.wav"), listed, shots_expected=True, face="front")


def write_hotlist(path: Path, plates: tuple[str, ...]) -> None:
    """Write a hotlist with these plates among a thousand random ones."""
    rng = random.Random(2026)
    others = {
        "".join(rng.choices("ABCDEFGHJKLMNPRSTUVWXYZ", k=3) + rng.choices("0123456789", k=4)) for _ in range(_OTHERS)
    }
    with path.open("w", newline="", encoding="utf-8") as handle:
        out = csv.writer(handle)
        out.writerow(["plate", "reason", "severity", "notes"])
        for plate in plates:
            out.writerow(
                [plate, "stolen vehicle (demo)", "high", "made up for the demo: nobody is looking for this car"]
            )
        for plate in sorted(others - set(plates)):
            out.writerow([plate, "stolen vehicle (demo)", "medium", ""])


def _render_audio(path: Path) -> None:
    rng = np.random.default_rng(7)
    sound = rng.normal(0, 0.002, 8 * _RATE_HZ)
    for at_s in (2.0, 2.9, 5.0):
        seconds = np.arange(round(0.6 * _RATE_HZ)) / _RATE_HZ
        blast = np.exp(-seconds / 0.003) * (1 - seconds / 0.004)
        tail = rng.normal(0, 0.08, len(seconds)) * np.exp(-seconds / 0.12)
        first = round(at_s * _RATE_HZ)
        sound[first : first + len(seconds)] += 0.7 * blast + tail
    soundfile.write(path, np.clip(sound, -1, 1), _RATE_HZ)
