"""Hotlists by version. One counter runs over all lists, so the highest version names the whole: the generation.

An entry never changes: what differs in a new version is a new entry, and the old one ends there. So an alert's entry
stays what it was when it was raised, and every version can be shown, compared and returned to. A new version is written
in many short transactions, so that ingest never waits for a million rows, and none of it counts before the list's
version says so: ``publish`` is the only step that anybody can see. Imports of different lists do not disturb each
other: the version is taken from the counter by ``publish``.

A draft's rows carry its mark, and the list says which mark that is (``draft_mark``), so ``change`` may make a version
of its own while a draft is being written or lies there broken off: those rows are in force in no version. The import
whose draft that was finds it closed and begins again.
"""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, FromClause, and_, delete, func, insert, literal, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.errors import StoreRefusedError
from collector.match.patterns import MOST
from collector.store import tables
from collector.store.copying import Copying
from collector.store.entries import COLUMNS, EntryRow, Key, values

__all__ = ["Draft", "EntryRow", "Key", "Made", "begin_draft", "change", "draft_additions", "draft_endings", "publish"]

_ROWS = Copying(tables.hotlist_entry, ("list", "first_version", *COLUMNS))
_NO_DIGEST = bytes(32)
_NEVER = {"imported_at_ns": 0, "imported_by": "", "source": "", "source_sha256": _NO_DIGEST}
# SQLite takes 32,766 variables a statement, PostgreSQL one more.
_NUMBERS_A_STATEMENT = 10_000


@dataclass(frozen=True, slots=True)
class Draft:
    """A version of a list that is being written and not in force.

    Attributes:
        name: the list.
        base: the version that it replaces; 0 for a new list.
        mark: the number that its rows carry: above ``base``, so not in force, and not above the version that it
            becomes, so in force from then on.
        token: tells it from another import of the same list.
    """

    name: str
    base: int
    mark: int
    token: bytes


