"""What a calibration does to a reading, and how its parameters travel."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge_agent.errors import ModelError
from edge_agent.inference.manifest import load_manifest, packaged_folder
from edge_agent.inference.models import PlateModels
from edge_agent.plates.calibration import (
    PARAMETERS_FILE,
    Calibration,
    Parameters,
    calibration_for,
    load_parameters,
    tempered,
)
from edge_agent.plates.reader import NetworkPlateReader
from edge_agent.records import Reading

OCR = "ab" * 32
FITTED = Parameters(temperature=1.3, narrowness=0.2, widest_px=320.0, infrared=1.2, floor=0.001)


def slots_of(*rows: tuple[float, ...]) -> NDArray[np.float32]:
    return np.array(rows, np.float32)


def random_slots(seed: int, count: int = 8, size: int = 37) -> NDArray[np.float32]:
    slots = np.random.default_rng(seed).dirichlet(np.full(size, 0.05), count).astype(np.float32)
    return np.asarray(slots / slots.sum(axis=-1, keepdims=True), np.float32)


def write(folder: Path, text: str) -> Path:
    path = folder / PARAMETERS_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def entry(**changed: object) -> str:
    values = {"ocr": OCR, "name": "own", "temperature": 1.3, "narrowness": 0.2, "widest_px": 320.0, "infrared": 1.2}
    values |= {"floor": 0.001} | changed
    return "[[fitted]]\n" + "\n".join(f"{k} = {json.dumps(v)}" for k, v in values.items() if v is not None) + "\n"


def test_an_ocr_that_nobody_fitted_keeps_its_probabilities(tmp_path: Path) -> None:
    write(tmp_path, entry())
    unknown = calibration_for("cd" * 32, tmp_path)
    slots = random_slots(1)
    assert unknown.id == "raw-cdcdcdcd"
    assert unknown.apply(slots, 30.0, True) is slots


def test_an_ocr_that_was_fitted_has_an_id_of_network_and_parameters(tmp_path: Path) -> None:
    write(tmp_path, entry())
    fitted = calibration_for(OCR, tmp_path)
    assert fitted == Calibration(FITTED.id_for(OCR), FITTED)
    assert re.fullmatch("t1-abababab-[0-9a-f]{8}", fitted.id)


@pytest.mark.parametrize("field", ["temperature", "narrowness", "widest_px", "infrared", "floor"])
def test_other_parameters_are_another_id(tmp_path: Path, field: str) -> None:
    write(tmp_path / "a", entry())
    write(tmp_path / "b", entry(**{field: getattr(FITTED, field) * 1.01}))
    assert calibration_for(OCR, tmp_path / "a").id != calibration_for(OCR, tmp_path / "b").id


def test_every_ocr_that_this_installation_knows_has_an_id_that_fits_on_the_wire() -> None:
    pinned = [
        s.files["ocr"].sha256 for s in load_manifest(packaged_folder()) if s.kind == "plates" and "ocr" in s.files
    ]
    assert all(1 <= len(calibration_for(ocr).id) <= 64 for ocr in pinned if ocr)


def test_the_reference_ocrs_are_fitted() -> None:
    for known in load_manifest(packaged_folder()):
        if known.name in ("reference", "reference-v1"):
            assert calibration_for(known.files["ocr"].sha256 or "").id.startswith("t1-")


@given(st.integers(0, 10_000), st.floats(10.0, 2000.0), st.booleans())
def test_distributions_stay_distributions_in_the_same_order(seed: int, width_px: float, infrared: bool) -> None:
    before = random_slots(seed)
    after = Calibration("x", FITTED).apply(before, width_px, infrared)
    assert after.dtype == np.float32
    assert after.shape == before.shape
    assert np.allclose(after.sum(axis=-1), 1, atol=1e-5)
    assert (after > 0).all()
    order = np.argsort(before, axis=-1, kind="stable")
    assert (np.diff(np.take_along_axis(after, order, axis=-1), axis=-1) >= -1e-7).all()
    assert (after.argmax(axis=-1) == before.argmax(axis=-1)).all()


@given(st.integers(0, 1000), st.lists(st.floats(5.0, 900.0), min_size=2, max_size=2))
def test_small_characters_lower_the_confidence(seed: int, widths: list[float]) -> None:
    """pains-05: the same answer is worth less on a narrower plate."""
    slots = random_slots(seed)
    narrow, wide = (confidence(Calibration("x", FITTED).apply(slots, w, False)) for w in sorted(widths))
    assert narrow <= wide + 1e-6


def test_infrared_is_never_surer_than_daylight() -> None:
    slots = random_slots(3)
    fitted = Calibration("x", FITTED)
    assert confidence(fitted.apply(slots, 90.0, True)) < confidence(fitted.apply(slots, 90.0, False))


def test_wider_than_measured_is_as_good_as_the_widest_measured() -> None:
    fitted = Calibration("x", FITTED)
    assert fitted.temperature(2000.0, False) == fitted.temperature(320.0, False)
    assert fitted.temperature(0.0, False) == fitted.temperature(1.0, False) < 10


def test_certainty_that_underflowed_can_be_doubted_again() -> None:
    (slot,) = tempered(slots_of((1.0, 0.0, 0.0)), 2.0, 0.0)
    assert 0 < slot[1] == slot[2] < 1e-5
    (slot,) = tempered(slots_of((1.0, 0.0, 0.0)), 1.0, 0.03)
    assert slot.tolist() == pytest.approx([0.98, 0.01, 0.01])


def test_every_reading_says_what_it_went_through(tiny_models: Callable[..., Any]) -> None:
    """A box of 64 px: the reader hands over the width in the frame, and the reading carries the id."""
    tiny = tiny_models(rows=[(0, 16, 32, 32, 0.9)])
    models = PlateModels("own", tiny.detector, tiny.ocr, tiny.ocr_config, OCR)
    picture = np.random.default_rng(1).integers(0, 255, (128, 128, 3), np.uint8)
    raw, fitted = (
        NetworkPlateReader(models, calibration=calibration).read(picture)[0].reading
        for calibration in (Calibration("raw-x"), Calibration("t1-x", FITTED))
    )
    assert (raw.calibration, fitted.calibration) == ("raw-x", "t1-x")
    assert np.allclose(fitted.probabilities, Calibration("", FITTED).apply(raw.probabilities, 64.0, False))


def test_one_doubtful_character_is_the_one_shown_and_lowers_the_whole() -> None:
    """pains-03: the mean of these characters is 0.93; what counts is the product, and where the doubt is."""
    slots = np.full((8, 37), 0.001 / 36, np.float32)
    slots[np.arange(8), [7, 10, 11, 12, 1, 2, 3, 36]] = 0.999
    slots[3] = 0.5 / 35
    slots[3, 12], slots[3, 24] = 0.45, 0.05 + 0.5 / 35
    reading = Reading(
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_",
        "_",
        Calibration("x", FITTED).apply(slots, 88.0, False),
        {},
        "x",
    )
    each = reading.probabilities.max(axis=1)
    assert reading.text == "7ABC123"
    assert each.mean() > 0.85
    assert reading.confidence < 0.45
    assert each.argmin() == 3
    assert reading.confidence == pytest.approx(float(np.prod(each)))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"ocr": "AB" * 32}, "SHA-256 in lower-case hex"),
        ({"temperature": 0.0}, r"fitted\[0\].temperature: got 0.0, expected a number from 0.2 to 10"),
        ({"temperature": True}, "got True"),
        ({"infrared": 0.9}, "infrared: got 0.9"),
        ({"narrowness": -0.1}, "narrowness: got -0.1"),
        ({"floor": None}, "expected exactly"),
        ({"slope": 1.0}, "expected exactly"),
    ],
)
def test_parameters_of_another_form_are_refused(tmp_path: Path, changed: dict[str, object], said: str) -> None:
    path = write(tmp_path, entry(**changed))
    with pytest.raises(ModelError, match=said):
        load_parameters(path)


@pytest.mark.parametrize(
    ("text", "said"), [("fitted = 3", "expected tables"), ("fitted = [3]", "expected tables"), ("[[", "not TOML")]
)
def test_a_broken_file_says_what_is_wrong_with_it(tmp_path: Path, text: str, said: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ModelError, match=said):
        load_parameters(path)


def test_a_missing_file_is_an_error_and_not_an_identity(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        calibration_for(OCR, tmp_path)


def confidence(slots: NDArray[np.float32]) -> float:
    return float(slots.max(axis=-1).prod())
