"""Reads labelled photographs with fast-alpr and with Nightjar, picture by picture in turn.

    python bench/reading.py --models-dir WEIGHTS ASSETS/data/plates/us-dev ASSETS/data/plates/eu-dev [--model SET]

fast-alpr runs its reference networks, Nightjar the same files, or with ``--model`` the set of that name.

Prints for each folder and reader: plates read exactly with 0 and O kept apart and merged, with Wilson 95 % intervals;
plates read with at most one wrong character (merged); confident finds that overlap no labelled plate, per photograph;
mean milliseconds a photograph on one thread, decoding left out, and the ratio of the two. A folder holds photographs
and ``truth.csv`` (image,x,y,w,h,text). ``--misses`` names what Nightjar did not read exactly.
``bench/made_photographs.py`` makes more such folders.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from fast_alpr import ALPR
from fast_alpr.base import BaseDetector, DetectionResult
from numpy.typing import NDArray
from open_image_models import create_detector

from edge_agent.inference.models import PlateModels, resolve_plates
from edge_agent.plates.reader import DEFAULT_PAD, UNSURE, NetworkPlateReader
from edge_agent.records import Box

CPU = ["CPUExecutionProvider"]
# As score_plates.py counts a plate as found.
LEAST_OVERLAP = 0.3

Found = list[tuple[Box, str]]


class LocalDetector(BaseDetector):
    """fast-alpr's detector from a local file; its own takes names from a hub only."""

    def __init__(self, path: Path) -> None:
        self._detector = create_detector(
            path,
            backend="yolo_v9",
            class_labels=("License Plate",),
            conf_thresh=0.4,
            providers=CPU,
            sess_options=single(),
        )

    def predict(self, frame: NDArray[np.uint8]) -> list[DetectionResult]:
        """Return the plates of ``frame``."""
        found: list[DetectionResult] = self._detector.predict(frame)
        return found


@dataclass
class Tally:
    """What one reader did on one folder."""

    apart: int = 0
    merged: int = 0
    near: int = 0
    detected: int = 0
    false: int = 0
    ms: list[float] = field(default_factory=list)
    misses: list[str] = field(default_factory=list)

    def count(self, image: str, labels: Sequence[tuple[Box, str]], found: Found, took_ms: float) -> None:
        """Compare what was ``found`` in one photograph with its ``labels``."""
        self.ms.append(took_ms)
        left = list(found)
        for box, text in labels:
            best = max(left, key=lambda plate: overlap(plate[0], box), default=None)
            read = None
            if best is not None and overlap(best[0], box) >= LEAST_OVERLAP:
                left.remove(best)
                self.detected += 1
                read = best[1]
            self.apart += read == text
            self.merged += read is not None and merge(read) == merge(text)
            self.near += read is not None and edits(merge(read), merge(text)) <= 1
            if read != text:
                self.misses.append(f"{image}: {text} read as {read}")
        self.false += sum(all(overlap(plate, box) < LEAST_OVERLAP for box, _ in labels) for plate, _ in left)

    def figures(self, plates: int) -> dict[str, Any]:
        """Return the rates, over ``plates`` labelled plates."""
        return {
            "exact_apart": rate(self.apart, plates),
            "exact_merged": rate(self.merged, plates),
            "edit_at_most_1": rate(self.near, plates),
            "detected": rate(self.detected, plates),
            "false_per_image": round(self.false / len(self.ms), 3),
            "mean_ms": round(statistics.fmean(self.ms), 1),
        }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", help="photographs with truth.csv")
    parser.add_argument("--models-dir", type=Path, help="where the networks lie")
    parser.add_argument("--model", default="reference", help="the set that Nightjar runs")
    parser.add_argument("--pad", type=float, default=DEFAULT_PAD, help="as `edge-agent read --pad`")
    parser.add_argument("--unsure", type=float, default=UNSURE, help="below which a plate is read again; 0: never")
    parser.add_argument("--limit", type=int, help="only so many photographs of each folder")
    parser.add_argument("--misses", action="store_true", help="name what was not read exactly, on standard error")
    parser.add_argument("--json", action="store_true", help="one JSON object a folder")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    reference = resolve_plates(args.models_dir, name="reference")
    models = resolve_plates(args.models_dir, name=args.model)
    readers = {"fast-alpr": theirs(reference), "nightjar": ours(models, args.pad, args.unsure)}
    for folder in args.folders:
        truth = read_truth(folder, args.limit)
        tallies = {name: Tally() for name in readers}
        for number, (image, labels) in enumerate(truth.items()):
            picture = np.asarray(cv2.imread(str(folder / image)), np.uint8)
            for name in list(readers) if number % 2 else reversed(readers):
                if number == 0:
                    readers[name](picture)  # the first run of a network allocates
                began_ns = time.perf_counter_ns()
                found = readers[name](picture)
                tallies[name].count(image, labels, found, (time.perf_counter_ns() - began_ns) / 1e6)
        plates = sum(map(len, truth.values()))
        figures = {name: tally.figures(plates) for name, tally in tallies.items()}
        ratio = statistics.fmean(tallies["nightjar"].ms) / statistics.fmean(tallies["fast-alpr"].ms)
        result = (
            {"folder": folder.name, "images": len(truth), "plates": plates} | figures | {"ms_ratio": round(ratio, 3)}
        )
        print(json.dumps(result) if args.json else table(result), flush=True)
        if args.misses:
            print(*tallies["nightjar"].misses, sep="\n", file=sys.stderr)


