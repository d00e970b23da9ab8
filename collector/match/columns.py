"""Hotlist entries as columns: what a million of them cost, and how they come together in one sorted run.

``Columns`` are entries in any order, as a store or a file gives them. A ``Run`` holds them by key, with a filter before
them that answers nearly every "not listed" by reading one byte. Both are immutable; what only few entries have (times,
references, texts that no key can hold) stands in columns of its own. Pure; safe on any thread.

A run costs 20 to 25 bytes an entry, with times and a reference for each of them 30 more (``bench/match.py``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collector.match import packing
from collector.match.records import ListedPlate

Kind = tuple[str, str | None, str]
"""List, region and category: few different ones among millions of entries."""

# Fibonacci hashing (Knuth, TAOCP 6.4): spreads keys that differ in their last digits over the whole range.
_SPREAD = np.uint64(0x9E3779B97F4A7C15)
_FILTER_BITS_PER_ENTRY = 24
_SMALLEST_FILTER_BITS = 10


def _place(rows: NDArray[np.uint32], row: int) -> int | None:
    """Return where a row stands among rows that ascend."""
    if not len(rows):
        return None
    at = int(rows.searchsorted(np.uint32(row)))
    return at if at < len(rows) and rows[at] == row else None


@dataclass(frozen=True, slots=True)
class Texts:
    """Texts of some rows.

    Attributes:
        rows: (M,) uint32, ascending.
        ends: (M,) uint32 (uint64 where that is not enough), where the text of each ends in ``characters``; it begins
            where the one before it ends.
        characters: UTF-8.
    """

    rows: NDArray[np.uint32]
    ends: NDArray[np.uint32] | NDArray[np.uint64]
    characters: NDArray[np.uint8]

    @classmethod
    def of(cls, texts: Mapping[int, str]) -> Texts:
        """Return the texts of rows."""
        encoded = [texts[row].encode() for row in sorted(texts)]
        return cls(
            np.array(sorted(texts), np.uint32),
            _short(np.cumsum([len(one) for one in encoded], dtype=np.uint64)),
            np.frombuffer(b"".join(encoded), np.uint8),
        )

    def at(self, row: int) -> str | None:
        """Return the text of a row, if it has one."""
        at = _place(self.rows, row)
        if at is None:
            return None
        begin = int(self.ends[at - 1]) if at else 0
        return self.characters[begin : int(self.ends[at])].tobytes().decode()

    def chosen(self, order: NDArray[np.intp], rows: NDArray[np.uint32]) -> Texts:
        """Return the texts at these places of ``rows``, for other rows, which ascend."""
        all_ends = self.ends.astype(np.uint64)
        begins = np.concatenate((np.zeros(min(1, len(all_ends)), np.uint64), all_ends[:-1]))
        lengths = (all_ends - begins)[order]
        ends = np.cumsum(lengths, dtype=np.uint64)
        # Where each character is taken from: its text's begin, and on from there.
        places = np.repeat(begins[order] - (ends - lengths), lengths.astype(np.intp))
        places += np.arange(len(places), dtype=np.uint64)
        return Texts(rows, _short(ends), self.characters[places])


@dataclass(frozen=True, slots=True)
class Times:
    """Times of some rows.

    Attributes:
        rows: (M,) uint32, ascending.
        utc_ns: (M,) int64.
    """

    rows: NDArray[np.uint32]
    utc_ns: NDArray[np.int64]

    @classmethod
    def of(cls, times_ns: Sequence[int | None]) -> Times:
        """Return the times of rows, of which most have none."""
        timed = [(row, one) for row, one in enumerate(times_ns) if one is not None]
        return cls(np.array([row for row, _ in timed], np.uint32), np.array([one for _, one in timed], np.int64))

    def at(self, row: int) -> int | None:
        """Return the time of a row, if it has one."""
        at = _place(self.rows, row)
        return None if at is None else int(self.utc_ns[at])

    def chosen(self, order: NDArray[np.intp], rows: NDArray[np.uint32]) -> Times:
        """Return the times at these places of ``rows``, for other rows, which ascend."""
        return Times(rows, self.utc_ns[order])


@dataclass(frozen=True, slots=True)
class Columns:
    """N entries, row by row; patterns are not among them.

    Attributes:
        ids: (N,) int64 or uint32.
        keys: (N,) uint64 (``packing``).
        o_mask: (N,) uint16, where a 0 of the key is the letter O.
        kind: (N,) uint16 or uint32, a place of ``kinds``.
        kinds: lists, regions and categories.
        effective: of rows that count only from some time on.
        expires: of rows that count only until some time.
        references: of the rows that have one.
        odd: the plates of rows that no key can hold.
    """

    ids: NDArray[np.int64] | NDArray[np.uint32]
    keys: NDArray[np.uint64]
    o_mask: NDArray[np.uint16]
    kind: NDArray[np.uint16] | NDArray[np.uint32]
    kinds: tuple[Kind, ...]
    effective: Times
    expires: Times
    references: Texts
    odd: Texts

    def __len__(self) -> int:
        return len(self.keys)

    @classmethod
    def of(cls, entries: Sequence[ListedPlate]) -> Columns:
        """Return entries as columns."""
        plates = [one.plate for one in entries]
        keys = packing.pack(plates)
        odd = np.flatnonzero(keys >= packing.ODD).tolist()
        numbers: dict[Kind, int] = {}
        kind = [numbers.setdefault((one.list, one.region, one.category), len(numbers)) for one in entries]
        for row in odd:
            plates[row] = ""
        return cls(
            np.array([one.entry_id for one in entries], np.int64),
            keys,
            packing.o_masks(packing.as_bytes(plates)) if plates else np.empty(0, np.uint16),
            np.array(kind, np.uint32),
            tuple(numbers),
            Times.of([one.effective_ns for one in entries]),
            Times.of([one.expires_ns for one in entries]),
            Texts.of({row: one.reference for row, one in enumerate(entries) if one.reference}),
            Texts.of({row: entries[row].plate for row in odd}),
        )

    @property
    def nbytes(self) -> int:
        """What its arrays take."""
        arrays: list[NDArray[Any]] = [self.ids, self.keys, self.o_mask, self.kind]
        for times in (self.effective, self.expires):
            arrays += [times.rows, times.utc_ns]
        for texts in (self.references, self.odd):
            arrays += [texts.rows, texts.ends, texts.characters]
        return sum(array.nbytes for array in arrays)

    def listed(self, row: int) -> ListedPlate:
        """Return the entry of a row."""
        list_, region, category = self.kinds[self.kind[row]]
        key = int(self.keys[row])
        odd = self.odd.at(row) if key >= packing.ODD else None
        plate = packing.unpack_one(key, int(self.o_mask[row])) if odd is None else odd
        return ListedPlate(
            int(self.ids[row]),
            list_,
            plate,
            region,
            False,
            self.effective.at(row),
            self.expires.at(row),
            category,
            self.references.at(row) or "",
        )


def joined(portions: Sequence[Columns], without: NDArray[np.int64] | None = None) -> Columns:
    """Return all rows of ``portions``, one behind the other, but those whose ids are in ``without`` (ascending)."""
    numbers: dict[Kind, int] = {}
    kinds = []
    for one in portions:
        places = np.array([numbers.setdefault(kind, len(numbers)) for kind in one.kinds], np.uint32)
        kinds.append(places[one.kind] if len(places) else one.kind)
    begins = np.cumsum([0, *(len(one) for one in portions)])
    of_all = Columns(
        np.concatenate([_NO_IDS, *(one.ids for one in portions)]),
        np.concatenate([_NO_KEYS, *(one.keys for one in portions)]),
        np.concatenate([_NO_MASK, *(one.o_mask for one in portions)]),
        np.concatenate([_NO_KIND, *kinds]),
        tuple(numbers),
        _joined_times([one.effective for one in portions], begins),
        _joined_times([one.expires for one in portions], begins),
        _joined_texts([one.references for one in portions], begins),
        _joined_texts([one.odd for one in portions], begins),
    )
    if without is None or not len(without):
        return of_all
    return taken(of_all, np.flatnonzero(~contained(of_all.ids, without)))


_NO_IDS = np.empty(0, np.int64)
_NO_KEYS = np.empty(0, np.uint64)
_NO_MASK = np.empty(0, np.uint16)
_NO_KIND = np.empty(0, np.uint32)


def contained(ids: NDArray[np.int64] | NDArray[np.uint32], ascending: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return (N,) bool: which of ``ids`` are in ``ascending``."""
    if not len(ascending):
        return np.zeros(len(ids), np.bool_)
    wanted = ids.astype(np.int64)
    places = np.minimum(np.searchsorted(ascending, wanted), len(ascending) - 1)
    return np.equal(ascending[places], wanted)


