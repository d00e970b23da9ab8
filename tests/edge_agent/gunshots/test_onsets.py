from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_agent.gunshots.onsets import OnsetGate, pick_onset, search_range

Street = Callable[..., NDArray[np.float32]]


def candidates(samples: NDArray[np.float32], rate_hz: int, size: int = 1000) -> list[int]:
    gate = OnsetGate(rate_hz)
    return [c for first in range(0, len(samples), size) for c in gate.feed(samples[first : first + size])]


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
    before_dbfs = gate.floor_dbfs
    gate.feed(loud[:160_000])
    assert gate.floor_dbfs > before_dbfs + 20
    assert gate.feed(loud[160_000:]) == []


def test_a_bang_in_the_first_frame_is_named(street: Street) -> None:
    assert candidates(street([0.0], seconds=1), 16_000)[:1] == [0]


def test_silence_and_a_constant_offset_name_nothing() -> None:
    assert candidates(np.zeros(32_000, np.float32), 16_000) == []
    assert candidates(np.full(32_000, 0.5, np.float32), 16_000) == []


@pytest.mark.parametrize("rate_hz", [12_000, 16_000, 48_000])
@pytest.mark.parametrize("noise", [0.0005, 0.005, 0.02])
def test_the_claimed_error_covers_the_real_one(street: Street, rate_hz: int, noise: float) -> None:
    errors_s, claimed_s = [], []
    for seed in range(30):
        at = round((1.0 + seed * 0.0007) * rate_hz)
        samples = street([at / rate_hz], seconds=1.5, rate_hz=rate_hz, noise=noise, seed=seed)
        first, last = search_range(at + 30, rate_hz)
        onset = pick_onset(samples[first:last], rate_hz)
        errors_s.append((first + onset.sample - at) / rate_hz)
        claimed_s.append(onset.error_s)
    assert np.median(np.abs(errors_s)) <= 0.0005
    # One sigma: two thirds within it, and not a bound so wide that it says nothing.
    assert np.mean(np.abs(errors_s) <= 2 * np.array(claimed_s)) >= 0.6
    assert np.median(claimed_s) <= 0.001


def test_the_claimed_error_grows_with_the_noise(street: Street) -> None:
    claimed = []
    for noise in (0.0005, 0.05, 0.15):
        streets = [street([1.0], seconds=1.5, noise=noise, seed=seed) for seed in range(20)]
        first, last = search_range(16_000, 16_000)
        claimed.append(np.mean([pick_onset(samples[first:last], 16_000).error_s for samples in streets]))
    assert claimed == sorted(claimed)
    assert claimed[2] > 1.2 * claimed[0]


@pytest.mark.parametrize("stretch", [np.zeros(0, np.float32), np.zeros(500, np.float32), np.ones(3, np.float32)])
def test_nothing_to_pick_is_no_error_but_uncertain(stretch: NDArray[np.float32]) -> None:
    onset = pick_onset(stretch, 16_000)
    assert onset.sample == 0
    assert onset.error_s >= 0.005
