"""What goes into the network, and what its columns spell."""

import numpy as np
import pytest

from models.plate_ocr.pictures import BLANK, CHARACTERS, resized, spelled


def test_a_crop_of_any_shape_becomes_red_green_blue_of_the_networks_size() -> None:
    crop = np.zeros((20, 90, 3), np.uint8)
    crop[..., 0] = 200

    picture = resized(crop)

    assert picture.shape == (64, 128, 3)
    assert picture[30, 60].tolist() == [0, 0, 200]


def test_a_wide_crop_is_averaged_so_that_no_thin_stroke_is_lost() -> None:
    crop = np.zeros((256, 512, 3), np.uint8)
    crop[:, 1::4] = 200

    assert set(resized(crop).ravel().tolist()) == {50}


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("_AA_B_", "AB"),
        ("A_A", "AA"),
        ("______", ""),
        ("7_77B", "77B"),
    ],
)
def test_columns_spell_each_run_once_and_blanks_part_repeated_characters(path: str, text: str) -> None:
    places = [BLANK if c == "_" else CHARACTERS.index(c) for c in path]
    columns = np.eye(len(CHARACTERS) + 1, dtype=np.float32)[places][None]

    assert spelled(columns) == [text]
