import hashlib
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from edge_agent.errors import ConfigurationError, ModelError
from edge_agent.inference.models import PlateModels
from edge_agent.plates.calibration import Calibration
from edge_agent.plates.detector import PlateDetector
from edge_agent.plates.ocr import Answer, PlateOcr
from edge_agent.plates.reader import NetworkPlateReader, crop_around, cut, padded
from edge_agent.records import Box, PlateMark, Reading

GREY = np.full((128, 128, 3), 90, np.uint8)


def coloured(size_px: int = 128) -> np.ndarray:
    picture = np.full((size_px, size_px, 3), (90, 60, 200), np.uint8)
    picture[::7, ::5] = 255
    return picture


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
    (candidate,) = NetworkPlateReader(plate_models(tiny), formats=False).read(coloured())
    reading = candidate.reading
    assert reading.text == "XYZ9"
    assert reading.probabilities.shape == (8, 37)
    assert np.allclose(reading.probabilities.sum(axis=1), 1)
    assert reading.confidence == pytest.approx(0.99**8, abs=1e-4)
    assert list(reading.regions) == ["CA", "US-TX"]
    assert reading.calibration == "raw-" + plate_models(tiny).ocr_sha256[:8]


def test_one_bad_character_shows_in_the_confidence() -> None:
    """pains-03: an average would say 0.92 here."""
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
        assert PlateOcr(tiny.ocr, tiny.ocr_config).answer([GREY[:20, :90]]).rows.shape == (1, 8, 37)
    else:
        with pytest.raises(ModelError, match="colours: got 3, expected 1"):
            PlateOcr(tiny.ocr, tiny.ocr_config)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("max_plate_slots: 8", "max_plate_slots: 9"), "slots: got 8, expected 9"),
        (("img_width: 32", "img_width: 64"), "image width: got 32, expected 64"),
        (("max_plate_slots: 8", "max_plate_slots: 13"), "max_plate_slots: got 13, expected at most 12"),
        (("pad_char: '_'", "pad_char: '#'"), "pad_char: got '#'"),
        (("XYZ_", "XYЖ_"), "alphabet: got .* expected printable ASCII"),
        (("XYZ_", "XY _"), "alphabet: got .* expected printable ASCII"),
        (("pad_char: '_'", "pad_char: 'Z'"), "alphabet: got .* without space and underscore"),
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
        PlateOcr(tiny.ocr, tiny.ocr_config)


def test_no_character_is_an_underscore_whatever_the_network_calls_it(tiny_models) -> None:
    """PROTOCOL: a slot of a read has ``_`` for no character."""
    tiny = tiny_models()
    text = tiny.ocr_config.read_text(encoding="utf-8").replace("XYZ_", "XYZ-").replace("pad_char: '_'", "pad_char: '-'")
    tiny.ocr_config.write_text(text, encoding="utf-8")
    ocr = PlateOcr(tiny.ocr, tiny.ocr_config)
    answer = ocr.answer([GREY[:20, :60]])
    reading = ocr.reading(answer.slots[0], answer.regions[0], "raw")
    assert (reading.text, reading.pad, reading.alphabet[-1]) == ("ABC123", "_", "_")


def written(*columns: str, sure: float = 0.9) -> np.ndarray:
    """(columns, alphabet): each column surely shows its character, ``_`` for none."""
    alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_"
    out = np.full((len(columns), len(alphabet)), (1 - sure) / (len(alphabet) - 1), np.float32)
    for column, character in zip(out, columns, strict=True):
        column[alphabet.index(character)] = sure
    return out


def test_a_network_of_columns_is_read_by_ctc(tiny_models) -> None:
    models = plate_models(tiny_models(columns=written(*"_AA_BB_B_C1_2_3_", sure=0.98), regions={"US-TX": 1.0}))
    (candidate,) = NetworkPlateReader(models, formats=False).read(coloured())
    reading = candidate.reading
    assert reading.text == "ABBC123"
    assert len(reading.probabilities) <= 12
    assert reading.probabilities.sum(axis=1) == pytest.approx(1)
    assert 0.5 < reading.confidence < 0.98
    assert reading.regions == {"US-TX": 1.0}


def test_doubtful_columns_are_read_again_and_put_together(tiny_models) -> None:
    models = plate_models(tiny_models(columns=written(*"_A_B_C_1_2_3_", sure=0.6)))
    reader = NetworkPlateReader(models, formats=False)
    reader._ocr._any_number = False  # the network answers one crop at a time, whatever it is shown
    (candidate,) = reader.read(coloured())
    assert candidate.reading.text == "ABC123"
    (plain,) = NetworkPlateReader(models, pad=0.0).read(coloured())
    # All crops said the same: together they are as sure as each.
    assert candidate.reading.probabilities == pytest.approx(plain.reading.probabilities, abs=1e-6)


