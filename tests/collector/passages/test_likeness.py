import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.passages.likeness import LIKELY, prepare, same_plate


def read(text: str, p: float = 0.98, unsure: dict[int, list[tuple[str, float]]] | None = None) -> object:
    """A read of ``text``: each character with ``p``, the rest on one neighbour, but for the slots in ``unsure``."""
    slots = [[(character, p), ("X" if character != "X" else "K", (1 - p) / 2)] for character in text]
    for at, slot in (unsure or {}).items():
        slots[at] = slot
    return prepare(slots)


def test_the_same_text_read_well_is_the_same_plate() -> None:
    assert same_plate(read("7ABC123"), read("7ABC123")) > 0.99


def test_unlike_plates_are_not() -> None:
    assert same_plate(read("7ABC123"), read("KGV5501")) == 0.0


@pytest.mark.parametrize("other", ["7ABC124", "1ABC123", "7ABD123"])
def test_two_cars_whose_plates_differ_in_one_character_that_both_reads_are_sure_of_are_told_apart(other: str) -> None:
    assert same_plate(read("7ABC123", 0.99), read(other, 0.99)) == 0.0


def test_a_doubtful_character_does_not_part_two_reads_of_one_plate() -> None:
    doubtful = read("7ABC12B", unsure={6: [("B", 0.5), ("3", 0.45)]})
    assert same_plate(read("7ABC123"), doubtful) >= LIKELY


def test_many_slots_in_doubt_that_agree_are_still_one_plate() -> None:
    assert same_plate(read("7ABC123", 0.6), read("7ABC123", 0.6)) >= LIKELY


def test_zero_and_o_one_and_i_are_taken_for_one_another() -> None:
    assert same_plate(read("O1ABC"), read("0IABC")) > 0.95


@pytest.mark.parametrize("longer", ["17ABC123", "7ABC1123", "7ABC1231"])
def test_one_character_too_many_is_forgiven_where_the_rest_agrees(longer: str) -> None:
    assert same_plate(read("7ABC123", 0.995), read(longer, 0.995)) >= LIKELY
    assert same_plate(read("7ABC123", 0.995), read(f"{longer}9", 0.995)) == 0.0
    assert same_plate(read("7ABC12K", 0.995), read(longer, 0.995)) == 0.0


def test_slots_without_a_character_do_not_count() -> None:
    padded = prepare([*([(character, 0.99)] for character in "7ABC"), [("_", 0.99), ("1", 0.01)]])
    assert same_plate(read("7ABC", 0.99), padded) > 0.95


def test_nothing_read_is_like_nothing() -> None:
    assert same_plate(prepare([]), prepare([])) == same_plate(prepare([[]]), read("A")) == 0.0


plates = st.lists(
    st.lists(
        st.tuples(st.sampled_from("ABC012_O"), st.floats(0, 1)), min_size=1, max_size=5, unique_by=lambda pair: pair[0]
    ).map(
        lambda some: [(character, p / max(1, sum(q for _, q in some))) for character, p in some]
    ),
    max_size=8,
).map(prepare)  # fmt: skip


@given(plates, plates)
def test_it_is_a_probability_and_the_same_from_either_side(one: object, other: object) -> None:
    p = same_plate(one, other)
    assert 0 <= p <= 1
    assert p == 0 or p >= LIKELY
    assert same_plate(other, one) == pytest.approx(p)
