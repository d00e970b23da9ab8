import io

import numpy as np
import pytest
import soundfile

from edge_agent.gunshots.clips import CLIP_BYTES, ClipSettings, opus


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 16_000, 44_100, 48_000])
@pytest.mark.parametrize("sound", ["noise", "clicks", "silence"])
def test_four_seconds_of_anything_are_small_and_play(rate_hz: int, sound: str) -> None:
    count = 4 * rate_hz
    noise = np.random.default_rng(1).uniform(-1, 1, count).astype(np.float32)
    samples = {
        "noise": noise,
        "clicks": np.where(np.arange(count) % (rate_hz // 20) == 0, noise, 0).astype(np.float32),
        "silence": np.zeros(count, np.float32),
    }[sound]
    clip = opus(samples, rate_hz)
    assert len(clip) <= CLIP_BYTES
    heard, heard_hz = soundfile.read(io.BytesIO(clip))
    assert len(heard) / heard_hz == pytest.approx(4.0, abs=0.02)


def test_a_long_clip_is_pressed_harder() -> None:
    noise = np.random.default_rng(1).uniform(-1, 1, 8 * 16_000).astype(np.float32)
    assert len(opus(noise, 16_000)) <= CLIP_BYTES


def test_a_bang_stays_where_it_was() -> None:
    samples = np.zeros(4 * 16_000, np.float32)
    samples[16_000:16_160] = np.random.default_rng(1).uniform(-1, 1, 160)
    heard, heard_hz = soundfile.read(io.BytesIO(opus(samples, 16_000)))
    assert np.abs(heard).argmax() / heard_hz == pytest.approx(1.005, abs=0.01)


@pytest.mark.parametrize(("before_s", "after_s"), [(-1, 3), (1, 0), (1, -1)])
def test_settings_that_mean_nothing_are_refused(before_s: float, after_s: float) -> None:
    with pytest.raises(ValueError, match="expected"):
        ClipSettings(before_s, after_s)
