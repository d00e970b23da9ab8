"""The recipe's parts, a small run of the whole, and what the committed parameters are worth."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from edge_agent.plates.calibration import PARAMETERS_FILE, Calibration, Parameters, calibration_for, load_parameters

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "models" / "plate_calibration"
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_"


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module


@pytest.fixture
def fitting(module: Callable[[str], ModuleType]) -> ModuleType:
    return module("fitting")


def made_answers(fitting: ModuleType, plates: int = 120, overconfidence: float = 2.0, seed: int = 1):
    """Answers of an OCR whose true log-probabilities are ``1 / overconfidence`` of what it says; 3 views a plate."""
    rng = np.random.default_rng(seed)
    count, slots = plates * 3, 5
    ease = rng.uniform(0.5, 5.0, (count, 1, 1))
    truly = np.exp(rng.gumbel(size=(count, slots, len(ALPHABET))) * ease)
    truly /= truly.sum(axis=-1, keepdims=True)
    said = truly**overconfidence
    said /= said.sum(axis=-1, keepdims=True)
    # What is really there is drawn from the true distribution.
    drawn = (truly.cumsum(axis=-1) > rng.uniform(size=(count, slots, 1))).argmax(axis=-1)
    texts = ["".join(ALPHABET[i] for i in row).replace("_", "") for row in drawn]
    return fitting.Answers(
        ALPHABET,
        "_",
        said.astype(np.float32),
        rng.uniform(60, 300, count),
        np.zeros(count, np.bool_),
        fitting.texts_of(texts),
        np.tile(np.arange(3), plates),
    )


def test_zero_and_o_are_one_character(fitting: ModuleType) -> None:
    slots = np.full((1, 2, len(ALPHABET)), 0.0, np.float32)
    slots[0, 0, [ALPHABET.index("0"), ALPHABET.index("O"), ALPHABET.index("D")]] = 0.35, 0.25, 0.4
    slots[0, 1, ALPHABET.index("_")] = 1.0
    answers = fitting.Answers(
        ALPHABET, "_", slots, np.array([88.0]), np.array([False]), fitting.texts_of(["o"]), np.array([0])
    )
    confidence, right = fitting.judged(answers, slots)
    assert confidence.tolist() == pytest.approx([0.6])
    assert right.tolist() == [True]
    assert slots[0, 0, ALPHABET.index("O")] == 0.25, "the answers themselves keep the two apart"


def test_views_of_one_plate_are_in_one_fold(fitting: ModuleType) -> None:
    folds = {text: fitting.fold_of(text) for text in ("ABC123", "XYZ9", "777")}
    assert all(fitting.fold_of(text) == fold for text, fold in folds.items())
    assert {fitting.fold_of(str(n)) for n in range(200)} == set(range(fitting.FOLDS))


def test_no_plate_is_calibrated_by_a_fit_that_saw_it(fitting: ModuleType) -> None:
    answers = made_answers(fitting, plates=20)
    seen: list[set[str]] = []

    def noted(given):
        seen.append(set(given.texts))
        return Parameters(1.0 + len(seen), 0.0, 320.0, 1.1, 0.0)

    held_out = fitting.out_of_fold(answers, noted)
    for at, fold in enumerate(sorted(set(answers.folds.tolist()))):
        here = answers.folds == fold
        assert not set(answers.texts[here]) & seen[at]
        expected = fitting.calibrated(answers.where(here), Parameters(2.0 + at, 0.0, 320.0, 1.1, 0.0))
        assert np.array_equal(held_out[here], expected)


def test_what_is_fitted_is_what_the_device_applies(fitting: ModuleType) -> None:
    answers = made_answers(fitting, plates=5)
    parameters = Parameters(1.4, 0.3, 320.0, 1.2, 0.002)
    device = Calibration("x", parameters)
    one_by_one = [
        device.apply(slots, float(width), bool(infrared))
        for slots, width, infrared in zip(answers.probabilities, answers.widths_px, answers.infrared, strict=True)
    ]
    assert np.allclose(fitting.calibrated(answers, parameters), one_by_one, atol=1e-6)


def test_overconfidence_is_found_and_undone(fitting: ModuleType, module: Callable[[str], ModuleType]) -> None:
    answers = made_answers(fitting)
    error = module("reliability").calibration_error
    before = error(*fitting.judged(answers, answers.probabilities), 10)
    after = error(*fitting.judged(answers, fitting.out_of_fold(answers)), 10)
    assert before > 0.1
    assert after < 0.05
    assert fitting.fit(answers).temperature == pytest.approx(2.0, abs=0.5)
    assert fitting.fit(answers).infrared == fitting.LEAST_INFRARED, "not measured, so not trusted"


def test_the_error_of_honest_and_of_boastful_confidences(module: Callable[[str], ModuleType]) -> None:
    reliability = module("reliability")
    rng = np.random.default_rng(1)
    confidence = rng.uniform(size=4000)
    right = rng.uniform(size=4000) < confidence
    plates = np.repeat([f"P{n}" for n in range(1000)], 4)
    honest = reliability.calibration_error(confidence, right)
    low, high = reliability.interval(confidence, right, plates, draws=100)
    assert honest < 0.03
    assert low < high < 0.05
    assert reliability.calibration_error(np.full(150, 0.9), np.arange(150) % 5 < 3) == pytest.approx(0.3)
    assert [b.count for b in reliability.bins(confidence, right, 15)] == [267] * 10 + [266] * 5
    drawn = reliability.diagram([("one", reliability.bins(confidence, right), reliability.bins(confidence, right))])
    assert drawn.startswith("<svg ")
    assert drawn.count('r="4"') == 32


def test_the_committed_parameters_are_those_that_the_recipe_writes() -> None:
    for ocr, parameters in load_parameters(FOLDER / "parameters.toml").items():
        assert calibration_for(ocr).parameters == parameters
    assert Path(PARAMETERS_FILE).parent.name == FOLDER.name


def test_the_card_names_every_fitted_ocr() -> None:
    card = (FOLDER / "card.md").read_text(encoding="utf-8")
    for ocr in load_parameters(FOLDER / "parameters.toml"):
        assert calibration_for(ocr).id in card


def test_raw_reads_of_three_distances_become_honest(
    assets: Path, fitting: ModuleType, module: Callable[[str], ModuleType]
) -> None:
    """4,064 reads of the reference OCR, made by others and in another way, so that the recipe did not see them."""
    models = module("observing").models_of("reference", assets / "weights")
    answers = module("observing").Observer(models).lines(assets / "data" / "match" / "dev" / "reads.jsonl")
    parameters = load_parameters(FOLDER / "parameters.toml")[models.ocr_sha256]
    error = module("reliability").calibration_error
    raw = error(*fitting.judged(answers, answers.probabilities))
    fitted = error(*fitting.judged(answers, fitting.calibrated(answers, parameters)))
    assert fitted < min(raw, 0.025)


def test_committed_parameters_hold_on_the_path_that_the_device_takes(
    assets: Path, fitting: ModuleType, module: Callable[[str], ModuleType]
) -> None:
    """A change of how a frame is read that moves confidences calls for a new fit; this notices a large one."""
    observing, views = module("observing"), module("views")
    models = observing.models_of("reference", assets / "weights")
    crops = views.read_crops(assets / "data" / "plates" / "us-crops")[::25]
    (answers,) = observing.look_at([observing.Observer(models)], crops, "day")
    parameters = load_parameters(FOLDER / "parameters.toml")[models.ocr_sha256]
    confidence, right = fitting.judged(answers, fitting.calibrated(answers, parameters))
    assert not answers.infrared.any()
    assert len(right) == 3 * len(crops)
    assert abs(confidence.mean() - right.mean()) < 0.1
    assert module("reliability").calibration_error(confidence, right, 4) < 0.12


def test_infrared_views_are_seen_as_such(assets: Path, module: Callable[[str], ModuleType]) -> None:
    observing, views = module("observing"), module("views")
    observer = observing.Observer(observing.models_of("reference", assets / "weights"))
    crops = views.read_crops(assets / "data" / "plates" / "us-crops")[::170]
    (answers,) = observing.look_at([observer], crops, "infrared")
    assert answers.infrared.all()


def test_the_recipe_runs_and_the_parameters_hold(assets: Path, tmp_path: Path) -> None:
    """Over 25 of the crops and with one of the OCRs."""
    for name in ("parameters.toml", "card.md"):
        shutil.copy(FOLDER / name, tmp_path)
    shutil.copy(ROOT / "docs" / "plates.md", tmp_path)
    options = {
        "--crops": assets / "data" / "plates" / "us-crops",
        "--models-dir": assets / "weights",
        "--set": "reference",
        "--limit": 24,
        "--out": tmp_path,
        "--docs": tmp_path,
    }
    command = [sys.executable, str(FOLDER / "recipe.py"), *(str(part) for pair in options.items() for part in pair)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    before = load_parameters(FOLDER / "parameters.toml")
    after = load_parameters(tmp_path / "parameters.toml")
    assert set(after) == set(before), "the OCR that was not named keeps its parameters"
    (changed,) = [ocr for ocr in after if after[ocr] != before[ocr]]
    assert after[changed].temperature == pytest.approx(before[changed].temperature, rel=0.5)
    assert after[changed].id_for(changed) in (tmp_path / "card.md").read_text(encoding="utf-8")
    assert (tmp_path / "plates-reliability.svg").read_text(encoding="utf-8").startswith("<svg ")
    (row,) = [line for line in run.stdout.splitlines() if "**day" in line]
    assert row in (tmp_path / "plates.md").read_text(encoding="utf-8")
    number, right, confidence = (row.split("|")[at].strip() for at in (3, 4, 5))
    assert int(number) == 75
    assert abs(float(right.removesuffix(" %")) / 100 - float(confidence)) < 0.1
