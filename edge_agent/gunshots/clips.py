"""The few seconds that are kept around shots, as people listen to them and as they were heard.

A clip begins before its first shot and ends after it. A round that follows soon shares it, if at least a third of what
should be kept after a shot follows that round too; the next one begins a clip of its own. ``ClipKeeper`` holds no
sound itself, only the numbers of the shots whose clip is not whole yet, and belongs to the thread that feeds the
detector; the rest is pure.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass, field

import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy import signal

from edge_agent.gunshots.scene import Scene
from edge_agent.records import KeptClip

CLIP_BYTES = 20_000
"""What the Ogg Opus of a clip of the usual 4 s stays below, whatever the sound: three of them pass a slow link soon."""

_OPUS_RATES_HZ = (8_000, 12_000, 16_000, 24_000, 48_000)
# libsndfile turns these into about 34, 21, and 6 to 14 kbit/s.
_COMPRESSION_LEVELS = (0.9, 0.95, 1.0)
_SHARED = 2 / 3


@dataclass(frozen=True, slots=True)
class ClipSettings:
    """How much sound is kept around a shot.

    Attributes:
        before_s: seconds before its onset.
        after_s: seconds after it.

    Raises:
        ValueError: a negative one, or both 0.
    """

    before_s: float = 1.0
    after_s: float = 3.0

    def __post_init__(self) -> None:
        if self.before_s < 0 or self.after_s <= 0:
            raise ValueError(
                f"ClipSettings: got before_s {self.before_s} and after_s {self.after_s}, expected 0 or more and more "
                "than 0; None in place of the settings keeps no sound"
            )


USUAL_CLIPS = ClipSettings()
"""One second before a shot, three after it."""


@dataclass(slots=True)
class _Open:
    """A clip that still waits for its end: the sample of its first shot, and the numbers of all its shots."""

    sample: int
    shots: list[int] = field(default_factory=list)


class ClipKeeper:
    """Knows which shots share a clip, and cuts it out of the scene when it is complete."""

    def __init__(self, settings: ClipSettings, rate_hz: int) -> None:
        self._before = round(settings.before_s * rate_hz)
        self._after = round(settings.after_s * rate_hz)
        self._open: _Open | None = None

    @property
    def oldest(self) -> int | None:
        """The first sample that a clip being waited for needs; None without one."""
        return None if self._open is None else self._open.sample - self._before

    @property
    def before(self) -> int:
        """How many samples before an onset a clip needs."""
        return self._before

    def add(self, scene: Scene, number: int, sample: int) -> list[KeptClip]:
        """Take the shot ``number`` at ``sample``, in order of time; return the clip that this completes, if any."""
        kept = self.complete(scene, sample)
        if self._open is None:
            self._open = _Open(sample)
        self._open.shots.append(number)
        return kept

    def complete(self, scene: Scene, undecided: int, *, over: bool = False) -> list[KeptClip]:
        """Return the clip, if any, that is whole and that no shot at ``undecided`` or later can join any more.

        Args:
            scene: where its samples are.
            undecided: the first sample at which a shot may still be found.
            over: nothing follows: what there is, is all there will be.
        """
        shots = self._open
        if shots is None:
            return []
        last = shots.sample + self._after
        joined = shots.sample + round(self._after * _SHARED)
        if not over and (scene.end < last or undecided <= joined):
            return []
        self._open = None
        first = max(scene.begin, shots.sample - self._before)
        samples = np.clip(scene.between(first, last), -1, 1)
        return [
            KeptClip(
                microphone=scene.microphone,
                captured=scene.captured(first),
                shots=tuple(shots.shots),
                duration_ms=round(1000 * len(samples) / scene.rate_hz),
                clip=opus(samples, scene.rate_hz),
                recording=flac(samples, scene.rate_hz),
            )
        ]


def opus(samples: NDArray[np.float32], rate_hz: int) -> bytes:
    """Return ``samples``, (n,) in [-1, 1], as Ogg Opus: at most ``CLIP_BYTES`` where the compression reaches that."""
    coded_hz = min((rate for rate in _OPUS_RATES_HZ if rate >= rate_hz), default=_OPUS_RATES_HZ[-1])
    common = math.gcd(rate_hz, coded_hz)
    if coded_hz != rate_hz:
        samples = signal.resample_poly(samples, coded_hz // common, rate_hz // common)
    sound = np.clip(samples, -1, 1).astype(np.float32)
    for level in _COMPRESSION_LEVELS:
        file = io.BytesIO()
        soundfile.write(file, sound, coded_hz, format="OGG", subtype="OPUS", compression_level=level)
        if file.tell() <= CLIP_BYTES:
            break
    return file.getvalue()


def flac(samples: NDArray[np.float32], rate_hz: int) -> bytes:
    """Return ``samples``, (n,) in [-1, 1], as 16-bit FLAC."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, format="FLAC", subtype="PCM_16")
    return file.getvalue()
