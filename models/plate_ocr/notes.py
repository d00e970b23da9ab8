"""What a training leaves behind while it runs: a checkpoint, a curve as CSV, and a line on the terminal."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from models.curve import append_row
from models.plate_ocr.pictures import spelled
from models.plate_ocr.samples import RenderedStream
from models.plate_ocr.scoring import Labelled, shares
from models.plate_ocr.training import Training


class Notes:
    """Judges a training every few minutes.

    Attributes:
        stream: the renderer, once there is one, for how many plates it made.

    Args:
        out: the folder for checkpoint.pt and curve.csv.
        sets: what to judge.
        budget_minutes: of the training, for the time that is left.
    """

    def __init__(self, out: Path, sets: Sequence[Labelled], budget_minutes: float) -> None:
        self.stream: RenderedStream | None = None
        self._out = out
        self._sets = sets
        self._budget = budget_minutes
        self._last: tuple[float, int] | None = None

    def __call__(self, training: Training) -> None:
        """Judge ``training``, and note it."""
        progress = training.progress
        training.save(self._out / "checkpoint.pt")
        row = {
            "minutes": f"{progress.seconds / 60:.1f}",
            "samples": str(progress.samples),
            "loss": f"{progress.loss:.4f}",
            "region loss": f"{progress.region_loss:.4f}",
        }
        for labelled in self._sets:
            columns, regions = training.answers(labelled.pictures)
            exact, merged = shares(spelled(columns), labelled.texts)
            row[f"{labelled.name} exact"] = f"{100 * exact / len(labelled.texts):.1f}"
            row[f"{labelled.name} merged"] = f"{100 * merged / len(labelled.texts):.1f}"
            known = [at for at, code in enumerate(labelled.regions) if code in training.regions]
            if known:
                right = sum(training.regions[regions[at].argmax()] == labelled.regions[at] for at in known)
                row[f"{labelled.name} region"] = f"{100 * right / len(known):.1f}"
        append_row(self._out / "curve.csv", row)
        since, samples = self._last or (progress.seconds, progress.samples)
        self._last = (progress.seconds, progress.samples)
        rate = (progress.samples - samples) / max(progress.seconds - since, 1)
        told = ", ".join(f"{name} {value}" for name, value in row.items())
        made = f", {self.stream.written} rendered" if self.stream else ""
        left = max(0.0, self._budget - progress.seconds / 60)
        print(f"{time.strftime('%H:%M')} {told}; {rate:.0f} a second{made}, {left:.0f} min left", flush=True)
