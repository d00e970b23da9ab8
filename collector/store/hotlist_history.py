"""Hotlists as they stand and as they stood: what each version of a list held, and what made it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, Text, and_, cast, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.domain.hotlists import Entry
from collector.store import entries, hotlists, tables
from collector.store.entries import COLUMNS
from collector.store.hotlists import Made

_PORTION = 20_000
_NUMBERS_A_STATEMENT = 10_000
_entry, _list, _version = tables.hotlist_entry, tables.hotlist, tables.hotlist_version
# JSON stays the text that it is, so that equal rows have equal values.
_VALUES = [cast(_entry.c[name], Text) if name in ("vehicle", "covert_to") else _entry.c[name] for name in COLUMNS]


@dataclass(frozen=True, slots=True)
class Standing:
    """How a list stands.

    Attributes:
        name: the list.
        version: in force.
        entries: how many are in force.
        confirmed_at_ns: UTC, when its source last said that it is so; 0 if none ever has (a list made by hand).
        source: what that was.
        by: who imported it.
        criminal_justice: whether it comes from a criminal-justice system.
        drafting: whether an import of it is at work, or broke off.
    """

    name: str
    version: int
    entries: int
    confirmed_at_ns: int
    source: str
    by: str
    criminal_justice: bool
    drafting: bool


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a list.

    Attributes:
        number: from the counter over all lists.
        made: what made it.
    """

    number: int
    made: Made


async def standing(tx: AsyncConnection, name: str | None = None) -> list[Standing]:
    """Return how lists stand, by name; of one or of all that have been in force."""
    statement = select(_list).where(_list.c.version > 0).order_by(_list.c.name)
    if name is not None:
        statement = statement.where(_list.c.name == name)
    rows = (await tx.execute(statement)).all()
    return [
        Standing(
            name=row.name,
            version=row.version,
            entries=await hotlists.size(tx, row.name),
            confirmed_at_ns=row.imported_at_ns,
            source=row.source,
            by=row.imported_by,
            criminal_justice=row.criminal_justice,
            drafting=row.draft is not None or row.draft_mark is not None,
        )
        for row in rows
    ]


