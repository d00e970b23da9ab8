import cv2
import numpy as np
import pytest

from edge_agent.plates.rectify import rectified


def straight() -> np.ndarray:
    picture = np.full((64, 128, 3), 230, np.uint8)
    cv2.putText(picture, "ABH147", (10, 42), cv2.FONT_HERSHEY_DUPLEX, 0.95, (20, 20, 20), 2)
    return picture


def text_height_px(picture: np.ndarray) -> int:
    """Rows with ink in the inner part: few when the line is level."""
    dark = picture[:, 12:-12].min(axis=2) < 110
    return int((dark.sum(axis=1) > 1).sum())


@pytest.mark.parametrize("climb", [-0.2, -0.1, 0.1, 0.2])
def test_a_climbing_line_is_made_level(climb: float) -> None:
    askew = cv2.warpAffine(
        straight(), np.array([[1, 0, 0], [climb, 1, -climb * 63.5]]), (128, 64), borderMode=cv2.BORDER_REPLICATE
    )
    level = rectified(askew)
    assert level is not None
    assert level.shape == (64, 128, 3)
    assert text_height_px(level) < text_height_px(askew)
    assert text_height_px(level) <= text_height_px(straight()) + 3


def test_any_size_is_taken() -> None:
    for width_px, height_px in ((20, 9), (300, 150)):
        made = rectified(cv2.resize(straight(), (width_px, height_px)))
        assert made is None or made.shape == (64, 128, 3)


def test_a_picture_without_anything_is_left_alone() -> None:
    flat = rectified(np.full((30, 60, 3), 99, np.uint8))
    assert flat is None or (flat == 99).all()
