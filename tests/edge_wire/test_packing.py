"""Packed probabilities stay close near zero and near one; ranges and slots come back."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_wire.packing import (
    pack_log_odds,
    pack_ranges,
    pack_slots,
    ranges_of,
    unpack_log_odds,
    unpack_ranges,
    unpack_slots,
)


def odds(p: float) -> float:
    return math.log(p / (1 - p))


@given(st.floats(0.0005, 0.9999))
def test_odds_are_off_by_at_most_three_and_a_half_percent(p: float) -> None:
    assert abs(odds(unpack_log_odds(pack_log_odds(p))) - odds(p)) <= math.log(1.035)


def test_never_and_certainly_are_exact() -> None:
    assert unpack_log_odds(pack_log_odds(0.0)) == 0
    assert unpack_log_odds(pack_log_odds(1.0)) == 1


@given(st.integers(0, 255))
def test_every_byte_comes_back(byte: int) -> None:
    assert pack_log_odds(unpack_log_odds(byte)) == byte


def test_a_slot_keeps_five_candidates_of_two_thousandths() -> None:
    slot = [("A", 0.5), ("B", 0.3), ("C", 0.1), ("D", 0.05), ("E", 0.04), ("F", 0.005), ("G", 0.001)]
    [kept] = unpack_slots(pack_slots([slot]))
    assert [character for character, _ in kept] == list("ABCDE")
    [kept] = unpack_slots(pack_slots([[("A", 0.998), ("B", 0.0019)]]))
    assert [character for character, _ in kept] == ["A"]


def test_the_likeliest_is_kept_however_unlikely() -> None:
    [kept] = unpack_slots(pack_slots([[("A", 0.001)]]))
    assert kept[0][0] == "A"


@pytest.mark.parametrize("character", ["", "AB", " ", "Ä", "\n"])
def test_characters_outside_printable_ascii_are_refused(character: str) -> None:
    with pytest.raises(ValueError, match="ASCII"):
        pack_slots([[(character, 0.5)]])


@given(st.sets(st.integers(1, 10_000)))
def test_ranges_name_exactly_their_sequences(sequences: set[int]) -> None:
    runs = unpack_ranges(pack_ranges(ranges_of(sequences)))
    assert {s for first, last in runs for s in range(first, last + 1)} == sequences
    assert all(after[0] > before[1] + 1 for before, after in pairwise(runs))


@pytest.mark.parametrize("ranges", [[(0, 1)], [(5, 4)], [(1, 3), (3, 4)], [(5, 6), (1, 2)]])
def test_ranges_that_do_not_ascend_are_refused(ranges: list[tuple[int, int]]) -> None:
    with pytest.raises(ValueError, match="ascending"):
        pack_ranges(ranges)
