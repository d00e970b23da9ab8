"""The committed network, through the device's own code: its form, and that it finds a plate and not nothing."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pytest

from edge_agent.plates.detector import DEFAULT_MIN_SCORE, PlateDetector
from models.plate_detector.card import THRESHOLD, sha256_of
from models.plate_rendering import faces, pasting

FOLDER = Path(__file__).parents[3] / "models" / "plate_detector"
NETWORK = FOLDER / "plate_detector.onnx"
LARGEST_BYTES = 3_000_000


@pytest.fixture(scope="module")
def detector() -> PlateDetector:
    return PlateDetector(NETWORK)


def street(shade: int = 110) -> np.ndarray:
    """A soft picture of a road without a vehicle, (720, 1280, 3) uint8 BGR."""
    rng = np.random.default_rng(2)
    coarse = rng.integers(shade - 40, shade + 40, (9, 16, 3)).astype(np.uint8)
    return np.asarray(cv2.resize(coarse, (1280, 720), interpolation=cv2.INTER_CUBIC), np.uint8)


def test_the_form_is_that_of_fast_alprs_detectors() -> None:
    session = onnxruntime.InferenceSession(str(NETWORK), providers=["CPUExecutionProvider"])
    (given,), (found,) = session.get_inputs(), session.get_outputs()
    assert (given.type, given.shape[:2]) == ("tensor(float)", [1, 3])
    rows = session.run(None, {given.name: np.full(given.shape, 114 / 255, np.float32)})[0]
    assert found.type == "tensor(float)"
    assert rows.shape[1:] == (7,)


def test_it_is_small_enough_to_ship_and_the_card_names_it() -> None:
    assert NETWORK.stat().st_size <= LARGEST_BYTES
    assert sha256_of(NETWORK) in (FOLDER / "card.md").read_text(encoding="utf-8")


def test_the_threshold_of_its_card_is_the_products_own() -> None:
    assert THRESHOLD == DEFAULT_MIN_SCORE


def overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> float:
    across, down = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(across, 0) * max(down, 0)
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


@pytest.mark.parametrize("width_px", [90, 200, 420])
def test_of_ten_pasted_plates_eight_are_found_where_they_are(detector: PlateDetector, width_px: int) -> None:
    found = 0
    for seed, region in enumerate(["US-CA", "US-TX", "US-NY", "DE", "FR"] * 2):
        scene, rng = street(), np.random.default_rng(1000 * width_px + seed)
        plate = pasting.paste(scene, faces.draw(rng, region), rng, width_px, (640.0, 400.0))
        boxes = [find.box for find in detector.detect(scene)]
        found += any(overlap(plate, (box.x1, box.y1, box.x2, box.y2)) >= 0.5 for box in boxes)
    assert found >= 8


@pytest.mark.parametrize("shade", [60, 110, 190])
def test_where_there_is_no_plate_none_is_found(detector: PlateDetector, shade: int) -> None:
    assert detector.detect(street(shade)) == []


def test_a_picture_that_is_a_plate_is_found_whole(detector: PlateDetector) -> None:
    face = faces.draw(np.random.default_rng(3), "US-CA").image
    finds = detector.detect(face)
    assert finds
    box = max(finds, key=lambda find: find.score).box
    assert (box.x2 - box.x1) * (box.y2 - box.y1) >= 0.75 * face.shape[0] * face.shape[1]
