"""How well the OCR's region head names the country, by day and in infrared apart.

    NIGHTJAR_MODELS_DIR=WEIGHTS PYTHONPATH=models/plate_calibration .venv/bin/python bench/regions.py ASSETS/data/plates

US crops are shown at the three widths and under the conditions of models/plate_calibration (infrared is a stand-in made
of colour pictures); each photograph of eu-dev at the plates that the detector finds. Asked is the head itself, at the
crop that the reader reads first. A region counts as named as ``likeliest_region`` names it. The product names none in
infrared, whatever the head says.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from views import WIDTHS_PX, read_crops, render

from edge_agent.inference.models import resolve_plates
from edge_agent.plates.detector import PlateDetector
from edge_agent.plates.ocr import PlateOcr
from edge_agent.plates.reader import DEFAULT_PAD, cut, padded
from edge_agent.plates.regions import likeliest_region
from edge_agent.records import Box


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="the folder of us-crops and eu-dev")
    parser.add_argument("--json", action="store_true", help="one JSON object a row")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    models = resolve_plates()
    ocr = PlateOcr(models.ocr, models.ocr_config)

    def named(image: NDArray[np.uint8], box: Box) -> str | None:
        crop = cut(image, padded(box, DEFAULT_PAD, image.shape[1], image.shape[0]))
        answer = ocr.answer([crop], "cubic")
        return likeliest_region(ocr.reading(answer.slots[0], answer.regions[0], "raw"))

    crops = read_crops(arguments.data / "us-crops")
    rows = {
        f"us-crops, {condition}": [
            named(view.image, view.box)
            for crop in crops
            for width_px in WIDTHS_PX
            for view in [render(crop, width_px, condition)]
        ]
        for condition in ("day", "infrared")
    }
    rows["eu-dev photographs"] = [
        named(image, box) for image, box in _found(arguments.data / "eu-dev", models.detector)
    ]
    for what, answers in rows.items():
        counts = Counter("none" if a is None else "US" if a.partition("-")[0] == "US" else "elsewhere" for a in answers)
        shares = {name: round(counts[name] / len(answers), 4) for name in ("US", "elsewhere", "none")}
        print(
            json.dumps({"what": what, "plates": len(answers), **shares})
            if arguments.json
            else _line(what, answers, shares)
        )


def _line(what: str, answers: list[str | None], shares: dict[str, float]) -> str:
    told = ", ".join(f"{name} {share:.1%}" for name, share in shares.items())
    return f"{what:<22} {len(answers):>5} plates: {told}"


def _found(folder: Path, detector: Path) -> Iterator[tuple[NDArray[np.uint8], Box]]:
    network = PlateDetector(detector)
    for path in sorted(folder.glob("*.jpg")):
        image = np.asarray(cv2.imread(str(path), cv2.IMREAD_COLOR), np.uint8)
        for found in network.detect(image):
            yield image, found.box


if __name__ == "__main__":
    main()
