"""Sound out of nothing, for the teacher to judge: hits, trains of hits, tones, chirps, textures, and mixtures of them.

Nobody's recording is in it, so every training may use it. It is never labelled: shots made of formulas taught a
detector the formulas. What the teacher says about such sounds is worth learning all the same, because it says where
the teacher's boundaries run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import fft, signal

from edge_agent.gunshots.features import RATE_HZ, WINDOW_SAMPLES
from models.gunshot.augment import coloured_noise, loudness

Sound = NDArray[np.float32]

_SECONDS = np.arange(WINDOW_SAMPLES, dtype=np.float32) / RATE_HZ


def synthetic(rng: np.random.Generator) -> Sound:
    """Return one window of one to four sounds at random levels."""
    makers: Sequence[Callable[[np.random.Generator], Sound]]
    makers = (_hits, _hits, _train, _train, _tone, _chirps, _texture)
    mixture = np.zeros(WINDOW_SAMPLES, np.float32)
    for _ in range(1 + rng.binomial(3, 0.35)):
        sound = makers[rng.integers(len(makers))](rng)
        mixture += sound * np.float32(10 ** (-rng.uniform(0, 25) / 20) / loudness(sound))
    return mixture * np.float32(0.5 / (np.abs(mixture).max() + 1e-9))


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return math.exp(rng.uniform(math.log(low), math.log(high)))


def _hit(rng: np.random.Generator) -> Sound:
    """Return a bang of noise, a ringing body, a pressure pulse, or a sum of them; up to a second."""
    length = int(RATE_HZ * _log_uniform(rng, 0.02, 1.0))
    t = np.arange(length, dtype=np.float32) / RATE_HZ
    hit = np.zeros(length, np.float32)
    if rng.random() < 0.7:
        noise = np.resize(_banded(coloured_noise(rng), rng), length)
        decay_s = _log_uniform(rng, 0.004, 0.4)
        attack_s = _log_uniform(rng, 0.0002, 0.02)
        hit += noise * (1 - np.exp(-t / attack_s)) * np.exp(-t / decay_s)
    if rng.random() < 0.45:
        for _ in range(rng.integers(1, 9)):
            frequency_hz, decay_s = _log_uniform(rng, 60, 6000), _log_uniform(rng, 0.005, 0.3)
            hit += rng.normal() * np.sin(2 * np.pi * frequency_hz * t + rng.uniform(0, 6)) * np.exp(-t / decay_s)
    if rng.random() < 0.4 or not hit.any():
        width = max(1, int(RATE_HZ * _log_uniform(rng, 0.0001, 0.006)))
        pulse = np.linspace(1, -rng.uniform(0, 1), width) * rng.uniform(1, 8)
        hit[: min(width, length)] += pulse[: min(width, length)]
    return hit


def _hits(rng: np.random.Generator) -> Sound:
    sound = np.zeros(WINDOW_SAMPLES, np.float32)
    for _ in range(rng.integers(1, 4)):
        _place(sound, _hit(rng), int(rng.uniform(0, WINDOW_SAMPLES * 0.9)), rng.uniform(0.3, 1))
    return sound


def _train(rng: np.random.Generator) -> Sound:
    """Return the same hit again and again: automatic fire, hammers, steps, engines, all the same to a formula."""
    sound = np.zeros(WINDOW_SAMPLES, np.float32)
    hit, apart = _hit(rng), RATE_HZ / _log_uniform(rng, 1.5, 40)
    jitter, at = rng.uniform(0, 0.15), rng.uniform(0, 0.5) * RATE_HZ
    end = WINDOW_SAMPLES * (1 if rng.random() < 0.5 else rng.uniform(0.3, 1))
    while at < end:
        _place(sound, hit, int(at), 10 ** (rng.normal(0, 2) / 20))
        at += apart * max(0.2, rng.normal(1, jitter))
    return sound


def _tone(rng: np.random.Generator) -> Sound:
    """Return a gliding harmonic tone: voices, sirens, horns, motors."""
    glide = np.interp(_SECONDS, np.linspace(0, 2, 6), rng.normal(0, _log_uniform(rng, 0.005, 0.4), 6))
    phase = 2 * np.pi * np.cumsum(_log_uniform(rng, 40, 3000) * np.exp(glide)) / RATE_HZ
    slope = rng.uniform(0.3, 2.5)
    count = int(rng.integers(1, 12))
    sound = sum(np.sin(phase * n + rng.uniform(0, 6)) * n**-slope for n in range(1, count + 1))
    return (np.asarray(sound) * _swell(rng)).astype(np.float32)


def _chirps(rng: np.random.Generator) -> Sound:
    sound = np.zeros(WINDOW_SAMPLES, np.float32)
    length = int(RATE_HZ * _log_uniform(rng, 0.01, 0.4))
    t = np.linspace(0, 1, length)
    low, high = rng.uniform(300, 7000), rng.uniform(300, 7000)
    chirp = np.sin(2 * np.pi * np.cumsum(low + (high - low) * t) / RATE_HZ) * np.sin(np.pi * t)
    for _ in range(rng.integers(1, 12)):
        _place(sound, chirp.astype(np.float32), int(rng.uniform(0, WINDOW_SAMPLES)), rng.uniform(0.3, 1))
    return sound


def _texture(rng: np.random.Generator) -> Sound:
    """Return wind, rain, traffic, crackling: noise in bands that swells, or many small clicks."""
    if rng.random() < 0.3:
        clicks = (rng.random(WINDOW_SAMPLES) < _log_uniform(rng, 5, 3000) / RATE_HZ) * rng.exponential(
            1, WINDOW_SAMPLES
        )
        return _banded(signal.lfilter([1.0], [1.0, -rng.uniform(0, 0.98)], clicks).astype(np.float32), rng) + 1e-6
    return _banded(coloured_noise(rng), rng) * _swell(rng)


def _swell(rng: np.random.Generator) -> Sound:
    points = int(rng.integers(2, 40))
    levels = np.exp(rng.normal(0, rng.uniform(0.05, 1.2), points))
    return np.interp(_SECONDS, np.linspace(0, 2, points), levels).astype(np.float32)


def _banded(sound: Sound, rng: np.random.Generator) -> Sound:
    """Return ``sound`` through a random curve of ten points over the bands."""
    spectrum = fft.rfft(sound)
    at = np.geomspace(40, RATE_HZ / 2, 10)
    curve_db = np.cumsum(rng.normal(0, 6, 10))
    spectrum *= 10 ** (np.interp(np.linspace(0, RATE_HZ / 2, len(spectrum)), at, curve_db - curve_db.max()) / 20)
    banded: Sound = fft.irfft(spectrum.astype(np.complex64), len(sound))
    return banded


def _place(sound: Sound, part: Sound, at: int, level: float) -> None:
    end = min(len(sound), at + len(part))
    sound[at:end] += part[: end - at] * np.float32(level)
