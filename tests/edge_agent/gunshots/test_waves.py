"""Synthesis throughout: what is told apart here is timing and shape, not what a gun sounds like."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import signal

from edge_agent.gunshots.waves import Shape, is_alike, is_blast_after, is_echo, likeness, shape_of, wave_of

RATES_HZ = [8_000, 12_000, 16_000, 44_100, 48_000]


def shape(sound: NDArray[np.float64], rate_hz: int = 16_000, seed: int = 0, noise: float = 0.003) -> Shape:
    """The shape of ``sound`` on a street, begun 0.1 s into it."""
    samples = np.random.default_rng(seed).standard_normal(round(0.25 * rate_hz)) * noise
    onset = round(0.1 * rate_hz)
    samples[onset : onset + len(sound)] += sound[: len(samples) - onset]
    return shape_of(samples.astype(np.float32), rate_hz, onset)


def bang(seed: int, rate_hz: int = 16_000, peak: float = 0.5, dies_s: float = 0.02) -> NDArray[np.float64]:
    """A bang of its own ``seed``, the same at every rate: its band ends at 3 kHz."""
    fine = np.random.default_rng(seed).standard_normal(round(0.14 * 48_000))
    fine = signal.sosfilt(signal.butter(4, 3_000, fs=48_000, output="sos"), fine)
    fine = fine * np.exp(-np.arange(len(fine)) / (dies_s * 48_000))
    sound = np.interp(np.arange(round(0.14 * rate_hz)) / rate_hz, np.arange(len(fine)) / 48_000, fine)
    return peak * sound / np.abs(sound).max()


def n_wave(rate_hz: int = 48_000, lasts_s: float = 0.0003, peak: float = 0.5) -> NDArray[np.float64]:
    return peak * np.linspace(1, -1, round(lasts_s * rate_hz))


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_the_same_gun_again_is_alike_at_every_rate_and_another_sound_is_not(rate_hz: int) -> None:
    first = shape(bang(1, rate_hz), rate_hz, seed=1)
    again = shape(bang(1, rate_hz, peak=0.46), rate_hz, seed=2)
    other = shape(bang(2, rate_hz), rate_hz, seed=3)
    assert likeness(first, again) > 0.9
    assert likeness(first, other) < 0.55
    assert is_alike(first, again, 0.05)
    assert not is_alike(first, other, 0.05)


def test_a_shape_picked_some_milliseconds_off_is_still_alike() -> None:
    late = np.concatenate([np.zeros(160), bang(1)])  # as if picked 10 ms before it
    assert likeness(shape(bang(1)), shape(late, seed=2)) > 0.7


def test_a_fainter_copy_is_an_echo() -> None:
    first = shape(bang(1))
    assert is_echo(shape(bang(1, peak=0.2), seed=2), [(0.2, first)])


@pytest.mark.parametrize("gap_s", [0.05, 0.1, 0.3, 0.9, 4.0])
def test_the_same_sound_as_loud_is_the_next_round(gap_s: float) -> None:
    assert not is_echo(shape(bang(1), seed=2), [(gap_s, shape(bang(1)))])


@pytest.mark.parametrize("gap_s", [0.06, 0.2, 0.34])
def test_another_sound_soon_is_an_echo_even_as_loud(gap_s: float) -> None:
    assert is_echo(shape(bang(2), seed=2), [(gap_s, shape(bang(1)))])


def test_another_sound_later_is_a_sound_of_its_own() -> None:
    assert not is_echo(shape(bang(2), seed=2), [(0.5, shape(bang(1)))])


def test_what_is_far_louder_is_no_answer() -> None:
    assert not is_echo(shape(bang(2), seed=2), [(0.1, shape(bang(1, peak=0.1)))])


def test_a_bump_of_the_tail_is_not_a_round() -> None:
    bump = shape(bang(3, peak=0.008), seed=2)
    assert bump.snr_db < 3
    assert is_echo(bump, [(1.5, shape(bang(1)))])


def test_nothing_before_it_is_answered_by_nothing() -> None:
    assert not is_echo(shape(bang(1)), [])


@pytest.mark.parametrize("rate_hz", [12_000, 16_000, 44_100, 48_000])
def test_a_shock_wave_before_its_muzzle_blast_is_told(rate_hz: int) -> None:
    shock = shape(n_wave(rate_hz), rate_hz)
    blast = shape(signal.sosfilt(signal.butter(2, 500, fs=rate_hz, output="sos"), bang(1, rate_hz)), rate_hz, seed=2)
    assert shock.n_wave
    assert not blast.n_wave
    assert is_blast_after(shock, blast)
    assert wave_of(shock, [blast]) == "shock-wave"


def test_an_n_alone_is_unknown() -> None:
    assert wave_of(shape(n_wave(), 48_000), []) == "unknown"


def test_a_plain_bang_is_a_muzzle_blast_if_it_stands_out() -> None:
    assert wave_of(shape(bang(1)), [shape(bang(2), seed=2)]) == "muzzle-blast"
    assert wave_of(shape(bang(1, peak=0.02), noise=0.01), []) == "unknown"


@pytest.mark.parametrize("count", [0, 10, 400])
def test_a_stretch_that_ends_too_soon_has_a_shape(count: int) -> None:
    short = shape_of(np.full(count, 0.1, np.float32), 16_000, count // 2)
    assert likeness(short, shape(bang(1))) <= 1.0
