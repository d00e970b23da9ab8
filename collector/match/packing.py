"""Plates as numbers: equal plates have equal keys, and whole arrays of them are made and compared at once.

A plate of up to 12 characters A-Z and 0-9 is a number to base 36, its first character first: ``key = key * 36 +
code``, codes from 1 on, so that plates of every length have keys of their own. O is packed as 0: no camera tells them
apart, and clerks mix them. Which 0s were the letter O is kept beside (``o_mask``), for whoever wants the plate back as
it was written. Keys lie below 2**63; a text that does not fit is hashed to one above. Pure; safe on any thread.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

BASE = 36
LONGEST = 12
"""So many characters fit."""
ODD = 1 << 63
"""Keys from here on are hashes of texts that do not fit."""

SPELLED = "_0123456789ABCDEFGHIJKLMNPQRSTUVWXYZ"
"""The characters by their codes; ``_`` is none."""
EMPTY = 0
"""The code of no character."""

_CHARACTERS = SPELLED[1:]
_NONE = 255
_POINTS = np.frombuffer(f"\0{_CHARACTERS}".encode(), np.uint8)


def _codes() -> NDArray[np.uint8]:
    codes = np.full(128, _NONE, np.uint8)
    codes[0] = 0
    codes[np.frombuffer(_CHARACTERS.encode(), np.uint8)] = np.arange(1, BASE)
    codes[ord("O")] = codes[ord("0")]
    codes.flags.writeable = False
    return codes


CODES = _codes()
"""(128,) uint8: the code of an ASCII character, 1 to 35; 0 for NUL, which ends a text; 255 for all others."""
CODE_OF: dict[str, int] = {chr(point): code for point, code in enumerate(CODES.tolist()) if 0 < code < BASE}
"""The same for one character after another; only those that plates bear."""


def pack(texts: Sequence[str]) -> NDArray[np.uint64]:
    """Return (N,) uint64, the keys of texts; 0 for an empty one."""
    if not len(texts):
        return np.empty(0, np.uint64)
    # One character more than fits shows what is longer.
    points = np.array(texts, dtype=f"U{LONGEST + 1}").view(np.uint32).reshape(len(texts), LONGEST + 1)
    keys, fits = _packed(CODES[np.minimum(points, 127)])
    for row in np.flatnonzero(~fits).tolist():
        keys[row] = odd_key(texts[row])
    return keys


def pack_bytes(characters: NDArray[np.uint8]) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    """Pack ASCII characters.

    Args:
        characters: (N, L) uint8, one text a row, NUL behind its end.

    Returns:
        (N,) uint64, the keys, and (N,) bool, which of them fit; the key of one that does not means nothing.
    """
    return _packed(CODES[np.minimum(characters, 127)])


def o_masks(characters: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Return (N,) uint16 for (N, L) uint8 ASCII, L up to 12: bit i is set where character i is the letter O."""
    bits = np.uint16(1) << np.arange(characters.shape[1], dtype=np.uint16)
    masks: NDArray[np.uint16] = ((characters == ord("O")) * bits).sum(axis=1, dtype=np.uint16)
    return masks


def odd_key(text: str) -> int:
    """Return the key of a text that does not fit: the same for texts that differ by O and 0 only."""
    digest = hashlib.blake2b(text.replace("O", "0").encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") | ODD


def as_bytes(texts: Sequence[str]) -> NDArray[np.uint8]:
    """Return (N, 12) uint8 ASCII, NUL behind the end, of texts that fit."""
    return np.array(texts, dtype=f"S{LONGEST}").view(np.uint8).reshape(len(texts), LONGEST)


def unpack(keys: NDArray[np.uint64], o_mask: NDArray[np.uint16] | None = None) -> list[str]:
    """Return the texts of keys that are no hashes; the letter O only where ``o_mask`` has it."""
    left = keys.astype(np.uint64)
    codes = np.zeros((len(left), LONGEST), np.uint8)
    for at in range(LONGEST - 1, -1, -1):
        left, codes[:, at] = np.divmod(left, np.uint64(BASE))
    # Left-aligned, as texts are: the empty codes of a short one stand in front.
    lengths = np.count_nonzero(codes, axis=1)
    columns = np.arange(LONGEST)[None, :] + (LONGEST - lengths)[:, None]
    aligned = np.where(columns < LONGEST, np.take_along_axis(codes, np.minimum(columns, LONGEST - 1), axis=1), 0)
    characters = _POINTS[aligned]
    if o_mask is not None:
        is_o = (o_mask[:, None] >> np.arange(LONGEST, dtype=np.uint16)) & 1
        characters = np.where(is_o.astype(np.bool_), np.uint8(ord("O")), characters)
    texts: list[str] = np.ascontiguousarray(characters).view(f"S{LONGEST}").ravel().astype(f"U{LONGEST}").tolist()
    return texts


def unpack_one(key: int, o_mask: int = 0) -> str:
    """``unpack`` for one key, twenty times as fast as for an array of one."""
    characters: list[str] = []
    while key:
        key, code = divmod(key, BASE)
        characters.append(_CHARACTERS[code - 1])
    characters.reverse()
    if o_mask:
        for at in range(len(characters)):
            if o_mask >> at & 1:
                characters[at] = "O"
    return "".join(characters)


def _packed(codes: NDArray[np.uint8]) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    """Return the keys of (N, L) codes, and which of them are a text of up to 12 characters and nothing behind it."""
    keys = np.zeros(len(codes), np.uint64)
    fits = np.ones(len(codes), np.bool_)
    ended = np.zeros(len(codes), np.bool_)
    for at, column in enumerate(codes.T):
        filled = column != 0
        # No character that is none of ours, none behind the end, and not too many.
        fits &= ~filled | ((column != _NONE) & ~ended & (at < LONGEST))
        keys = np.where(filled & fits, keys * np.uint64(BASE) + column, keys)
        ended |= ~filled
    return keys, fits
