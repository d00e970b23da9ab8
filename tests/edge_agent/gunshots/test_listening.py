from collections.abc import Callable, Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_agent.gunshots.listening import listen_to
from edge_agent.records import AudioBlock

Street = Callable[..., NDArray[np.float32]]
Blocks = Callable[..., Iterator[AudioBlock]]


def test_shots_and_score_of_a_recording(street: Street, blocks_of: Blocks, classifier) -> None:
    heard = listen_to(blocks_of(street([1.0, 3.0])), classifier, 0.5)
    assert [round(shot.at_s, 2) for shot in heard.shots] == [1.0, 3.0]
    assert [shot.round for shot in heard.shots] == [1, 2]
    assert heard.score == 0.9


def test_a_recording_without_onset_has_a_score(street: Street, blocks_of: Blocks, classifier) -> None:
    classifier.gunshot = 0.2
    heard = listen_to(blocks_of(street([], seconds=5.5)), classifier, 0.5)
    assert (heard.score, heard.shots) == (0.2, ())
    # Windows of two seconds every second, and one that ends with the recording.
    assert [len(window) for window in classifier.heard] == [32_000] * 5


@pytest.mark.parametrize(("seconds", "windows"), [(0.2, 1), (2.0, 1), (2.05, 1), (2.5, 2), (3.0, 2)])
def test_every_part_of_a_short_recording_is_heard(street: Street, blocks_of: Blocks, classifier, seconds, windows):
    samples = street([], seconds=seconds)
    listen_to(blocks_of(samples), classifier, 2.0)
    assert len(classifier.heard) == windows
    if windows == 2:
        np.testing.assert_array_equal(classifier.heard[-1], samples[-32_000:])


def test_below_the_threshold_there_is_a_score_but_no_shot(street: Street, blocks_of: Blocks, classifier) -> None:
    heard = listen_to(blocks_of(street([1.0])), classifier, 0.95)
    assert (heard.score, heard.shots) == (0.9, ())


def test_nothing_at_all_scores_zero(classifier) -> None:
    assert listen_to([], classifier, 0.5).score == 0
