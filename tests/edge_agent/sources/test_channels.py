"""The channel that hears is listened to; what is dead is told."""

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_agent.sources.channels import DEAD_AFTER_S, BestChannel

RATE_HZ = 1_000


def noise(level: float, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(0, level, RATE_HZ).astype(np.float32)


def heard(channel: BestChannel, *inputs: NDArray[np.float32]) -> int:
    """One second of ``inputs``: which of them came out."""
    out = channel.of(np.stack(inputs, axis=1), RATE_HZ)
    (number,) = [n for n, samples in enumerate(inputs) if np.array_equal(samples, out)]
    assert number == channel.channel
    return number


def test_a_little_louder_is_no_reason_for_a_seam_and_ten_times_the_energy_is() -> None:
    channel = BestChannel()
    assert heard(channel, noise(0.5, 1), noise(0.4, 2)) == 0
    assert heard(channel, noise(0.4, 1), noise(0.5, 2)) == 0
    for _ in range(20):
        last = heard(channel, noise(0.004, 1), noise(0.5, 2))
    assert last == 1


def test_a_constant_is_no_sound() -> None:
    """Some inputs stand at a fixed voltage: the loudest of all, and deaf."""
    channel = BestChannel()
    assert heard(channel, np.full(RATE_HZ, 0.5, np.float32), noise(0.01)) == 1


@pytest.mark.parametrize(
    ("others", "told"),
    [
        ([0.0], "input 1 of 2 is dead"),
        ([0.00001, 0.0], "input 1, 2 of 3 is dead"),
        ([0.001], ""),  # quieter than the others, and alive
    ],
)
def test_a_dead_channel_among_live_ones_is_told_and_not_chosen(others: list[float], told: str) -> None:
    channel = BestChannel()
    for second in range(round(DEAD_AFTER_S)):
        assert channel.condition == ""
        chosen = heard(channel, *(noise(level, second) for level in others), noise(0.02, 99 + second))
        assert chosen == len(others)
    assert channel.condition.startswith(told)
    assert bool(channel.condition) == bool(told)
    heard(channel, *(noise(0.01, n) for n in range(len(others))), noise(0.02, 7))
    assert channel.condition == "", "it hears again"


def test_a_street_without_a_sound_makes_no_channel_dead() -> None:
    channel = BestChannel()
    for second in range(60):
        heard(channel, noise(0.00003, second), noise(0.00006, 99 + second))
    assert channel.condition == ""
