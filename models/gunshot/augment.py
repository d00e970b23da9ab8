"""Making one recording sound like many: other distances, streets, microphones, faults and files.

Everything works on mono float32 at the classifier's rate. What is done here keeps the loudest sound audible; mixing,
which may not, is done by ``views``, because it decides about labels.
"""

from __future__ import annotations

import io
import math

import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy import fft, signal

from edge_agent.gunshots.features import RATE_HZ, WINDOW_SAMPLES

Sound = NDArray[np.float32]

_FFT = 65_536  # a window and an answer of the street as long, without wrapping round
_FREQUENCIES_HZ = np.fft.rfftfreq(_FFT, 1 / RATE_HZ).astype(np.float32)
_CODECS = (("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III"))


def loudest_onset(samples: Sound) -> int:
    """Return the sample at which the energy above 100 Hz, in 10 ms frames, rises the most."""
    hop = RATE_HZ // 100
    high = signal.sosfilt(signal.butter(2, 100, "highpass", fs=RATE_HZ, output="sos"), samples)
    count = len(high) // hop
    if count < 2:
        return 0
    energy = (high[: count * hop].reshape(count, hop) ** 2).mean(axis=1)
    return int(np.argmax(np.diff(np.sqrt(energy), prepend=0.0))) * hop


def window_at(samples: Sound, start: int, length: int, rng: np.random.Generator) -> Sound:
    """Cut ``length`` samples; where the recording has none, fill with silence, faint noise, or the recording repeated.

    Short clips would otherwise be known by their padding.
    """
    window = np.zeros(length, np.float32)
    low, high = max(0, start), min(len(samples), start + length)
    if high > low:
        window[low - start : high - start] = samples[low:high]
    missing = np.ones(length, bool)
    missing[max(0, low - start) : max(0, high - start)] = False
    if missing.any():
        filling = rng.random()
        if filling < 0.4:
            quiet = np.sqrt(np.mean(samples**2) + 1e-12) * 10 ** rng.uniform(-3, -0.7)
            window += np.resize(quiet * coloured_noise(rng), length) * missing
        elif filling < 0.55 and high > low:
            window[missing] = np.resize(samples[low:high][::-1], int(missing.sum()))
    return window


def coloured_noise(rng: np.random.Generator) -> Sound:
    """Return one window of noise of unit variance, its spectrum falling with a random slope (white to brown)."""
    spectrum = fft.rfft(rng.standard_normal(WINDOW_SAMPLES, np.float32))
    spectrum *= np.maximum(np.arange(len(spectrum), dtype=np.float32), 8) ** np.float32(-rng.uniform(0, 1))
    noise: Sound = fft.irfft(spectrum, WINDOW_SAMPLES)
    return noise / noise.std()


