"""What people say of shot incidents: every verdict is kept, the last one counts."""

from __future__ import annotations

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.domain import Stage, VerdictWord
from collector.store import tables
from collector.store.incidents import keep_revision


async def keep_verdict(
    tx: AsyncConnection, incident_id: int, verdict: VerdictWord, what: str | None, by: str, at_ns: int
) -> bool:
    """Keep a person's verdict as a revision of its own; False if there is no such incident, or its shots have gone."""
    table = tables.incident
    query = select(table.c.revision).where(table.c.id == incident_id, table.c.merged_into.is_(None))
    revision = (await tx.execute(query)).scalar_one_or_none()
    if revision is None:
        return False
    said = {"verdict": str(verdict), "what": what, "by": by}
    await tx.execute(insert(tables.incident_verdict).values(incident_id=incident_id, **said, at_ns=at_ns))
    reviewed = {"stage": str(Stage.REVIEWED), "revision": revision + 1}
    await tx.execute(update(table).where(table.c.id == incident_id).values(**reviewed))
    await keep_revision(tx, incident_id, revision + 1, Stage.REVIEWED, at_ns, said)
    return True


async def ask_for_recordings(tx: AsyncConnection, incident_id: int, at_ns: int) -> bool:
    """Note that somebody wants the recordings of an incident; False if there is no such incident."""
    table = tables.incident
    done = await tx.execute(update(table).where(table.c.id == incident_id).values(recordings_asked_at_ns=at_ns))
    return bool(done.rowcount)
