"""What ``bench/match.py`` and its stages are made of: plates in the formats of US states, and reads of them."""

import gc
import os
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from collector.match import packing
from collector.match.records import Seen

STATES_OF_PLATES = ("US-CA", "US-TX", "US-NY", "US-FL", "US-AZ", "US-NV", None)
LIKE = dict(zip("0123456789ABCDEFGHJKLMNPRSTUVWXYZ", "D7ZBAS6T83R8GDEP6NIXIHHW8BINYVUXVKYIZ2", strict=False))
"""What each character is taken for most easily."""
_LETTERS, _DIGITS = b"ABCDEFGHJKLMNPRSTUVWXYZ", b"0123456789"
_FORMATS = ("9AAA999", "AAA9999", "AAA999", "999AAA", "AA99999", "9A99999")
_SLOTS = 10


def plates(count: int, seed: int) -> NDArray[np.uint8]:
    """Return (count, 12) uint8 ASCII."""
    chance = np.random.default_rng(seed)
    made = np.zeros((count, packing.LONGEST), np.uint8)
    letters, digits = np.frombuffer(_LETTERS, np.uint8), np.frombuffer(_DIGITS, np.uint8)
    of = chance.integers(0, len(_FORMATS), count)
    for number, written in enumerate(_FORMATS):
        rows = np.flatnonzero(of == number)
        for at, kind in enumerate(written):
            alphabet = letters if kind == "A" else digits
            made[rows, at] = alphabet[chance.integers(0, len(alphabet), len(rows))]
    return made


def texts_of(characters: NDArray[np.uint8]) -> list[str]:
    """Return plates as texts."""
    return [text.decode() for text in characters.view(f"S{packing.LONGEST}").ravel().tolist()]


def resident_bytes() -> int:
    """Return what this process holds in memory."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def confident(texts: Sequence[str]) -> list[Seen]:
    """Return reads of plates of which every character is sure."""
    chance = random.Random(5)
    reads = []
    for text in texts:
        slots = []
        for character in text:
            p = chance.choice((0.9995, 0.999, 0.997, 0.99))
            slots.append(((character, p), (LIKE[character], round((1 - p) * 0.8, 6))))
        slots += [(("_", 1.0),)] * (_SLOTS - len(text))
        reads.append(Seen(text, tuple(slots), (("US-TX", 0.9), ("US-OK", 0.05)), None))
    return reads
