"""The chain loses nothing: with the same weights and padding off it finds and reads exactly what fast-alpr does."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from fast_alpr import ALPR
from fast_alpr.base import BaseDetector, DetectionResult
from open_image_models import create_detector

from edge_agent.inference.models import PlateModels, resolve_plates
from edge_agent.plates.reader import NetworkPlateReader

CPU = ["CPUExecutionProvider"]


class LocalDetector(BaseDetector):
    """fast-alpr's detector from a local file; its default one is deprecated and takes names from a hub only."""

    def __init__(self, path: Path) -> None:
        self._detector = create_detector(
            path, backend="yolo_v9", class_labels=("License Plate",), conf_thresh=0.4, providers=CPU
        )

    def predict(self, frame: np.ndarray) -> list[DetectionResult]:
        found: list[DetectionResult] = self._detector.predict(frame)
        return found


def fast_alpr(models: PlateModels) -> ALPR:
    return ALPR(
        detector=LocalDetector(models.detector),
        ocr_model=None,
        ocr_providers=CPU,
        ocr_model_path=models.ocr,
        ocr_config_path=models.ocr_config,
    )


def theirs(alpr: ALPR, image: np.ndarray) -> list[dict[str, Any]]:
    height_px, width_px = image.shape[:2]
    plates = []
    for result in alpr.predict(image):
        box = result.detection.bounding_box
        # It cuts a box at the picture's edge only for reading, and strips only trailing padding: the same plate.
        clipped = [max(box.x1, 0), max(box.y1, 0), min(box.x2, width_px), min(box.y2, height_px)]
        assert result.ocr is not None
        plates.append({"text": result.ocr.text.replace("_", ""), "box": clipped})
    return sorted(plates, key=str)


def ours(reader: NetworkPlateReader, image: np.ndarray) -> list[dict[str, Any]]:
    found = reader.read(np.asarray(image, np.uint8))
    plates = [{"text": c.reading.text, "box": [c.box.x1, c.box.y1, c.box.x2, c.box.y2]} for c in found]
    return sorted(plates, key=str)


@pytest.mark.parametrize(("name", "exact", "plates"), [("us-dev", 90, 111), ("eu-dev", 101, 108)])
def test_same_weights_same_boxes_same_texts(assets: Path, name: str, exact: int, plates: int) -> None:
    scorer = runpy.run_path(str(assets / "tools" / "score_plates.py"))
    models = resolve_plates(assets / "weights")
    alpr, reader = fast_alpr(models), NetworkPlateReader(models, pad=0.0)
    folder = assets / "data" / "plates" / name
    truth = scorer["read_truth"](str(folder))
    predictions: dict[str, dict[str, dict[str, Any]]] = {"theirs": {}, "ours": {}}
    for file in truth:
        image = cv2.imread(str(folder / file))
        assert image is not None
        expected, got = theirs(alpr, image), ours(reader, image)
        assert got == expected, file
        predictions["theirs"][file], predictions["ours"][file] = {"plates": expected}, {"plates": got}
    for who in predictions:
        result, _ = scorer["score"](truth, predictions[who])
        assert (result["exact"]["n"], result["plates"]) == (exact, plates), who