def test_columns_of_another_alphabet_are_refused(tiny_models) -> None:
    with pytest.raises(ModelError, match="alphabet: got 36, expected 37"):
        NetworkPlateReader(plate_models(tiny_models(columns=np.full((9, 36), 1 / 36, np.float32))))


def test_networks_in_each_others_place_are_refused(tiny_models, tmp_path: Path) -> None:
    tiny = tiny_models()
    with pytest.raises(ModelError, match="expected float 1x3xHxW"):
        PlateDetector(tiny.ocr)
    with pytest.raises(ModelError, match="cannot be read"):
        PlateOcr(tiny.ocr, tmp_path / "gone.yaml")


def test_padding_stays_within_the_picture() -> None:
    assert padded(Box(10, 10, 60, 30), 0.1, 200, 100) == Box(5, 8, 65, 32)
    assert padded(Box(2, 1, 60, 99), 0.5, 62, 100) == Box(0, 0, 62, 100)
    assert cut(GREY, Box(3, 4, 10, 6)).shape == (2, 7, 3)


def test_a_plate_at_the_edge_of_the_picture_gets_its_margin() -> None:
    picture = np.zeros((40, 100, 3), np.uint8)
    picture[:, -1] = 200
    crop = crop_around(picture, Box(0, 0, 100, 40), 0.1)
    assert crop.shape == (48, 120, 3)
    assert (crop[4:44, 10:110] == picture).all()
    assert (crop[:, 110:] == 200).all()
    inside = Box(20, 10, 60, 30)
    assert (crop_around(picture, inside, 0.1) == cut(picture, padded(inside, 0.1, 100, 40))).all()


class Squashed(Calibration):
    """Makes every slot half as sure, and remembers what it was asked."""

    asked: ClassVar[list[tuple[float, bool]]] = []

    def apply(self, probabilities, width_px, infrared):
        self.asked.append((width_px, infrared))
        return probabilities / 2 + 0.5 / probabilities.shape[-1]


def test_a_calibration_gets_the_boxs_width_and_its_id_is_carried(tiny_models) -> None:
    models = plate_models(tiny_models())
    Squashed.asked.clear()
    (candidate,) = NetworkPlateReader(models, calibration=Squashed("mine"), formats=False).read(coloured())
    assert candidate.reading.calibration == "mine"
    assert candidate.reading.text == "ABC123"
    assert candidate.reading.confidence < 0.6**8
    assert candidate.rejected is None  # what is no plate is decided on what the network said
    assert Squashed.asked == [(64.0, False)]


def test_infrared_is_marked_and_names_no_region(tiny_models) -> None:
    models = plate_models(tiny_models(regions={"US-TX": 0.9, "Canada": 0.1}))
    reader = NetworkPlateReader(models, formats=False)
    by_day, by_night = (reader.read(picture)[0] for picture in (coloured(), GREY))
    assert (PlateMark.INFRARED in by_day.marks, list(by_day.reading.regions)) == (False, ["US-TX", "CA"])
    assert (PlateMark.INFRARED in by_night.marks, list(by_night.reading.regions)) == (True, [])


def test_formats_weigh_what_is_read_and_where_it_comes_from(tiny_models) -> None:
    columns = written(*"_7_A_B_C_1_2_O_", sure=0.98)
    columns[13, [0, 24]] = 0.42, 0.55  # 0 or O
    columns /= columns.sum(axis=1, keepdims=True)
    models = plate_models(tiny_models(columns=columns, regions={"US-CA": 0.6, "US-TX": 0.4}))
    plain, weighed = (NetworkPlateReader(models, formats=formats, unsure=0) for formats in (False, True))
    assert plain.read(coloured())[0].reading.text == "7ABC12O"
    assert plain.read(coloured())[0].reading.regions == pytest.approx({"US-CA": 0.6, "US-TX": 0.4})
    reading = weighed.read(coloured())[0].reading
    assert reading.text == "7ABC120"
    assert reading.regions["US-CA"] > 0.7
    assert reading.probabilities.sum(axis=1) == pytest.approx(1)


