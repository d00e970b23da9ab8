import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from collector.match import packing, patterns
from collector.match.patterns import PatternError, Patterns, parse
from collector.match.records import ListedPlate

PLATES = st.text("0O1AB7", max_size=12)
PIECES = st.sampled_from(["A", "B", "7", "O", "0", "?", "*", "[AB]", "[0-9]", "[A-O7]", "[O]"])
WRITTEN = st.lists(PIECES, max_size=8).map("".join)


def listed(*texts: str) -> list[ListedPlate]:
    return [ListedPlate(number, "l", text, None, is_pattern=True) for number, text in enumerate(texts, start=1)]


def expression(text: str) -> re.Pattern[str]:
    """The same as a regular expression, over plates with O as 0."""
    written = "".join({"?": ".", "*": ".*"}.get(part, part) for part in re.findall(r"\[[^]]*\]|.", text))
    written = re.sub(r"A-O", "A-NO", written).replace("O", "0")
    return re.compile(written)


@pytest.mark.parametrize(
    ("text", "fits", "fits_not"),
    [
        ("7AB?1*", ["7ABC1", "7AB11", "7ABX1ZZZ"], ["7AB1", "7ABC2", "X7ABC1"]),
        ("*42", ["42", "A42", "ABCDEFGHIJ42"], ["421", "A4"]),
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


@given(st.lists(WRITTEN, max_size=4), st.lists(PLATES, max_size=20))
def test_it_finds_what_regular_expressions_find(texts: list[str], plates: list[str]) -> None:
    standing = Patterns(listed(*texts))
    assert len(standing) + len(standing.refused) == len(texts)
    which, pattern = standing.matching(packing.pack(plates))
    got = [
        (plates[at], standing.entries[number].plate)
        for at, number in zip(which.tolist(), pattern.tolist(), strict=True)
    ]
    assert got == [
        (plate, one.plate)
        for plate in plates
        for one in standing.entries
        if plate and expression(one.plate).fullmatch(plate.replace("O", "0"))
    ]


@given(WRITTEN)
def test_what_is_kept_of_a_pattern_means_the_same(text: str) -> None:
    try:
        pattern = parse(text)
    except PatternError:
        assume(False)
    again = parse(pattern.text)
    assert again == pattern


FITTING = {"?": "X", "*": "71", "[AB]": "B", "[0-9]": "4", "[A-O7]": "M", "[O]": "0"}


@given(st.lists(PIECES, max_size=7).map(lambda pieces: ["7", "A", *pieces]), st.integers(0, 3), st.data())
def test_a_plate_with_errors_is_within_as_many(pieces: list[str], errors: int, data: st.DataObject) -> None:
    standing = Patterns(listed("".join(pieces)))
    plate = "".join(FITTING.get(piece, piece) for piece in pieces)
    assume(len(plate) <= packing.LONGEST and len(standing))
    assert standing.within([plate], 0)[0]
    for _ in range(errors):
        at = data.draw(st.integers(0, len(plate)))
        kind = data.draw(st.sampled_from(["other", "extra", "missing"]))
        between = "" if kind == "missing" else data.draw(st.sampled_from("XYZ12"))
        plate = plate[:at] + between + plate[at if kind == "extra" else at + 1 :]
    assert not plate or standing.within([plate], errors)[0]


def test_within_tells_reads_that_need_not_be_looked_at() -> None:
    standing = Patterns(listed("7ABC1*", "*9942"))
    texts = ["7ABC123", "7A8C123", "7XXC123", "11142", "QQQ9942", "Ä", ""]
    assert standing.within(texts, 0).tolist() == [True, False, False, False, True, True, False]
    assert standing.within(texts, 1).tolist() == [True, True, False, False, True, True, False]
    assert standing.within(texts, 2).tolist() == [True, True, True, True, True, True, False]


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


def test_a_broken_entry_does_not_keep_the_others_from_being_looked_for() -> None:
    standing = Patterns(listed("7A[", "7AB*"))
    assert [one.plate for one in standing.entries] == ["7AB*"]
    assert [(one.plate, reason.partition(": ")[2]) for one, reason in standing.refused] == [
        ("7A[", "character 3: got a class without its end, expected ] behind its characters")
    ]


def test_the_first_ones_are_looked_for_when_there_are_too_many() -> None:
    standing = Patterns(list(reversed(listed(*(f"7A{number:03}*" for number in range(patterns.MOST + 2))))))
    assert len(standing) == patterns.MOST
    assert [one.entry_id for one, _ in standing.refused] == [patterns.MOST + 1, patterns.MOST + 2]
    which, number = standing.matching(packing.pack(["7A499X"]))
    assert [standing.entries[at].plate for at in number.tolist()] == ["7A499*"]
    assert which.tolist() == [0]


def test_stars_cost_no_more_than_letters() -> None:
    # Backtracking would take longer than anybody waits.
    pattern = parse("*A*A*A*A*A*A*A*A*A*A*B")
    assert not pattern.matches("A" * 12)
