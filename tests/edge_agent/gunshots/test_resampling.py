import tracemalloc

import numpy as np
import pytest
from scipy import signal

from edge_agent.gunshots.resampling import resample


@pytest.mark.parametrize("to_hz", [12_000, 32_000])
@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 12_000, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("seconds", [0.0001, 0.013, 1.0])
def test_the_same_as_scipys_filter(rate_hz: int, to_hz: int, seconds: float) -> None:
    samples = np.random.default_rng(1).standard_normal(max(1, round(rate_hz * seconds))).astype(np.float32)
    common = np.gcd(rate_hz, to_hz)
    expected = signal.resample_poly(samples, to_hz // common, rate_hz // common)
    resampled = resample(samples, rate_hz, to_hz)
    assert resampled.dtype == np.float32
    np.testing.assert_allclose(resampled, expected, atol=5e-6)


def test_rates_without_a_common_divisor_take_no_more_memory() -> None:
    samples = np.sin(np.arange(44_101) * 2 * np.pi * 440 / 44_101).astype(np.float32)
    tracemalloc.start()
    resampled = resample(samples, 44_101, 12_000)
    most_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    expected = np.sin(np.arange(12_000) * 2 * np.pi * 440 / 12_000)
    assert resampled.dtype == np.float32
    np.testing.assert_allclose(resampled[100:-100], expected[100:-100], atol=2e-3)
    assert most_bytes < 100e6


def test_nothing_and_the_same_rate_stay_as_they_are() -> None:
    assert len(resample(np.zeros(0, np.float32), 48_000, 12_000)) == 0
    samples = np.ones(7, np.float32)
    assert resample(samples, 12_000, 12_000) is samples
