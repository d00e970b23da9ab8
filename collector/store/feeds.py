"""How the feeds of hotlists stand, and deliveries that wait for a person or waited for one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.store import tables
from collector.store.hotlists import in_force

_IN_VAIN = "; was approved, but cannot be put in force"


class SnapshotState(StrEnum):
    """What became of a delivery that was held back."""

    WAITING = "waiting"
    APPROVED = "approved"
    IMPORTED = "imported"
    REFUSED = "refused"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True)
class FeedStanding:
    """How a feed stands.

    Attributes:
        name: of the feed.
        known_since_ns: UTC, when a collector first had it in its configuration.
        tried_at_ns: when its source was last asked; None if never.
        delivered_at_ns: when a delivery last came, whatever became of it; None if never.
        sha256: of the last delivery that came into force.
        modified: what the source said of the last delivery, to be given only newer ones.
        made_at_ns: how old that was, as the source said; None where it does not say.
        problem: why the last try failed; empty if it did not.
        problem_since_ns: since when tries fail.
    """

    name: str
    known_since_ns: int
    tried_at_ns: int | None = None
    delivered_at_ns: int | None = None
    sha256: bytes | None = None
    modified: str = ""
    made_at_ns: int | None = None
    problem: str = ""
    problem_since_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A delivery that was held back.

    Attributes:
        id: the number that people quote.
        feed: whose delivery.
        list: the hotlist that it is to become.
        source: the file, as the source calls it.
        sha256: of its bytes.
        rows: how many entries it holds.
        why: why it waits.
        state: what became of it.
        at_ns: UTC, when it came.
        decided_by: who decided.
        decided_at_ns: when.
    """

    id: int
    feed: str
    list: str
    source: str
    sha256: bytes
    rows: int
    why: str
    state: SnapshotState
    at_ns: int
    decided_by: str | None
    decided_at_ns: int | None


async def know(tx: AsyncConnection, names: Iterable[str], at_ns: int) -> None:
    """Note feeds that are new in the configuration: from now on deliveries are expected."""
    table = tables.hotlist_feed
    here = set((await tx.execute(select(table.c.name))).scalars())
    fresh = [{"name": name, "known_since_ns": at_ns} for name in names if name not in here]
    if fresh:
        await tx.execute(insert(table), fresh)


async def standings(tx: AsyncConnection) -> dict[str, FeedStanding]:
    """Return how each feed stands that a collector has ever had, by name."""
    rows = await tx.execute(select(tables.hotlist_feed))
    return {row.name: FeedStanding(**row._mapping) for row in rows}


async def note_tried(tx: AsyncConnection, name: str, at_ns: int, problem: str = "") -> None:
    """A feed's source was asked; ``problem`` says why in vain, if it was."""
    table = tables.hotlist_feed
    since = func.coalesce(table.c.problem_since_ns, at_ns) if problem else None
    new = {"tried_at_ns": at_ns, "problem": problem, "problem_since_ns": since}
    await tx.execute(update(table).where(table.c.name == name).values(new))


async def note_delivered(
    tx: AsyncConnection, name: str, at_ns: int, *, modified: str, made_at_ns: int | None, sha256: bytes | None
) -> None:
    """A delivery came; ``sha256`` if it is in force now."""
    table = tables.hotlist_feed
    new: dict[str, Any] = {"tried_at_ns": at_ns, "delivered_at_ns": at_ns, "problem": "", "problem_since_ns": None}
    new |= {"modified": modified, "made_at_ns": made_at_ns}
    if sha256 is not None:
        new["sha256"] = sha256
    await tx.execute(update(table).where(table.c.name == name).values(new))


async def note_in_force(tx: AsyncConnection, name: str, sha256: bytes) -> None:
    """A feed's delivery with these bytes is what its list is from now on."""
    table = tables.hotlist_feed
    await tx.execute(update(table).where(table.c.name == name).values(sha256=sha256))


async def forget(tx: AsyncConnection, name: str) -> None:
    """Let a feed's source be asked for what it has, newer or not, and at once."""
    table = tables.hotlist_feed
    await tx.execute(update(table).where(table.c.name == name).values(modified="", tried_at_ns=None))


async def ask_now(tx: AsyncConnection, name: str) -> bool:
    """Let a feed's source be asked at once; whether there is such a feed."""
    table = tables.hotlist_feed
    done = await tx.execute(update(table).where(table.c.name == name).values(tried_at_ns=None))
    return bool(done.rowcount)


