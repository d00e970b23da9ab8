"""Photographs with boxes: what is read, and what is said about what cannot be."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from models.plate_detector.boxes import read_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.jpg", "b.png"):
        cv2.imwrite(str(tmp_path / name), np.full((60, 100, 3), 90, np.uint8))
    return tmp_path


def write(folder: Path, *rows: str) -> None:
    (folder / "boxes.csv").write_text("image,x,y,w,h\n" + "".join(f"{row}\n" for row in rows), encoding="utf-8")


def test_boxes_become_corners_and_are_cut_to_the_picture(folder: Path) -> None:
    write(folder, "a.jpg,10,20,30,10", "a.jpg,90,50,30,30")
    read = read_folder(folder)
    assert read.names == ["a.jpg", "b.png"]
    assert read.photographs[0].plates.tolist() == [[10, 20, 40, 30], [90, 50, 100, 60]]
    assert read.wrong == []


def test_a_picture_without_a_row_holds_no_plate(folder: Path) -> None:
    write(folder, "a.jpg,10,20,30,10")
    assert read_folder(folder).photographs[1].plates.shape == (0, 4)


def test_bad_rows_are_named_by_line_and_the_rest_is_kept(folder: Path) -> None:
    (folder / "c.jpg").write_bytes(b"no picture")
    write(folder, "a.jpg,10,20,30,10", "a.jpg,1,2,x,4", "gone.jpg,1,2,3,4", "b.png,1,2,0,4", "b.png,200,2,3,4")
    read = read_folder(folder)
    told = "\n".join(read.wrong)
    for line in (3, 4, 5, 6):
        assert f"boxes.csv:{line}:" in told
    assert "c.jpg" in told
    assert len(read.wrong) == 5
    assert [len(p.plates) for p in read.photographs] == [1, 0]


def test_a_missing_column_says_which_are_expected(folder: Path) -> None:
    (folder / "boxes.csv").write_text("image,x,y\na.jpg,1,2\n", encoding="utf-8")
    with pytest.raises(ValueError, match="expected image,x,y,w,h"):
        read_folder(folder)
