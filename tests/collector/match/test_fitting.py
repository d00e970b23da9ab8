"""P of a pattern against a brute-force reference: every way to spell every string of a few slots."""

import itertools
import re
from functools import cache

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from collector.match import patterns
from collector.match.fitting import Patterns, likeliest
from collector.match.packing import SPELLED
from collector.match.patterns import PatternError, parse
from collector.match.posterior import Posterior
from collector.match.records import ListedPlate

CHARACTERS = "_AB0"
CODES = [SPELLED.index(character) for character in CHARACTERS]
PIECES = st.sampled_from(["A", "B", "0", "?", "*", "*", "[AB]", "[0-9]", "[A-O]"])
WRITTEN = st.lists(PIECES, min_size=2, max_size=7).map("".join)
WEIGHTS = st.lists(st.integers(0, 20), min_size=len(CODES), max_size=len(CODES)).filter(any)


def listed(*texts: str) -> list[ListedPlate]:
    return [ListedPlate(number, "l", text, None, is_pattern=True) for number, text in enumerate(texts, start=1)]


def expression(text: str) -> re.Pattern[str]:
    """The same as a regular expression, over plates with O as 0."""
    written = "".join({"?": ".", "*": ".*"}.get(part, part) for part in re.findall(r"\[[^]]*\]|.", text))
    return re.compile(re.sub(r"A-O", "A-NO", written).replace("O", "0"))


@st.composite
def posteriors(draw: st.DrawFn) -> Posterior:
    reads, slots = draw(st.integers(1, 3)), draw(st.integers(0, 5))
    p = np.zeros((reads, slots, len(SPELLED)))
    for read, slot in itertools.product(range(reads), range(slots)):
        weights = np.array(draw(WEIGHTS), np.float64)
        p[read, slot, CODES] = weights / weights.sum()
    none = np.array([draw(st.sampled_from([0.0, 0.1])) for _ in range(reads)])
    return Posterior(p, none)


@cache
def ways(slots: int) -> list[tuple[tuple[int, ...], str]]:
    return [(way, "".join(SPELLED[code] for code in way if code)) for way in itertools.product(CODES, repeat=slots)]


def of_every_way(posterior: Posterior, read: int, written: str) -> list[float]:
    fits, slots = expression(written), posterior.p[read]
    return [
        float((1 - posterior.none[read]) * np.prod(slots[range(len(slots)), way]))
        for way, text in ways(len(slots))
        if fits.fullmatch(text)
    ]


@given(posteriors(), st.lists(WRITTEN, max_size=4), st.sampled_from([0.0, 0.001, 0.3]))
@settings(max_examples=40, deadline=None)
def test_it_is_the_sum_over_every_string_that_the_pattern_fits(
    posterior: Posterior, texts: list[str], least: float
) -> None:
    standing = Patterns(listed(*texts))
    likely = standing.likely(posterior, least)
    found = {(r, n): p for r, n, p in zip(*(each.tolist() for each in likely), strict=True)}
    assert sorted(found) == list(found)
    for read in range(len(posterior.p)):
        alone = standing.likely(posterior.some([read]), least)
        assert dict(zip(alone.pattern.tolist(), alone.p.tolist(), strict=True)) == {
            number: p for (of, number), p in found.items() if of == read
        }
        for number, one in enumerate(standing.entries):
            expected = sum(of_every_way(posterior, read, one.plate))
            if (read, number) in found:
                assert found[read, number] == pytest.approx(expected, abs=1e-12)
                assert found[read, number] >= least
            else:
                assert expected < least + 1e-12


@given(posteriors(), WRITTEN)
@settings(max_examples=40, deadline=None)
def test_the_likeliest_plate_is_the_one_of_the_likeliest_way(posterior: Posterior, written: str) -> None:
    try:
        pattern = parse(written)
    except PatternError:
        assume(False)
    best = max(of_every_way(posterior, 0, pattern.text), default=0.0)
    plate, places = likeliest(posterior, 0, pattern)
    assert bool(plate) == (best > 0)
    if plate:
        assert pattern.matches(plate)
        assert [place for place in places if place >= 0] == list(range(len(plate)))
        way = [SPELLED.index(plate[place]) if place >= 0 else 0 for place in places]
        found = (1 - posterior.none[0]) * np.prod(posterior.p[0][range(len(way)), way])
        assert found == pytest.approx(best, rel=1e-9)


def sure(text: str) -> Posterior:
    p = np.zeros((1, len(text), len(SPELLED)))
    p[0, range(len(text)), [SPELLED.index(character) for character in text]] = 1.0
    return Posterior(p, np.zeros(1))


def test_a_string_that_fits_in_many_ways_counts_once() -> None:
    for written in ("*AB*", "*A*B*", "*A?B*", "*A*A*B*"):
        assert Patterns(listed(written)).likely(sure("ABABAABB"), 0.5).p.tolist() == [1.0]


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
    found = standing.likely(sure("7A499X"), 0.5)
    assert [
        (standing.entries[at].plate, p) for at, p in zip(found.pattern.tolist(), found.p.tolist(), strict=True)
    ] == [("7A499*", 1.0)]


def test_stars_cost_no_more_than_letters() -> None:
    # Backtracking would take longer than anybody waits.
    written = "*A*A*A*A*A*A*A*A*A*A*B"
    assert not parse(written).matches("A" * 12)
    assert not len(Patterns(listed(written)).likely(sure("A" * 16), 0.5).p)
    assert Patterns(listed(written)).likely(sure("A" * 15 + "B"), 0.5).p.tolist() == [1.0]
