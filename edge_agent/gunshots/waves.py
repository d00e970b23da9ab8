"""Rounds told from their echoes, and a bullet's shock wave from the blast of the muzzle.

A gun fired again from the same place sounds the same at the same microphone: same level, same waveform, for the way of
the sound is the same. On live fire the first 40 ms of a second round correlate with those of the first by 0.92 (a
quarter less) and differ by less than 1.1 dB (nine in ten); echoes, which took another way, correlate by 0.29 and nine
in ten below 0.48. So what follows a round soon is a round if it is like one already heard, and an echo otherwise,
unless it clearly is a sound of its own. The gap to the round before does not count: rounds may follow each other by
50 ms.

A supersonic bullet that passes near arrives first: as an N, a rise, a straight fall through zero and a rise, within
less than a millisecond, bright and dry. The blast of the muzzle follows, lower and longer.

Pure functions; any thread may call them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edge_agent.gunshots.picking import highpassed

SHAPE_BEFORE_S = 0.080
"""What ``shape_of`` wants before an onset."""
SHAPE_AFTER_S = 0.060
"""What ``shape_of`` wants after it."""
ECHOES_S = 1.0
"""How long after a round its street may answer."""

_AVERAGED_HZ = 6_000
_LEAD_S = 0.002
_ALIKE_S = 0.040
_SHIFT_S = 0.015
_LEVEL_S = 0.050
_RISE_S = 0.015
# The likeness of live fire's rounds lies above this for 91 of 100 (96 of those not drowned in noise), of echoes for 1.
_ALIKE = 0.6
# The first echoes are the likest, and the most.
_ALIKE_SOON = 0.7
_ALIKE_DB = 3.0
_LEAST_GAP_S = 0.045
# A sound of its own: after the densest echoes, rising clearly out of the tail, nearly as loud as the round before it.
_APART_S = 0.35
_APART_RISE_DB = 10.0
_APART_DB = 6.0
# Louder than a round by this much, what follows is no answer to it.
_LOUDER_DB = 6.0
# Noise drowns the likeness of fainter rounds, and their echoes as well.
_FAINT_DB = 8.0
# What does not stand out by this much is no shot, unless it is like one: the tail of a street has bumps.
_LEAST_SNR_DB = 3.0
_TAIL_S = 3.0
_TAIL_DB = 10.0

_N_WAVE_S = (0.00008, 0.0009)
_N_LOPSIDED = 2.0
_N_DRY_DB = 9.0
_N_AFTER_S = 0.004
_N_LEAST_HZ = 11_000
_BLAST_DULLER = 1.4


@dataclass(frozen=True, slots=True)
class Shape:
    """What an onset sounds like at this microphone, free of rumble.

    Attributes:
        core: its first 40 ms, at some 6 kHz, of length 1.
        wide: the same with 15 ms more on either side, not scaled.
        level_db: its first 50 ms.
        snr_db: the same over the 50 ms before.
        rise_db: its first 15 ms over the 15 ms before.
        centre_hz: where the middle of its power spectrum lies.
        n_wave: whether it begins with an N, as shock waves do.
    """

    core: NDArray[np.float32]
    wide: NDArray[np.float32]
    level_db: float
    snr_db: float
    rise_db: float
    centre_hz: float
    n_wave: bool


def shape_of(stretch: NDArray[np.float32], rate_hz: int, onset: int) -> Shape:
    """Return the shape of the onset at sample ``onset`` of ``stretch``.

    Args:
        stretch: (n,) samples, ideally from ``SHAPE_BEFORE_S`` before the onset to ``SHAPE_AFTER_S`` after it; what
            lacks at the ends of a recording counts as silence.
        rate_hz: samples per second.
        onset: index into ``stretch``.
    """
    averaged = max(1, round(rate_hz / _AVERAGED_HZ))
    low_hz = rate_hz / averaged
    before, after = round(SHAPE_BEFORE_S * rate_hz), round(SHAPE_AFTER_S * rate_hz)
    # Whole averages on either side, so that the onset stands at the same place in every shape.
    lead, count = -(-before // averaged), -(-(before + after) // averaged)
    first = onset - lead * averaged
    whole = stretch[max(0, first) : max(0, first + count * averaged)]
    ahead = max(0, -first)
    if len(whole) < count * averaged:
        whole = np.pad(whole, (ahead, count * averaged - ahead - len(whole)), mode="constant")
    wave = highpassed(whole.reshape(count, averaged).mean(axis=1), low_hz).astype(np.float32)

    def part(begin_s: float, length_s: float) -> NDArray[np.float32]:
        start = lead + round(begin_s * low_hz)
        return wave[max(0, start) : start + round(length_s * low_hz)]

    core = part(-_LEAD_S, _ALIKE_S)
    lead_in = round(_RISE_S * rate_hz)
    return Shape(
        core=core / np.float32(max(float(np.linalg.norm(core)), 1e-9)),
        wide=part(-_LEAD_S - _SHIFT_S, _ALIKE_S + 2 * _SHIFT_S),
        level_db=_level_db(part(0, _LEVEL_S)),
        snr_db=_level_db(part(0, _LEVEL_S)) - _level_db(part(-_LEVEL_S - 0.0005, _LEVEL_S)),
        rise_db=_level_db(part(0, _RISE_S)) - _level_db(part(-_RISE_S - 0.0005, _RISE_S)),
        centre_hz=_centre_hz(part(0, _ALIKE_S), low_hz),
        n_wave=_is_n_wave(stretch[max(0, onset - lead_in) : onset + lead_in], rate_hz, min(onset, lead_in)),
    )


def likeness(one: Shape, other: Shape) -> float:
    """Return how alike two onsets are, 0 to 1: their highest correlation when shifted by up to 15 ms."""
    width = len(one.core)
    if len(other.wide) < width:
        return 0.0
    products = np.correlate(other.wide, one.core, "valid")
    energies = np.cumsum(np.concatenate([[0.0], other.wide.astype(np.float64) ** 2]))
    lengths = np.sqrt(np.maximum(energies[width:] - energies[:-width], 1e-18))
    return max(0.0, float((products / lengths).max()))


def is_alike(one: Shape, other: Shape, gap_s: float) -> bool:
    """Whether two onsets, the last round and the next ``gap_s`` apart, may be rounds of one gun from one place."""
    least = _ALIKE if gap_s > _APART_S else _ALIKE_SOON
    return abs(one.level_db - other.level_db) <= _ALIKE_DB and likeness(one, other) >= least


def is_repeated(onset: Shape, rounds: Sequence[tuple[float, Shape]]) -> bool:
    """Whether ``onset`` is like one of the ``rounds``, as ``is_echo`` takes them, and late enough to be the next."""
    soonest_s = rounds[-1][0] if rounds else math.inf
    return soonest_s >= _LEAST_GAP_S and any(is_alike(shape, onset, soonest_s) for _, shape in rounds)


def is_echo(onset: Shape, rounds: Sequence[tuple[float, Shape]]) -> bool:
    """Whether ``onset`` is an answer to one of the ``rounds``, or a bump of their tail, rather than a round itself.

    Args:
        onset: what is to be told.
        rounds: gap in seconds from each round already heard to ``onset``, and its shape; in order of time.
    """
    if is_repeated(onset, rounds):
        return False
    if onset.snr_db < _LEAST_SNR_DB:
        return True
    near = [(gap_s, shape) for gap_s, shape in rounds if gap_s <= _TAIL_S]
    if not near:
        return False
    gap_s, last = near[-1]
    if gap_s > ECHOES_S:
        return onset.rise_db < _APART_RISE_DB and onset.level_db < last.level_db - _TAIL_DB
    if onset.level_db >= max(shape.level_db for _, shape in near) + _LOUDER_DB:
        return False
    if last.snr_db < _FAINT_DB and gap_s > _APART_S:
        return onset.level_db < last.level_db - _ALIKE_DB
    apart = gap_s > _APART_S and onset.rise_db >= _APART_RISE_DB and onset.level_db >= last.level_db - _APART_DB
    return not apart


def wave_of(first: Shape, others: Sequence[Shape]) -> str:
    """Return which wave an arrival is of: ``shock-wave``, ``muzzle-blast`` or ``unknown``.

    Args:
        first: the arrival.
        others: what followed it within a second.
    """
    if first.n_wave:
        blast = any(is_blast_after(first, other) for other in others)
        return "shock-wave" if blast else "unknown"
    return "muzzle-blast" if first.rise_db >= _APART_RISE_DB else "unknown"


def is_blast_after(shock: Shape, onset: Shape) -> bool:
    """Whether ``onset`` may be the blast of the muzzle whose bullet's shock wave is ``shock``: clearly duller."""
    return not onset.n_wave and onset.rise_db >= _ALIKE_DB and onset.centre_hz * _BLAST_DULLER <= shock.centre_hz


