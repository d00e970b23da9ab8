"""Tells what differs between two versions of a list, by digests: thirty-two bytes for an entry, whatever it says.

Pure. 128 bits each for what makes an entry the same (its key) and for all that it says: among ten million entries the
chance that two different ones share a digest is below 1e-24.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from collector.store.entries import Key

_BYTES = 16
_encode = msgspec.msgpack.encode


class Digests:
    """The digests of entries, numbered from 0 in the order in which they were noted."""

    def __init__(self) -> None:
        self._keys = bytearray()
        self._contents = bytearray()

    def note(self, key: Key, values: Sequence[Any]) -> None:
        """Note one more entry.

        Args:
            key: what makes it the same entry in another version.
            values: all that it says, as ``entries.values`` has it.
        """
        self._keys += blake2b(_encode(key), digest_size=_BYTES).digest()
        self._contents += blake2b(_encode(values), digest_size=_BYTES).digest()

    def __len__(self) -> int:
        return len(self._keys) // _BYTES

    @property
    def keys(self) -> NDArray[np.uint64]:
        """(n, 2)."""
        return np.frombuffer(bytes(self._keys), np.uint64).reshape(-1, 2)

    @property
    def contents(self) -> NDArray[np.uint64]:
        """(n, 2)."""
        return np.frombuffer(bytes(self._contents), np.uint64).reshape(-1, 2)


@dataclass(frozen=True, slots=True)
class Difference:
    """What a newer version changes.

    Attributes:
        begin: (n,) bool, which entries of the newer one are to be written.
        end: (m,) bool, which entries of the older one end.
        added: how many were not there.
        changed: how many of the same key say something else.
        removed: how many are no longer there.
        unchanged: how many stay as they are.
        pairs: (changed, 2), places in the older and in the newer one of those that say something else.
    """

    begin: NDArray[np.bool_]
    end: NDArray[np.bool_]
    added: int
    changed: int
    removed: int
    unchanged: int
    pairs: NDArray[np.intp]


def last_of_each(digests: Digests) -> NDArray[np.bool_]:
    """Return which entries count, (n,) bool: of those with the same key the last one."""
    order, same = _grouped(digests.keys)
    counts = np.ones(len(digests), bool)
    counts[order[:-1][same]] = False
    return counts


def difference(older: Digests, newer: Digests, counts: NDArray[np.bool_]) -> Difference:
    """Compare two versions.

    Args:
        older: what is in force.
        newer: what is to be.
        counts: (n,) which entries of ``newer`` count, each key once.
    """
    rows = np.flatnonzero(counts)
    order, same = _grouped(np.concatenate([older.keys, newer.keys[rows]]))
    contents = np.concatenate([older.contents, newer.contents[rows]])
    first, second = order[:-1][same], order[1:][same]
    # Within a key older ones stand first; only the last of them can be a newer one.
    met = second >= len(older)
    first, second = first[met], second[met]
    equal = (contents[first] == contents[second]).all(axis=1)
    end = np.ones(len(older), bool)
    end[first[equal]] = False
    begin = counts.copy()
    begin[rows[second[equal] - len(older)]] = False
    changed = int(np.count_nonzero(~equal))
    unchanged = int(np.count_nonzero(equal))
    return Difference(
        begin=begin,
        end=end,
        added=len(rows) - unchanged - changed,
        changed=changed,
        removed=int(np.count_nonzero(end)) - changed,
        unchanged=unchanged,
        pairs=np.column_stack([first[~equal], rows[second[~equal] - len(older)]]),
    )


def _grouped(keys: NDArray[np.uint64]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Return an order in which equal keys stand together as they stood, and where one equals the one before it."""
    order = np.lexsort((keys[:, 1], keys[:, 0]))
    ordered = keys[order]
    return order, (ordered[1:] == ordered[:-1]).all(axis=1)
