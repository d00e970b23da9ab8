"""Searches of earlier reads for entries that are new: what was asked for, how far each has come.

Invariant: ``ask`` runs in the transaction that puts the entries in force, which is alone. So every read that is stored
by then has an id up to ``last_read_id`` and every later one is matched, or noted to be matched again, with the new
version (PROTOCOL, invariant 5): the search and the matcher in force leave no read between them.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, FromClause, Row, Text, and_, cast, exists, func, insert, not_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.match.records import ListedPlate, ListState, Seen
from collector.store import tables
from collector.store.hotlists import in_force

DAY_NS = 86_400 * 1_000_000_000
_CHUNK = 1_000
_SLOTS = msgspec.json.Decoder(tuple[tuple[tuple[str, float], ...], ...])
_REGIONS = msgspec.json.Decoder(tuple[tuple[str, float], ...])
# Messages of one batch are stored in the order of their identities, and clocks are set.
_SLACK_NS = 3_600 * 1_000_000_000


@dataclass(frozen=True, slots=True)
class BackSearch:
    """One search.

    Attributes:
        id: the number that people quote.
        list: the list that got new entries.
        version: the version with which they came.
        entry_ids: which; empty for all that came with it.
        from_ns: UTC; reads of passes before are not looked at.
        next_read_id: reads above it have been looked at: the newest come first.
        last_read_id: the highest when it was asked for.
        looked_at: how many reads.
        raised: how many alerts.
        asked_by: who asked.
        asked_at_ns: when.
        ended_at_ns: when it had looked at all; None while it has not.
    """

    id: int
    list: str
    version: int
    entry_ids: tuple[int, ...]
    from_ns: int
    next_read_id: int
    last_read_id: int
    looked_at: int
    raised: int
    asked_by: str
    asked_at_ns: int
    ended_at_ns: int | None


@dataclass(frozen=True, slots=True)
class EarlierRead:
    """A stored read, as far as looking for entries needs it.

    Attributes:
        id: the collector's number.
        camera: ``device/camera``, as the policy knows it.
        seen: what its latest revision saw.
    """

    id: int
    camera: str
    seen: Seen


async def ask(
    tx: AsyncConnection,
    *,
    name: str,
    version: int,
    entry_ids: Collection[int],
    days: float,
    by: str,
    at_ns: int,
) -> int:
    """Ask for the reads of the last ``days`` to be searched for entries that come into force in this transaction.

    Args:
        tx: the transaction that puts them in force; alone.
        name: their list.
        version: the version that they come with.
        entry_ids: which; empty for all that come with it.
        days: how far back.
        by: who asks.
        at_ns: UTC.

    Returns:
        The search's number.
    """
    last = int((await tx.execute(select(func.coalesce(func.max(tables.read.c.id), 0)))).scalar_one())
    made = insert(tables.back_search).values(
        list=name,
        version=version,
        entry_ids=sorted(entry_ids),
        from_ns=at_ns - round(days * DAY_NS),
        next_read_id=last,
        last_read_id=last,
        looked_at=0,
        raised=0,
        asked_by=by,
        asked_at_ns=at_ns,
    )
    return int((await tx.execute(made.returning(tables.back_search.c.id))).scalar_one())


async def ask_for_added(
    tx: AsyncConnection, *, name: str, version: int, days: float, most: int, by: str, at_ns: int
) -> int | None:
    """Ask for a search for the entries that an import has added, unless there are more than ``most``.

    Args:
        tx: the transaction that puts the version in force; alone.
        name: the list.
        version: the version.
        days: how far back.
        most: of more it is not asked; nor where none were added.
        by: who asks.
        at_ns: UTC.

    Returns:
        The search's number; None if there is none.
    """
    table = tables.hotlist_version
    added = (await tx.execute(select(table.c.added).where(table.c.version == version))).scalar_one()
    if not 0 < added <= most:
        return None
    return await ask(tx, name=name, version=version, entry_ids=(), days=days, by=by, at_ns=at_ns)


async def oldest_open(tx: AsyncConnection) -> BackSearch | None:
    """Return the next search to go on with; None if all have ended.

    One that has looked at everything and only waits for its end keeps no other waiting.
    """
    table = tables.back_search
    open_ones = select(table).where(table.c.ended_at_ns.is_(None))
    query = open_ones.order_by(table.c.next_read_id <= 0, table.c.id).limit(1)
    row = (await tx.execute(query)).one_or_none()
    return None if row is None else _search(row)


async def search(tx: AsyncConnection, search_id: int) -> BackSearch | None:
    """Return one search; None if there is no such number."""
    row = (await tx.execute(select(tables.back_search).filter_by(id=search_id))).one_or_none()
    return None if row is None else _search(row)


async def latest(tx: AsyncConnection, limit: int) -> list[BackSearch]:
    """Return the latest searches, newest first."""
    table = tables.back_search
    return [_search(row) for row in await tx.execute(select(table).order_by(table.c.id.desc()).limit(limit))]


async def reads_to_look_at(tx: AsyncConnection, one: BackSearch) -> int:
    """Return how many reads a search has to look at in all, as devices' clocks have it: for showing progress."""
    read = tables.read
    query = select(func.count()).where(read.c.captured_at_ns >= one.from_ns, read.c.id <= one.last_read_id)
    return int((await tx.execute(query)).scalar_one())


