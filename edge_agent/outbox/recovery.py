"""What is done for the rows of older epochs, before a damage and after one.

Before: the journal lists every epoch of which rows are pending, with its Open, where they begin and where it ends.
After: Opens come back from the journal, rows from the database that was set aside as far as it can be read, and what is
not back is named lost. All of it happens in the transaction that begins the new epoch.
"""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from pathlib import Path

import aiosqlite
import structlog

from edge_agent.outbox.entries import INSERT_ROW, row_values
from edge_agent.outbox.journal import JournalEpoch
from edge_agent.outbox.losses import MAX_RANGES, Reason
from edge_agent.outbox.salvage import salvage
from edge_agent.sending import Identity, Urgency
from edge_wire import codec, cose
from edge_wire.messages import LossRecord, Stream
from edge_wire.packing import ranges_of

_log = structlog.get_logger(__name__)
_SALVAGE_CHUNK = 1_000


async def with_pending_rows(
    database: aiosqlite.Connection, journalled: Sequence[JournalEpoch], epoch: int
) -> list[JournalEpoch]:
    """Return the epochs before ``epoch`` of which rows are pending, as the new journal lists them."""
    reserved = {old.epoch: old.reserved_to for old in journalled}
    copies = {old.epoch: old.open_envelope for old in journalled}
    opens = await database.execute_fetchall(
        """
        SELECT e.epoch, e.recovered, coalesce(o.envelope, x''), o.digest FROM epochs e
        LEFT JOIN rows o ON o.epoch = e.epoch AND o.stream = ? AND o.sequence = 1
        WHERE e.epoch <> ? AND EXISTS (SELECT 1 FROM rows p WHERE p.epoch = e.epoch AND p.state = 0) ORDER BY e.number
        """,
        (Stream.REPORT, epoch),
    )  # without an Open: an older agent deleted that some time after it was acked
    kept: list[JournalEpoch] = []
    for old, recovered, envelope, digest in opens:
        # The copy is there for the day when the row's bytes have changed: it must not take that change over.
        copy = copies.get(old, b"")
        sound = copy if hashlib.sha256(copy).digest() == digest else envelope
        last, pending_from = dict.fromkeys(Stream, 0), dict.fromkeys(Stream, 1)
        counters = await database.execute_fetchall(
            """
            SELECT c.stream, c.next_sequence,
              (SELECT min(sequence) FROM rows r WHERE r.epoch = c.epoch AND r.stream = c.stream AND r.state = 0)
            FROM counters c WHERE c.epoch = ?
            """,
            (old,),
        )
        for stream, following, lowest in counters:
            last[Stream(stream)] = following - 1
            pending_from[Stream(stream)] = following if lowest is None else lowest
        if recovered:  # what came back after a damage: its counters say nothing
            last = dict(reserved.get(old, last))
        kept.append(JournalEpoch(old, last, sound, pending_from))
    return kept


async def bring_back_opens(database: aiosqlite.Connection, journalled: Sequence[JournalEpoch], boot_ns: int) -> None:
    """Put the Opens that the journal holds into the queue, of epochs that the database does not know."""
    for old in journalled:
        found = await database.execute_fetchall("SELECT 1 FROM epochs WHERE epoch = ?", (old.epoch,))
        if found or not old.open_envelope:
            continue
        await database.execute("INSERT INTO epochs (epoch, recovered) VALUES (?, 1)", (old.epoch,))
        await database.execute(
            "INSERT INTO counters (epoch, stream, next_sequence) VALUES (?, ?, 2)", (old.epoch, Stream.REPORT)
        )
        body = codec.decode_up(cose.parse(old.open_envelope).payload).body
        identity = Identity(old.epoch, Stream.REPORT, 1)
        values = row_values(identity, body, Urgency.OPEN, boot_ns, old.open_envelope)
        await database.execute(INSERT_ROW, values)


async def put_back(database: aiosqlite.Connection, aside: Path, queued_boot_ns: int) -> set[Identity]:
    """Put back what can still be read of the database that was set aside, as backlog; return which rows."""
    back: set[Identity] = set()
    await database.execute("SAVEPOINT salvage")
    try:
        rows = salvage(aside)
        while chunk := await asyncio.to_thread(lambda: list(islice(rows, _SALVAGE_CHUNK))):
            values = [tuple(row._replace(queued_boot_ns=queued_boot_ns)) for row in chunk]
            await database.executemany(INSERT_ROW.replace("INSERT", "INSERT OR IGNORE", 1), values)
            back.update(Identity(row.epoch, Stream(row.stream), row.sequence) for row in chunk)
    except sqlite3.Error as error:
        _log.error("rows could not be put back, they stay in the file", file=str(aside), error=str(error))
        await database.execute("ROLLBACK TO salvage")
        back = set()
    # An epoch that the journal does not know had its Open acked.
    await database.execute(
        "INSERT OR IGNORE INTO epochs (epoch, open_acked, recovered) SELECT DISTINCT epoch, 1, 1 FROM rows"
    )
    await database.execute(
        "INSERT INTO counters (epoch, stream, next_sequence) "
        "SELECT epoch, stream, max(sequence) + 1 FROM rows WHERE true GROUP BY epoch, stream "
        "ON CONFLICT DO UPDATE SET next_sequence = max(next_sequence, excluded.next_sequence)"
    )
    await database.execute("RELEASE salvage")
    _log.warning("rows put back from the database that was set aside", rows=len(back))
    return back


def lost_of(old: JournalEpoch, back: Collection[Identity]) -> Iterator[LossRecord]:
    """Name what an older epoch had pending in a database that was set aside, but for the rows that are back."""
    for stream, last in old.reserved_to.items():
        pending = range(old.pending_from[stream], last + 1)
        ranges = ranges_of(sequence for sequence in pending if Identity(old.epoch, stream, sequence) not in back)
        for at in range(0, len(ranges), MAX_RANGES):
            yield LossRecord(old.epoch, stream, ranges[at : at + MAX_RANGES], Reason.CORRUPT)
