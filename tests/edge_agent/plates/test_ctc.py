from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edge_agent.plates.ctc import MOST_SLOTS, likelihood, slots_of

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_"
BLANK = ALPHABET.index("_")


def brute_force(columns: np.ndarray, blank: int) -> dict[tuple[int, ...], float]:
    """The probability of every text that (columns, alphabet) can write, by every path there is."""
    texts: dict[tuple[int, ...], float] = {}
    for path in product(range(columns.shape[1]), repeat=len(columns)):
        kept = [c for c, before in zip(path, (None, *path), strict=False) if c not in (before, blank)]
        written = tuple(kept)
        probability = float(np.prod([column[c] for column, c in zip(columns, path, strict=True)]))
        texts[written] = texts.get(written, 0.0) + probability
    return texts


def text_of(slots: np.ndarray, blank: int) -> tuple[int, ...]:
    return tuple(int(best) for best in slots.argmax(axis=1) if best != blank)


def written(text: str, sure: float = 0.95) -> np.ndarray:
    """(columns, alphabet): each column surely shows its character, ``_`` for none."""
    out = np.full((len(text), len(ALPHABET)), (1 - sure) / (len(ALPHABET) - 1), np.float32)
    for column, character in zip(out, text, strict=True):
        column[ALPHABET.index(character)] = sure
    return out


def shown(slots: np.ndarray) -> str:
    return "".join(ALPHABET[best] for best in slots.argmax(axis=1))


def alone(columns: np.ndarray) -> np.ndarray:
    return slots_of(columns[None], np.ones(1), blank=BLANK)


small_columns = st.tuples(st.integers(1, 3), st.integers(1, 5)).flatmap(
    lambda size: hnp.arrays(np.float64, (*size, 3), elements=st.floats(1e-3, 1.0))
)


@given(small_columns, st.integers(0, 2), st.integers(1, 4))
def test_slots_hold_the_exact_probabilities_of_all_near_texts(raw, blank: int, most: int) -> None:
    columns = raw / raw.sum(axis=-1, keepdims=True)
    weights = np.arange(1.0, len(columns) + 1)
    weights /= weights.sum()
    slots = slots_of(columns.astype(np.float32), weights, blank=blank, most=most)
    assert slots.dtype == np.float32
    assert 1 <= len(slots) <= MOST_SLOTS
    assert slots.sum(axis=1) == pytest.approx(1, abs=1e-5)
    # Each crop's own chance of every text, and their mean.
    each = [brute_force(crop, blank) for crop in columns]
    mean = {text: float(weights @ [texts.get(text, 0.0) for texts in each]) for text in set().union(*each)}
    text = text_of(slots, blank)
    assert len(text) <= most
    same = mean[text]
    place = 0
    for row in slots:
        if row.argmax() == blank:  # a gap: what one character more would make of the text
            one_more = {c: (*text[:place], c, *text[place:]) for c in range(3) if c != blank}
            expected = {c: mean.get(longer, 0.0) for c, longer in one_more.items()}
            if place and text[place - 1] in expected:
                expected[text[place - 1]] = 0.0  # told in the gap before
            expected[blank] = same
        else:
            others = {c: (*text[:place], c, *text[place + 1 :]) for c in range(3) if c != blank}
            expected = {c: mean.get(other, 0.0) for c, other in others.items()}
            run = 1 + sum(1 for step in (-1, 1) for _ in neighbours(text, place, step))
            expected[blank] = mean.get(text[:place] + text[place + 1 :], 0.0) / run
            place += 1
        for c, probability in expected.items():
            assert row[c] == pytest.approx(probability / sum(expected.values()), abs=1e-4)


def neighbours(text: tuple[int, ...], place: int, step: int) -> list[int]:
    """Places beside ``place`` that hold the same character without a break."""
    found = []
    at = place + step
    while 0 <= at < len(text) and text[at] == text[place]:
        found.append(at)
        at += step
    return found