async def versions(tx: AsyncConnection, name: str, *, above: int = 0, limit: int | None = None) -> list[Version]:
    """Return the versions of a list that are above ``above``, newest first; those of before 0005 are not known."""
    rows = await tx.execute(
        select(_version)
        .where(_version.c.list == name, _version.c.version > above)
        .order_by(_version.c.version.desc())
        .limit(limit)
    )
    return [
        Version(
            row.version,
            Made(
                action=row.action,
                by=row.by,
                at_ns=row.at_ns,
                source=row.source,
                source_sha256=row.source_sha256,
                confirmed_at_ns=row.confirmed_at_ns,
                written_at_ns=row.written_at_ns,
                added=row.added,
                changed=row.changed,
                removed=row.removed,
                unchanged=row.unchanged,
                rejected=row.rejected,
            ),
        )
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class Largest:
    """The version of some time that held the most entries from files.

    Attributes:
        version: which.
        at_ns: UTC, when it was made.
        entries: how many, without those that people made.
    """

    version: int
    at_ns: int
    entries: int


async def largest(tx: AsyncConnection, name: str, since_ns: int) -> Largest | None:
    """Return the version that held the most, of those made by files that were in force at ``since_ns`` or later.

    What was before somebody approved a smaller file, or went back to an earlier version, does not count: they have
    looked at it. None for a list without such versions.
    """
    size = (_version.c.added + _version.c.changed + _version.c.unchanged).label("size")
    found = select(_version.c.version, _version.c.at_ns, _version.c.action, size).order_by(_version.c.version.desc())
    found = found.where(_version.c.list == name, _version.c.action.in_(hotlists.WHOLE))
    # The one that was in force when that time began was made before.
    rows = [
        *await tx.execute(found.where(_version.c.at_ns >= since_ns)),
        *await tx.execute(found.where(_version.c.at_ns < since_ns).limit(1)),
    ]
    decided = next((at for at, row in enumerate(rows) if row.action in hotlists.DECIDED), len(rows))
    best = max(rows[: decided + 1], key=lambda row: row.size, default=None)
    if best is None:
        return None
    # The record also counts what people had made, which is little beside a file.
    return Largest(best.version, best.at_ns, await count_at(tx, name, best.version, by_hand=False))


async def values_at(
    tx: AsyncConnection, name: str, version: int, *, by_hand: bool | None = None
) -> AsyncIterator[Sequence[tuple[Any, ...]]]:
    """Yield id and values (``entries.values``) of what a list held at a version, in portions.

    Args:
        tx: a reading transaction.
        name: the list.
        version: one of its versions.
        by_hand: only entries that were made by hand, or only others; None for all.
    """
    after = 0
    conditions = [_entry.c.list == name, at(version)]
    if by_hand is not None:
        conditions.append(_entry.c.added_by != "" if by_hand else _entry.c.added_by == "")
    while True:
        rows = (
            await tx.execute(
                select(_entry.c.id, *_VALUES)
                .join(_list, _list.c.name == _entry.c.list)
                .where(*conditions, _entry.c.id > after)
                .order_by(_entry.c.id)
                .limit(_PORTION)
            )
        ).all()
        if not rows:
            return
        after = rows[-1][0]
        yield [tuple(row) for row in rows]


async def count_at(tx: AsyncConnection, name: str, version: int, *, by_hand: bool) -> int:
    """Return how many entries a list held at a version: those that were made by hand, or the others."""
    counted = (
        select(func.count())
        .select_from(_entry.join(_list, _list.c.name == _entry.c.list))
        .where(_entry.c.list == name, at(version), _entry.c.added_by != "" if by_hand else _entry.c.added_by == "")
    )
    return int((await tx.execute(counted)).scalar_one())


async def by_ids(tx: AsyncConnection, numbers: Sequence[int]) -> list[Entry]:
    """Return the entries with these ids, ascending."""
    found = []
    for place in range(0, len(numbers), _NUMBERS_A_STATEMENT):
        some = numbers[place : place + _NUMBERS_A_STATEMENT]
        rows = await tx.execute(select(_entry).where(_entry.c.id.in_(some)).order_by(_entry.c.id))
        found += [entries.entry(row) for row in rows]
    return found


@dataclass(frozen=True, slots=True)
class Found:
    """An entry, and in which versions of its list it stands or stood.

    Attributes:
        entry: what it says.
        first_version: from which on.
        end_version: from which on no longer; None while it is in force.
    """

    entry: Entry
    first_version: int
    end_version: int | None


async def find(
    tx: AsyncConnection, *, plates: Sequence[str] = (), like: str | None = None, patterns: bool = False, ended: bool
) -> AsyncIterator[list[Found]]:
    """Yield entries of all lists by id, in portions.

    Args:
        tx: a reading transaction.
        plates: those with one of these plates, or
        like: those whose plate is like this, ``%`` any run and ``_`` any one character, or
        patterns: those that are patterns.
        ended: also those that are no longer in force.
    """
    which: ColumnElement[bool] = _entry.c.plate.in_(plates)
    if like is not None:
        which = _entry.c.plate.like(like)
    elif patterns:
        which = _entry.c.is_pattern
    current = hotlists.in_force()
    stood = and_(
        or_(_list.c.draft_mark.is_(None), _entry.c.first_version != _list.c.draft_mark),
        _entry.c.first_version <= _list.c.version,
    )
    base = (
        select(_entry, current.label("current"))
        .join(_list, _list.c.name == _entry.c.list)
        .where(which, stood if ended else current)
    )
    async for rows in _portions(tx, base):
        yield [_found(row) for row in rows]


async def one(tx: AsyncConnection, number: int) -> Found | None:
    """Return the entry with this id, in force or not; None if there is none that ever was."""
    base = select(_entry, hotlists.in_force().label("current")).join(_list, _list.c.name == _entry.c.list)
    row = (await tx.execute(base.where(_entry.c.id == number, _entry.c.first_version <= _list.c.version))).one_or_none()
    return None if row is None else _found(row)


def at(version: int) -> ColumnElement[bool]:
    """Whether an entry stood in a version of its list, in a statement that joins it with that list."""
    mark = _list.c.draft_mark
    return and_(
        _entry.c.first_version <= version,
        or_(mark.is_(None), _entry.c.first_version != mark),
        or_(_entry.c.end_version.is_(None), _entry.c.end_version > version, _entry.c.end_version == mark),
    )


async def _portions(tx: AsyncConnection, base: Select[Any]) -> AsyncIterator[Sequence[Any]]:
    after = 0
    while True:
        some = base.where(_entry.c.id > after).order_by(_entry.c.id).limit(_PORTION)
        rows = (await tx.execute(some)).all()
        if not rows:
            return
        after = rows[-1].id
        yield rows


def _found(row: Any) -> Found:
    return Found(entries.entry(row), row.first_version, None if row.current else row.end_version)
