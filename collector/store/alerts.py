"""What people and time do to alerts, of hits and of incidents alike; ``cases`` has what reads do to them.

Whoever writes here has the store to itself (``Store.write``), so what was read is what is changed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import and_, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.domain import Alert, AlertState, FieldOutcome, ImageCheck, RecordCheck
from collector.store import alert_changes, feed, tables
from collector.store.alert_changes import Step
from collector.store.cases import EntryKey
from collector.store.feed import FeedKind

# SQLite allows 32,766 variables a statement.
_CHUNK = 10_000
# So many call again in one transaction, of each reason.
_MOST_DUE = 100


async def keep(tx: AsyncConnection, alert: Alert, step: Step, at_ns: int) -> None:
    """Keep what people or time have made of an alert, the change itself, and tell of it."""
    table = tables.alert
    await tx.execute(update(table).where(table.c.id == alert.id).values(_lived(alert)))
    await alert_changes.keep(tx, [step], at_ns)
    await feed.append(tx, FeedKind.ALERT, alert.id)


async def recall(tx: AsyncConnection, entry_ids: Collection[int], *, why: str, at_ns: int, who: str) -> list[int]:
    """Say on the open alerts of entries that these are no longer in force, and call for attention again.

    Whoever has been sent after the vehicle is to hear of it. The changes and the feed's rows are written, too.

    Args:
        tx: a transaction that writes alone, the one that ends the entries.
        entry_ids: what was withdrawn, or has expired.
        why: in a sentence, for the operator.
        at_ns: UTC.
        who: withdrew it; empty if nobody did.

    Returns:
        The alerts, ascending.
    """
    table = tables.alert
    gone = set(entry_ids)
    standing = (table.c.state != str(AlertState.CLOSED)) & table.c.recalled_at_ns.is_(None)
    rows = await tx.execute(
        select(table.c.id, table.c.entry_id).where(standing, table.c.entry_id.is_not(None)).order_by(table.c.id)
    )
    ids = [row.id for row in rows if row.entry_id in gone]
    for at in range(0, len(ids), _CHUNK):
        await tx.execute(
            update(table)
            .where(table.c.id.in_(ids[at : at + _CHUNK]))
            .values(recalled_at_ns=at_ns, recalled_why=why, soundings=table.c.soundings + 1)
        )
    await alert_changes.keep(tx, [Step(one, "recalled", who, {"why": why}) for one in ids], at_ns)
    await feed.append_all(tx, [(FeedKind.ALERT, one) for one in ids])
    return ids


async def due(tx: AsyncConnection, now_ns: int, *, incidents_from_ns: int, incidents_to_ns: int) -> list[int]:
    """Return alerts that are to call again now, ascending: nobody has acknowledged them, or confirmed a record.

    Args:
        tx: one transaction.
        now_ns: UTC.
        incidents_from_ns: of incidents, which carry no time of their own, those raised since then,
        incidents_to_ns: and not after this.
    """
    table = tables.alert
    waiting = table.c.state == str(AlertState.NEW)
    of_incident = (
        table.c.incident_id.is_not(None),
        table.c.raised_at_ns.between(incidents_from_ns, incidents_to_ns),
        table.c.escalated_at_ns.is_(None),
        table.c.historical.is_(False),
    )
    found: set[int] = set()
    # Each has an index of its own.
    for condition in (
        and_(table.c.escalate_at_ns <= now_ns, waiting),
        table.c.confirm_by_ns <= now_ns,
        and_(*of_incident, waiting),
    ):
        found |= set((await tx.execute(select(table.c.id).where(condition).limit(_MOST_DUE))).scalars())
    return sorted(found)


async def mute(tx: AsyncConnection, key: EntryKey, *, by: str, at_ns: int) -> int:
    """Let an entry not alert until its list's next version; return the version up to which it does not."""
    hotlist = tables.hotlist
    version = int((await tx.execute(select(hotlist.c.version).where(hotlist.c.name == key.list))).scalar_one())
    await tx.execute(insert(tables.mute).values(**key._asdict(), list_version=version, by=by, at_ns=at_ns))
    return version


async def exclude(
    tx: AsyncConnection,
    true_plate: str,
    key: EntryKey,
    *,
    reason: str,
    alert_id: int,
    author: str,
    at_ns: int,
    expires_at_ns: int,
) -> int:
    """Keep that ``true_plate`` is not that entry, until it expires; return the exclusion's number."""
    table = tables.exclusion
    result = await tx.execute(
        insert(table)
        .values(
            true_plate=true_plate,
            list=key.list,
            plate=key.plate,
            region=key.region,
            author=author,
            reason=reason,
            alert_id=alert_id,
            created_at_ns=at_ns,
            expires_at_ns=expires_at_ns,
        )
        .returning(table.c.id)
    )
    return int(result.scalar_one())


def _lived(alert: Alert) -> dict[str, Any]:
    """Return the columns that people and time change."""
    closed = alert.closed
    return {
        "state": str(alert.state),
        "acknowledged_by": alert.acknowledged_by,
        "acknowledged_at_ns": alert.acknowledged_at_ns,
        "soundings": alert.soundings,
        "escalate_at_ns": alert.escalate_at_ns,
        "escalated_at_ns": alert.escalated_at_ns,
        "closed_by": None if closed is None else closed.by,
        "closed_at_ns": None if closed is None else closed.at_ns,
        "disposition": None if closed is None else str(closed.disposition),
        "image_check": _json(alert.image_check),
        "record_check": _json(alert.record_check),
        "field_outcome": _json(alert.field_outcome),
        "confirm_by_ns": alert.confirm_by_ns,
    }


def _json(fact: ImageCheck | RecordCheck | FieldOutcome | None) -> Mapping[str, Any] | None:
    return None if fact is None else asdict(fact)
