"""Versions of lists that are being written and not in force: begun, filled, published, or cleared away.

A draft's rows carry its mark, and the list says which mark that is (``draft_mark``), so ``hotlists.change`` may make a
version of its own while a draft is being written or lies there broken off: those rows are in force in no version. The
import whose draft that was finds it closed and begins again. Imports of different lists do not disturb each other: the
version is taken from the counter by ``publish``, the only step that anybody can see.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, delete, insert, literal, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.store import hotlists, tables
from collector.store.entries import COLUMNS
from collector.store.hotlists import Made


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


async def is_drafting(tx: AsyncConnection, name: str) -> bool:
    """Whether there is a draft of the list, open or broken off."""
    table = tables.hotlist
    found = (await tx.execute(select(table.c.draft, table.c.draft_mark).where(table.c.name == name))).one_or_none()
    return found is not None and (found.draft, found.draft_mark) != (None, None)


async def is_being_written(tx: AsyncConnection, name: str) -> bool:
    """Whether an import may write a version of the list now."""
    table = tables.hotlist
    return (await tx.execute(select(table.c.draft).where(table.c.name == name))).scalar_one_or_none() is not None


async def close(tx: AsyncConnection, name: str, only: Draft | None = None) -> None:
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
    for at in range(0, len(rows), hotlists.NUMBERS_A_STATEMENT):
        some = rows[at : at + hotlists.NUMBERS_A_STATEMENT]
        await tx.execute(delete(entry).where(entry.c.id.in_([row.id for row in some if row.begun])))
        restored = update(entry).where(entry.c.id.in_([row.id for row in some if not row.begun]))
        await tx.execute(restored.values(end_version=None))
    if limit is not None and len(rows) == limit:
        return int(rows[-1].id)
    if not after:
        await tx.execute(update(table).where(table.c.name == name).values(draft=None, draft_mark=None))
    return None


async def begin(tx: AsyncConnection, name: str) -> Draft:
    """Begin a new version of a list, and clear away what another import has written of one.

    If that other one is still at work, it finds that its draft is no longer open.
    """
    table = tables.hotlist
    token = secrets.token_bytes(16)
    await _clear(tx, name)
    base = (await tx.execute(select(table.c.version).where(table.c.name == name))).scalar_one_or_none()
    if base is None:
        base = 0
        await tx.execute(insert(table).values(name=name, version=base, **hotlists.NEVER))
    mark = await hotlists.generation(tx) + 1
    await tx.execute(update(table).where(table.c.name == name).values(draft=token, draft_mark=mark))
    return Draft(name, base, mark, token)


async def is_open(tx: AsyncConnection, draft: Draft) -> bool:
    """Whether the draft may still be written: nobody has begun another or made a version of the list since.

    Asked in every transaction that writes it: rows that came after another's version would be in force at once.
    """
    table = tables.hotlist
    current = (await tx.execute(select(table.c.draft).where(table.c.name == draft.name))).scalar_one()
    return bool(current == draft.token)


async def add(tx: AsyncConnection, draft: Draft, added: Sequence[tuple[Any, ...]]) -> None:
    """Write entries that begin with the draft; nobody sees them before it is published.

    Args:
        tx: one in which ``is_open`` was asked.
        draft: the version that is being written.
        added: what they say, as ``entries.values`` has it.
    """
    await hotlists.begin(tx, draft.name, draft.mark, added)


async def copy(tx: AsyncConnection, draft: Draft, numbers: Sequence[int]) -> None:
    """Write copies of the entries with these ids, which begin with the draft."""
    entry = tables.hotlist_entry
    for at in range(0, len(numbers), hotlists.NUMBERS_A_STATEMENT):
        taken = entry.c.id.in_(numbers[at : at + hotlists.NUMBERS_A_STATEMENT])
        copied = select(entry.c.list, literal(draft.mark, BigInteger), *(entry.c[name] for name in COLUMNS))
        await tx.execute(
            insert(entry).from_select(("list", "first_version", *COLUMNS), copied.where(taken).order_by(entry.c.id))
        )


async def end(tx: AsyncConnection, draft: Draft, ended: Sequence[int]) -> None:
    """Let the entries with these ids end with the draft; until it is published they stay in force."""
    await hotlists.end_with(tx, draft.mark, ended)


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
    version = await hotlists.generation(tx) + 1
    await hotlists.put_in_force(tx, draft.name, version, made, draft_mark=None, draft=draft.token)
    if criminal_justice is not None:
        await tx.execute(update(table).where(table.c.name == draft.name).values(criminal_justice=criminal_justice))
    return version
