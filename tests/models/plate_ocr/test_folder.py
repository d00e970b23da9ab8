"""A technician's folder: the good rows load, the bad ones are named with their lines."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from models.plate_ocr.folder import Mixed, read_folder, samples_of
from models.plate_ocr.samples import NO_REGION, Samples

REGIONS = ("US-TX", "DE")


def write(folder: Path, table: str, *, images: int = 2) -> Path:
    for at in range(images):
        cv2.imwrite(str(folder / f"{at}.png"), np.full((30, 60, 3), 40 * at, np.uint8))
    (folder / "truth.csv").write_text(table, encoding="utf-8")
    return folder


class Rendered:
    """Black pictures that read "A"."""

    def batch(self, count: int, rng: np.random.Generator) -> Samples:
        samples = Samples.empty(count)
        for at in range(count):
            samples.put(at, np.zeros((64, 128, 3), np.uint8), "A", NO_REGION)
        return samples


def test_good_rows_load_and_bad_ones_say_line_and_fix(tmp_path: Path) -> None:
    (tmp_path / "notes.png").write_text("no picture", encoding="utf-8")
    table = (
        "image,text,region\n"
        "0.png,bwc 55-x,US-TX\n"
        "1.png,ÄB12,\n"
        "missing.png,AB12,\n"
        "notes.png,AB12,\n"
        "1.png,,\n"
        "1.png,AB12,Texas\n"
        "1.png,ABCDEFGHIJKLM,\n"
        "1.png,K8,\n"
    )

    crops = read_folder(write(tmp_path, table), REGIONS)

    assert [(crop.image, crop.text, crop.region) for crop in crops.good] == [
        ("0.png", "BWC55X", "US-TX"),
        ("1.png", "K8", ""),
    ]
    wrong = ["line 3: text", "line 4: image", "line 5: image", "line 6: text", "line 7: region", "line 8: text"]
    assert len(crops.bad) == len(wrong)
    for complaint, what in zip(crops.bad, wrong, strict=True):
        assert what in complaint


def test_a_spreadsheets_byte_order_mark_and_missing_cells_are_no_obstacle(tmp_path: Path) -> None:
    crops = read_folder(write(tmp_path, "\ufeffimage,text,region\n0.png,AB12\n"), REGIONS)

    assert [crop.text for crop in crops.good] == ["AB12"]


@pytest.mark.parametrize("table", ["file,text\n0.png,AB\n", ""])
def test_a_table_without_the_columns_is_refused(tmp_path: Path, table: str) -> None:
    with pytest.raises(SystemExit, match="image,text"):
        read_folder(write(tmp_path, table), REGIONS)


def test_a_folder_without_a_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"truth\.csv: cannot be read"):
        read_folder(tmp_path, REGIONS)


@pytest.mark.parametrize("share", [0.2, 0.5])
def test_a_share_is_held_out_by_text_so_that_no_plate_is_on_both_sides(tmp_path: Path, share: float) -> None:
    rows = "".join(f"{at % 2}.png,T{at // 2}\n" for at in range(600))

    learnt, judged = read_folder(write(tmp_path, "image,text\n" + rows), REGIONS).parts(share)

    assert {crop.text for crop in learnt}.isdisjoint(crop.text for crop in judged)
    assert share - 0.06 < len(judged) / 600 < share + 0.06


def test_half_of_a_batch_is_the_folders_and_half_is_rendered(tmp_path: Path) -> None:
    crops = read_folder(write(tmp_path, "image,text,region\n1.png,TX1,US-TX\n"), REGIONS)

    batch = Mixed(samples_of(crops.good, REGIONS), Rendered()).batch(10, np.random.default_rng(1))

    assert [batch.text(at) for at in range(10)] == ["TX1"] * 5 + ["A"] * 5
    assert batch.regions.tolist() == [0] * 5 + [NO_REGION] * 5