def _level_db(wave: NDArray[np.float32]) -> float:
    return 10 * math.log10(float(wave @ wave) / max(1, len(wave)) + 1e-12)


def _centre_hz(wave: NDArray[np.float32], rate_hz: float) -> float:
    taper, at_hz = _spectrum(len(wave), rate_hz)
    power = np.abs(np.fft.rfft(wave * taper)) ** 2
    total = float(power.sum())
    return 0.0 if total <= 0 else float(power @ at_hz) / total


@lru_cache(maxsize=16)
def _spectrum(count: int, rate_hz: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the taper of ``count`` samples, and where their spectrum's bins lie."""
    at_hz: NDArray[np.float64] = np.fft.rfftfreq(count, 1 / rate_hz).astype(np.float64, copy=False)
    return np.hanning(count), at_hz


def _is_n_wave(stretch: NDArray[np.float32], rate_hz: int, onset: int) -> bool:
    """Whether two peaks of opposite sign and like height stand at the onset, and next to nothing follows them soon."""
    if rate_hz < _N_LEAST_HZ:
        return False  # too coarse to see one
    wave = highpassed(stretch, rate_hz)
    near = wave[onset : onset + round((_N_WAVE_S[1] + 0.0004) * rate_hz)]
    after = wave[onset + round(2 * _N_WAVE_S[1] * rate_hz) : onset + round((2 * _N_WAVE_S[1] + _N_AFTER_S) * rate_hz)]
    if len(near) < 4 or len(after) < 4:
        return False
    high, low = int(near.argmax()), int(near.argmin())
    apart_s = (low - high) / rate_hz
    if not _N_WAVE_S[0] <= apart_s <= _N_WAVE_S[1]:
        return False
    lopsided = float(near[high]) / max(-float(near[low]), 1e-9)
    dry_db = 20 * math.log10(float(near[high]) / max(float(np.abs(after).max()), 1e-9)) if near[high] > 0 else 0.0
    return 1 / _N_LOPSIDED <= lopsided <= _N_LOPSIDED and dry_db >= _N_DRY_DB