def taken(of: Columns, order: NDArray[np.intp]) -> Columns:
    """Return the rows ``order`` of columns, each at most once, in this order."""
    placed = _Placed(order, len(of))
    kind = of.kind[order]
    return Columns(
        _narrow(of.ids[order]),
        np.take(of.keys, order),
        np.take(of.o_mask, order),
        kind.astype(np.uint16, copy=False) if len(of.kinds) <= 1 << 16 else kind,
        of.kinds,
        of.effective.chosen(*placed.of(of.effective.rows)),
        of.expires.chosen(*placed.of(of.expires.rows)),
        of.references.chosen(*placed.of(of.references.rows)),
        of.odd.chosen(*placed.of(of.odd.rows)),
    )


class _Placed:
    """Where rows come to stand in another order."""

    def __init__(self, order: NDArray[np.intp], size: int) -> None:
        self._order = order
        self._size = size
        self._places: NDArray[np.int64] | None = None

    def of(self, rows: NDArray[np.uint32]) -> tuple[NDArray[np.intp], NDArray[np.uint32]]:
        """Return which of ``rows`` are taken, by where they come to stand, and where that is."""
        if not len(rows):
            return np.empty(0, np.intp), rows
        if self._places is None:
            self._places = np.full(self._size, -1, np.int64)
            self._places[self._order] = np.arange(len(self._order))
        places = self._places[rows]
        chosen = np.flatnonzero(places >= 0)
        chosen = chosen[np.argsort(places[chosen])]
        return chosen, places[chosen].astype(np.uint32)


