"""Reads the entries in force for matching: all of them at first, then only what each version has changed.

Rows come many in one: the database joins their columns to texts, which costs a tenth of what a Python object for every
value does and does not keep the interpreter's lock from others. Nothing here changes the store.

What is read for a list at a version does not depend on when: entries never change, and what ends or begins later does
so with a higher version. The rows of a draft are read ahead of its version by the token that opened it: another draft
may reuse its rows' ids, but never its token.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, FromClause, Row, Select, String, Subquery, and_, cast, false, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.match import packing
from collector.match.columns import Columns, Kind, Texts, Times
from collector.match.records import ListedPlate
from collector.store import tables
from collector.store.hotlists import in_force

PORTION = 5_000
# ASCII's separators, which no name, region or category has: if one does, its portion is read row by row.
_ROW, _PART = "\x1e", "\x1f"
_entry, _list = tables.hotlist_entry, tables.hotlist


class Head(NamedTuple):
    """How a list stands in the store.

    Attributes:
        version: in force; 0 before there is one.
        confirmed_at_ns: UTC, when its source last said that it is so; 0 for never.
        draft: the token of the draft that is being written, None without one.
        draft_mark: what that one's rows carry.
    """

    version: int
    confirmed_at_ns: int
    draft: bytes | None
    draft_mark: int | None


@dataclass(frozen=True, slots=True)
class Portion:
    """Some entries.

    Attributes:
        columns: those that are plates.
        patterns: those that are patterns.
        last_id: the highest id among them.
    """

    columns: Columns
    patterns: tuple[ListedPlate, ...]
    last_id: int


async def heads(tx: AsyncConnection) -> dict[str, Head]:
    """Return how every list stands."""
    of = _list.c
    rows = await tx.execute(select(of.name, of.version, of.imported_at_ns, of.draft, of.draft_mark))
    return {name: Head(*others) for name, *others in rows}


async def standing(tx: AsyncConnection) -> AsyncIterator[Portion]:
    """Yield the entries in force of all lists."""
    source = _entry.join(_list, _list.c.name == _entry.c.list)
    async for portion in _portions(tx, source, in_force()):
        yield portion


async def begun(tx: AsyncConnection, name: str, base: int, version: int) -> AsyncIterator[Portion]:
    """Yield the entries of a list that are in force at ``version`` and were not at ``base``, an earlier one."""
    at = base
    while (mark := await _next_mark(tx, name, at, version)) is not None:
        at = mark
        of = and_(
            _entry.c.list == name,
            _entry.c.first_version == mark,
            or_(
                _entry.c.end_version.is_(None),
                _entry.c.end_version > version,
                _entry.c.end_version == _draft_mark(name),
            ),
            or_(_draft_mark(name).is_(None), _draft_mark(name) != mark),
        )
        async for portion in _portions(tx, _entry, of):
            yield portion


async def ended(tx: AsyncConnection, name: str, base: int, version: int, after: int = 0) -> NDArray[np.int64]:
    """Return (N,) int64, ids of entries of a list that are in force at ``base`` and no longer at ``version``.

    Args:
        tx: a reading transaction.
        name: the list.
        base: the earlier version.
        version: the later one.
        after: only ids above this one.
    """
    return await _ids(
        tx,
        and_(
            _entry.c.list == name,
            _entry.c.end_version > base,
            _entry.c.end_version <= version,
            or_(_draft_mark(name).is_(None), _entry.c.end_version != _draft_mark(name)),
            _entry.c.first_version <= base,
            _entry.c.id > after,
        ),
    )


async def drafted(tx: AsyncConnection, name: str, mark: int, after: int) -> AsyncIterator[Portion]:
    """Yield the entries with ids above ``after`` that begin with the draft whose mark that is."""
    of = and_(_entry.c.list == name, _entry.c.first_version == mark)
    async for portion in _portions(tx, _entry, of, after):
        yield portion


async def draft_ended(tx: AsyncConnection, name: str, mark: int, after: int) -> NDArray[np.int64]:
    """Return (N,) int64, the ids above ``after`` of entries that end with the draft whose mark that is."""
    return await _ids(tx, and_(_entry.c.list == name, _entry.c.end_version == mark, _entry.c.id > after))


async def drafted_size(tx: AsyncConnection, name: str, mark: int) -> tuple[int, int]:
    """Return how many entries begin and how many end with the draft whose mark that is."""
    mine = _entry.c.list == name
    begun = select(func.count()).where(mine, _entry.c.first_version == mark).scalar_subquery()
    ended = select(func.count()).where(mine, _entry.c.end_version == mark).scalar_subquery()
    row = (await tx.execute(select(begun, ended))).one()
    return row[0], row[1]


async def made_of(tx: AsyncConnection, version: int) -> bytes | None:
    """Return the token of the draft that became ``version``; None if none did."""
    of = tables.hotlist_version.c
    return (await tx.execute(select(of.draft).where(of.version == version))).scalar_one_or_none()


def _draft_mark(name: str) -> ColumnElement[int | None]:
    return select(_list.c.draft_mark).where(_list.c.name == name).scalar_subquery()


async def _next_mark(tx: AsyncConnection, name: str, after: int, up_to: int) -> int | None:
    mark = _entry.c.first_version
    of = and_(_entry.c.list == name, mark > after, mark <= up_to)
    first: int | None = (await tx.execute(select(func.min(mark)).where(of))).scalar_one()
    return first


async def _ids(tx: AsyncConnection, of: ColumnElement[bool]) -> NDArray[np.int64]:
    text = (await tx.execute(select(func.aggregate_strings(cast(_entry.c.id, String), ",")).where(of))).scalar_one()
    return await asyncio.to_thread(_numbers, text)


async def _portions(
    tx: AsyncConnection, source: FromClause, of: ColumnElement[bool], after: int = 0
) -> AsyncIterator[Portion]:
    while True:
        some = select(_entry).select_from(source).where(of, _entry.c.id > after).order_by(_entry.c.id).limit(PORTION)
        row = (await tx.execute(_joined(some.subquery()))).one()
        if not row.size:
            return
        patterns: list[ListedPlate] = []
        columns = await asyncio.to_thread(_columns, row)
        if columns is None or row.patterns:
            within = and_(of, _entry.c.id > after, _entry.c.id <= row.last_id)
            found = (await tx.execute(select(*_PLAIN).select_from(source).where(within).order_by(_entry.c.id))).all()
            listed = await asyncio.to_thread(_all_listed, found)
            patterns = [one for one in listed if one.is_pattern]
            if columns is None:
                columns = await asyncio.to_thread(Columns.of, [one for one in listed if not one.is_pattern])
        yield Portion(columns, tuple(patterns), row.last_id)
        after = row.last_id


_PLAIN = tuple(_entry.c[name] for name in ("id", "list", "plate", "region", "is_pattern"))
_PLAIN += tuple(_entry.c[name] for name in ("effective_ns", "expires_ns", "category", "reference"))


def _all_listed(rows: Sequence[Row[Any]]) -> list[ListedPlate]:
    return [ListedPlate._make(row)._replace(region=row.region or None) for row in rows]


def _joined(some: Subquery) -> Select[Any]:
    """Return a statement with one row for all of ``some``: each column one text."""
    of = some.c
    plain = of.is_pattern == false()
    number = cast(of.id, String)
    kind = of.list + _PART + func.coalesce(of.region, "") + _PART + of.category

    def joined(one: ColumnElement[str], between: str, *only: ColumnElement[bool]) -> ColumnElement[Any]:
        return func.aggregate_strings(one, between).filter(and_(plain, *only))

    columns: tuple[ColumnElement[Any], ...] = (
        func.count().label("size"),
        func.max(of.id).label("last_id"),
        func.count().filter(of.is_pattern).label("patterns"),
        joined(number, ",").label("ids"),
        joined(of.plate, _ROW).label("plates"),
        joined(kind, _ROW).label("kinds"),
        joined(number + "," + cast(of.effective_ns, String), ",", of.effective_ns.is_not(None)).label("effective"),
        joined(number + "," + cast(of.expires_ns, String), ",", of.expires_ns.is_not(None)).label("expires"),
        joined(number, ",", of.reference != "").label("referring"),
        joined(of.reference, _ROW, of.reference != "").label("references"),
    )
    return select(*columns)


def _numbers(text: str | None) -> NDArray[np.int64]:
    return np.fromstring(text, np.int64, sep=",") if text else np.empty(0, np.int64)


def _columns(row: Row[Any]) -> Columns | None:
    """Return the rows that were joined to one; None if a text has a separator within."""
    ids = _numbers(row.ids)
    plates, kinds = _texts(row.plates), _texts(row.kinds)
    referring, references = _numbers(row.referring), _texts(row.references)
    if not len(ids) == len(plates) == len(kinds) or len(referring) != len(references):
        return None
    numbers: dict[str, int] = {}
    kind = np.array([numbers.setdefault(one, len(numbers)) for one in kinds], np.uint32)
    known = [_kind(one) for one in numbers]
    if None in known:
        return None
    keys = packing.pack(plates)
    odd = np.flatnonzero(keys >= packing.ODD).tolist()
    odd_plates = {at: plates[at] for at in odd}
    for at in odd:
        plates[at] = ""
    # Rows stand in no particular order; those of the columns that few have are found by their ids.
    by_id = np.argsort(ids)
    refers = _rows(ids, by_id, referring).tolist()
    return Columns(
        ids,
        keys,
        packing.o_masks(packing.as_bytes(plates)),
        kind,
        tuple(one for one in known if one is not None),
        _times(row.effective, ids, by_id),
        _times(row.expires, ids, by_id),
        Texts.of(dict(zip(refers, references, strict=True))),
        Texts.of(odd_plates),
    )


def _times(text: str | None, ids: NDArray[np.int64], by_id: NDArray[np.intp]) -> Times:
    pairs = _numbers(text).reshape(-1, 2)
    rows = _rows(ids, by_id, pairs[:, 0])
    order = np.argsort(rows)
    return Times(rows[order], pairs[order, 1])


def _texts(joined: str | None) -> list[str]:
    return [] if joined is None else joined.split(_ROW)


def _kind(text: str) -> Kind | None:
    parts = text.split(_PART)
    return (parts[0], parts[1] or None, parts[2]) if len(parts) == 3 else None


def _rows(ids: NDArray[np.int64], by_id: NDArray[np.intp], wanted: NDArray[np.int64]) -> NDArray[np.uint32]:
    return by_id[np.searchsorted(ids, wanted, sorter=by_id)].astype(np.uint32)
