"""Rows kept in memory, packed: a million of them take some thirty megabytes instead of half a gigabyte.

Rows are tuples of what JSON knows. They can be appended and gone through in order, no more.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

import msgspec

_ROWS_A_PAGE = 1_000
# Hotlists repeat themselves; the quickest level already leaves a quarter of them.
_LEVEL = 1


class Pages:
    """Rows in the order in which they were appended."""

    def __init__(self) -> None:
        self._full: list[bytes] = []
        self._last: list[tuple[Any, ...]] = []

    def append(self, row: tuple[Any, ...]) -> None:
        """Keep one more row."""
        self._last.append(row)
        if len(self._last) == _ROWS_A_PAGE:
            self._full.append(zlib.compress(msgspec.msgpack.encode(self._last), _LEVEL))
            self._last = []

    def __len__(self) -> int:
        return len(self._full) * _ROWS_A_PAGE + len(self._last)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        for page in self._full:
            yield from msgspec.msgpack.decode(zlib.decompress(page), type=list[tuple[Any, ...]])
        yield from self._last