async def file_entries(tx: AsyncConnection, name: str) -> int:
    """Return how many entries in force of a list came from files: all but those made by hand."""
    entry = tables.hotlist_entry
    counted = (
        select(func.count())
        .select_from(entry.join(tables.hotlist, tables.hotlist.c.name == entry.c.list))
        .where(in_force(), entry.c.list == name, entry.c.added_by == "")
    )
    return int((await tx.execute(counted)).scalar_one())


async def confirmed_at_ns(tx: AsyncConnection) -> dict[str, int]:
    """Return when its source last confirmed each list, UTC, by name; lists that have no source are not in it."""
    table = tables.hotlist
    rows = await tx.execute(select(table.c.name, table.c.imported_at_ns).where(table.c.imported_at_ns > 0))
    return {row.name: row.imported_at_ns for row in rows}


async def hold(
    tx: AsyncConnection, *, feed: str, name: str, source: str, sha256: bytes, rows: int, why: str, at_ns: int
) -> int:
    """Keep a delivery for a person to decide about; earlier ones of the feed are superseded."""
    table = tables.hotlist_snapshot
    await supersede(tx, feed, at_ns)
    row = {"feed": feed, "list": name, "source": source, "sha256": sha256, "rows": rows, "why": why, "at_ns": at_ns}
    made = insert(table).values(row | {"state": SnapshotState.WAITING}).returning(table.c.id)
    return int((await tx.execute(made)).scalar_one())


async def supersede(tx: AsyncConnection, feed: str, at_ns: int) -> None:
    """A newer delivery of a feed has come: those that wait, or are approved and not in force, are not to be."""
    table = tables.hotlist_snapshot
    earlier = (table.c.feed == feed) & table.c.state.in_([SnapshotState.WAITING, SnapshotState.APPROVED])
    superseded = {"state": SnapshotState.SUPERSEDED, "decided_by": "", "decided_at_ns": at_ns}
    await tx.execute(update(table).where(earlier).values(superseded))


async def snapshots(
    tx: AsyncConnection, states: Sequence[SnapshotState], feed: str | None = None, limit: int = 500
) -> list[Snapshot]:
    """Return deliveries that were held back and stand so, oldest first."""
    table = tables.hotlist_snapshot
    query = select(table).where(table.c.state.in_(states)).order_by(table.c.id).limit(limit)
    if feed is not None:
        query = query.where(table.c.feed == feed)
    return [_snapshot(row) for row in await tx.execute(query)]


async def snapshot(tx: AsyncConnection, snapshot_id: int) -> Snapshot | None:
    """Return one delivery that was held back; None if there is no such number."""
    row = (await tx.execute(select(tables.hotlist_snapshot).filter_by(id=snapshot_id))).one_or_none()
    return None if row is None else _snapshot(row)


async def last_decided(tx: AsyncConnection, feed: str, sha256: bytes) -> Snapshot | None:
    """Return what was decided last about a delivery with these bytes, if it was ever held back."""
    table = tables.hotlist_snapshot
    query = select(table).where(table.c.feed == feed, table.c.sha256 == sha256).order_by(table.c.id.desc()).limit(1)
    row = (await tx.execute(query)).one_or_none()
    return None if row is None else _snapshot(row)


async def decide(
    tx: AsyncConnection, snapshot_id: int, before: SnapshotState, now: SnapshotState, by: str | None, at_ns: int
) -> bool:
    """Bring a delivery from one state to the next; whether it stood in the former one."""
    table = tables.hotlist_snapshot
    new: dict[str, Any] = {"state": now}
    if by is not None:
        new |= {"decided_by": by, "decided_at_ns": at_ns}
    done = await tx.execute(update(table).where(table.c.id == snapshot_id, table.c.state == before).values(new))
    return bool(done.rowcount)


async def give_back(tx: AsyncConnection, one: Snapshot, why: str) -> None:
    """Let an approved delivery wait for a person again, because it cannot be put in force."""
    table = tables.hotlist_snapshot
    told = f"{one.why.partition(_IN_VAIN)[0]}{_IN_VAIN}: {why}"
    waits = {"state": SnapshotState.WAITING, "why": told, "decided_by": None, "decided_at_ns": None}
    approved = (table.c.id == one.id) & (table.c.state == SnapshotState.APPROVED)
    await tx.execute(update(table).where(approved).values(waits))


def _snapshot(row: Row[Any]) -> Snapshot:
    return Snapshot(**(dict(row._mapping) | {"state": SnapshotState(row.state)}))
