from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import signal

from edge_agent.gunshots.soundness import Soundness

Street = Callable[..., NDArray[np.float32]]
RATE_HZ = 16_000


def after(samples: NDArray[np.float32], size: int = 4_000) -> Soundness:
    sound = Soundness(RATE_HZ)
    for first in range(0, len(samples), size):
        sound.feed(samples[first : first + size])
    return sound


def made_gusts(seconds: float) -> NDArray[np.float32]:
    """Noise below 60 Hz that swells and dies every second."""
    rng = np.random.default_rng(1)
    count = round(seconds * RATE_HZ)
    low = signal.sosfilt(signal.butter(4, 60, fs=RATE_HZ, output="sos"), rng.standard_normal(count))
    swell = 10 ** (np.sin(2 * np.pi * np.arange(count) / RATE_HZ) * 0.6)
    return (0.2 * low * swell + 0.002 * rng.standard_normal(count)).astype(np.float32)


def turned_down(samples: NDArray[np.float32], at_s: list[float]) -> NDArray[np.float32]:
    """What an amplifier makes of it that falls by 15 dB at each of ``at_s`` and creeps back within four seconds."""
    gain_db = np.zeros(len(samples))
    for at in at_s:
        first = round(at * RATE_HZ)
        creep = np.minimum(0, -15 + 15 * np.arange(len(samples) - first) / (4 * RATE_HZ))
        gain_db[first:] = creep
    return (samples * 10 ** (gain_db / 20)).astype(np.float32)


def test_a_street_is_sound(street: Street) -> None:
    sound = after(street([3.0, 6.0], seconds=12))
    assert (sound.condition, sound.marks) == ("", frozenset())
    assert sound.floor_dbfs == pytest.approx(-50.5, abs=1.0)
    assert sound.level_dbfs == pytest.approx(-50.5, abs=1.0)


@pytest.mark.parametrize("value", [0.0, 0.25])
def test_the_same_value_for_long_is_a_dead_channel(street: Street, value: float) -> None:
    sound = after(np.full(5 * RATE_HZ, value, np.float32))
    assert sound.condition == "dead channel"
    sound.feed(street([], seconds=1))
    assert sound.condition == ""


def test_a_short_silence_is_not() -> None:
    assert after(np.zeros(RATE_HZ, np.float32)).condition == ""


def test_standing_at_full_scale_is_clipping(street: Street) -> None:
    assert after(np.clip(street([], seconds=5, noise=0.6), -1, 1)).condition == "clipping"


def test_a_clipped_shot_is_not(street: Street) -> None:
    assert after(street([3.0], seconds=4, peak=8.0)).condition == ""


def test_gusts_are_wind() -> None:
    sound = after(made_gusts(6))
    assert (sound.condition, sound.marks) == ("wind", frozenset({"wind"}))


def test_an_even_rumble_is_not() -> None:
    rng = np.random.default_rng(1)
    low = signal.sosfilt(signal.butter(4, 60, fs=RATE_HZ, output="sos"), rng.standard_normal(6 * RATE_HZ))
    assert after((0.2 * low).astype(np.float32)).condition == ""


def test_a_street_that_falls_quieter_after_bangs_and_creeps_back_is_automatic_gain(street: Street) -> None:
    bangs = [5.0, 12.0]
    heard = street(bangs, seconds=20, noise=0.01)
    assert after(heard).condition == ""
    sound = after(turned_down(heard, [at + 0.05 for at in bangs]))
    assert (sound.condition, sound.marks) == ("automatic gain", frozenset({"agc"}))


def test_once_may_be_chance(street: Street) -> None:
    assert after(turned_down(street([5.0], seconds=14, noise=0.01), [5.05])).condition == ""


@pytest.mark.parametrize("size", [160, 1_600, 96_000])
def test_the_blocks_length_changes_nothing(size: int) -> None:
    assert after(made_gusts(6), size).condition == "wind"


def test_the_floor_follows_a_louder_street(street: Street) -> None:
    sound = after(street([], seconds=5, noise=0.001))
    before_dbfs = sound.floor_dbfs
    sound.feed(street([], seconds=5, noise=0.03))
    assert before_dbfs is not None
    assert sound.floor_dbfs is not None
    assert sound.floor_dbfs > before_dbfs + 20


def test_nothing_heard_says_nothing() -> None:
    sound = Soundness(RATE_HZ)
    assert (sound.level_dbfs, sound.floor_dbfs, sound.condition) == (None, None, "")
