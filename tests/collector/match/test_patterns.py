import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from collector.match.patterns import PatternError, parse

PLATES = st.text("0O1AB7", max_size=12)
PIECES = st.sampled_from(["A", "B", "7", "O", "0", "?", "*", "[AB]", "[0-9]", "[A-O7]", "[O]"])
WRITTEN = st.lists(PIECES, max_size=8).map("".join)


def expression(text: str) -> re.Pattern[str]:
    """The same as a regular expression, over plates with O as 0."""
    written = "".join({"?": ".", "*": ".*"}.get(part, part) for part in re.findall(r"\[[^]]*\]|.", text))
    written = re.sub(r"A-O", "A-NO", written).replace("O", "0")
    return re.compile(written)


@pytest.mark.parametrize(
    ("text", "fits", "fits_not"),
    [
        ("7AB?1*", ["7ABC1", "7AB11", "7ABX1ZZZ"], ["7AB1", "7ABC2", "X7ABC1"]),
        ("*42", ["42", "A42", "ABCDEFGHIJ42"], ["421", "A4", "É42", ""]),
        ("4*2", ["42", "4ABC2"], ["4", "A42"]),
        ("7[AB8]C[0-9]", ["7AC1", "78C9"], ["7CC1", "7ACA"]),
        ("0ab-o 1", ["OAB01", "0AB01"], ["0AB1"]),
        ("[N-P]A1", ["0A1", "OA1", "NA1", "PA1"], ["MA1", "1A1"]),
    ],
)
def test_a_pattern_fits_what_a_witness_means(text: str, fits: list[str], fits_not: list[str]) -> None:
    pattern = parse(text)
    assert [pattern.matches(plate) for plate in fits] == [True] * len(fits)
    assert [pattern.matches(plate) for plate in fits_not] == [False] * len(fits_not)


@given(WRITTEN, st.lists(PLATES, max_size=20))
def test_it_fits_what_regular_expressions_fit(text: str, plates: list[str]) -> None:
    try:
        pattern = parse(text)
    except PatternError:
        assume(False)
    fits = expression(pattern.text)
    assert [pattern.matches(plate) for plate in plates] == [
        bool(fits.fullmatch(plate.replace("O", "0"))) for plate in plates
    ]


@given(WRITTEN)
def test_what_is_kept_of_a_pattern_means_the_same(text: str) -> None:
    try:
        pattern = parse(text)
    except PatternError:
        assume(False)
    again = parse(pattern.text)
    assert again == pattern


@pytest.mark.parametrize(
    ("text", "where", "expected"),
    [
        ("7A[BC", "character 3", "] behind its characters"),
        ("7A[]1", "character 4", "the characters that may stand there"),
        ("7A[9-0]1", "character 4", "a range that ascends"),
        ("7A[A-9]1", "character 4", "a range that ascends"),
        ("7A[B-]1", "character 4", "a range that ascends"),
        ("7A[?]1", "character 4", "a letter A-Z or a digit within a class"),
        ("7A%1", "character 3", "a letter A-Z, a digit, ?, * or a class"),
        ("7Ä1", "character 2", "a letter A-Z, a digit, ?, * or a class"),
        ("7A]1", "character 3", "a letter A-Z, a digit, ?, * or a class"),
        ("A" * 25, "25 characters", "at most 24"),
        ("A" * 13, "13 characters", "at most 12"),
        ("", "0.0 fixed characters", "at least 2"),
        ("*", "0.0 fixed characters", "at least 2"),
        ("7*?????", "1.0 fixed characters", "at least 2"),
        ("7[0-9]*", "1.4 fixed characters", "at least 2"),
    ],
)
def test_what_is_no_pattern_is_refused_with_place_and_reason(text: str, where: str, expected: str) -> None:
    with pytest.raises(PatternError) as raised:
        parse(text)
    assert where in str(raised.value)
    assert expected in str(raised.value)
