from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_agent.gunshots.onsets import OnsetGate

Street = Callable[..., NDArray[np.float32]]


def candidates(samples: NDArray[np.float32], rate_hz: int, size: int = 1000) -> list[int]:
    gate = OnsetGate(rate_hz)
    found = [c for first in range(0, len(samples), size) for c in gate.feed(samples[first : first + size])]
    return found + gate.feed(samples[:0], over=True)


def test_a_quiet_street_names_nothing(street: Street) -> None:
    assert candidates(street([], seconds=20), 16_000) == []


def test_a_bang_is_named_once_whatever_the_blocks(street: Street) -> None:
    samples = street([2.0])
    for size in (160, 777, 8000, len(samples)):
        (candidate,) = candidates(samples, 16_000, size)
        assert abs(candidate - 32_000) <= 80


def test_rounds_fifty_milliseconds_apart_are_told_apart(street: Street) -> None:
    at_s = [2.0 + 0.05 * i for i in range(6)]
    found = candidates(street(at_s), 16_000)
    assert [round(c / 16_000, 2) for c in found] == pytest.approx(at_s, abs=0.011)


def test_the_floor_follows_a_louder_street(street: Street) -> None:
    quiet, loud = street([], seconds=5, noise=0.001), street([], seconds=20, noise=0.03)
    gate = OnsetGate(16_000)
    gate.feed(quiet)
    gate.feed(loud[:160_000])
    assert gate.feed(loud[160_000:]) == []


def test_digital_silence_is_no_floor_to_rise_from(street: Street) -> None:
    """A muted card, or the padding of a recording: the sound that follows is no transient, a bang in it is."""
    padded = np.concatenate([np.zeros(32_000, np.float32), street([1.0], seconds=3, noise=0.02)])
    (candidate,) = candidates(padded, 16_000)
    assert candidate / 16_000 == pytest.approx(3.0, abs=0.006)


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 12_000, 22_050, 44_100, 48_000])
def test_a_bang_is_named_at_every_rate(street: Street, rate_hz: int) -> None:
    (candidate,) = candidates(street([2.0], rate_hz=rate_hz), rate_hz)
    assert candidate / rate_hz == pytest.approx(2.0, abs=0.006)


def test_a_rustle_does_not_hide_the_bang_behind_it(street: Street) -> None:
    samples = street([2.0], noise=0.001) + 0.02 * street([1.98], noise=0.0)
    assert any(abs(c / 16_000 - 2.0) <= 0.006 for c in candidates(samples, 16_000))


def test_a_bang_in_the_first_frame_is_named(street: Street) -> None:
    assert candidates(street([0.0], seconds=1), 16_000)[:1] == [0]
    assert candidates(street([0.0], seconds=0.05), 16_000) == [0]


def test_silence_and_a_constant_offset_name_nothing() -> None:
    assert candidates(np.zeros(32_000, np.float32), 16_000) == []
    assert candidates(np.full(32_000, 0.5, np.float32), 16_000) == []
