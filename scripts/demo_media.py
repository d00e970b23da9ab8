"""What the demo plays: photographs and recordings from the assets where they are, else footage rendered here.

A rendered clip shows a plate that comes nearer on a dull street; rendered sound is a street with sharp bangs in it.
They exercise the chain on a machine that has models but no sample data; nothing was trained or measured on them.
"""

from __future__ import annotations

import csv
import random
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import soundfile
from numpy.typing import NDArray

_PHOTOGRAPHS = 12
_LISTED = 3
_OTHERS = 1_000
_RATE_HZ = 48_000
_FPS = 10
_RENDERED = "7ABC482"


@dataclass(frozen=True, slots=True)
class Footage:
    """What is played, and the plates in it that are certain enough to be expected as alerts.

    Attributes:
        video: a file, a folder, a camera's address.
        audio: a file, a folder, ``device``.
        listed: plates in ``video`` that go on the demo's hotlist.
        shots_expected: whether there are shots in ``audio``.
    """

    video: str
    audio: str
    listed: tuple[str, ...]
    shots_expected: bool


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
    _render_video(folder / "street.avi")
    _render_audio(folder / "street.wav")
    return Footage(str(folder / "street.avi"), str(folder / "street.wav"), (_RENDERED,), shots_expected=False)


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


def _render_video(path: Path) -> None:
    rng = np.random.default_rng(7)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), _FPS, (1280, 720))
    street = np.zeros((720, 1280, 3), np.uint8)
    street[:] = np.linspace(150, 110, 720).astype(np.uint8)[:, None, None]
    cv2.rectangle(street, (0, 430), (1280, 720), (85, 85, 88), -1)
    for number in range(6 * _FPS):
        frame = street.copy()
        if number < 4 * _FPS:
            _draw_car(frame, 0.6 + 0.4 * number / (4 * _FPS))
        blurred = cv2.GaussianBlur(frame, (0, 0), 1.0) + rng.normal(0, 4, frame.shape)
        writer.write(np.clip(blurred, 0, 255).astype(np.uint8))
    writer.release()


def _draw_car(frame: NDArray[np.uint8], scale: float) -> None:
    """Draw the rear of a car: tyres, body, window, lights, bumper, and the plate in its recess."""
    x, y = 640, round(300 + 180 * scale)

    def at(across: int, down: int) -> tuple[int, int]:
        return x + round(scale * across), y + round(scale * down)

    def box(left: int, top: int, right: int, bottom: int, colour: tuple[int, int, int]) -> None:
        cv2.rectangle(frame, at(left, top), at(right, bottom), colour, -1)

    def shape(points: list[tuple[int, int]], colour: tuple[int, int, int]) -> None:
        cv2.fillPoly(frame, [np.array([at(*point) for point in points], np.int32)], colour)

    for side in (-255, 255):
        box(side - 40, 60, side + 40, 150, (20, 20, 20))
    shape([(-300, 90), (-300, -60), (-240, -230), (240, -230), (300, -60), (300, 90)], (72, 58, 52))
    shape([(-246, -90), (-210, -212), (210, -212), (246, -90)], (40, 36, 30))
    box(-285, -55, -186, 5, (40, 40, 190))
    box(186, -55, 285, 5, (40, 40, 190))
    box(-300, 60, 300, 110, (50, 42, 38))
    box(-88, -42, 88, 42, (45, 38, 34))
    plate = _draw_plate()
    width, height = round(144 * scale), round(72 * scale)
    top, left = y - height // 2, x - width // 2
    frame[top : top + height, left : left + width] = cv2.resize(plate, (width, height), interpolation=cv2.INTER_AREA)


def _draw_plate() -> NDArray[np.uint8]:
    plate = np.full((150, 300, 3), (232, 236, 238), np.uint8)
    cv2.rectangle(plate, (3, 3), (296, 146), (120, 60, 30), 2)
    cv2.putText(plate, "NIGHTJAR", (100, 30), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (150, 70, 40), 2, cv2.LINE_AA)
    cv2.putText(plate, _RENDERED, (20, 108), cv2.FONT_HERSHEY_SIMPLEX, 1.75, (60, 25, 20), 4, cv2.LINE_AA)
    for bolt in ((40, 14), (260, 14), (40, 136), (260, 136)):
        cv2.circle(plate, bolt, 5, (150, 150, 150), -1)
    return plate


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
