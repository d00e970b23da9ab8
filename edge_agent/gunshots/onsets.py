"""Where transients begin: a gate that costs almost nothing on a quiet street, and a picker on the waveform.

``OnsetGate`` watches the energy above 80 Hz in frames of 5 ms against an adaptive noise floor and names candidate
frames. ``pick_onset`` then finds the sample in the waveform around a candidate, with the Akaike criterion that
seismologists use for first arrivals (Maeda 1985), and says how far it may be off.

The gate keeps state between blocks and belongs to the thread that feeds it; ``pick_onset`` is pure.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import signal

_HIGHPASS_HZ = 80.0  # wind and traffic rumble lie below, the muzzle blast's energy mostly above
_FRAME_S = 0.005
# A candidate stands this far above the noise floor, and above the quietest of the frames just before it: live fire at
# several hundred metres has about 12 dB; less only sends more noise to the classifier.
_ABOVE_FLOOR_DB = 9.0
_RISE_DB = 6.0
_RISE_FRAMES = 6
# Rounds of the fastest automatic weapons follow each other by 50 ms, give or take a frame.
_REFRACTORY_S = 0.04
# The floor follows the median of the level by this much a second: slow enough for a burst, quick enough for a bus.
_FLOOR_DB_PER_S = 6.0
_SILENCE_DB = -90.0
# What a stream is taken to follow, so that a shot in its first frame is still a rise.
_BEFORE_START_DB = -70.0

_SEARCH_BEFORE_S = 0.020
_SEARCH_AFTER_S = 0.012
_NOISE_S = 0.015


@dataclass(frozen=True, slots=True)
class Onset:
    """The first sample of a transient.

    Attributes:
        sample: index into the picked stretch, as given to ``pick_onset``.
        error_s: one sigma, in seconds: noise over the slope of the rise, and half a sample.
    """

    sample: int
    error_s: float


class OnsetGate:
    """Names the frames in which the level leaps; fed with consecutive blocks of one scene."""

    def __init__(self, rate_hz: int) -> None:
        self._frame = max(1, round(rate_hz * _FRAME_S))
        self._high = highpass(rate_hz)
        self._state: NDArray[np.float64] | None = None
        self._left = np.zeros(0)
        self._begin = 0
        self._floor_db: float | None = None
        self._before: deque[float] = deque([_BEFORE_START_DB] * _RISE_FRAMES, maxlen=_RISE_FRAMES)
        self._refractory = round(_REFRACTORY_S / _FRAME_S)
        self._quiet_frames = self._refractory

    @property
    def floor_dbfs(self) -> float:
        """The noise floor above 80 Hz, RMS relative to full scale."""
        return _SILENCE_DB if self._floor_db is None else self._floor_db

    def feed(self, samples: NDArray[np.float32]) -> list[int]:
        """Return the candidates that ``samples``, (n,), complete: sample indices counted from the scene's first."""
        if self._state is None:
            # As if the first sample had always been: an offset of the sound card is no transient.
            self._state = signal.sosfilt_zi(self._high) * (samples[0] if len(samples) else 0.0)
        filtered, self._state = signal.sosfilt(self._high, samples, zi=self._state)
        waiting = np.concatenate([self._left, filtered])
        count = len(waiting) // self._frame
        self._left = waiting[count * self._frame :]
        energy = (waiting[: count * self._frame].reshape(count, self._frame) ** 2).mean(axis=1)
        levels = np.maximum(10 * np.log10(energy + 1e-12), _SILENCE_DB).tolist()
        if self._floor_db is None and levels:
            self._floor_db = min(levels)
        candidates = [
            self._begin + number * self._frame for number, level_db in enumerate(levels) if self._leaps(level_db)
        ]
        self._begin += count * self._frame
        return candidates

    def _leaps(self, level_db: float) -> bool:
        assert self._floor_db is not None
        leaps = (
            self._quiet_frames >= self._refractory
            and level_db > self._floor_db + _ABOVE_FLOOR_DB
            and level_db > min(self._before) + _RISE_DB
        )
        step_db = _FLOOR_DB_PER_S * _FRAME_S
        self._floor_db += max(-step_db, min(step_db, level_db - self._floor_db))
        self._before.append(level_db)
        self._quiet_frames = 0 if leaps else self._quiet_frames + 1
        return leaps


def highpass(rate_hz: int) -> NDArray[np.float64]:
    """Return the second-order sections of the filter that onsets are sought behind."""
    sections: NDArray[np.float64] = signal.butter(2, _HIGHPASS_HZ, "highpass", fs=rate_hz, output="sos")
    return sections


def search_range(candidate: int, rate_hz: int) -> tuple[int, int]:
    """Return first and last-plus-one sample that ``pick_onset`` wants around a gate's ``candidate``."""
    before = round((_SEARCH_BEFORE_S + _NOISE_S) * rate_hz)
    return candidate - before, candidate + round((_FRAME_S + _SEARCH_AFTER_S) * rate_hz)


def pick_onset(stretch: NDArray[np.float32], rate_hz: int) -> Onset:
    """Find the first sample of the transient in ``stretch``.

    Args:
        stretch: (n,) samples around a candidate, ideally ``search_range`` of them; shorter at a recording's start.
        rate_hz: samples per second.

    Returns:
        The onset. ``error_s`` is the jitter of a threshold on a rising edge, noise divided by slope (Skolnik), plus
        half a sample; the slope is the peak over the time from onset to peak, so it carries the bandwidth.
    """
    if len(stretch) < 8 or not np.any(stretch):
        return Onset(0, _FRAME_S)
    sections = highpass(rate_hz)
    # Begun in the steady state of its first sample, or the filter's own start would look like an arrival.
    wave, _ = signal.sosfilt(sections, stretch, zi=signal.sosfilt_zi(sections) * stretch[0])
    if not np.any(wave):
        return Onset(0, _FRAME_S)
    peak = int(np.argmax(np.abs(wave)))
    sample = _akaike(wave[: peak + 1]) if peak >= 4 else 0
    rise = max(1, peak - sample)
    noise = float(np.sqrt(np.mean(wave[:sample] ** 2))) if sample >= 4 else 0.0
    height = float(np.abs(wave[peak]))
    jitter_s = (noise / height) * rise / rate_hz
    return Onset(sample, math.hypot(jitter_s, 0.5 / rate_hz))


def _akaike(wave: NDArray[np.float64]) -> int:
    """Return the split of ``wave`` into noise and transient that two variances explain best."""
    power = wave**2
    ahead = np.cumsum(power)
    count = len(wave)
    splits = np.arange(2, count - 1)
    if len(splits) == 0:
        return 0
    left = ahead[splits - 1] / splits
    right = (ahead[-1] - ahead[splits - 1]) / (count - splits)
    floor = 1e-14  # digital silence before the onset would be minus infinity
    cost = splits * np.log(left + floor) + (count - splits) * np.log(right + floor)
    return int(splits[int(np.argmin(cost))])
