import hashlib
from pathlib import Path

import numpy as np
import pytest

from edge_agent.errors import ConfigurationError, ModelError
from edge_agent.inference.models import PlateModels
from edge_agent.plates.detector import PlateDetector
from edge_agent.plates.ocr import PlateOcr
from edge_agent.plates.reader import NetworkPlateReader, cut, padded
from edge_agent.records import Box

GREY = np.full((128, 128, 3), 90, np.uint8)


def plate_models(tiny) -> PlateModels:
    return PlateModels(
        "own", tiny.detector, tiny.ocr, tiny.ocr_config, hashlib.sha256(tiny.ocr.read_bytes()).hexdigest()
    )


def test_boxes_come_back_in_pixels_of_the_picture(tiny_models) -> None:
    # 128 x 256 into 64 x 64: a quarter of the size, with 16 rows of padding above.
    wide = np.zeros((128, 256, 3), np.uint8)
    (found,) = PlateDetector(tiny_models(rows=[(8, 24, 40, 36, 0.9)]).detector).detect(wide)
    assert found.box == Box(32, 32, 160, 80)
    assert found.score == pytest.approx(0.9)


def test_boxes_are_clipped_and_never_empty(tiny_models) -> None:
    rows = [(-9, -9, 10, 10, 0.9), (70, 10, 90, 20, 0.9), (20, 20, 20, 30, 0.9)]
    assert [d.box for d in PlateDetector(tiny_models(rows).detector).detect(GREY)] == [Box(0, 0, 20, 20)]


def test_doubtful_detections_are_dropped(tiny_models) -> None:
    tiny = tiny_models(rows=[(8, 8, 20, 16, 0.39), (8, 8, 20, 16, 0.41)])
    assert [round(d.score, 2) for d in PlateDetector(tiny.detector).detect(GREY)] == [0.41]
    assert len(PlateDetector(tiny.detector, min_score=0.1).detect(GREY)) == 2


def test_a_picture_without_plates_has_none(tiny_models) -> None:
    assert NetworkPlateReader(plate_models(tiny_models(rows=[]))).read(GREY) == []


def test_a_reading_keeps_every_distribution(tiny_models) -> None:
    tiny = tiny_models(text="XYZ 9".replace(" ", ""), regions={"US-TX": 0.2, "Unknown": 0.1, "Canada": 0.7})
    (candidate,) = NetworkPlateReader(plate_models(tiny)).read(GREY)
    reading = candidate.reading
    assert reading.text == "XYZ9"
    assert reading.probabilities.shape == (8, 37)
    assert np.allclose(reading.probabilities.sum(axis=1), 1)
    assert reading.confidence == pytest.approx(0.99**8, abs=1e-4)
    assert list(reading.regions) == ["CA", "US-TX"]
    assert reading.calibration == "raw-" + plate_models(tiny).ocr_sha256[:8]


def test_one_bad_character_shows_in_the_confidence() -> None:
    """pains-03: an average would say 0.92 here."""
    from edge_agent.records import Reading

    slots = np.full((8, 3), 0.005, np.float32)
    slots[:, 0] = 0.99
    slots[3] = (0.4, 0.35, 0.25)
    assert Reading("AB_", "_", slots, {}, "").confidence < 0.4


@pytest.mark.parametrize("mode", ["rgb", "grayscale"])
def test_the_configuration_decides_colour_and_size(tiny_models, mode: str) -> None:
    tiny = tiny_models()
    text = tiny.ocr_config.read_text(encoding="utf-8").replace("image_color_mode: rgb", f"image_color_mode: {mode}")
    tiny.ocr_config.write_text(text + "keep_aspect_ratio: true\ninterpolation: cubic\n", encoding="utf-8")
    if mode == "rgb":
        assert PlateOcr(tiny.ocr, tiny.ocr_config, calibration="x").read(GREY[:20, :90]).text == "ABC123"
    else:
        with pytest.raises(ModelError, match="colours: got 3, expected 1"):
            PlateOcr(tiny.ocr, tiny.ocr_config, calibration="x")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("max_plate_slots: 8", "max_plate_slots: 9"), "slots: got 8, expected 9"),
        (("img_width: 32", "img_width: 64"), "image width: got 32, expected 64"),
        (("pad_char: '_'", "pad_char: '#'"), "pad_char: got '#'"),
        (("image_color_mode: rgb", "image_color_mode: sepia"), "image_color_mode: got 'sepia'"),
        (("max_plate_slots: 8", "no_such_field: 8"), "not a plate configuration"),
        (("max_plate_slots: 8", "max_plate_slots: [8"), "not a plate configuration"),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused(tiny_models, change: tuple[str, str], complaint: str) -> None:
    tiny = tiny_models()
    text = tiny.ocr_config.read_text(encoding="utf-8")
    tiny.ocr_config.write_text(text.replace(*change), encoding="utf-8")
    with pytest.raises(ModelError, match=complaint):
        PlateOcr(tiny.ocr, tiny.ocr_config, calibration="x")


def test_networks_in_each_others_place_are_refused(tiny_models, tmp_path: Path) -> None:
    tiny = tiny_models()
    with pytest.raises(ModelError, match="expected float 1x3xHxW"):
        PlateDetector(tiny.ocr)
    with pytest.raises(ModelError, match="cannot be read"):
        PlateOcr(tiny.ocr, tmp_path / "gone.yaml", calibration="x")


def test_padding_stays_within_the_picture() -> None:
    assert padded(Box(10, 10, 60, 30), 0.1, 200, 100) == Box(5, 8, 65, 32)
    assert padded(Box(2, 1, 60, 99), 0.5, 62, 100) == Box(0, 0, 62, 100)
    assert cut(GREY, Box(3, 4, 10, 6)).shape == (2, 7, 3)


def test_padding_out_of_bounds_is_refused(tiny_models) -> None:
    with pytest.raises(ConfigurationError, match=r"pad: got -0\.1"):
        NetworkPlateReader(plate_models(tiny_models()), pad=-0.1)
