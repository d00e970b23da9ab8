"""Onsets on their way to be shots: as the gate leaps, as they were picked and measured, and with what followed them.

Pure functions of a scene; any thread that owns it may call them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_agent.gunshots.scene import Scene
from edge_agent.gunshots.waves import SHAPE_AFTER_S, SHAPE_BEFORE_S, Shape, is_blast_after, shape_of, wave_of
from edge_agent.records import OtherOnset

LEVEL_S = 0.050
"""What a peak or a level is taken of, from the onset on."""
_FULL_SCALE = 0.999
_OTHERS = 8
_OTHERS_DB = 20.0
# Live fire: what stands out by 4 dB and less is often picked on something else, tens of milliseconds away.
_FAINT_S = 0.050
_SILENCE_DBFS = -120.0


@dataclass(frozen=True, slots=True)
class Leap:
    """A frame that the gate named.

    Attributes:
        sample: its first sample.
        peak_dbfs: highest sample of the 50 ms from there.
    """

    sample: int
    peak_dbfs: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """An onset that may be a shot.

    Attributes:
        at: where it begins, in samples from the scene's first, between samples too.
        error_s: one sigma of ``at``.
        peak_dbfs: highest sample of the 50 ms from there.
        rms_dbfs: root mean square of the same.
        clipped: whether samples stood at full scale in them.
        snr_db: the same 50 ms over the 50 ms before, above 200 Hz: rumble drowns no bang.
        shape: what it sounds like.
    """

    at: float
    error_s: float
    peak_dbfs: float
    rms_dbfs: float
    clipped: bool
    snr_db: float
    shape: Shape

    @property
    def sample(self) -> int:
        """The sample that it begins at or in."""
        return int(self.at)


def leaps_at(scene: Scene, frames: Sequence[int]) -> list[Leap]:
    """Measure the frames that the gate named, in order of time."""
    first, length = frames[0], round(LEVEL_S * scene.rate_hz)
    samples = scene.between(first, frames[-1] + length)
    level = np.zeros(len(samples) + 1, np.float32)
    np.abs(samples, out=level[:-1])
    # Pairs of begin and end: what lies between the end of one and the begin of the next is nobody's.
    bounds = np.array([(frame - first, frame - first + length) for frame in frames]).reshape(-1)
    peaks = np.maximum.reduceat(level, np.minimum(bounds, len(samples)))[::2]
    return [Leap(frame, dbfs(peak)) for frame, peak in zip(frames, peaks.tolist(), strict=True)]


def measured(scene: Scene, at: float, error_s: float) -> Candidate:
    """Measure the onset that was picked at ``at``; see ``Candidate``."""
    rate_hz, sample = scene.rate_hz, int(at)
    first = max(scene.begin, sample - round(SHAPE_BEFORE_S * rate_hz))
    stretch = scene.between(first, sample + round(SHAPE_AFTER_S * rate_hz))
    onset = sample - first
    length = round(LEVEL_S * rate_hz)
    after = stretch[onset : onset + length]
    level = np.abs(after)
    shape = shape_of(stretch, rate_hz, onset)
    return Candidate(
        at=at,
        error_s=error_s,
        peak_dbfs=dbfs(float(level.max(initial=0.0))),
        rms_dbfs=dbfs(_rms(after)),
        clipped=int(np.count_nonzero(level >= _FULL_SCALE)) >= 2,  # one sample may touch full scale by chance
        snr_db=shape.snr_db,
        shape=shape,
    )


def gaps(candidate: Candidate, rounds: list[Candidate], rate_hz: int) -> list[tuple[float, Shape]]:
    """Return the gap in seconds from each of ``rounds`` to ``candidate``, and its shape."""
    return [((candidate.at - r.at) / rate_hz, r.shape) for r in rounds]


def faint_s(snr_db: float) -> float:
    """Return one sigma of having picked something else than the first arrival, because it hardly stands out."""
    return min(_FAINT_S, _FAINT_S * 10 ** (-snr_db / 5))


def others_of(arrival: Candidate, following: list[Candidate], rate_hz: int) -> tuple[OtherOnset, ...]:
    """Return the loudest of the onsets that followed ``arrival``, in order of time."""
    level_db = arrival.shape.level_db
    loud = [other for other in following if other.shape.level_db >= level_db - _OTHERS_DB]
    kept = sorted(sorted(loud, key=lambda other: -other.shape.level_db)[:_OTHERS], key=lambda other: other.at)
    shock = wave_of(arrival.shape, [other.shape for other in following]) == "shock-wave"
    told: list[OtherOnset] = []
    for other in kept:
        blast = shock and is_blast_after(arrival.shape, other.shape)
        shock = shock and not blast  # the first that may be it is it
        offset_ns = round((other.at - arrival.at) * 1e9 / rate_hz)
        wave = "muzzle-blast" if blast else "echo"
        told.append(OtherOnset(offset_ns, wave, other.shape.level_db - level_db))
    return tuple(told)


def _rms(samples: NDArray[np.float32]) -> float:
    return float(np.sqrt(np.mean(samples.astype(np.float64) ** 2))) if len(samples) else 0.0


def dbfs(amplitude: float) -> float:
    """Return an amplitude in decibels of full scale; of silence -120."""
    return max(_SILENCE_DBFS, 20 * math.log10(max(amplitude, 1e-9)))
