"""Making one recording sound like many: other distances, microphones, streets and faults.

Everything works on mono float32 at the classifier's rate. Backgrounds that are mixed in come from the same fold and,
for recordings that may train the shipped model, from such recordings only: otherwise held-out sound or a restricted
licence would leak through the mixture.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from edge_agent.gunshots.features import RATE_HZ, WINDOW_SAMPLES

Sound = NDArray[np.float32]


def loudest_onset(samples: Sound) -> int:
    """Return the sample at which the energy above 100 Hz, in 10 ms frames, rises the most."""
    hop = RATE_HZ // 100
    high = signal.sosfilt(signal.butter(2, 100, "highpass", fs=RATE_HZ, output="sos"), samples)
    count = len(high) // hop
    if count < 2:
        return 0
    energy = (high[: count * hop].reshape(count, hop) ** 2).mean(axis=1)
    return int(np.argmax(np.diff(np.sqrt(energy), prepend=0.0))) * hop


def window_at(samples: Sound, start: int, rng: np.random.Generator) -> Sound:
    """Cut a window; where the recording has nothing, fill with silence, faint noise, or the recording repeated.

    Short clips would otherwise be known by their padding.
    """
    window = np.zeros(WINDOW_SAMPLES, np.float32)
    low, high = max(0, start), min(len(samples), start + WINDOW_SAMPLES)
    if high > low:
        window[low - start : high - start] = samples[low:high]
    missing = np.ones(WINDOW_SAMPLES, bool)
    missing[max(0, low - start) : max(0, high - start)] = False
    if missing.any():
        filling = rng.random()
        if filling < 0.4:
            quiet = np.sqrt(np.mean(samples**2) + 1e-12) * 10 ** rng.uniform(-3, -0.7)
            window += quiet * coloured_noise(rng) * missing
        elif filling < 0.55 and high > low:
            window[missing] = np.resize(samples[low:high][::-1], int(missing.sum()))
    return window


def coloured_noise(rng: np.random.Generator) -> Sound:
    """Return one window of noise of unit variance, its spectrum falling with a random slope (white to brown)."""
    spectrum = np.fft.rfft(rng.standard_normal(WINDOW_SAMPLES))
    spectrum *= np.maximum(np.arange(len(spectrum)), 8) ** -rng.uniform(0, 1)
    noise = np.fft.irfft(spectrum, WINDOW_SAMPLES)
    return (noise / noise.std()).astype(np.float32)


def loudness(window: Sound) -> float:
    """Return the root mean square of the loudest 50 ms."""
    frames = window.reshape(-1, RATE_HZ // 20)
    return float(np.sqrt((frames**2).mean(axis=1).max() + 1e-14))


def vary(window: Sound, backgrounds: Sequence[Sound], shot: bool, rng: np.random.Generator) -> Sound:
    """Return ``window`` as another microphone, elsewhere, might have heard it.

    Args:
        window: (WINDOW_SAMPLES,).
        backgrounds: windows to mix in, may be empty.
        shot: whether it holds a shot, which then stays audible over what is mixed in.
        rng: the only source of chance.
    """
    x = window
    if rng.random() < 0.25:  # another gun, another hammer: speed and pitch together
        up, down = [(17, 20), (9, 10), (11, 10), (23, 20)][rng.integers(4)]
        stretched = signal.resample_poly(x, up, down).astype(np.float32)
        x = np.resize(stretched, WINDOW_SAMPLES) if len(stretched) < WINDOW_SAMPLES else stretched[:WINDOW_SAMPLES]
    if rng.random() < 0.3:  # streets answer for up to a second
        length = int(RATE_HZ * rng.uniform(0.08, 0.6))
        tail = rng.standard_normal(length) * 10 ** (-3 * np.arange(length) / length)
        tail *= rng.uniform(0.1, 0.9) / np.sqrt((tail**2).sum())
        tail[0] = 1.0
        x = signal.fftconvolve(x, tail)[:WINDOW_SAMPLES].astype(np.float32)
    if rng.random() < 0.4:  # air and walls take the high frequencies
        x = _filtered(x, "lowpass", rng.uniform(700, 5000), int(rng.integers(1, 3)))
    if rng.random() < 0.25:  # small microphones take the low ones
        x = _filtered(x, "highpass", rng.uniform(60, 500), 1)
    if backgrounds and rng.random() < 0.6:
        other = backgrounds[rng.integers(len(backgrounds))]
        below_db = rng.uniform(0, 30) if shot else rng.uniform(-5, 25)
        x = x + np.roll(other, rng.integers(WINDOW_SAMPLES)) * np.float32(
            loudness(x) / loudness(other) * 10 ** (-below_db / 20)
        )
    if rng.random() < 0.3:
        x = x + coloured_noise(rng) * np.float32(loudness(x) * 10 ** (-rng.uniform(10, 45) / 20))
    peak = float(np.abs(x).max()) + 1e-9
    if rng.random() < 0.15:  # the microphone or its amplifier at its end
        driven = x / peak * rng.uniform(1.5, 8)
        x = (np.tanh(driven) if rng.random() < 0.5 else np.clip(driven, -1, 1)).astype(np.float32)
        peak = 1.0
    x = x / peak * 10 ** (-rng.uniform(0, 45) / 20)
    return (np.round(x * 32767) / 32767).astype(np.float32)


def _filtered(x: Sound, kind: str, corner_hz: float, order: int) -> Sound:
    filtered: Sound = signal.sosfilt(signal.butter(order, corner_hz, kind, fs=RATE_HZ, output="sos"), x)
    return filtered.astype(np.float32)