@dataclass(frozen=True, slots=True)
class Made:
    """What made a version of a list.

    Attributes:
        action: import | add | edit | withdraw | expire | rollback.
        by: who did it, as in the audit log.
        at_ns: UTC.
        source: the file, feed or person that it came from.
        source_sha256: of the file, where there was one.
        confirmed_at_ns: when its source last said that the list is so; None for what it was before.
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
    added: int = 0
    changed: int = 0
    removed: int = 0
    unchanged: int = 0
    rejected: int = 0


async def generation(tx: AsyncConnection) -> int:
    """Return the highest version of any list; 0 without lists."""
    return int((await tx.execute(select(func.coalesce(func.max(tables.hotlist.c.version), 0)))).scalar_one())


async def is_drafting(tx: AsyncConnection, name: str) -> bool:
    """Whether there is a draft of the list, open or broken off."""
    table = tables.hotlist
    found = (await tx.execute(select(table.c.draft, table.c.draft_mark).where(table.c.name == name))).one_or_none()
    return found is not None and (found.draft, found.draft_mark) != (None, None)


async def is_being_written(tx: AsyncConnection, name: str) -> bool:
    """Whether an import may write a version of the list now."""
    table = tables.hotlist
    return (await tx.execute(select(table.c.draft).where(table.c.name == name))).scalar_one_or_none() is not None


async def close_draft(tx: AsyncConnection, name: str, only: Draft | None = None) -> None:
    """Let nobody write or publish what has been begun of a list; its rows stay until they are cleared away.

    Args:
        tx: a writing transaction.
        name: the list.
        only: close nothing but this draft; None for whichever is open.
    """
    table = tables.hotlist
    which = table.c.name == name
    if only is not None:
        which &= table.c.draft == only.token
    await tx.execute(update(table).where(which).values(draft=None))


async def clear_closed(tx: AsyncConnection, name: str, after: int, limit: int) -> int | None:
    """Clear away some of what drafts of a list have left that were closed; one that is open is left alone.

    Args:
        tx: a writing transaction.
        name: the list.
        after: the id up to which that is done.
        limit: at most so many rows.

    Returns:
        Up to which id it is done; None when nothing is left to do.
    """
    if await is_being_written(tx, name):
        return None
    last = await _clear(tx, name, after, limit)
    if last is None and after:
        # Another draft may have come and gone meanwhile, and SQLite gives its rows the ids that are free again.
        return 0
    return last


async def _clear(tx: AsyncConnection, name: str, after: int = 0, limit: int | None = None) -> int | None:
    """Clear away what a draft has left with ids above ``after``; return up to where, None when that was all."""
    table, entry = tables.hotlist, tables.hotlist_entry
    found = (await tx.execute(select(table).where(table.c.name == name))).one_or_none()
    if found is None or (found.draft, found.draft_mark) == (None, None):
        return None
    begun = or_(entry.c.first_version > found.version, entry.c.first_version == found.draft_mark)
    ended = or_(entry.c.end_version > found.version, entry.c.end_version == found.draft_mark)
    rows = (
        await tx.execute(
            select(entry.c.id, begun.label("begun"))
            .where(entry.c.list == name, entry.c.id > after, or_(begun, ended))
            .order_by(entry.c.id)
            .limit(limit)
        )
    ).all()
    for at in range(0, len(rows), _NUMBERS_A_STATEMENT):
        some = rows[at : at + _NUMBERS_A_STATEMENT]
        await tx.execute(delete(entry).where(entry.c.id.in_([row.id for row in some if row.begun])))
        restored = update(entry).where(entry.c.id.in_([row.id for row in some if not row.begun]))
        await tx.execute(restored.values(end_version=None))
    if limit is not None and len(rows) == limit:
        return int(rows[-1].id)
    if not after:
        await tx.execute(update(table).where(table.c.name == name).values(draft=None, draft_mark=None))
    return None


async def begin_draft(tx: AsyncConnection, name: str) -> Draft:
    """Begin a new version of a list, and clear away what another import has written of one.

    If that other one is still at work, it finds that its draft is no longer open.
    """
    table = tables.hotlist
    token = secrets.token_bytes(16)
    await _clear(tx, name)
    base = (await tx.execute(select(table.c.version).where(table.c.name == name))).scalar_one_or_none()
    if base is None:
        base = 0
        await tx.execute(insert(table).values(name=name, version=base, **_NEVER))
    mark = await generation(tx) + 1
    await tx.execute(update(table).where(table.c.name == name).values(draft=token, draft_mark=mark))
    return Draft(name, base, mark, token)


async def is_open(tx: AsyncConnection, draft: Draft) -> bool:
    """Whether the draft may still be written: nobody has begun another or made a version of the list since.

    Asked in every transaction that writes it: rows that came after another's version would be in force at once.
    """
    table = tables.hotlist
    current = (await tx.execute(select(table.c.draft).where(table.c.name == draft.name))).scalar_one()
    return bool(current == draft.token)


async def draft_additions(tx: AsyncConnection, draft: Draft, added: Sequence[tuple[Any, ...]]) -> None:
    """Write entries that begin with the draft; nobody sees them before it is published.

    Args:
        tx: one in which ``is_open`` was asked.
        draft: the version that is being written.
        added: what they say, as ``entries.values`` has it.
    """
    await _begin(tx, draft.name, draft.mark, added)


async def draft_copies(tx: AsyncConnection, draft: Draft, numbers: Sequence[int]) -> None:
    """Write copies of the entries with these ids, which begin with the draft."""
    entry = tables.hotlist_entry
    for at in range(0, len(numbers), _NUMBERS_A_STATEMENT):
        taken = entry.c.id.in_(numbers[at : at + _NUMBERS_A_STATEMENT])
        copied = select(entry.c.list, literal(draft.mark, BigInteger), *(entry.c[name] for name in COLUMNS))
        await tx.execute(
            insert(entry).from_select(("list", "first_version", *COLUMNS), copied.where(taken).order_by(entry.c.id))
        )


async def draft_endings(tx: AsyncConnection, draft: Draft, ended: Sequence[int]) -> None:
    """Let the entries with these ids end with the draft; until it is published they stay in force."""
    await _end(tx, draft.mark, ended)


async def publish(tx: AsyncConnection, draft: Draft, made: Made, *, criminal_justice: bool | None = None) -> int | None:
    """Put the draft in force, in one short transaction.

    Args:
        tx: one that is alone (``Store.write``).
        draft: the version that was written.
        made: what made it.
        criminal_justice: whether the list comes from a criminal-justice system; None for what it was before.

    Returns:
        The list's version from now on, which is the highest of all lists; None, with nothing changed, when another
        import of this list has begun since, or a version of it was made.
    """
    table = tables.hotlist
    if not await is_open(tx, draft):
        return None
    version = await generation(tx) + 1
    await _put_in_force(tx, draft.name, version, made, draft_mark=None, draft=draft.token)
    if criminal_justice is not None:
        await tx.execute(update(table).where(table.c.name == draft.name).values(criminal_justice=criminal_justice))
    return version


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
        await tx.execute(insert(table).values(name=name, version=0, **_NEVER))
    mark = None if found is None else found.draft_mark
    ended = await _keys_of(tx, name, end)
    if len(ended) != len(set(end)):
        gone = ", ".join(str(number) for number in end if number not in ended)
        raise StoreRefusedError(f"hotlist {name}: got entries {gone} to end, expected ones that are in force")
    keys = [row.key for row in add]
    doubled = [key for key in keys if keys.count(key) > 1] or await _standing(tx, name, keys, end)
    if doubled:
        plate, region, reference = doubled[0]
        raise StoreRefusedError(
            f"hotlist {name}: {plate} ({region or 'any state'}, reference {reference or 'none'}) is on it already; "
            "edit or withdraw that entry, or give this one a case number of its own"
        )
    # Above the mark of a draft, whose rows would otherwise be taken for this version's.
    version = max(await generation(tx), mark or 0) + 1
    await _begin(tx, name, version, [values(row) for row in add])
    await _end(tx, version, end)
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
    await _put_in_force(tx, name, version, made, draft_mark=mark, draft=None)
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


async def _begin(tx: AsyncConnection, name: str, version: int, added: Sequence[tuple[Any, ...]]) -> None:
    await _ROWS.insert(tx, [(name, version, *row) for row in added])


async def _end(tx: AsyncConnection, version: int, ended: Sequence[int]) -> None:
    entry = tables.hotlist_entry
    for at in range(0, len(ended), _NUMBERS_A_STATEMENT):
        numbers = ended[at : at + _NUMBERS_A_STATEMENT]
        await tx.execute(update(entry).where(entry.c.id.in_(numbers)).values(end_version=version))


async def _keys_of(tx: AsyncConnection, name: str, numbers: Sequence[int]) -> dict[int, Key]:
    """Return the keys of those of the entries that are in force, by id."""
    entry = tables.hotlist_entry
    found: dict[int, Key] = {}
    for at in range(0, len(numbers), _NUMBERS_A_STATEMENT):
        rows = await tx.execute(
            select(entry.c.id, entry.c.plate, entry.c.region, entry.c.reference)
            .join(tables.hotlist, tables.hotlist.c.name == entry.c.list)
            .where(in_force(), entry.c.list == name, entry.c.id.in_(numbers[at : at + _NUMBERS_A_STATEMENT]))
        )
        found |= {row.id: (row.plate, row.region, row.reference) for row in rows}
    return found


async def _standing(tx: AsyncConnection, name: str, keys: Sequence[Key], ending: Sequence[int]) -> list[Key]:
    """Return those of ``keys`` that an entry in force has which is not ending."""
    entry, ends = tables.hotlist_entry, set(ending)
    if not keys:
        return []
    rows = await tx.execute(
        select(entry.c.id, entry.c.plate, entry.c.region, entry.c.reference)
        .join(tables.hotlist, tables.hotlist.c.name == entry.c.list)
        .where(in_force(), entry.c.list == name, entry.c.plate.in_([plate for plate, _, _ in keys]))
    )
    wanted = set(keys)
    found = [(row.plate, row.region, row.reference) for row in rows if row.id not in ends]
    return [key for key in found if key in wanted]


async def _patterns(tx: AsyncConnection) -> int:
    entry = tables.hotlist_entry
    counted = (
        select(func.count())
        .select_from(entry.join(tables.hotlist, tables.hotlist.c.name == entry.c.list))
        .where(entry.c.is_pattern, in_force())
    )
    return int((await tx.execute(counted)).scalar_one())


async def _put_in_force(
    tx: AsyncConnection, name: str, version: int, made: Made, *, draft_mark: int | None, draft: bytes | None
) -> None:
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