def loudness(window: Sound) -> float:
    """Return the root mean square of the loudest 50 ms."""
    frames = window.reshape(-1, RATE_HZ // 20)
    return float(np.sqrt((frames**2).mean(axis=1).max() + 1e-14))


def repeated(samples: Sound, onset: int, rate_hz: float, count: int, rng: np.random.Generator) -> Sound:
    """Return a burst: what follows ``onset`` up to half a second, ``count`` times, each a little different."""
    once = samples[max(0, onset - RATE_HZ // 100) : onset + int(RATE_HZ * rng.uniform(0.15, 0.6))].copy()
    fading = min(len(once), RATE_HZ // 20)
    once[len(once) - fading :] *= np.linspace(1, 0, fading, dtype=np.float32)
    apart = RATE_HZ / rate_hz
    burst = np.zeros(int(apart * count) + len(once) + RATE_HZ // 10, np.float32)
    drift = rng.uniform(-4, 4)  # dB over the burst: the muzzle turns
    for i in range(count):
        at = max(0, int(apart * (i + rng.normal(0, 0.03))))
        level_db = rng.normal(0, 1.5) + drift * i / count
        burst[at : at + len(once)] += once * np.float32(10 ** (level_db / 20))
    return burst


def elsewhere(x: Sound, rng: np.random.Generator) -> Sound:
    """Return ``x`` as it sounds from another place: streets and woods answer, air and walls take the high notes."""
    response = np.ones(len(_FREQUENCIES_HZ), np.float32)
    for chance, change in ((0.35, _far), (0.2, _tilted), (0.12, _resonant)):
        if rng.random() < chance:
            response *= change(rng)
    answer = _answer(rng) if rng.random() < 0.45 else None
    if answer is None and (response == 1).all():
        return x
    spectrum = fft.rfft(x, _FFT) * response
    if answer is not None:
        spectrum *= fft.rfft(answer, _FFT)
    changed: Sound = fft.irfft(spectrum, _FFT)[: len(x)]
    return changed


def recorded(x: Sound, rng: np.random.Generator) -> Sound:
    """Return ``x`` as another microphone, recorder and file would give it, at another level."""
    response = np.ones(len(_FREQUENCIES_HZ), np.float32)
    for chance, change in ((0.35, _topped), (0.25, _bottomless), (0.06, _narrow)):
        if rng.random() < chance:
            response *= change(rng)
    if (response != 1).any():
        x = fft.irfft(fft.rfft(x, _FFT) * response, _FFT)[: len(x)]
    if rng.random() < 0.3:
        x = x + coloured_noise(rng) * np.float32(loudness(x) * 10 ** (-rng.uniform(5, 45) / 20))
    peak = float(np.abs(x).max()) + 1e-9
    if rng.random() < 0.15:  # the microphone or its amplifier at its end
        driven = x / np.float32(peak * 10 ** -rng.uniform(0.1, 1.0))
        x = np.tanh(driven) if rng.random() < 0.5 else np.clip(driven, -1, 1)
        peak = 1.0
    if rng.random() < 0.08:
        x = _levelled(x, rng)
        peak = float(np.abs(x).max()) + 1e-9
    x = x * np.float32(10 ** (-abs(rng.normal(0, 15)) / 20) / peak)
    if rng.random() < 0.08:
        x = _coded(x, rng)
    steps = 127 if rng.random() < 0.03 else 32_767
    return (np.round(x * steps) / steps).astype(np.float32)


def _far(rng: np.random.Generator) -> Sound:
    """Air, foliage and corners: a gentle slope from a random corner on."""
    return _lowpass(math.exp(rng.uniform(math.log(300), math.log(6000))), rng.uniform(0.5, 2))


def _topped(rng: np.random.Generator) -> Sound:
    """A recorder of a low sample rate: nothing above 2 to 6 kHz; 6 kHz, 5.4 and 4 the most frequent."""
    ends = (6000.0, 5900.0, 5400.0, 4000.0, 3800.0)
    end_hz = ends[rng.integers(len(ends))] if rng.random() < 0.7 else rng.uniform(2000, 6500)
    return _lowpass(end_hz * 0.96, 24)


def _bottomless(rng: np.random.Generator) -> Sound:
    corner_hz = math.exp(rng.uniform(math.log(50), math.log(800)))
    return 1 / np.sqrt(1 + (corner_hz / np.maximum(_FREQUENCIES_HZ, 1)) ** (2 * rng.integers(1, 4)))


def _narrow(rng: np.random.Generator) -> Sound:
    centre_hz = math.exp(rng.uniform(math.log(200), math.log(4000)))
    return 1 / np.sqrt(1 + (np.log2(np.maximum(_FREQUENCIES_HZ, 1) / centre_hz) / rng.uniform(0.4, 1.5)) ** 4)


def _lowpass(corner_hz: float, order: float) -> Sound:
    return (1 / np.sqrt(1 + (_FREQUENCIES_HZ / np.float32(corner_hz)) ** np.float32(2 * order))).astype(np.float32)


def _tilted(rng: np.random.Generator) -> Sound:
    slope_db = rng.uniform(-4, 4)  # an octave
    return (np.maximum(_FREQUENCIES_HZ, 60) / 1000) ** np.float32(slope_db / 6.02)


def _resonant(rng: np.random.Generator) -> Sound:
    octaves = np.log2(np.maximum(_FREQUENCIES_HZ, 1))
    response = np.ones(len(octaves), np.float32)
    for _ in range(rng.integers(1, 5)):
        at, width = math.log2(rng.uniform(120, 6500)), rng.uniform(0.05, 0.7)
        response *= 10 ** (rng.uniform(-15, 12) / 20 * np.exp(-(((octaves - at) / width) ** 2)))
    return response


def _answer(rng: np.random.Generator) -> Sound:
    """Return an impulse response: a few slaps of walls, a decaying tail, sparse answers of a wood, or several."""
    answer = np.zeros(RATE_HZ * 3 // 2, np.float32)
    if rng.random() < 0.6:
        length = int(RATE_HZ * math.exp(rng.uniform(math.log(0.05), math.log(1.4))))
        tail = rng.standard_normal(length, np.float32) * 10 ** np.linspace(0, -3, length, dtype=np.float32)
        if rng.random() < 0.6:  # the late answer has lost its high notes
            tail = signal.lfilter([1.0], [1.0, -rng.uniform(0.2, 0.9)], tail).astype(np.float32)
        late = int(RATE_HZ * rng.uniform(0, 0.06))
        share = math.exp(rng.uniform(math.log(0.08), math.log(2.5)))
        tail *= np.float32(share / np.sqrt((tail**2).sum()))
        answer[late : late + length] += tail[: len(answer) - late]
    for _ in range(rng.integers(1, 8) if rng.random() < 0.6 else 0):
        at_s = rng.uniform(0.005, 0.25) if rng.random() < 0.6 else rng.uniform(0.1, 1.3)
        answer[int(RATE_HZ * at_s)] += rng.uniform(-0.6, 0.6) * 10 ** (-at_s / 1.5)
    answer[0] += rng.uniform(0.4, 1) if rng.random() < 0.9 else 0.1  # at times the direct sound is behind a house
    return answer


def _levelled(x: Sound, rng: np.random.Generator) -> Sound:
    """Automatic gain: what is quiet comes up after a loud sound has gone."""
    release = math.exp(-1 / (RATE_HZ / 160 * rng.uniform(0.05, 0.8)))
    frames = np.abs(x).reshape(-1, 160).max(axis=1)
    held = 0.0
    levels = np.empty(len(frames))
    for i, level in enumerate(frames):
        held = max(float(level), held * release)
        levels[i] = held
    gain = (levels / (levels.max() + 1e-9) + 0.01) ** -rng.uniform(0.3, 0.9)
    return x * np.interp(np.arange(len(x)), np.arange(len(gain)) * 160 + 80, gain).astype(np.float32)


def _coded(x: Sound, rng: np.random.Generator) -> Sound:
    kind, subtype = _CODECS[rng.integers(len(_CODECS))]
    file = io.BytesIO()
    soundfile.write(
        file, np.clip(x, -1, 1), RATE_HZ, format=kind, subtype=subtype, compression_level=rng.uniform(0.5, 1)
    )
    file.seek(0)
    decoded, _ = soundfile.read(file, dtype="float32")
    return window_at(decoded, 0, len(x), np.random.default_rng(0)) if len(decoded) < len(x) else decoded[: len(x)]
