import cv2
import numpy as np
import pytest

from edge_agent.plates.quality import edges_across, is_infrared, marks_of
from edge_agent.records import Box, PlateMark


def scene(width_px: int = 100, blur: float = 0.0) -> tuple[np.ndarray, Box]:
    """A coloured picture with one sharp plate in it."""
    picture = np.full((300, 400, 3), (120, 70, 40), np.uint8)
    plate = np.full((100, 200, 3), 225, np.uint8)
    cv2.putText(plate, "ABC123", (8, 72), cv2.FONT_HERSHEY_DUPLEX, 1.7, (20, 20, 20), 4)
    plate = cv2.resize(plate, (width_px, width_px // 2), interpolation=cv2.INTER_AREA)
    picture[100 : 100 + width_px // 2, 150 : 150 + width_px] = plate
    if blur:
        picture = cv2.GaussianBlur(picture, (0, 0), blur)
    return picture, Box(150, 100, 150 + width_px, 100 + width_px // 2)


def test_a_good_plate_has_no_marks() -> None:
    assert marks_of(*scene()) == frozenset()


def test_small_and_blurred_are_told_apart() -> None:
    """pains-05"""
    assert marks_of(*scene(width_px=50)) == {PlateMark.SMALL}
    assert marks_of(*scene(blur=4)) == {PlateMark.BLURRED}


def test_what_is_left_after_blur_falls_with_blur_and_size_and_not_with_contrast() -> None:
    def edges(width_px: int, blur: float, dim: float = 1.0) -> float:
        picture, box = scene(width_px, blur)
        return edges_across((picture * dim).astype(np.uint8)[box.y1 : box.y2, box.x1 : box.x2])

    assert edges(100, 1) > edges(100, 2) > edges(100, 4)
    assert edges(120, 1.5) > edges(60, 1.5)
    assert edges(100, 2, dim=0.4) == pytest.approx(edges(100, 2), rel=0.1)


def test_glare_floods_most_of_the_plate() -> None:
    picture, box = scene()
    picture[95:155, 145:225] = 255
    assert PlateMark.GLARE in marks_of(picture, box)


def test_a_plate_at_the_edge_is_cut_off() -> None:
    picture, _ = scene()
    assert PlateMark.CUT_OFF in marks_of(picture, Box(0, 100, 90, 140))
    assert PlateMark.CUT_OFF in marks_of(picture, Box(330, 100, 400, 140))


def test_infrared_is_a_picture_without_colour() -> None:
    coloured, _ = scene()
    grey = cv2.cvtColor(cv2.cvtColor(coloured, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    assert not is_infrared(coloured)
    assert is_infrared(grey)
    assert is_infrared(cv2.imdecode(cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, 50])[1], cv2.IMREAD_COLOR))


def test_no_picture_by_day_is_taken_for_infrared(assets) -> None:
    folder = assets / "data" / "plates"
    paths = sorted((folder / "eu-dev").glob("*.jpg"))[::9] + sorted((folder / "us-dev").glob("*.jpg"))[::9]
    pictures = [cv2.imread(str(path)) for path in paths]
    assert sum(map(is_infrared, pictures)) <= 1  # one photograph may have been taken without colour
    assert all(is_infrared(cv2.cvtColor(cv2.cvtColor(p, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)) for p in pictures)
