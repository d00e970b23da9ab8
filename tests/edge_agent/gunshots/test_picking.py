from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import signal

from edge_agent.gunshots.picking import pick_onset, search_range

Street = Callable[..., NDArray[np.float32]]


def picked(rate_hz: int, snr_db: float, *, dull: bool = False, count: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Pick the same bang ``count`` times, at places between the samples, in other noise: errors and claims in ms."""
    rng = np.random.default_rng(3)
    length = round(0.15 * rate_hz)
    time_s = np.arange(length) / rate_hz
    bang = np.random.default_rng(7).uniform(-1, 1, length) * np.exp(-time_s / 0.02)
    bang[0] = 1.0
    if dull:  # a long way takes the edge off
        bang = signal.sosfilt(signal.butter(2, 800, fs=rate_hz, output="sos"), bang)
    level = np.sqrt(np.mean(bang[: round(0.05 * rate_hz)] ** 2))
    errors_s, claims_s = [], []
    for _ in range(count):
        samples = rng.standard_normal(round(0.4 * rate_hz)) * level / 10 ** (snr_db / 20)
        whole, part = round(0.2 * rate_hz), rng.uniform(0, 1)
        late = np.fft.irfft(
            np.fft.rfft(bang, 2 * length) * np.exp(-2j * np.pi * np.fft.rfftfreq(2 * length) * part), 2 * length
        )[:length]
        samples[whole : whole + length] += late
        first, last = search_range(whole - int(rng.integers(0, round(0.005 * rate_hz))), rate_hz)
        onset = pick_onset(samples[first:last].astype(np.float32), rate_hz)
        errors_s.append((first + onset.sample - whole - part) / rate_hz)
        claims_s.append(onset.error_s)
    return np.array(errors_s) * 1e3, np.array(claims_s) * 1e3


@pytest.mark.parametrize("rate_hz", [8_000, 12_000, 16_000, 48_000])
@pytest.mark.parametrize("snr_db", [8.0, 15.0, 30.0])
@pytest.mark.parametrize("dull", [False, True])
def test_the_claimed_error_is_honest(rate_hz: int, snr_db: float, dull: bool) -> None:
    errors_ms, claims_ms = picked(rate_hz, snr_db, dull=dull)
    assert np.median(np.abs(errors_ms)) <= 0.2
    share = np.abs(errors_ms) / claims_ms
    assert np.percentile(share, 68) <= 1.5  # two thirds within one sigma, or nearly
    assert np.percentile(share, 90) <= 2.5
    assert np.median(claims_ms) <= 1.0  # and not so wide that it says nothing


def test_an_edge_is_placed_between_the_samples() -> None:
    errors_ms, _ = picked(8_000, 40.0)
    assert np.std(errors_ms) < 0.5 / 8  # closer than half a sample


def test_the_claimed_error_grows_with_the_noise() -> None:
    claims = [float(np.mean(picked(16_000, snr_db)[1])) for snr_db in (30, 12, 4)]
    assert claims == sorted(claims)
    assert claims[2] > 1.5 * claims[0]


@pytest.mark.parametrize("stretch", [np.zeros(0, np.float32), np.zeros(500, np.float32), np.ones(3, np.float32)])
def test_nothing_to_pick_is_no_error_but_uncertain(stretch: NDArray[np.float32]) -> None:
    onset = pick_onset(stretch, 16_000)
    assert onset.sample == 0
    assert onset.error_s >= 0.005
