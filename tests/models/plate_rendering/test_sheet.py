"""The contact sheet: as many plates as asked, and errors that say what is wrong."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from models.plate_rendering.sheet import main, sheet


def test_a_sheet_has_a_cell_for_each_plate() -> None:
    five, six = (sheet(np.random.default_rng(1), count, "US-CA") for count in (5, 6))

    assert six.shape == (2 * five.shape[0], *five.shape[1:])
    np.testing.assert_array_equal(six[: five.shape[0]], five)
    assert (six[five.shape[0] :, : five.shape[1] // 5] != six[-1, -1]).any()


def test_the_command_writes_faces_or_views(tmp_path: Path) -> None:
    for name, *how in (("faces.png",), ("views.png", "--views")):
        assert main([str(tmp_path / name), "--region", "DE", "--text", "BKH2475", "--count", "2", *how]) == 0
    faces, views = (cv2.imread(str(tmp_path / name)) for name in ("faces.png", "views.png"))

    assert faces.shape == views.shape
    assert (faces != views).any()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--region", "US-XX"], "got 'US-XX'"),
        (["--text", "a b"], "got 'a b'"),
        (["--count", "0"], "got 0, expected 1 or more"),
    ],
)
def test_what_cannot_be_drawn_is_a_usage_error(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([str(tmp_path / "sheet.png"), *arguments])

    assert ended.value.code == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "sheet.png").exists()


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([str(tmp_path / "nowhere" / "sheet.png"), "--count", "1"])

    assert "nowhere/sheet.png: cannot be written" in capsys.readouterr().err
