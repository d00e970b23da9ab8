"""Hotlist entries that people made one by one: found by number, by what is due, and marked as reviewed.

They are few among millions, and all of them have a time by which they are to be reviewed; a partial index finds them.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.domain.hotlists import Entry
from collector.store import tables
from collector.store.entries import entry
from collector.store.hotlists import in_force
from collector.store.users import Role


async def by_hand(tx: AsyncConnection) -> list[Entry]:
    """Return the entries in force that people made, by number."""
    table = tables.hotlist_entry
    rows = await tx.execute(
        select(table)
        .join(tables.hotlist, tables.hotlist.c.name == table.c.list)
        .where(in_force(), table.c.review_due_ns.is_not(None), table.c.added_by != "")
        .order_by(table.c.id)
    )
    return [entry(row) for row in rows]


async def one_in_force(tx: AsyncConnection, entry_id: int) -> Entry | None:
    """Return an entry; None if there is no such number, or it is not in force."""
    table = tables.hotlist_entry
    rows = await tx.execute(
        select(table)
        .join(tables.hotlist, tables.hotlist.c.name == table.c.list)
        .where(in_force(), table.c.id == entry_id)
    )
    row = rows.one_or_none()
    return None if row is None else entry(row)


async def begun_with(tx: AsyncConnection, name: str, version: int) -> list[int]:
    """Return the numbers of the entries that came with a version of a list."""
    table = tables.hotlist_entry
    begun = select(table.c.id).where(table.c.list == name, table.c.first_version == version).order_by(table.c.id)
    return list((await tx.execute(begun)).scalars())


async def all_numbers(tx: AsyncConnection, one: Entry) -> list[int]:
    """Return every number that an entry has had: an edit makes a new one of the same plate, state and reference.

    What a file says of the same is another entry.
    """
    table = tables.hotlist_entry
    region = table.c.region.is_(None) if one.region is None else table.c.region == one.region
    same = (table.c.plate == one.plate) & (table.c.list == one.list) & (table.c.reference == one.reference) & region
    same &= table.c.added_by != "" if one.added_by else table.c.added_by == ""
    return list((await tx.execute(select(table.c.id).where(same).order_by(table.c.id))).scalars())


async def made_and_asked_for(tx: AsyncConnection, one: Entry) -> set[str]:
    """Return the accounts that made an entry or edited it, and the names for whom: an edit hides those before it."""
    table = tables.hotlist_entry
    numbers = await all_numbers(tx, one)
    rows = await tx.execute(
        select(table.c.first_version, table.c.end_version, table.c.added_by, table.c.requester)
        .where(table.c.id.in_(numbers), table.c.id <= one.id)
        .order_by(table.c.id.desc())
    )
    names, begins = {one.added_by, one.requester}, None
    for row in rows:
        # What was withdrawn and entered anew is another entry.
        if begins is not None and row.end_version != begins:
            break
        names |= {row.added_by, row.requester}
        begins = row.first_version
    return names


async def reviewed(tx: AsyncConnection, entry_id: int, by: str, at_ns: int) -> None:
    """Somebody has reviewed an entry and lets it stand."""
    table = tables.hotlist_entry
    await tx.execute(update(table).where(table.c.id == entry_id).values(reviewed_by=by, reviewed_at_ns=at_ns))


async def role_of(tx: AsyncConnection, name: str) -> Role | None:
    """Return the role of the active user of this name; None if there is none."""
    table = tables.user
    role = (await tx.execute(select(table.c.role).where(table.c.name == name, table.c.active))).scalar_one_or_none()
    return None if role is None else Role(role)


async def unknown_users(tx: AsyncConnection, names: Collection[str]) -> list[str]:
    """Return those of ``names`` that no active user has."""
    table = tables.user
    here = set((await tx.execute(select(table.c.name).where(table.c.name.in_(names), table.c.active))).scalars())
    return sorted(set(names) - here)
