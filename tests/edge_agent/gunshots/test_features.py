import numpy as np
import pytest

from edge_agent.gunshots.features import BANDS, FRAMES, RATE_HZ, WINDOW_SAMPLES, log_mel
from edge_agent.gunshots.resampling import resample


def tone(hz: float, rate_hz: int, seconds: float = 2.0) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate_hz)) / rate_hz)).astype(np.float32)


def test_the_level_does_not_matter() -> None:
    window = np.random.default_rng(1).standard_normal(WINDOW_SAMPLES).astype(np.float32) * 0.1
    np.testing.assert_allclose(log_mel(window), log_mel(window * 0.1), atol=2e-3)


def test_shape_and_mean() -> None:
    picture = log_mel(tone(1000, RATE_HZ))
    assert picture.shape == (BANDS, FRAMES)
    assert picture.dtype == np.float32
    assert abs(float(picture.mean())) < 1e-5


def test_silence_is_all_zeros_and_finite() -> None:
    assert not log_mel(np.zeros(WINDOW_SAMPLES, np.float32)).any()


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 12_000, 16_000, 44_100, 48_000])
def test_a_tone_stands_in_the_same_band_at_every_rate(rate_hz: int) -> None:
    window = resample(tone(1000, rate_hz), rate_hz, RATE_HZ)
    assert abs(len(window) - WINDOW_SAMPLES) <= 1
    picture = log_mel(window[:WINDOW_SAMPLES])
    assert int(picture.mean(axis=1).argmax()) == int(log_mel(tone(1000, RATE_HZ)).mean(axis=1).argmax())


def test_what_is_far_above_the_bands_does_not_decide() -> None:
    rng = np.random.default_rng(2)
    noise = (rng.standard_normal(96_000) * 0.05).astype(np.float32)
    with_whistle = noise + tone(12_000, 48_000)
    quiet, whistled = log_mel(resample(noise, 48_000, RATE_HZ)), log_mel(resample(with_whistle, 48_000, RATE_HZ))
    # The first and last frames see where the whistle begins and ends, which is a click at all frequencies.
    np.testing.assert_allclose(quiet[:, 3:-3], whistled[:, 3:-3], atol=0.1)


def test_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="expected"):
        log_mel(np.zeros(100, np.float32))
