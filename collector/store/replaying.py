"""What an alert was raised by, as it was stored: with it the matcher can be asked again."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.domain import Match, Rule
from collector.errors import NotFoundError
from collector.match.records import ListedPlate
from collector.store import tables
from collector.store.cases import match_of


@dataclass(frozen=True, slots=True)
class Replay:
    """An alert with what the matcher was given, and what it said.

    Attributes:
        alert_id: the alert.
        listed: the entry.
        covert: it is for the users that it names.
        rule: what let it through.
        match: what the matcher said; None of an alert of an earlier version.
        why: the reasons that were given.
        revision: of the read, by which it was last matched.
        envelope: the message of that revision as received; None if it is gone.
        confirmed_at_ns: UTC, when the list's version was last confirmed; 0 for never, None if it is gone.
        camera: "device/camera".
    """

    alert_id: int
    listed: ListedPlate
    covert: bool
    rule: Rule
    match: Match | None
    why: tuple[str, ...]
    revision: int | None
    envelope: bytes | None
    confirmed_at_ns: int | None
    camera: str


async def replay(tx: AsyncConnection, alert_id: int, *, person: str | None = None) -> Replay:
    """Return what is stored of an alert.

    Args:
        tx: one transaction.
        alert_id: its number.
        person: who is to be shown it; a covert entry's alert exists for those only whom the entry names.

    Raises:
        NotFoundError: there is none for ``person``, or it is one of a shot incident.
    """
    alert, entry, read = tables.alert, tables.hotlist_entry, tables.read
    row = (
        await tx.execute(
            select(
                alert.c.id,
                alert.c.rule,
                alert.c.match,
                alert.c.why,
                alert.c.revision,
                alert.c.read_id,
                alert.c.list_version,
                entry.c.id.label("entry_id"),
                entry.c.list,
                entry.c.plate,
                entry.c.region,
                entry.c.is_pattern,
                entry.c.effective_ns,
                entry.c.expires_ns,
                entry.c.category,
                entry.c.reference,
                entry.c.covert_to,
                read.c.device,
                read.c.camera,
            )
            .join_from(alert, entry, entry.c.id == alert.c.entry_id)
            .join(read, read.c.id == alert.c.read_id)
            .where(alert.c.id == alert_id)
        )
    ).one_or_none()
    if row is None or (row.covert_to is not None and person not in row.covert_to):
        raise NotFoundError(f"alert {alert_id}: there is no alert of a plate with this number")
    match = match_of(row.match)
    version = row.list_version if match is None else match.list_version
    return Replay(
        alert_id=row.id,
        listed=ListedPlate(
            row.entry_id,
            row.list,
            row.plate,
            row.region,
            bool(row.is_pattern),
            row.effective_ns,
            row.expires_ns,
            row.category,
            row.reference,
        ),
        covert=row.covert_to is not None,
        rule=Rule(row.rule),
        match=match,
        why=tuple(row.why),
        revision=row.revision,
        envelope=await _envelope(tx, row.read_id, row.revision),
        confirmed_at_ns=await _confirmed_at_ns(tx, row.list, version),
        camera=f"{row.device}/{row.camera}",
    )


async def _envelope(tx: AsyncConnection, read_id: int, revision: int | None) -> bytes | None:
    kept, message = tables.read_revision, tables.message
    return (
        await tx.execute(
            select(message.c.envelope)
            .join_from(kept, message, message.c.id == kept.c.message_id)
            .where(kept.c.read_id == read_id, kept.c.revision == revision)
            .order_by(message.c.id)
            .limit(1)
        )
    ).scalar_one_or_none()


async def _confirmed_at_ns(tx: AsyncConnection, name: str, version: int) -> int | None:
    table = tables.hotlist_version
    return (
        await tx.execute(select(table.c.confirmed_at_ns).where(table.c.list == name, table.c.version == version))
    ).scalar_one_or_none()
