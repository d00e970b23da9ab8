"""For those who follow the feed and look at what it tells of, live rows before those of a backlog."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from sqlalchemy import BigInteger, Column, ColumnElement, case, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.store import tables
from collector.store.feed import FeedKind, FeedSignal


class Followed(Protocol):
    """A store as whoever follows its feed sees it: ``Store``, or ``Held`` where several collectors might."""

    committed: FeedSignal

    def read(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """One transaction that only reads."""
        ...

    def write(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """One transaction that may write."""
        ...


async def told_of(
    tx: AsyncConnection,
    after: int,
    *,
    kind: FeedKind,
    row_id: Column[Any],
    which: ColumnElement[bool],
    up_to: int | None = None,
    rows: int,
    most: int,
) -> tuple[list[int], int]:
    """Return the next rows that the feed tells of, and the number of its row behind which to go on.

    Args:
        tx: one transaction.
        after: the number of the feed's row to begin behind.
        kind: what of.
        row_id: the id column of the table that it tells of.
        which: which rows of that table.
        up_to: the last row's number; None for the feed's end.
        rows: how many of the feed's rows to go through.
        most: how many to return.
    """
    table = tables.feed
    end = await reach(tx, after, up_to=up_to, rows=rows)
    if end == after:
        return [], after
    first = func.min(table.c.number).label("first")
    query = (
        select(row_id, first)
        .join_from(table, row_id.table, row_id == number_of(kind))
        .where(table.c.number > after, table.c.number <= end, which)
        .group_by(row_id)
        .order_by(first)
        .limit(most + 1)
    )
    found = (await tx.execute(query)).all()
    return [row[0] for row in found[:most]], end if len(found) <= most else found[most].first - 1


async def reach(tx: AsyncConnection, after: int, *, up_to: int | None = None, rows: int) -> int:
    """Return the number of the feed's last row of at most ``rows`` behind ``after``; ``after`` if there is none."""
    table = tables.feed
    ahead = select(table.c.number).where(table.c.number > after).order_by(table.c.number).limit(rows)
    if up_to is not None:
        ahead = ahead.where(table.c.number <= up_to)
    end = (await tx.execute(select(func.max(ahead.subquery().c.number)))).scalar_one()
    return after if end is None else int(end)


def number_of(kind: FeedKind) -> ColumnElement[Any]:
    """The id that a row of the feed names, if it is of this kind.

    Not every row's ref is a number, and a database that is strict must not be made to read it as one.
    """
    table = tables.feed
    return case((table.c.kind == str(kind), cast(table.c.ref, BigInteger)))
