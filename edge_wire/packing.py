"""Compact forms of what fills a plate read: probabilities, slots and ranges.

A probability is one byte of log-odds: 0 is zero, 255 is one, and between them 254 equal steps of ln(p / (1 - p)) from
0.0005 to 0.9999. Odds are off by at most 3.5 %, near one as near zero; a plain logarithm would keep 0.002 and lose
the difference between 0.99 and 0.9995, which is what decides whether an alternative is plausible.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence

_LOW, _HIGH = math.log(0.0005 / 0.9995), math.log(0.9999 / 0.0001)
_STEP = (_HIGH - _LOW) / 253
MIN_SLOT_PROBABILITY = 0.002
MAX_SLOT_CANDIDATES = 5


def pack_log_odds(p: float) -> int:
    """Return the byte for ``p`` in [0, 1]."""
    if p <= 0:
        return 0
    if p >= 1:
        return 255
    return 1 + min(253, max(0, round((math.log(p / (1 - p)) - _LOW) / _STEP)))


def _probability(byte: int) -> float:
    if byte in (0, 255):
        return byte / 255
    return 1 / (1 + math.exp(-(_LOW + (byte - 1) * _STEP)))


_PROBABILITIES = tuple(_probability(byte) for byte in range(256))
_PRINTABLE = range(0x21, 0x7F)


class _Candidates(dict[int, tuple[str, float]]):
    """Candidates of slots by the two bytes of each as one number, made when they first occur: reads repeat them."""

    def __missing__(self, pair: int) -> tuple[str, float]:
        character, byte = pair.to_bytes(2, sys.byteorder)
        if character not in _PRINTABLE:
            raise ValueError(f"slots: got character {character:#04x}, expected one of printable ASCII")
        return self.setdefault(pair, (chr(character), _PROBABILITIES[byte]))


_CANDIDATES = _Candidates()


def unpack_log_odds(byte: int) -> float:
    """Return the probability that ``byte`` stands for.

    Raises:
        ValueError: it is not a byte.
    """
    if not isinstance(byte, int) or not 0 <= byte <= 255:
        raise ValueError(f"probability: got {byte!r}, expected 0 to 255")
    return _PROBABILITIES[byte]


def pack_slots(slots: Iterable[Iterable[tuple[str, float]]]) -> list[bytes]:
    """Return one byte string a slot: character and probability in turn, likeliest first.

    Keeps at most five candidates a slot, and of those only what has a probability of 0.002 or more (but always the
    likeliest).

    Raises:
        ValueError: a character is not one of printable ASCII.
    """
    packed = []
    for slot in slots:
        ranked = sorted(slot, key=lambda candidate: -candidate[1])[:MAX_SLOT_CANDIDATES]
        kept = bytearray()
        for rank, (character, p) in enumerate(ranked):
            if len(character) != 1 or not 0x21 <= ord(character) <= 0x7E:
                raise ValueError(f"slots: got character {character!r}, expected one of printable ASCII")
            if rank == 0 or p >= MIN_SLOT_PROBABILITY:
                kept += bytes((ord(character), pack_log_odds(p)))
        packed.append(bytes(kept))
    return packed


def unpack_slots(packed: Sequence[bytes]) -> list[list[tuple[str, float]]]:
    """Undo ``pack_slots``.

    Raises:
        ValueError: a slot is not pairs of a printable ASCII character and a byte.
    """
    slots = []
    for slot in packed:
        if not isinstance(slot, bytes) or not slot or len(slot) % 2:
            raise ValueError("slots: expected byte strings of character and probability in turn")
        slots.append([_CANDIDATES[pair] for pair in memoryview(slot).cast("H")])
    return slots


def pack_ranges(ranges: Iterable[tuple[int, int]]) -> list[int]:
    """Return distances instead of numbers: gap since the last run (or since 0), length less one, and so on."""
    packed, last = [], 0
    for first, final in ranges:
        if first <= last or final < first:
            raise ValueError(f"ranges: {first}–{final} after {last}: expected ascending runs")
        packed += [first - last, final - first]
        last = final
    return packed


def unpack_ranges(packed: Sequence[int]) -> list[tuple[int, int]]:
    """Undo ``pack_ranges``.

    Raises:
        ValueError: an odd count, a zero gap, or numbers out of range.
    """
    if len(packed) % 2:
        raise ValueError("ranges: expected pairs of gap and length")
    ranges, last = [], 0
    for gap, more in zip(packed[::2], packed[1::2], strict=True):
        if not isinstance(gap, int) or not isinstance(more, int) or gap < 1 or more < 0 or last + gap + more >= 1 << 63:
            raise ValueError("ranges: expected gaps from 1 and lengths from 0, within int64")
        ranges.append((last + gap, last + gap + more))
        last += gap + more
    return ranges


def ranges_of(sequences: Iterable[int]) -> tuple[tuple[int, int], ...]:
    """Return sequences as inclusive ascending runs."""
    runs: list[list[int]] = []
    for sequence in sorted(set(sequences)):
        if runs and sequence == runs[-1][1] + 1:
            runs[-1][1] = sequence
        else:
            runs.append([sequence, sequence])
    return tuple((first, last) for first, last in runs)
