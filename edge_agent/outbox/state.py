"""What an outbox holds, read from its files without disturbing the agent that has it open."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from edge_agent.errors import OutboxError
from edge_agent.outbox.lock import is_held, unusable
from edge_agent.outbox.schema import reading_uri
from edge_wire.clock import Clock, boot_id
from edge_wire.messages import Stream

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
        parked: rows that the collector refused.
        files_bytes: what crops, frames and clips take.
        streams: each stream of each epoch, newest epoch first.
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


def read_state(folder: Path, clock: Clock) -> OutboxState:
    """Read the outbox in ``folder``. Blocking.

    Raises:
        OutboxError: there is none, or it cannot be read.
    """
    path = folder / "outbox.db"
    try:
        if not path.is_file():
            raise OutboxError(f"{path}: there is no outbox; has the agent run with this configuration?")
        with closing(sqlite3.connect(reading_uri(path), uri=True, timeout=5.0)) as database:
            database.execute("BEGIN")
            return _read(database, folder, clock)
    except OSError as error:
        raise unusable(path, error) from error
    except sqlite3.Error as error:
        raise OutboxError(f"{path}: cannot be read: {error}") from error


def _read(database: sqlite3.Connection, folder: Path, clock: Clock) -> OutboxState:
    newest = database.execute("SELECT epoch, open_acked FROM epochs ORDER BY number DESC LIMIT 1").fetchone()
    if newest is None:
        raise OutboxError(f"{folder}: the outbox was made but never opened")
    facts = dict(database.execute("SELECT name, value FROM facts"))
    now_ns = clock.boot_ns() if facts["boot_id"] == boot_id() else facts["last_seen_boot_ns"]
    # Health and ``--once`` ask often, and there may be millions of rows: both from an index, not from the rows.
    pending, oldest_ns = database.execute("SELECT count(*), min(queued_boot_ns) FROM rows WHERE state = 0").fetchone()
    settled = dict(database.execute("SELECT state, count(*) FROM rows WHERE state <> 0 GROUP BY state"))
    (files_bytes,) = database.execute("SELECT coalesce(sum(size_bytes), 0) FROM files").fetchone()
    streams = database.execute(
        """
        SELECT c.epoch, c.stream, c.next_sequence, count(r.number), coalesce(min(r.sequence), 0)
        FROM counters c JOIN epochs e USING (epoch)
        LEFT JOIN rows r ON r.epoch = c.epoch AND r.stream = c.stream AND r.state = 0
        GROUP BY c.epoch, c.stream ORDER BY e.number DESC, c.stream
        """
    )
    return OutboxState(
        folder=folder,
        running=is_held(folder),
        epoch=newest[0],
        open_acked=bool(newest[1]),
        pending=pending,
        oldest_s=None if oldest_ns is None else max(0.0, (now_ns - oldest_ns) / 1e9),
        stored=settled.get(1, 0) + settled.get(2, 0),
        parked=settled.get(3, 0),
        files_bytes=files_bytes,
        streams=tuple(StreamDepth(epoch, Stream(stream), *rest) for epoch, stream, *rest in streams),
    )
