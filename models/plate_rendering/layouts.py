"""Which layout a look gets: a serial of its region, what an owner chose, or a club's. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from models.plate_rendering.looks import Look
from models.plate_rendering.serials import Serial, chosen, fill, formats, parts_of

# Shares of the plates of looks that owners may choose on.
_CHOSEN, _CLUBS, _WHEELCHAIRS, _STACKS = 0.13, 0.085, 0.03, 0.05


def cumulative(weights: Sequence[float]) -> NDArray[np.float64]:
    """Sum ``weights`` up, to 1 in the end."""
    return np.cumsum(np.asarray(weights, np.float64) / sum(weights))


def pick(sums: NDArray[np.float64], rng: np.random.Generator) -> int:
    """Draw a place from what ``cumulative`` made; far quicker than ``rng.choice``."""
    return min(int(np.searchsorted(sums, rng.random(), side="right")), len(sums) - 1)


def broken(layout: str) -> str:
    """Break ``layout`` into two lines: behind its first group, or in its middle."""
    parts = parts_of(layout)
    breaks = [at for at, part in enumerate(parts) if part in " -" and 0 < at < len(parts) - 1]
    if not breaks:
        return "".join(parts[: len(parts) // 2]) + "|" + "".join(parts[len(parts) // 2 :])
    at = min(breaks, key=lambda at: abs(at - len(parts) * 0.3))
    return "".join(parts[:at]) + "|" + "".join(parts[at + 1 :])


def layout_for(look: Look, rng: np.random.Generator) -> str:
    """Make a layout for ``look``: a serial, or sometimes what an owner or a club chose."""
    kind = rng.random()
    if look.vanity and kind < _CHOSEN:
        return chosen(rng)
    if look.vanity and kind < _CHOSEN + _CLUBS:
        return _special(rng)
    serials, sums = _serials(look)
    layout = serials[pick(sums, rng)].make(rng)
    if look.vanity and kind < _CHOSEN + _CLUBS + _WHEELCHAIRS:
        return f"&{layout}" if rng.random() < 0.7 else f"{layout}&"
    if look.vanity and kind < _CHOSEN + _CLUBS + _WHEELCHAIRS + _STACKS:
        short = fill(_CLUB_SERIALS[int(rng.integers(len(_CLUB_SERIALS)))], rng)
        return f"{_stack(rng)}{short}" if rng.random() < 0.5 else f"{short}{_stack(rng)}"
    return layout


def layout_of(look: Look, text: str) -> str:
    """Put the marks between the characters of ``text`` that the serials of ``look`` have there, if one fits."""
    fitting = [serial for serial in _serials(look)[0] if serial.fits(text)]
    return fitting[0].spread(text) if fitting else text


def _special(rng: np.random.Generator) -> str:
    """A plate of a club: an emblem, perhaps two small letters, and a short serial."""
    stack = _stack(rng) if rng.random() < 0.5 else ""
    serial = fill(_CLUB_SERIALS[int(rng.integers(len(_CLUB_SERIALS)))], rng)
    kind = rng.random()
    if kind < 0.15:
        return f"{stack}{serial}@"
    return f"@{serial}{stack}" if kind < 0.5 else f"@{stack}{serial}"


def _stack(rng: np.random.Generator) -> str:
    """Small letters beside a serial: mostly two, sometimes one or three, seldom with a figure."""
    return fill(_STACKS_OF[int(rng.integers(len(_STACKS_OF)))], rng)


_STACKS_OF = ("[AA]", "[AA]", "[AA]", "[AA]", "[AA]", "[A]", "[A]", "[AAA]", "[9A]", "[US]", "[99]")


_CLUB_SERIALS = ("9999", "99999", "A9999", "9999A", "AA999", "99AA", "999AA", "AA99", "999A", "A999", "9A9A9", "999")
_ANY_SERIALS = (
    *("AAA9999", "AAA-9999", "AAA 999", "999 AAA", "9AAA999", "999-AAA", "AA 99999", "AAA9A9", "9A9999A", "A99 AAA"),
    *("999999", "AAA*999", "AAA*9999", "AA9 A9A", "AAA AAA", "A999999", "9999 AA", "AAAA 99", "AAAAAAA", "9999999"),
)


@lru_cache(maxsize=2000)
def _serials(look: Look) -> tuple[tuple[Serial, ...], NDArray[np.float64]]:
    """Return the serials of ``look`` and their cumulative weights."""
    own = tuple((1.0, Serial(pattern)) for pattern in look.serials)
    rows = own or formats().get(look.region) or tuple((1.0, Serial(pattern)) for pattern in _ANY_SERIALS)
    return tuple(serial for _, serial in rows), cumulative([weight for weight, _ in rows])
