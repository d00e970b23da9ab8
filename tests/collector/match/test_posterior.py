"""The posterior against a brute-force reference: every way to spell every string of a few slots."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.match.alignment import align, codes_of
from collector.match.packing import SPELLED
from collector.match.parameters import packaged_parameters
from collector.match.posterior import LEAST, Posterior, Slots, calibrated, shown
from collector.match.records import Place


@st.composite
def slots_of_a_read(draw: st.DrawFn, alphabet: str = "AB8D0O_", most: int = 4) -> Slots:
    slots = []
    for _ in range(draw(st.integers(1, most))):
        characters = draw(st.lists(st.sampled_from(alphabet), min_size=1, max_size=4, unique=True))
        weights = [draw(st.integers(1, 100)) for _ in characters]
        told = draw(st.sampled_from([1.0, 0.999, 0.9, 0.5]))
        total = sum(weights)
        slots.append(tuple((c, told * w / total) for c, w in zip(characters, weights, strict=True)))
    return tuple(slots)


def posterior(*reads: Slots) -> Posterior:
    return Posterior.of(shown(reads), packaged_parameters())


def by_brute_force(of: Posterior, read: int, slots: int) -> dict[str, float]:
    """Every string with its probability: all ways through the slots, summed."""
    found: dict[str, float] = {}
    likely = [[code for code in range(36) if of.p[read, at, code] > 1e-6] for at in range(slots)]
    for way in itertools.product(*likely):
        p = (1 - of.none[read]) * math.prod(float(of.p[read, at, code]) for at, code in enumerate(way))
        text = "".join(SPELLED[code] for code in way if code)
        found[text] = found.get(text, 0.0) + p
    return found


@given(slots_of_a_read(most=3))
@settings(max_examples=15, deadline=None)
def test_what_is_spelled_is_what_brute_force_finds(slots: Slots) -> None:
    of = posterior(slots)
    reference = by_brute_force(of, 0, len(slots))
    spelled = dict(of.spelled().likeliest(10**6).get(0, []))
    for text, p in reference.items():
        if text and p >= 10 * LEAST:
            assert spelled[text] == pytest.approx(p, rel=0.3)
        if text and codes_of(text):
            assert of.probability(0, codes_of(text)) == pytest.approx(p, rel=1e-2, abs=1e-5)


@given(slots_of_a_read())
@settings(max_examples=15, deadline=None)
def test_all_strings_together_are_at_most_certain(slots: Slots) -> None:
    of = posterior(slots)
    assert of.p.sum(axis=2) == pytest.approx(np.ones(of.p.shape[:2]))
    assert of.spelled().p.sum() <= 1 - of.none[0] + 1e-9
    assert 0 < of.none[0] < 1


@given(st.lists(slots_of_a_read(), min_size=1, max_size=5))
@settings(max_examples=15, deadline=None)
def test_a_read_is_the_same_by_itself_and_in_a_batch(reads: list[Slots]) -> None:
    together = posterior(*reads)
    spelled = together.spelled()
    for at, slots in enumerate(reads):
        alone = posterior(slots)
        assert alone.spelled().likeliest(5).get(0, []) == spelled.likeliest(5).get(at, [])
        assert alone.probability(0, codes_of("AB")) == together.probability(at, codes_of("AB"))


def test_o_and_0_are_one_character() -> None:
    of = posterior(((("O", 0.5), ("0", 0.5)), (("A", 1.0),)))
    assert of.probability(0, codes_of("OA")) == of.probability(0, codes_of("0A")) > 0.9


def test_a_character_too_many_has_its_own_small_probability() -> None:
    """A bolt read as 1: the slots are sure, and the plate without it is still a little likely."""
    sure = tuple(((character, 1.0),) for character in "7ABC1231")
    blurred = tuple(((character, 0.9),) for character in "7ABC1231")
    of = posterior(sure, blurred)
    assert 1e-7 < of.probability(0, codes_of("7ABC123")) < 1e-4 < of.probability(1, codes_of("7ABC123")) < 0.1
    # A character that nobody has seen is likelier where the camera doubts one than where it does not.
    doubtful = (*sure[:-1], (("_", 0.7), ("1", 0.3)))
    assert posterior(doubtful).probability(0, codes_of("7ABC123")) > 0.5


def test_what_is_missing_goes_to_what_the_likeliest_character_is_taken_for() -> None:
    of = posterior(((("D", 0.9),), (("A", 1.0),)))
    assert of.probability(0, codes_of("0A")) > 10 * of.probability(0, codes_of("XA"))


def test_the_more_doubt_the_likelier_is_none_of_these() -> None:
    sure = tuple((("A", 1.0),) for _ in range(6))
    blurred = tuple((("A", 0.3), ("4", 0.2), ("X", 0.2)) for _ in range(6))
    both = posterior(sure, blurred)
    assert both.none[0] < 0.01 < both.none[1]


def test_a_doubtful_read_is_believed_more_than_it_says() -> None:
    slot = (("A", 0.6), ("B", 0.4))
    sure = (slot, *((("7", 1.0),) for _ in range(5)))
    blurred = (slot, *((("7", 0.5), ("1", 0.3), ("Z", 0.2)) for _ in range(5)))
    both = posterior(sure, blurred)
    a, b = (SPELLED.index(character) for character in "AB")
    assert both.p[1, 0, a] / both.p[1, 0, b] > both.p[0, 0, a] / both.p[0, 0, b]


def test_odd_slots_are_no_trouble() -> None:
    of = posterior((), (("?", 0.5), ("É", 0.2), ("AB", 0.1), ("a", 0.2)) and ((("?", 0.5), ("a", 0.4)),), ((),))
    assert of.spelled().likeliest(3).get(0, []) == []
    assert of.probability(1, codes_of("A")) > 0.3
    assert of.spelled().likeliest(3).get(2, []) == []


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -0.1])
def test_what_is_no_probability_is_refused_by_name(wrong: float) -> None:
    good = (("A", 1.0),)
    with pytest.raises(ValueError, match=r"read 1, slot 2: got (nan|inf|-0.1) for 'B', expected a probability"):
        posterior((good, good), (good, (), (("A", 0.5), ("B", wrong)), good))


def test_strings_longer_than_a_key_are_left_out() -> None:
    of = posterior(tuple((("A", 0.6), ("_", 0.4)) for _ in range(14)))
    assert max(len(text) for text, _ in of.spelled().likeliest(10**6).get(0, [])) <= 12


def aligned(slots: Slots, plate: str) -> tuple[Place, ...]:
    of = posterior(slots)
    return align(of, 0, slots, plate, of.aligned(0, codes_of(plate)))


def test_an_alignment_shows_both_characters_with_their_probabilities() -> None:
    slots = ((("7", 0.99), ("1", 0.01)), (("O", 0.8), ("D", 0.15)), (("B", 0.7), ("8", 0.3)), (("1", 1.0),))
    places = aligned(slots, "708")
    assert [(p.read, p.entry, p.step) for p in places] == [
        ("7", "7", "same"),
        ("O", "0", "same"),
        ("B", "8", "other"),
        ("1", "", "extra"),
    ]
    assert places[2].read_p > 0.2 < places[2].entry_p
    places = aligned((*slots[:3], (("_", 0.9), ("2", 0.1))), "70B2")
    assert (places[-1].read, places[-1].entry, places[-1].step) == ("", "2", "missing")
    assert aligned(slots, "7ABC123") == ()


def test_raw_slots_are_calibrated_as_devices_do() -> None:
    reference = packaged_parameters().calibrations[0]
    (slots,) = calibrated([((("A", 0.9), ("4", 0.09)), (("B", 1.0),))], reference)
    assert [character for character, _ in slots[0]] == ["A", "4"]
    # A temperature above 1 makes what is likeliest less sure.
    assert slots[0][0][1] < 0.9 < 0.99 < slots[1][0][1] < 1
