import pytest

from edge_agent.plates.rejection import DOUBTFUL_SCORE, reason_against, without_parts
from edge_agent.records import Box, PlateCandidate

BOX, PICTURE_PX = Box(100, 300, 200, 350), (720, 1280)
POOR = DOUBTFUL_SCORE - 0.1


def why(reading, box: Box = BOX, score: float = 0.9) -> str | None:
    return reason_against(box, score, reading, PICTURE_PX)


@pytest.mark.parametrize("text", ["A", "1", "00", "IMJSAYN", "ABC123", "COODGE", "11111111", "M5XSX"])
def test_anything_read_and_framed_surely_may_be_a_plate(reading, text: str) -> None:
    """pains-09: North American plates say nearly anything, so the text alone rejects nothing."""
    assert why(reading(text)) is None


def test_a_badge_that_the_detector_doubts_is_none(reading) -> None:
    """pains-02: a badge read as C00D."""
    assert "badge" in (why(reading("C00D"), score=POOR) or "")
    assert why(reading("C00D")) is None


def test_lettering_that_the_detector_doubts_is_none(reading) -> None:
    """pains-08"""
    assert "lettering" in (why(reading("FEDEX"), score=POOR) or "")
    assert why(reading("ABC123"), score=POOR) is None


@pytest.mark.parametrize("y1", [10, 680])
def test_text_laid_over_the_picture_is_none(reading, y1: int) -> None:
    """pains-08: cameras write into the uppermost and lowermost part of the picture."""
    assert "laid over" in (why(reading("CAM12"), Box(10, y1, 150, y1 + 30), POOR) or "")
    assert why(reading("CAM12"), Box(10, y1, 150, y1 + 30)) is None


@pytest.mark.parametrize(
    ("text", "sure", "box", "reason"),
    [
        ("", 0.99, BOX, "no character"),
        ("ABC123", 0.4, BOX, "cannot be read"),
        ("1111", 0.8, BOX, "texture"),
        ("ABC123", 0.99, Box(0, 300, 500, 340), "shape"),
        ("ABC123", 0.99, Box(0, 300, 30, 400), "shape"),
    ],
)
def test_impossible_finds_are_rejected_with_a_reason(reading, text: str, sure: float, box: Box, reason: str) -> None:
    """pains-09"""
    assert reason in (why(reading(text, sure), box) or "")


def test_short_texts_need_a_sure_detector(reading) -> None:
    """pains-09"""
    assert "too short" in (why(reading("A1"), score=POOR) or "")


def test_one_line_of_a_plate_is_a_part_of_it(reading) -> None:
    """pains-07: detectors frame a line of a two-line plate beside the whole."""
    whole = PlateCandidate(Box(10, 10, 70, 50), 0.9, reading("BB751BH"))
    part = PlateCandidate(Box(12, 31, 68, 51), 0.9, reading("1BH"))
    beside = PlateCandidate(Box(80, 31, 140, 51), 0.9, reading("1BH"))
    reasons = [c.rejected for c in without_parts([whole, part, beside])]
    assert reasons == [None, "a part of the plate BB751BH", None]


def test_a_plate_that_somebody_cut_out_needs_no_sure_detector(reading) -> None:
    """pains-09: there is nothing around it to be sure by, and owners choose words and numbers."""
    filling = Box(0, 4, 320, 150)
    for text in ("FEDEX", "A1"):
        assert reason_against(filling, POOR, reading(text), (160, 320)) is None
        assert reason_against(filling, POOR, reading(text), (720, 1280)) is not None


def test_what_is_found_twice_is_one_plate(reading) -> None:
    first = PlateCandidate(Box(10, 10, 110, 60), 0.7, reading("ABC123"))
    again = PlateCandidate(Box(30, 15, 130, 65), 0.5, reading("BC1234"))
    third = PlateCandidate(Box(60, 20, 160, 70), 0.4, reading("C1234X"))
    beside = PlateCandidate(Box(105, 10, 205, 60), 0.6, reading("XYZ789"))
    assert [c.rejected for c in without_parts([again, first])] == ["the plate ABC123 once more", None]
    # What is left out itself takes nothing else with it, and plates that hardly touch are two.
    assert [c.rejected for c in without_parts([first, again, third])][2] is None
    assert [c.rejected for c in without_parts([first, beside])] == [None, None]


def test_of_two_that_are_as_sure_the_larger_stays(reading) -> None:
    """The scores of a quantised detector are often equal."""
    whole = PlateCandidate(Box(10, 10, 70, 50), 0.9, reading("BB751BH"))
    line = PlateCandidate(Box(12, 31, 68, 51), 0.9, reading("XY7"))
    assert [c.rejected for c in without_parts([line, whole])] == ["the plate BB751BH once more", None]
