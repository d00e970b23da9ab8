"""Changed sound stays sound, and comes again with the same seed."""

import numpy as np
import pytest

from edge_agent.gunshots.features import RATE_HZ, WINDOW_SAMPLES
from models.gunshot.augment import Sound, elsewhere, loudest_onset, recorded, repeated, window_at
from models.gunshot.synthetic import synthetic


def noise(count: int, seed: int) -> Sound:
    return np.random.default_rng(seed).standard_normal(count).astype(np.float32) * np.float32(0.1)


def test_a_window_keeps_what_the_recording_has() -> None:
    window = window_at(noise(7000, 1), -3000, WINDOW_SAMPLES, np.random.default_rng(2))

    assert window.shape == (WINDOW_SAMPLES,)
    np.testing.assert_array_equal(window[3000:10_000], noise(7000, 1))


def test_another_place_and_recorder_leave_sound_sound() -> None:
    window = noise(WINDOW_SAMPLES, 3)
    for seed in range(60):
        once, again = (
            recorded(elsewhere(window, rng), rng) for rng in (np.random.default_rng(seed), np.random.default_rng(seed))
        )
        assert once.shape == (WINDOW_SAMPLES,)
        assert once.dtype == np.float32
        assert np.isfinite(once).all()
        assert np.abs(once).max() <= 1.5  # lossy files overshoot
        np.testing.assert_array_equal(once, again)


def test_silence_stays_finite() -> None:
    for seed in range(60):
        rng = np.random.default_rng(seed)
        assert np.isfinite(recorded(elsewhere(np.zeros(WINDOW_SAMPLES, np.float32), rng), rng)).all()


def test_sounds_made_of_formulas_differ_and_fit() -> None:
    sounds = [synthetic(np.random.default_rng(seed)) for seed in range(40)]

    assert all(sound.shape == (WINDOW_SAMPLES,) and np.isfinite(sound).all() for sound in sounds)
    assert all(0.4 < np.abs(sound).max() <= 0.51 for sound in sounds)
    assert not np.array_equal(sounds[0], sounds[1])


def test_a_burst_repeats_the_shot() -> None:
    shot = noise(RATE_HZ, 4) * np.exp(-np.arange(RATE_HZ) / 400).astype(np.float32)

    burst = repeated(shot, 0, 10.0, 5, np.random.default_rng(5))

    energy = (burst[: RATE_HZ // 2] ** 2).reshape(-1, RATE_HZ // 100).mean(axis=1)
    assert int((energy > energy.max() / 6).sum()) >= 5
    assert len(burst) == pytest.approx(0.5 * RATE_HZ, abs=0.8 * RATE_HZ)


def test_the_loudest_onset_is_found() -> None:
    sound = noise(3 * RATE_HZ, 6) * np.float32(0.1)
    sound[20_000:21_000] += 5 * noise(1000, 7)

    assert loudest_onset(sound) == pytest.approx(20_000, abs=320)
