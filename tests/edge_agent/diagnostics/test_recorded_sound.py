"""What a recording as a whole sounds like, and whether its sound can be trusted."""

from collections.abc import Iterator, Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_agent.diagnostics.recorded_sound import Doubts, LikeliestWindow
from edge_agent.records import AudioBlock, CaptureTime

RATE_HZ = 16_000


class Saying:
    """The ``ShotClassifier`` port: says what it was given, one after the other."""

    name = "saying"

    def __init__(self, *guns: float) -> None:
        self._guns = iter(guns)

    def classify(self, samples: NDArray[np.float32], rate_hz: int) -> Mapping[str, float]:
        gun = next(self._guns)
        return {"gunshot": gun, "fireworks": 1 - gun}


def blocks_of(samples: NDArray[np.float32]) -> Iterator[AudioBlock]:
    for first in range(0, len(samples), 4_000):
        yield AudioBlock("m", samples[first : first + 4_000], RATE_HZ, CaptureTime(first, first, 0), 0)


def noise(seconds: float) -> NDArray[np.float32]:
    return (np.random.default_rng(1).standard_normal(round(seconds * RATE_HZ)) * 0.01).astype(np.float32)


def test_pains_24_the_window_likeliest_to_hold_a_gunshot_gives_the_labels() -> None:
    """pains-24."""
    likeliest = LikeliestWindow(Saying(0.0, 0.7, 0.2))
    assert (likeliest.name, likeliest.classes) == ("saying", {})
    for expected in ({"gunshot": 0.0, "fireworks": 1.0}, {"gunshot": 0.7, "fireworks": pytest.approx(0.3)}):
        likeliest.classify(noise(2), RATE_HZ)
        assert likeliest.classes == expected
    assert likeliest.classify(noise(2), RATE_HZ)["gunshot"] == 0.2
    assert likeliest.classes["gunshot"] == 0.7


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        (noise(8), ""),
        (np.zeros(8 * RATE_HZ, np.float32), "dead channel"),
        (np.concatenate([noise(60), np.zeros(3 * RATE_HZ, np.float32)]), ""),
        (np.sign(noise(8)), "clipping"),
        (np.zeros(0, np.float32), ""),
    ],
    ids=["good", "dead", "dead for a moment", "clipped", "nothing"],
)
def test_what_was_wrong_for_long_is_told(samples: NDArray[np.float32], expected: str) -> None:
    doubts = Doubts()
    heard = [block.samples for block in doubts.over(blocks_of(samples))]
    assert doubts.condition == expected
    np.testing.assert_array_equal(np.concatenate([*heard, samples[:0]]), samples)


def test_what_the_source_doubts_is_told_too() -> None:
    doubts = Doubts(lambda: "input 2 of 2 is dead")
    list(doubts.over(blocks_of(noise(4))))
    assert doubts.condition == "input 2 of 2 is dead"