def _short(ends: NDArray[np.uint64]) -> NDArray[np.uint32] | NDArray[np.uint64]:
    return ends if len(ends) and ends[-1] >= 1 << 32 else ends.astype(np.uint32)


def _narrow(ids: NDArray[np.int64] | NDArray[np.uint32]) -> NDArray[np.int64] | NDArray[np.uint32]:
    if ids.dtype == np.int64 and (not len(ids) or (ids.min() >= 0 and ids.max() < 1 << 32)):
        return ids.astype(np.uint32)
    return ids


def _moved(rows: Sequence[NDArray[np.uint32]], begins: NDArray[np.int64]) -> NDArray[np.uint32]:
    moved = [(one + begin).astype(np.uint32) for one, begin in zip(rows, begins, strict=False)]
    return np.concatenate([np.empty(0, np.uint32), *moved])


def _joined_times(times: Sequence[Times], begins: NDArray[np.int64]) -> Times:
    return Times(_moved([one.rows for one in times], begins), np.concatenate([_NO_IDS, *(one.utc_ns for one in times)]))


def _joined_texts(texts: Sequence[Texts], begins: NDArray[np.int64]) -> Texts:
    ends, at = [np.empty(0, np.uint64)], 0
    for one in texts:
        ends.append(one.ends.astype(np.uint64) + np.uint64(at))
        at += len(one.characters)
    return Texts(
        _moved([one.rows for one in texts], begins),
        _short(np.concatenate(ends)),
        np.concatenate([np.empty(0, np.uint8), *(one.characters for one in texts)]),
    )


@dataclass(frozen=True, slots=True)
class Run:
    """Entries by key, and the filter before them.

    Attributes:
        columns: ``keys`` ascend.
        filter: (2**k / 8,) uint8, one bit for each value of a key's hash, set where a key has it.
        shift: how far a key's hash is moved to be a place of the filter.
    """

    columns: Columns
    filter: NDArray[np.uint8]
    shift: np.uint64

    def __len__(self) -> int:
        return len(self.columns)

    @classmethod
    def of(cls, portions: Sequence[Columns], without: NDArray[np.int64] | None = None) -> Run:
        """Return all rows of ``portions`` but those whose ids are in ``without`` (ascending)."""
        together = joined(portions, without)
        # Rows of one key keep their order; sorting releases the interpreter's lock.
        columns = taken(together, np.argsort(together.keys, kind="stable"))
        del together
        bits = max(_SMALLEST_FILTER_BITS, int(_FILTER_BITS_PER_ENTRY * len(columns)).bit_length())
        shift = np.uint64(64 - bits)
        return cls(columns, _filter(columns.keys, bits, shift), shift)

    def find(self, keys: NDArray[np.uint64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return which of ``keys`` are listed, and in which row; a key that stands in several rows comes with each."""
        places = (keys * _SPREAD) >> self.shift
        bits = np.take(self.filter, (places >> np.uint64(3)).view(np.int64))
        which = np.flatnonzero((bits >> (places & np.uint64(7)).astype(np.uint8)) & np.uint8(1))
        if not len(which) or not len(self.columns):
            return which[:0], which[:0]
        of = self.columns.keys
        wanted = keys[which]
        first = np.searchsorted(of, wanted)
        there = np.take(of, first, mode="clip") == wanted
        which, first, wanted = which[there], first[there], wanted[there]
        counts = np.searchsorted(of, wanted, "right") - first
        before = np.cumsum(counts) - counts
        rows = np.repeat(first - before, counts) + np.arange(int(counts.sum()))
        return np.repeat(which, counts), rows


def _filter(keys: NDArray[np.uint64], bits: int, shift: np.uint64) -> NDArray[np.uint8]:
    places = (keys * _SPREAD) >> shift
    in_byte = (places & np.uint64(7)).astype(np.uint8)
    places >>= np.uint64(3)
    filled = np.zeros(1 << (bits - 3), np.uint8)
    for bit in range(8):
        # A byte that several keys share gets the same value from each.
        of_bit = places[in_byte == bit].view(np.int64)
        filled[of_bit] |= np.uint8(1 << bit)
    return filled
