"""Which state a plate comes from, on pictures of real plates with the project's own OCR."""

from __future__ import annotations

import csv
import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_agent.inference.models import resolve_plates
from edge_agent.plates.format_model import FormatModel
from edge_agent.plates.formats import packaged_formats
from edge_agent.plates.ocr import PlateOcr
from edge_agent.plates.reader import DEFAULT_PAD, cut, padded
from edge_agent.plates.regions import RegionPosterior, likeliest_region

Namer = Callable[[NDArray[np.uint8]], str | None]


@pytest.fixture(scope="module")
def views() -> Iterator[ModuleType]:
    """The calibration's renderer of real crops: on a car, smaller, blurred, noisy, cut as a detector would."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[2] / "models" / "plate_calibration"))
        yield importlib.import_module("views")


@pytest.fixture(scope="module")
def region_of() -> Namer:
    models = resolve_plates(name="nightjar")
    ocr = PlateOcr(models.ocr, models.ocr_config)
    origin = RegionPosterior(ocr.regions, FormatModel(packaged_formats(), ocr.alphabet, ocr.pad))

    def named(crop: NDArray[np.uint8]) -> str | None:
        answer = ocr.answer([crop], "cubic")
        regions = origin.of(answer.regions[0], answer.slots[0])
        return likeliest_region(ocr.reading(answer.slots[0], regions, ""))

    return named


@pytest.mark.parametrize(("width_px", "condition"), [(None, "clean"), (None, "day"), (88, "day"), (58, "day")])
@pytest.mark.parametrize("state", ["VT", "NH"])
def test_vermont_and_new_hampshire_are_named_as_no_other_state(
    region_of: Namer, views: ModuleType, assets: Path, state: str, width_px: int | None, condition: str
) -> None:
    """pains-06: not as Georgia or Oklahoma, nor as any other; where looks and serial leave it open, as none."""
    folder = assets / "data" / "plates" / "us-crops"
    with (folder / "truth.csv").open(newline="", encoding="utf-8") as file:
        states = {row["image"]: row["state"] for row in csv.DictReader(file)}
    answers: dict[str, str | None] = {}
    for crop in views.read_crops(folder):
        if states[crop.name] == state:
            view = views.render(crop, width_px, condition)
            box = padded(view.box, DEFAULT_PAD, view.image.shape[1], view.image.shape[0])
            answers[crop.name] = region_of(cut(view.image, box))
    assert {name: region for name, region in answers.items() if region not in (f"US-{state}", "US", None)} == {}
    # And not by naming nothing at all.
    assert list(answers.values()).count(f"US-{state}") >= len(answers) / 4
