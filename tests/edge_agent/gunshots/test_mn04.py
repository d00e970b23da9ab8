"""mn04's front end is its authors', to the rounding."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from edge_agent.gunshots.mn04 import BANDS, FRAMES, RATE_HZ, WINDOW_SAMPLES, log_mel


def noise(level: float) -> np.ndarray:
    return (level * np.random.default_rng(1).standard_normal(WINDOW_SAMPLES)).astype(np.float32)


def test_shape_and_silence() -> None:
    picture = log_mel(np.zeros(WINDOW_SAMPLES, np.float32))

    assert picture.shape == (BANDS, FRAMES)
    assert picture.dtype == np.float32
    np.testing.assert_allclose(picture, (np.log(1e-5) + 4.5) / 5, rtol=1e-5)


def test_the_level_stays_in() -> None:
    louder = log_mel(noise(0.1)) - log_mel(noise(0.01))
    # Ten times the amplitude is 2 ln 10 more, of which the picture shows a fifth.
    np.testing.assert_allclose(np.median(louder), 2 * np.log(10) / 5, atol=0.05)


def test_a_tone_stands_in_its_band() -> None:
    tone = np.sin(2 * np.pi * 3000 * np.arange(WINDOW_SAMPLES) / RATE_HZ).astype(np.float32)
    step = np.log1p(15_000 / 700) / (BANDS + 1)

    assert int(log_mel(tone).mean(axis=1).argmax()) == pytest.approx(np.log1p(3000 / 700) / step - 1, abs=1)


def test_it_is_the_teachers(assets: Path) -> None:
    spec = importlib.util.spec_from_file_location("audio_teacher", assets / "tools/audio_teacher.py")
    assert spec is not None
    assert spec.loader is not None
    teacher = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(teacher)

    np.testing.assert_allclose(log_mel(noise(0.1)), teacher.log_mel(noise(0.1)), atol=1e-3)


def test_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="expected"):
        log_mel(np.zeros(100, np.float32))
