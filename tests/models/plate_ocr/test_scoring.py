"""Counting what was read right, and what was taken for what."""

import pytest

from models.plate_ocr.scoring import aligned, confusions, mistaken, recall, shares, wilson


def test_zero_and_o_are_one_only_where_asked() -> None:
    assert shares(["AB0", "AB1"], ("ABO", "AB1")) == (1, 2)


@pytest.mark.parametrize(
    ("read", "text", "pairs"),
    [
        ("7Q", "7O", [("7", "7"), ("O", "Q")]),
        ("ABX", "AB", [("A", "A"), ("B", "B"), ("", "X")]),
        ("AC", "ABC", [("A", "A"), ("B", ""), ("C", "C")]),
        ("", "A", [("A", "")]),
    ],
)
def test_characters_are_paired_by_the_fewest_edits(read: str, text: str, pairs: list[tuple[str, str]]) -> None:
    assert aligned(read, text) == pairs


def test_a_character_silently_worse_shows_in_its_recall_and_in_what_it_is_read_as() -> None:
    counted = confusions(["0123", "Q7"], ("Q123", "QZ"))

    assert recall(counted, "Q") == 0.5
    assert mistaken(counted, "Q") == [("0", 1)]
    assert mistaken(counted, "Z") == [("7", 1)]
    assert recall(counted, "Z") == 0.0


def test_the_interval_is_wilsons() -> None:
    low, high = wilson(90, 111)

    assert low == pytest.approx(0.728, abs=0.001)
    assert high == pytest.approx(0.873, abs=0.001)
    assert wilson(0, 0) == (0.0, 1.0)
