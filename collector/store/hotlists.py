"""Hotlists by version. One counter runs over all lists, so the highest version names the whole: the generation.

An entry never changes: what differs in a new version is a new entry, and the old one ends there. So an alert's entry
stays what it was when it was raised. A new version is written in many short transactions, so that ingest never waits
for a million rows, and none of it counts before the list's version says so: ``publish`` is the only step that anybody
can see. Imports of different lists do not disturb each other: the version is taken from the counter by ``publish``.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, bindparam, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.match.matcher import ListedPlate
from collector.store import tables

_CHUNK = 20_000


@dataclass(frozen=True, slots=True)
class EntryRow:
    """What a list says of one plate.

    Attributes:
        plate: normalised.
        region: ISO 3166 code; None for any.
        reason: why it is listed.
        severity: the list's own word for how urgent it is.
        notes: whatever else the list says.
    """

    plate: str
    region: str | None
    reason: str
    severity: str
    notes: str

    @property
    def key(self) -> tuple[str, str | None]:
        """What makes it the same entry in the next version."""
        return self.plate, self.region


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


async def generation(tx: AsyncConnection) -> int:
    """Return the highest version of any list; 0 without lists."""
    return int((await tx.execute(select(func.coalesce(func.max(tables.hotlist.c.version), 0)))).scalar_one())


async def versions(tx: AsyncConnection) -> dict[str, int]:
    """Return each list's version by name."""
    table = tables.hotlist
    rows = await tx.execute(select(table.c.name, table.c.version).where(table.c.version > 0))
    return {row.name: row.version for row in rows}


async def plates(tx: AsyncConnection) -> AsyncIterator[list[ListedPlate]]:
    """Yield the entries in force of all lists, in portions, for a matcher."""
    entry = tables.hotlist_entry
    texts: dict[str, str] = {}
    after = 0
    while True:
        # Portions by id: a cursor held open would keep the one thread of the connection waiting between them.
        rows = (
            await tx.execute(
                select(entry.c.id, entry.c.list, entry.c.plate, entry.c.region)
                .join(tables.hotlist, tables.hotlist.c.name == entry.c.list)
                .where(_in_force(), entry.c.id > after)
                .order_by(entry.c.id)
                .limit(_CHUNK)
            )
        ).all()
        if not rows:
            return
        after = rows[-1].id
        # List names and regions are few: one string each instead of a million equal ones.
        yield [
            ListedPlate(
                number,
                texts.setdefault(name, name),
                plate,
                None if region is None else texts.setdefault(region, region),
            )
            for number, name, plate, region in rows
        ]


async def entries(tx: AsyncConnection, name: str) -> dict[tuple[str, str | None], tuple[int, EntryRow]]:
    """Return the entries of one list that are in force, with their ids, by what makes them the same."""
    entry = tables.hotlist_entry
    rows = await tx.execute(
        select(entry)
        .join(tables.hotlist, tables.hotlist.c.name == entry.c.list)
        .where(_in_force(), entry.c.list == name)
    )
    found = {}
    for row in rows:
        kept = EntryRow(row.plate, row.region, row.reason, row.severity, row.notes)
        found[kept.key] = (row.id, kept)
    return found


async def begin_draft(tx: AsyncConnection, name: str) -> Draft:
    """Begin a new version of a list, and clear away what another import has written of one.

    If that other one is still at work, it finds that its draft is no longer open.
    """
    table, entry = tables.hotlist, tables.hotlist_entry
    token = secrets.token_bytes(16)
    base = (await tx.execute(select(table.c.version).where(table.c.name == name))).scalar_one_or_none()
    if base is None:
        base = 0
        nothing = {"imported_at_ns": 0, "imported_by": "", "source": "", "source_sha256": bytes(32)}
        await tx.execute(insert(table).values(name=name, version=base, **nothing))
    await tx.execute(delete(entry).where(entry.c.list == name, entry.c.first_version > base))
    await tx.execute(update(entry).where(entry.c.list == name, entry.c.end_version > base).values(end_version=None))
    await tx.execute(update(table).where(table.c.name == name).values(draft=token))
    return Draft(name, base, await generation(tx) + 1, token)


async def is_open(tx: AsyncConnection, draft: Draft) -> bool:
    """Whether the draft may still be written: no other import of the list has begun since.

    Asked in every transaction that writes it: rows that came after another's version would be in force at once.
    """
    table = tables.hotlist
    current = (await tx.execute(select(table.c.draft).where(table.c.name == draft.name))).scalar_one()
    return bool(current == draft.token)


async def draft_additions(tx: AsyncConnection, draft: Draft, added: Sequence[EntryRow]) -> None:
    """Write entries that begin with the draft; nobody sees them before it is published."""
    if added:
        await tx.execute(
            insert(tables.hotlist_entry),
            [
                {
                    "list": draft.name,
                    "plate": one.plate,
                    "region": one.region,
                    "reason": one.reason,
                    "severity": one.severity,
                    "notes": one.notes,
                    "first_version": draft.mark,
                }
                for one in added
            ],
        )


async def draft_endings(tx: AsyncConnection, draft: Draft, ended: Sequence[int]) -> None:
    """Let the entries with these ids end with the draft; until it is published they stay in force."""
    entry = tables.hotlist_entry
    if ended:
        await tx.execute(
            update(entry).where(entry.c.id == bindparam("b_id")).values(end_version=draft.mark),
            [{"b_id": one} for one in ended],
        )


async def publish(
    tx: AsyncConnection,
    draft: Draft,
    *,
    at_ns: int,
    by: str,
    source: str,
    source_sha256: bytes,
) -> int | None:
    """Put the draft in force, in one short transaction.

    Returns:
        The list's version from now on, which is the highest of all lists; None, with nothing changed, when another
        import of this list has begun since.
    """
    table = tables.hotlist
    if not await is_open(tx, draft):
        return None
    version = await generation(tx) + 1
    await tx.execute(
        update(table)
        .where(table.c.name == draft.name)
        .values(
            version=version,
            imported_at_ns=at_ns,
            imported_by=by,
            source=source,
            source_sha256=source_sha256,
            draft=None,
        )
    )
    return version


def _in_force() -> ColumnElement[bool]:
    entry, version = tables.hotlist_entry, tables.hotlist.c.version
    return and_(entry.c.first_version <= version, or_(entry.c.end_version.is_(None), entry.c.end_version > version))
