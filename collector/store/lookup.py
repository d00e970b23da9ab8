"""Rows of a table by many keys of which the last column is a number, such as the messages of a stream.

Numbers of one stream that stand close together are asked for by their ends. Not by ``IN`` over whole keys: SQLite
(3.40) reads the whole table for that. Statements are written once: for few rows that takes longer than running them.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Column, ColumnElement, Row, Select, Table, and_, bindparam, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

# Numbers of a stream that are so close are asked for together, with those between them.
_CLOSE = 4
# So many runs of numbers a statement: SQLite takes expressions that are 1,000 deep.
_RUNS = 256


class Lookup:
    """Finds rows of one table.

    Args:
        key: the key's columns, the last one of which is the number.
        wanted: what to return of each row.
    """

    def __init__(self, key: Sequence[Column[Any]], *wanted: Column[Any] | Table) -> None:
        self._key = tuple(key)
        self._wanted = wanted
        self._names = (*(column.name for column in key[:-1]), "first", "last")
        self._statement = functools.cache(self._write)

    async def rows(self, tx: AsyncConnection, keys: Iterable[tuple[Any, ...]]) -> list[Row[Any]]:
        """Return the rows of these keys, and perhaps others."""
        runs = _runs(keys)
        found: list[Row[Any]] = []
        for at in range(0, len(runs), _RUNS):
            some = runs[at : at + _RUNS]
            # Of few lengths: each is another statement.
            some += some[-1:] * ((1 << (len(some) - 1).bit_length()) - len(some))
            values = {
                f"{name}_{number}": value
                for number, run in enumerate(some)
                for name, value in zip(self._names, run, strict=True)
            }
            found += await tx.execute(self._statement(len(some)), values)
        return found

    def _write(self, runs: int) -> Select[Any]:
        return select(*self._wanted).where(or_(*map(self._is_in_run, range(runs))))

    def _is_in_run(self, run: int) -> ColumnElement[bool]:
        *stream, number = self._key
        first, last = (bindparam(f"{end}_{run}", type_=number.type) for end in ("first", "last"))
        return and_(*(one == bindparam(f"{one.name}_{run}") for one in stream), number.between(first, last))


def _runs(keys: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Return keys' streams, each with the first and the last number of a run."""
    streams: defaultdict[tuple[Any, ...], list[int]] = defaultdict(list)
    for key in keys:
        streams[key[:-1]].append(key[-1])
    runs = []
    for stream, numbers in streams.items():
        ordered = sorted(numbers)
        first = last = ordered[0]
        for number in ordered[1:]:
            if number - last > _CLOSE:
                runs.append((*stream, first, last))
                first = number
            last = number
        runs.append((*stream, first, last))
    return runs
