"""The feed: one ascending number over everything that consoles show.

A row is appended in the transaction of the change that it tells of and only names that change; readers fetch it as it
is when they read. Writers take turns, so numbers ascend in commit order and a reader at number n never misses one
below it. Appending comes last in a transaction: others that append wait for its commit. ``FeedSignal`` wakes the
readers of this process at once, and ``waking`` those of another collector.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.store import tables, turns
from collector.store.bulk import Bulk

_ROWS = Bulk(tables.feed, ("kind", "ref"))


class FeedKind(StrEnum):
    """What a feed row is about."""

    ALERT = "alert"
    READ = "read"
    PASSAGE = "passage"
    SHOT = "shot"
    INCIDENT = "incident"
    PICTURE = "picture"
    DEVICE = "device"


@dataclass(frozen=True, slots=True)
class FeedRow:
    """One change.

    Attributes:
        number: its place in the feed.
        kind: what has changed.
        ref: which: the row's id in decimal, the device's id, or for a picture ``device/sha256`` in hex.
    """

    number: int
    kind: FeedKind
    ref: str


class FeedSignal:
    """Wakes whoever waits for the next commit.

    Take ``count`` before looking at the feed, and wait for a change from that count afterwards: a commit between the
    two is then not missed.
    """

    def __init__(self) -> None:
        self.count = 0
        self._next = asyncio.Event()

    def notify(self) -> None:
        """A commit has happened."""
        self.count += 1
        self._next.set()
        self._next = asyncio.Event()

    async def changed(self, since_count: int) -> None:
        """Return once there has been a commit after the one counted ``since_count``."""
        while self.count == since_count:
            await self._next.wait()


async def append(tx: AsyncConnection, kind: FeedKind, ref: str | int) -> None:
    """Append one row in the transaction of its change."""
    await append_all(tx, [(kind, ref)])


async def append_all(tx: AsyncConnection, rows: Iterable[tuple[FeedKind, str | int]]) -> None:
    """Append rows in their order."""
    values = [(str(kind), str(ref)) for kind, ref in rows]
    if values:
        await turns.of_feed(tx)
        await _ROWS.insert(tx, values)


async def after(tx: AsyncConnection, number: int, limit: int = 500) -> list[FeedRow]:
    """Return up to ``limit`` rows above ``number``, ascending."""
    feed = tables.feed
    rows = await tx.execute(select(feed).where(feed.c.number > number).order_by(feed.c.number).limit(limit))
    return [FeedRow(row.number, FeedKind(row.kind), row.ref) for row in rows]


async def last(tx: AsyncConnection) -> int:
    """Return the highest number; 0 while the feed is empty."""
    return int((await tx.execute(select(func.coalesce(func.max(tables.feed.c.number), 0)))).scalar_one())
