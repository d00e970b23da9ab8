"""Hotlists by version. One counter runs over all lists, so the highest version names the whole: the generation.

An entry never changes: what differs in a new version is a new entry, and the old one ends there. So an alert's entry
stays what it was when it was raised, and every version can be shown, compared and returned to. A new version is written
in many short transactions, so that ingest never waits for a million rows, and none of it counts before the list's
version says so: ``put_in_force`` is the only step that anybody can see.

``drafts`` has how a version of many rows is written; ``change`` makes one of single entries.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, FromClause, and_, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.errors import StoreRefusedError
from collector.match.patterns import MOST
from collector.store import tables
from collector.store.copying import Copying
from collector.store.entries import COLUMNS, EntryRow, Key, values

__all__ = ["EntryRow", "Key", "Made", "change", "in_force"]

_ROWS = Copying(tables.hotlist_entry, ("list", "first_version", *COLUMNS))
_NO_DIGEST = bytes(32)
NEVER = {"imported_at_ns": 0, "imported_by": "", "source": "", "source_sha256": _NO_DIGEST}
"""Of a list that no source has confirmed yet."""
# SQLite takes 32,766 variables a statement, PostgreSQL one more.
NUMBERS_A_STATEMENT = 10_000


WHOLE = frozenset({"import", "approved", "rollback"})
"""What makes a version of a whole list, not of single entries."""
DECIDED = frozenset({"approved", "rollback"})
"""Those that somebody has looked at, whatever was doubtful: how much a list may shrink is measured from them on."""


@dataclass(frozen=True, slots=True)
class Made:
    """What made a version of a list.

    Attributes:
        action: import | approved (an import that was doubtful) | add | edit | withdraw | expire | rollback.
        by: who did it, as in the audit log.
        at_ns: UTC.
        source: the file, feed or person that it came from.
        source_sha256: of the file, where there was one.
        confirmed_at_ns: when its source last said that the list is so; None for what it was before.
        written_at_ns: when the file was last written, as the file or its source says; None where nobody knows.
        added: entries that were not there.
        changed: entries of the same key that differ.
        removed: entries that are no longer there.
        unchanged: the others.
        rejected: rows of the source that were not taken.
    """

    action: str
    by: str
    at_ns: int
    source: str
    source_sha256: bytes | None = None
    confirmed_at_ns: int | None = None
    written_at_ns: int | None = None
    added: int = 0
    changed: int = 0
    removed: int = 0
    unchanged: int = 0
    rejected: int = 0


async def generation(tx: AsyncConnection) -> int:
    """Return the highest version of any list; 0 without lists."""
    return int((await tx.execute(select(func.coalesce(func.max(tables.hotlist.c.version), 0)))).scalar_one())


async def change(
    tx: AsyncConnection,
    name: str,
    *,
    add: Sequence[EntryRow] = (),
    end: Sequence[int] = (),
    action: str,
    by: str,
    source: str,
    at_ns: int,
) -> int:
    """Make a new version of a list out of single entries, in one short transaction; the list is made if need be.

    Args:
        tx: one that is alone (``Store.write``).
        name: the list.
        add: entries that begin; one of the same key as one that ends takes its place.
        end: ids of entries in force that end.
        action: add | edit | withdraw | expire.
        by: who does it, for the record.
        source: what it came from, for the record.
        at_ns: UTC.

    Returns:
        The list's version from now on, which is the highest of all lists.

    Raises:
        StoreRefusedError: one to end is not in force, or one to add is and does not end; roll back.
    """
    table = tables.hotlist
    found = (await tx.execute(select(table).where(table.c.name == name))).one_or_none()
    if found is None:
        await tx.execute(insert(table).values(name=name, version=0, **NEVER))
    mark = None if found is None else found.draft_mark
    ended = await _keys_of(tx, name, end)
    if len(ended) != len(set(end)):
        gone = ", ".join(str(number) for number in end if number not in ended)
        raise StoreRefusedError(f"hotlist {name}: got entries {gone} to end, expected ones that are in force")
    keys = [row.key for row in add]
    doubled = [key for key in keys if keys.count(key) > 1] or await _standing(tx, name, add, end)
    if doubled:
        plate, region, reference = doubled[0]
        raise StoreRefusedError(
            f"hotlist {name}: {plate} ({region or 'any state'}, reference {reference or 'none'}) is on it already; "
            "edit or withdraw that entry, or give this one a case number of its own"
        )
    # Above the mark of a draft, whose rows would otherwise be taken for this version's.
    version = max(await generation(tx), mark or 0) + 1
    await begin(tx, name, version, [values(row) for row in add])
    await end_with(tx, version, end)
    taken = set(ended.values())
    changed = sum(key in taken for key in keys)
    standing = await size(tx, name)
    made = Made(
        action=action,
        by=by,
        at_ns=at_ns,
        source=source,
        added=len(add) - changed,
        changed=changed,
        removed=len(end) - changed,
        unchanged=standing - len(end),
    )
    await put_in_force(tx, name, version, made, draft_mark=mark, draft=None)
    return version


async def size(tx: AsyncConnection, name: str) -> int:
    """Return how many entries of a list are in force; 0 for a list that there is not."""
    version, entry = tables.hotlist_version, tables.hotlist_entry
    last = (
        await tx.execute(
            select(version.c.added + version.c.changed + version.c.unchanged)
            .join(tables.hotlist, tables.hotlist.c.version == version.c.version)
            .where(tables.hotlist.c.name == name)
        )
    ).scalar_one_or_none()
    if last is not None:
        return int(last)
    # A version of before versions were kept.
    counted = (
        select(func.count())
        .select_from(entry.join(tables.hotlist, tables.hotlist.c.name == entry.c.list))
        .where(in_force(), entry.c.list == name)
    )
    return int((await tx.execute(counted)).scalar_one())


def in_force(entry: FromClause = tables.hotlist_entry) -> ColumnElement[bool]:
    """Whether an entry is in force, in a statement that joins it with its list."""
    version, mark = tables.hotlist.c.version, tables.hotlist.c.draft_mark
    return and_(
        entry.c.first_version <= version,
        or_(mark.is_(None), entry.c.first_version != mark),
        or_(entry.c.end_version.is_(None), entry.c.end_version > version, entry.c.end_version == mark),
    )


async def begin(tx: AsyncConnection, name: str, version: int, added: Sequence[tuple[Any, ...]]) -> None:
    """Write entries (``entries.values``) that begin with a version, in a transaction that has run a statement."""
    await _ROWS.insert(tx, [(name, version, *row) for row in added])


async def end_with(tx: AsyncConnection, version: int, ended: Sequence[int]) -> None:
    """Let the entries with these ids end with a version."""
    entry = tables.hotlist_entry
    for at in range(0, len(ended), NUMBERS_A_STATEMENT):
        numbers = ended[at : at + NUMBERS_A_STATEMENT]
        await tx.execute(update(entry).where(entry.c.id.in_(numbers)).values(end_version=version))


async def _keys_of(tx: AsyncConnection, name: str, numbers: Sequence[int]) -> dict[int, Key]:
    """Return the keys of those of the entries that are in force, by id."""
    entry = tables.hotlist_entry
    found: dict[int, Key] = {}
    for at in range(0, len(numbers), NUMBERS_A_STATEMENT):
        rows = await tx.execute(
            select(entry.c.id, entry.c.plate, entry.c.region, entry.c.reference)
            .join(tables.hotlist, tables.hotlist.c.name == entry.c.list)
            .where(in_force(), entry.c.list == name, entry.c.id.in_(numbers[at : at + NUMBERS_A_STATEMENT]))
        )
        found |= {row.id: (row.plate, row.region, row.reference) for row in rows}
    return found


async def _standing(tx: AsyncConnection, name: str, added: Sequence[EntryRow], ending: Sequence[int]) -> list[Key]:
    """Return those keys that an entry in force has which is not ending.

    What people entered and what a file says of the same are two entries: neither is in the other's way.
    """
    entry, ends = tables.hotlist_entry, set(ending)
    if not added:
        return []
    rows = await tx.execute(
        select(entry.c.id, entry.c.plate, entry.c.region, entry.c.reference, entry.c.added_by)
        .join(tables.hotlist, tables.hotlist.c.name == entry.c.list)
        .where(in_force(), entry.c.list == name, entry.c.plate.in_([row.plate for row in added]))
    )
    wanted = {(row.key, row.added_by == "") for row in added}
    found = [((row.plate, row.region, row.reference), row.added_by == "") for row in rows if row.id not in ends]
    return [key for key, of_file in found if (key, of_file) in wanted]


async def _patterns(tx: AsyncConnection) -> int:
    entry = tables.hotlist_entry
    counted = (
        select(func.count())
        .select_from(entry.join(tables.hotlist, tables.hotlist.c.name == entry.c.list))
        .where(entry.c.is_pattern, in_force())
    )
    return int((await tx.execute(counted)).scalar_one())


async def put_in_force(
    tx: AsyncConnection, name: str, version: int, made: Made, *, draft_mark: int | None, draft: bytes | None
) -> None:
    """Let a version of a list count whose rows are written.

    Args:
        tx: one that is alone (``Store.write``).
        name: the list.
        version: from now on.
        made: what made it.
        draft_mark: of a draft whose rows are still there.
        draft: the token of the draft that became it.

    Raises:
        StoreRefusedError: with it there are more patterns than may be looked for; roll back.
    """
    table = tables.hotlist
    new: dict[str, object] = {"version": version, "draft": None, "draft_mark": draft_mark}
    if made.confirmed_at_ns is not None:
        new |= {
            "imported_at_ns": made.confirmed_at_ns,
            "imported_by": made.by,
            "source": made.source,
            "source_sha256": made.source_sha256 or _NO_DIGEST,
        }
    before = await _patterns(tx)
    await tx.execute(update(table).where(table.c.name == name).values(new))
    patterns = await _patterns(tx)
    if patterns > max(before, MOST):
        raise StoreRefusedError(
            f"hotlist {name}: got {patterns} patterns on all lists with this, expected at most {MOST}, because each "
            "costs something at every read; withdraw some, or list plates"
        )
    confirmed = select(table.c.imported_at_ns).where(table.c.name == name).scalar_subquery()
    said = dataclasses.asdict(made) | {"confirmed_at_ns": confirmed}
    await tx.execute(insert(tables.hotlist_version).values(version=version, list=name, draft=draft, **said))
