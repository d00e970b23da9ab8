from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edge_agent.plates.voting import FRAME_CORRELATION, MIN_READABILITY, Vote, is_readable, lowered, readability
from edge_agent.records import Box, PlateCandidate, PlateMark, Reading


def look(reading: Reading, width_px: int) -> PlateCandidate:
    return PlateCandidate(Box(0, 0, width_px, width_px // 2), 0.8, reading)


def test_a_single_frame_comes_out_as_it_went_in(reading) -> None:
    vote, one = Vote(), reading("ABC123", 0.9)
    vote.add(look(one, 80))
    assert vote.fused() is one
    assert vote.frames == 1


def test_the_majority_corrects_a_misread(reading) -> None:
    vote = Vote()
    for text in ("ABC123", "A8C123", "ABC123"):
        vote.add(look(reading(text, 0.9), 80))
    best = vote.fused().probabilities.max(axis=1)
    assert vote.fused().text == "ABC123"
    assert best[1] < 0.9 < best[0]


def test_near_frames_outweigh_far_ones(reading) -> None:
    """pains-01: the first, farthest read does not win."""
    vote = Vote()
    vote.add(look(reading("A8C123", 0.9), 30))
    vote.add(look(reading("ABC123", 0.9), 90))
    assert vote.fused().text == "ABC123"


def test_agreement_raises_confidence_but_not_beyond_two_looks(reading) -> None:
    vote, single = Vote(), reading("ABC123", 0.9)
    confidences = []
    for _ in range(200):
        vote.add(look(single, 80))
        confidences.append(vote.fused().confidence)
    assert confidences == sorted(confidences)
    independent = single.probabilities.astype(float) ** (1 / FRAME_CORRELATION)
    independent /= independent.sum(axis=1, keepdims=True)
    assert confidences[-1] <= float(np.prod(independent.max(axis=1))) + 1e-6


def test_an_inserted_character_does_not_shift_the_vote(reading) -> None:
    vote = Vote()
    for text in ("ABC123", "AABC123", "ABC123", "ABC123"):
        vote.add(look(reading(text, 0.95), 80))
    assert vote.fused().text == "ABC123"
    assert vote.frames == 3
    # A quarter of the evidence says another length; the confidence tells.
    assert 0.6 < vote.fused().confidence < 0.85


def with_gap(reading: Reading, at: int, character: str, sure: float) -> Reading:
    """``reading`` with a slot before the slot ``at`` that is empty, else ``character``."""
    gap = np.full(len(reading.alphabet), 1e-4)
    gap[[reading.alphabet.index(reading.pad), reading.alphabet.index(character)]] = sure, 1 - sure
    slots = np.insert(reading.probabilities, at, gap / gap.sum(), axis=0)
    return replace(reading, probabilities=slots.astype(np.float32))


def test_empty_slots_between_characters_shift_nothing(reading) -> None:
    """A doubt whether there is a character more, in one frame only, or in different places of two."""
    vote, plain = Vote(), reading("ABC123", 0.9, slots=6)
    for one in (with_gap(plain, 2, "B", 0.6), plain, with_gap(plain, 5, "3", 0.8), with_gap(plain, 2, "B", 0.7)):
        vote.add(look(one, 80))
    fused = vote.fused()
    assert fused.text == "ABC123"
    assert fused.probabilities.shape == (7, 37)
    doubtful = fused.probabilities[2]
    # Two of four frames saw it; the others did not find it worth a slot: less likely than in either, not impossible.
    assert 1e-4 < doubtful[fused.alphabet.index("B")] < 0.3
    assert doubtful.argmax() == fused.alphabet.index("_")


def test_an_empty_slot_that_all_frames_have_stays(reading) -> None:
    vote, plain = Vote(), reading("ABC123", 0.95, slots=6)
    for _ in range(3):
        vote.add(look(with_gap(plain, 6, "4", 0.6), 80))
    fused = vote.fused()
    assert len(fused.probabilities) == 7
    assert fused.probabilities[6, fused.alphabet.index("4")] > 0.2


def test_regions_are_averaged(reading) -> None:
    vote = Vote()
    vote.add(look(reading("ABC123"), 80))
    vote.add(look(reading("ABC123"), 80))
    assert vote.fused().regions == pytest.approx({"US": 0.9, "CA": 0.1})


def test_readability_looks_at_characters_only(reading) -> None:
    """pains-02, pains-08: empty slots, of which a network is sure on any texture, do not make a text."""
    assert readability(reading("ABC123", 0.9)) == pytest.approx(0.9)
    assert readability(reading("", 0.99)) == 0
    mostly_empty = reading("AB", 0.99)
    mostly_empty.probabilities[:2] = 1 / 37
    mostly_empty.probabilities[:2, 10] = 0.3
    assert readability(mostly_empty) == pytest.approx(0.3)
    assert not is_readable(mostly_empty)
    assert is_readable(reading("ABC123", MIN_READABILITY + 0.01))


def test_merged_votes_are_one_vote(reading) -> None:
    texts = ["ABC123", "A8C123", "ABC1234", "ABC123", "ABC12"]
    whole, first, second = Vote(), Vote(), Vote()
    for i, text in enumerate(texts):
        one = look(reading(text, 0.9 + i / 100), 60 + i)
        whole.add(one)
        (first if i < 2 else second).add(one)
    first.merge(second)
    assert np.allclose(first.fused().probabilities, whole.fused().probabilities)
    assert first.frames == whole.frames
    assert first.fused().regions == pytest.approx(whole.fused().regions)


def test_standing_for_long_does_not_outweigh_a_nearer_look(reading) -> None:
    """pains-04: a thousand looks at one blurred place against a few from nearer by."""
    vote = Vote()
    for i in range(1000):
        vote.add(look(reading("WJT338", 0.8), 80), i + 1)
    for i in range(30):
        vote.add(look(reading("VJT338", 0.95), 120), i % 4 + 1)
    assert vote.fused().text == "VJT338"


def test_marks_are_those_of_most_frames(reading) -> None:
    vote = Vote()
    assert vote.marks == frozenset()
    for marks in ({PlateMark.SMALL}, {PlateMark.SMALL, PlateMark.GLARE}, {PlateMark.GLARE}, {PlateMark.SMALL}):
        vote.add(replace(look(reading("ABC123"), 60), marks=frozenset(marks)))
    assert vote.marks == {PlateMark.SMALL}


def test_lowered_multiplies_the_confidence(reading) -> None:
    one = reading("ABC123", 0.98)
    assert lowered(one, 0.25).confidence == pytest.approx(0.25 * one.confidence, rel=0.1)
    assert lowered(one, 0.25).text == "ABC123"
    assert np.allclose(lowered(one, 0.25).probabilities.sum(axis=1), 1, atol=1e-5)
    assert lowered(one, 1.0).confidence == pytest.approx(one.confidence)


slots = hnp.arrays(np.float64, (5, 4), elements=st.floats(0.001, 1.0))


@given(st.lists(st.tuples(slots, st.integers(10, 300)), min_size=1, max_size=12))
def test_whatever_is_added_the_vote_is_a_distribution(frames) -> None:
    vote = Vote()
    for raw, width_px in frames:
        probabilities = (raw / raw.sum(axis=1, keepdims=True)).astype(np.float32)
        one = Reading("AB1_", "_", probabilities, {"US": 1.0}, "raw")
        if one.text:
            vote.add(look(one, width_px))
    if vote.frames:
        fused = vote.fused()
        assert np.isfinite(fused.probabilities).all()
        assert np.allclose(fused.probabilities.sum(axis=1), 1, atol=1e-4)
        assert 0 <= fused.confidence <= 1