def test_what_is_rejected_stays_and_comes_last(tiny_models) -> None:
    """pains-02, pains-08"""
    rows = [(8, 24, 40, 36, 0.45), (8, 40, 40, 52, 0.9)]
    candidates = NetworkPlateReader(plate_models(tiny_models(rows, text="FEDEX"))).read(coloured())
    assert [c.rejected is None for c in candidates] == [True, False]
    assert "lettering" in (candidates[1].rejected or "")


def test_padding_zero_is_the_plain_mode(tiny_models) -> None:
    rows = [(8, 24, 40, 36, 0.45), (8, 40, 40, 52, 0.9)]
    models = plate_models(tiny_models(rows, text="FEDEX", regions={"US-TX": 1.0}))
    candidates = NetworkPlateReader(models, pad=0.0, calibration=Squashed("mine")).read(GREY)
    assert [(c.rejected, c.marks) for c in candidates] == [(None, frozenset())] * 2
    assert {c.reading.calibration for c in candidates} == {"raw-" + models.ocr_sha256[:8]}
    assert candidates[0].reading.regions == {"US-TX": 1.0}


class CountedOcr:
    """Answers with one text, surer or not, and counts what it was asked to read."""

    alphabet, pad = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_", "_"

    def __init__(self, reading, texts: list[tuple[str, float]]) -> None:
        self.reading_of, self.texts, self.asked = reading, texts, []

    def answer(self, crops, interpolation=None) -> Answer:
        self.asked.append(len(crops))
        said = [self.texts[min(i + sum(self.asked[:-1]), len(self.texts) - 1)] for i in range(len(crops))]
        slots = np.stack([self.reading_of(text, sure).probabilities for text, sure in said])
        return Answer(slots, np.zeros((len(crops), 0), np.float32))

    def named(self, head) -> dict[str, float]:
        return {}

    def reading(self, slots, regions, calibration) -> Reading:
        return Reading(self.alphabet, self.pad, slots, regions, calibration)


def counted(tiny, reading, *texts: tuple[str, float]) -> tuple[NetworkPlateReader, CountedOcr]:
    reader, ocr = NetworkPlateReader(plate_models(tiny), formats=False), CountedOcr(reading, list(texts))
    reader._ocr = ocr
    return reader, ocr


def test_only_what_is_in_doubt_is_read_again(tiny_models, reading) -> None:
    reader, ocr = counted(tiny_models(), reading, ("ABC123", 0.95))
    reader.read(coloured())
    assert ocr.asked == [1]
    reader, ocr = counted(tiny_models(), reading, ("ABC128", 0.6), ("ABC123", 0.97))
    (candidate,) = reader.read(coloured())
    assert ocr.asked[0] == 1
    assert 4 <= ocr.asked[1] <= 5
    assert candidate.reading.text == "ABC123"
    assert candidate.reading.confidence < 0.97**8  # one that disagrees takes from the confidence


def test_what_cannot_be_read_at_all_is_not_read_again(tiny_models, reading) -> None:
    reader, ocr = counted(tiny_models(), reading, ("ABC128", 0.3))
    (candidate,) = reader.read(coloured())
    assert ocr.asked == [1]
    assert "cannot be read" in (candidate.rejected or "")


def test_a_nearly_square_plate_is_read_line_by_line_too(tiny_models, reading) -> None:
    """pains-07"""
    square = tiny_models(rows=[(8, 20, 40, 44, 0.9)])
    reader, ocr = counted(square, reading, ("BB7", 0.7), ("BB75", 0.99), ("1BH", 0.99), ("BB7", 0.7))
    (candidate,) = reader.read(coloured())
    assert ocr.asked[0] == 3
    assert (candidate.reading.text, candidate.marks & {PlateMark.TWO_LINE}) == ("BB751BH", {PlateMark.TWO_LINE})
    reader, _ = counted(square, reading, ("BB751BH", 0.99), ("0", 0.99), ("BB751BH", 0.9))
    (candidate,) = reader.read(coloured())
    assert (candidate.reading.text, candidate.marks & {PlateMark.TWO_LINE}) == ("BB751BH", frozenset())


def test_a_network_that_takes_one_picture_at_a_time_is_asked_one_by_one(tiny_models) -> None:
    tiny = tiny_models()
    ocr = PlateOcr(tiny.ocr, tiny.ocr_config)
    ocr._any_number = False
    answer = ocr.answer([GREY[:20, :60]] * 3)
    assert answer.rows.shape == (3, 8, 37)


def test_padding_out_of_bounds_is_refused(tiny_models) -> None:
    with pytest.raises(ConfigurationError, match=r"pad: got -0\.1"):
        NetworkPlateReader(plate_models(tiny_models()), pad=-0.1)
