"""What an outbox holds, read from its files without disturbing the agent that has it open."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_agent.errors import OutboxError
from edge_agent.outbox.conditions import (
    BALLAST,
    EVICTED_AT,
    EVICTING_FOR_NS,
    FLOOR,
    FOUND_AT_OPENING,
    QUOTA,
    Condition,
    worst_first,
)
from edge_agent.outbox.disk import Ballast, Disk, FileSystem
from edge_agent.outbox.faults import OutboxDamagedError, is_damage
from edge_agent.outbox.lock import is_held, unusable
from edge_agent.outbox.schema import OFFSET, PAGES, reading_uri
from edge_agent.outbox.settings import BALLAST_NAME
from edge_wire.clock import Clock, boot_id
from edge_wire.messages import Stream

_OLDEST = """
SELECT min(oldest) FROM (
  SELECT (SELECT min(queued_boot_ns) FROM rows WHERE state = 0 AND urgency = value) AS oldest
  FROM json_each('[0, 1, 2, 3, 4, 5, 6]')
)
"""

__all__ = ["OutboxState", "StreamDepth", "is_held", "read_state"]


@dataclass(frozen=True, slots=True)
class StreamDepth:
    """One stream of one epoch; ``lowest_pending`` is 0 when nothing is pending."""

    epoch: int
    stream: Stream
    next_sequence: int
    pending: int
    lowest_pending: int


@dataclass(frozen=True, slots=True)
class OutboxState:
    """How much waits, and since when.

    Attributes:
        folder: where the outbox lies.
        running: whether an agent has it open.
        epoch: the newest epoch.
        open_acked: whether the collector has that epoch's key.
        pending: rows that wait for the collector's ack.
        oldest_s: age of the oldest of them in seconds, None when nothing waits. After a reboot the time without
            power is not in it.
        stored: acked rows that are kept for a while.
        parked: rows that the collector refused, or whose bytes were damaged; loss records name them.
        files_bytes: what crops, frames and clips take.
        streams: each stream of each epoch, newest epoch first.
        bytes: what rows and files take together.
        quota_bytes: how much they may take; 0: unknown, an older agent wrote it.
        free_bytes: what the file system has left.
        free_floor_bytes: what it should have left.
        lost: how many rows were given up since the database was made, by reason; under ``uncommitted`` what could not
            even be stored, as far as that is known.
        conditions: what is wrong now, worst first.
    """

    folder: Path
    running: bool
    epoch: int
    open_acked: bool
    pending: int
    oldest_s: float | None
    stored: int
    parked: int
    files_bytes: int
    streams: tuple[StreamDepth, ...]
    bytes: int
    quota_bytes: int
    free_bytes: int
    free_floor_bytes: int
    lost: Mapping[str, int]
    conditions: tuple[Condition, ...]

    @property
    def floor_reached(self) -> bool:
        """Whether less is free than should be."""
        return self.free_bytes < self.free_floor_bytes


def read_state(folder: Path, clock: Clock, disk: Disk | None = None) -> OutboxState:
    """Read the outbox in ``folder``. Blocking.

    Args:
        folder: where it lies.
        clock: the machine's clocks.
        disk: the file system; None for the real one.

    Raises:
        OutboxDamagedError: a part of it is corrupt.
        OutboxError: there is none, or it cannot be read.
    """
    path = folder / "outbox.db"
    try:
        if not path.is_file():
            raise OutboxError(f"{path}: there is no outbox; has the agent run with this configuration?")
        with closing(sqlite3.connect(reading_uri(path), uri=True, timeout=5.0)) as database:
            database.execute("BEGIN")
            return _read(database, folder, clock, (disk or FileSystem()).free_bytes(folder))
    except OSError as error:
        raise unusable(path, error) from error
    except sqlite3.Error as error:
        kind = OutboxDamagedError if is_damage(error) else OutboxError
        raise kind(f"{path}: cannot be read: {error}") from error


def _read(database: sqlite3.Connection, folder: Path, clock: Clock, free_bytes: int) -> OutboxState:
    newest = database.execute("SELECT epoch, open_acked FROM epochs ORDER BY number DESC LIMIT 1").fetchone()
    if newest is None:
        raise OutboxError(f"{folder}: the outbox was made but never opened")
    facts = dict(database.execute("SELECT name, value FROM facts"))
    this_boot = facts["boot_id"] == boot_id()
    now_ns = clock.boot_ns() + facts.get(OFFSET, 0) if this_boot else facts["last_seen_boot_ns"]
    # Health and ``--once`` ask often, and there may be millions of rows: both from an index, not from the rows.
    (oldest_ns,) = database.execute(_OLDEST).fetchone()
    settled = dict(database.execute("SELECT state, count(*) FROM rows WHERE state <> 0 GROUP BY state"))
    (files_bytes,) = database.execute("SELECT coalesce(sum(size_bytes), 0) FROM files").fetchone()
    streams = database.execute(
        """
        SELECT c.epoch, c.stream, c.next_sequence,
          (SELECT count(*) FROM rows r WHERE r.epoch = c.epoch AND r.stream = c.stream AND r.state = 0),
          (SELECT coalesce(min(r.sequence), 0) FROM rows r
           WHERE r.epoch = c.epoch AND r.stream = c.stream AND r.state = 0)
        FROM counters c JOIN epochs e USING (epoch) ORDER BY e.number DESC, c.stream
        """
    ).fetchall()
    used_bytes = database_bytes(database) + files_bytes
    return OutboxState(
        folder=folder,
        running=is_held(folder),
        epoch=newest[0],
        open_acked=bool(newest[1]),
        pending=sum(pending for *_, pending, _ in streams),
        oldest_s=None if oldest_ns is None else max(0.0, (now_ns - oldest_ns) / 1e9),
        stored=settled.get(1, 0) + settled.get(2, 0),
        parked=settled.get(3, 0),
        files_bytes=files_bytes,
        streams=tuple(StreamDepth(epoch, Stream(stream), *rest) for epoch, stream, *rest in streams),
        bytes=used_bytes,
        quota_bytes=facts.get(QUOTA, 0),
        free_bytes=free_bytes,
        free_floor_bytes=facts.get(FLOOR, 0),
        lost=_lost(database),
        conditions=_conditions(facts, folder, used_bytes, free_bytes, now_ns),
    )


def database_bytes(database: sqlite3.Connection) -> int:
    """How much the pages in use take; free ones are used again before the file grows."""
    pages, free, page_bytes = database.execute(PAGES).fetchone()
    return int((pages - free) * page_bytes)


def _lost(database: sqlite3.Connection) -> Mapping[str, int]:
    # Beside the running agent of a version before losses were counted there is no such table.
    counted = database.execute("SELECT 1 FROM sqlite_schema WHERE name = 'losses'").fetchone()
    return dict(database.execute("SELECT reason, rows FROM losses ORDER BY reason")) if counted else {}


def _conditions(
    facts: Mapping[str, Any], folder: Path, used_bytes: int, free_bytes: int, now_ns: int
) -> tuple[Condition, ...]:
    found = {Condition(name) for name in facts.get(FOUND_AT_OPENING, "").split(",") if name}
    if not Ballast(folder / BALLAST_NAME, facts.get(BALLAST, 0)).held:
        found.add(Condition.DISK_FULL)
    if free_bytes < facts.get(FLOOR, 0):
        found.add(Condition.SCARCE)
    if used_bytes > facts.get(QUOTA, used_bytes):
        found.add(Condition.OVER_QUOTA)
    if EVICTED_AT in facts and now_ns - facts[EVICTED_AT] < EVICTING_FOR_NS:
        found.add(Condition.EVICTING)
    return worst_first(found)