@given(small_columns, st.integers(0, 2))
def test_no_single_edit_of_the_text_is_likelier(raw, blank: int) -> None:
    columns = raw / raw.sum(axis=-1, keepdims=True)
    weights = np.full(len(columns), 1 / len(columns))
    text = text_of(slots_of(columns.astype(np.float32), weights, blank=blank), blank)
    best = float(likelihood(columns, text, blank) @ weights)
    edits = [text[:i] + text[i + 1 :] for i in range(len(text))]
    edits += [(*text[:i], c, *text[i + 1 :]) for i in range(len(text)) for c in range(3) if c != blank]
    edits += [(*text[:i], c, *text[i:]) for i in range(len(text) + 1) for c in range(3) if c != blank]
    for edit in edits:
        assert float(likelihood(columns, edit, blank) @ weights) <= best * (1 + 1e-5)


def test_a_likelihood_is_the_sum_over_all_paths() -> None:
    columns = np.random.default_rng(3).dirichlet(np.full(3, 0.5), size=6)
    for text, probability in brute_force(columns, 2).items():
        assert likelihood(columns[None], text, 2)[0] == pytest.approx(probability)


def test_sure_columns_are_sure_slots() -> None:
    slots = alone(written("_AA_B__B_7_", sure=0.999))
    assert shown(slots).replace("_", "") == "ABB7"
    assert slots.max(axis=1).prod() > 0.9


def test_a_character_that_is_hardly_there_may_be_none() -> None:
    columns = written("_A_B_C_", sure=0.999)
    columns[3, [ALPHABET.index("B"), BLANK]] = 0.6, 0.398
    slots = alone(columns / columns.sum(axis=1, keepdims=True))
    middle = slots[[shown(slots).index("B")]][0]
    assert shown(slots).replace("_", "") == "ABC"
    assert middle[BLANK] == pytest.approx(0.4, abs=0.02)


def test_a_character_that_may_be_there_has_a_slot_in_its_place() -> None:
    columns = written("_A_B_C_", sure=0.999)
    columns[3, [ALPHABET.index("B"), BLANK]] = 0.3, 0.698
    slots = alone(columns / columns.sum(axis=1, keepdims=True))
    assert shown(slots) == "A_C"
    assert slots[1, ALPHABET.index("B")] == pytest.approx(0.3, abs=0.02)


def test_a_doubled_character_in_doubt_is_counted_once() -> None:
    """Either of the two may be the one too many; the chance that there is one is told once, not twice."""
    columns = written("_A_A_C_", sure=0.999)
    columns[2, [ALPHABET.index("A"), BLANK]] = 0.3, 0.698
    slots = alone(columns / columns.sum(axis=1, keepdims=True))
    assert shown(slots).replace("_", "") == "AAC"
    first, second = slots[:2, BLANK]
    assert first * (1 - second) + second * (1 - first) == pytest.approx(0.3, abs=0.03)


def test_an_empty_picture_has_one_empty_slot() -> None:
    slots = alone(written("______", sure=0.99))
    assert shown(slots) == "_"


def test_the_longest_texts_are_shortened_to_what_a_plate_may_have() -> None:
    columns = written("1_2_3_4_5_6_7_8_9_A_B_C_D_E", sure=0.9)
    columns[6, ALPHABET.index("4")] = 0.4
    columns /= columns.sum(axis=1, keepdims=True)
    slots = slots_of(columns[None], np.ones(1), blank=BLANK, most=10)
    assert len(slots) == 10
    assert BLANK not in slots.argmax(axis=1)
    assert "4" not in shown(slots)


def test_crops_that_disagree_on_the_length_keep_both() -> None:
    long, short = written("_A_B_C_", sure=0.99), written("_A___C_", sure=0.99)
    slots = slots_of(np.stack([long, short]), np.array([0.6, 0.4]), blank=BLANK)
    assert shown(slots).replace("_", "") == "ABC"
    assert slots[shown(slots).index("B"), BLANK] == pytest.approx(0.4, abs=0.05)


def test_columns_that_are_impossible_together_are_read_all_the_same() -> None:
    columns = np.zeros((3, 5, 4), np.float32)
    columns[0, :, 0] = columns[1, :, 1] = columns[2, :, 3] = 1.0
    slots = slots_of(columns, np.full(3, 1 / 3), blank=3)
    assert np.isfinite(slots).all()
    assert slots.sum(axis=1) == pytest.approx(1)