async def entries(tx: AsyncConnection, one: BackSearch) -> list[ListedPlate]:
    """Return those of a search's entries that are in force now, for a matcher.

    One that somebody has edited since, or of which a file says something else, has another number and is looked for
    all the same: same plate, state and reference.
    """
    entry, asked = tables.hotlist_entry, tables.hotlist_entry.alias()
    columns = [getattr(entry.c, name) for name in ListedPlate._fields if name != "entry_id"]
    query = (
        select(entry.c.id, *columns)
        .select_from(asked)
        .join(entry, _is_same(asked, entry))
        .join(tables.hotlist, tables.hotlist.c.name == entry.c.list)
        .where(in_force(), asked.c.list == one.list, (entry.c.added_by == "") == (asked.c.added_by == ""))
        .order_by(entry.c.id)
    )
    if not one.entry_ids:
        return [ListedPlate(*row) for row in await tx.execute(query.where(*await _added_with(tx, one, asked)))]
    found: list[ListedPlate] = []
    for at in range(0, len(one.entry_ids), _CHUNK):
        some = query.where(asked.c.id.in_(one.entry_ids[at : at + _CHUNK]))
        found += [ListedPlate(*row) for row in await tx.execute(some)]
    return found


async def list_states(tx: AsyncConnection, name: str) -> dict[str, ListState]:
    """Return how a list stands, by its name."""
    table = tables.hotlist
    rows = await tx.execute(select(table.c.name, table.c.version, table.c.imported_at_ns).where(table.c.name == name))
    return {row.name: ListState(row.version, row.imported_at_ns) for row in rows}


async def earlier_reads(tx: AsyncConnection, one: BackSearch, limit: int) -> tuple[list[EarlierRead], int | None]:
    """Return the next reads of a search, and behind which id to go on; None when there is nothing further back.

    Ids ascend with the time at which reads came, and no read comes before it passed; so once everything in a portion
    came more than an hour before what is looked for, what is left did, too.
    """
    read = tables.read
    query = (
        select(
            read.c.id,
            read.c.device,
            read.c.camera,
            read.c.text,
            cast(read.c.slots, Text).label("slots"),
            cast(read.c.regions, Text).label("regions"),
            read.c.calibration,
            read.c.passed_at_ns,
            read.c.captured_at_ns,
            read.c.received_at_ns,
        )
        .where(read.c.id <= one.next_read_id)
        .order_by(read.c.id.desc())
        .limit(limit)
    )
    rows = (await tx.execute(query)).all()
    # Rows of before passes were timed have none.
    found = [_earlier(row) for row in rows if (row.passed_at_ns or row.captured_at_ns) >= one.from_ns]
    if len(rows) < limit or max(row.received_at_ns for row in rows) < one.from_ns - _SLACK_NS:
        return found, None
    return found, rows[-1].id - 1


async def note(
    tx: AsyncConnection, search_id: int, *, looked_at: int, raised: int, next_read_id: int | None = None
) -> None:
    """A search has looked at so many further reads and raised so many alerts, and has come so far unless None."""
    table = tables.back_search
    new: dict[str, Any] = {"looked_at": table.c.looked_at + looked_at, "raised": table.c.raised + raised}
    if next_read_id is not None:
        new["next_read_id"] = next_read_id
    await tx.execute(update(table).where(table.c.id == search_id).values(new))


async def end(tx: AsyncConnection, one: BackSearch, at_ns: int) -> bool:
    """End a search, unless a read that was matched with an older version still waits to be matched again.

    Args:
        tx: one that is alone: whoever stores a read with an older version notes that in the same transaction.
        one: the search.
        at_ns: UTC.

    Returns:
        Whether it has ended.
    """
    pending, read, table = tables.match_pending, tables.read, tables.back_search
    older = (
        select(pending.c.read_id)
        .join(read, and_(read.c.id == pending.c.read_id, read.c.matched_version < one.version))
        .limit(1)
    )
    if (await tx.execute(older)).first() is not None:
        return False
    await tx.execute(update(table).where(table.c.id == one.id).values(ended_at_ns=at_ns))
    return True


async def _added_with(tx: AsyncConnection, one: BackSearch, entry: FromClause) -> list[ColumnElement[bool]]:
    """What holds for the entries that were added with a version, and not for those of it that were only changed."""
    before = tables.hotlist_entry.alias()
    # An import's rows carry the mark of its draft, which is the highest number up to the version that it became.
    marks = select(func.max(entry.c.first_version)).where(
        entry.c.list == one.list, entry.c.first_version <= one.version
    )
    mark = (await tx.execute(marks)).scalar_one()
    same = select(before.c.id).where(_is_same(before, entry), before.c.end_version == mark)
    return [entry.c.first_version == mark, not_(exists(same))]


def _is_same(one: FromClause, other: FromClause) -> ColumnElement[bool]:
    return and_(
        one.c.list == other.c.list,
        one.c.plate == other.c.plate,
        func.coalesce(one.c.region, "") == func.coalesce(other.c.region, ""),
        one.c.reference == other.c.reference,
    )


def _search(row: Row[Any]) -> BackSearch:
    return BackSearch(**(dict(row._mapping) | {"entry_ids": tuple(row.entry_ids)}))


def _earlier(row: Any) -> EarlierRead:
    # Straight into tuples: of a search, half of the time is spent here.
    slots, regions = _SLOTS.decode(row.slots), _REGIONS.decode(row.regions)
    return EarlierRead(row.id, f"{row.device}/{row.camera}", Seen(row.text, slots, regions, row.calibration))