def theirs(models: PlateModels) -> Callable[[NDArray[np.uint8]], Found]:
    """Return fast-alpr over the given files, on one thread."""
    alpr = ALPR(
        detector=LocalDetector(models.detector),
        ocr_model=None,
        ocr_providers=CPU,
        ocr_sess_options=single(),
        ocr_model_path=models.ocr,
        ocr_config_path=models.ocr_config,
    )

    def read(image: NDArray[np.uint8]) -> Found:
        plates = []
        for result in alpr.predict(image):
            box = result.detection.bounding_box
            text = result.ocr.text.replace("_", "") if result.ocr is not None else ""
            plates.append((Box(box.x1, box.y1, box.x2, box.y2), text))
        return plates

    return read


def ours(models: PlateModels, pad: float, unsure: float) -> Callable[[NDArray[np.uint8]], Found]:
    """Return Nightjar over the given files, on one thread; what it rejects is not found."""
    reader = NetworkPlateReader(models, threads=1, pad=pad, unsure=unsure)
    return lambda image: [(c.box, c.reading.text) for c in reader.read(image) if c.rejected is None]


def single() -> Any:
    """Return options that keep ONNX Runtime on one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return options


def read_truth(folder: Path, limit: int | None) -> dict[str, list[tuple[Box, str]]]:
    """Return the labelled plates of each photograph of ``folder``."""
    truth: dict[str, list[tuple[Box, str]]] = {}
    with (folder / "truth.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            x, y, w, h = (round(float(row[key])) for key in "xywh")
            truth.setdefault(row["image"], []).append((Box(x, y, x + w, y + h), row["text"]))
    return dict(list(truth.items())[:limit])


def overlap(a: Box, b: Box) -> float:
    """Return intersection over union."""
    wide, high = min(a.x2, b.x2) - max(a.x1, b.x1), min(a.y2, b.y2) - max(a.y1, b.y1)
    if wide <= 0 or high <= 0:
        return 0.0
    both = (a.x2 - a.x1) * (a.y2 - a.y1) + (b.x2 - b.x1) * (b.y2 - b.y1)
    return wide * high / (both - wide * high)


def merge(text: str) -> str:
    """Return ``text`` with 0 and O as one."""
    return text.replace("O", "0")


def edits(a: str, b: str) -> int:
    """Return the least number of insertions, deletions and substitutions that make ``a`` into ``b``."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        row, above = [i], row
        for j, y in enumerate(b, 1):
            row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (x != y)))
    return row[-1]


def rate(hits: int, total: int) -> dict[str, Any]:
    """Return a share with its Wilson 95 % interval."""
    z = 1.96
    share, scale = hits / total, 1 + z * z / total
    middle = (share + z * z / (2 * total)) / scale
    half = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total)) / scale
    return {"n": hits, "rate": round(share, 4), "ci95": [round(middle - half, 4), round(middle + half, 4)]}


def table(result: dict[str, Any]) -> str:
    """Return the figures of one folder for people."""
    lines = [
        f"{result['folder']}: {result['images']} photographs, {result['plates']} plates; time {result['ms_ratio']} x"
    ]
    for name in ("fast-alpr", "nightjar"):
        figures = result[name]
        shown = [
            f"{what} {figures[key]['n']} = {figures[key]['rate']:.1%} [{figures[key]['ci95'][0]:.1%}, "
            f"{figures[key]['ci95'][1]:.1%}]"
            for what, key in (("exact", "exact_apart"), ("0/O merged", "exact_merged"), ("edit<=1", "edit_at_most_1"))
        ]
        detected = f"found {figures['detected']['n']}"
        rest = [detected, f"false/image {figures['false_per_image']}", f"{figures['mean_ms']} ms"]
        lines.append(f"  {name:<10} " + "  ".join([*shown, *rest]))
    return "\n".join(lines)


if __name__ == "__main__":
    main()
