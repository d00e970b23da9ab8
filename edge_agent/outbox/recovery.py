"""What is done for the rows of older epochs, before a damage and after one.

Before: the journal lists every epoch of which rows are held, with its Open, where they begin and where it ends.
After: Opens come back from the journal, rows from the database that was set aside as far as it can be read, and what is
not back is named lost. All of it happens in the transaction that begins the new epoch.
"""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
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
_INSERT_SALVAGED = """
INSERT OR IGNORE INTO rows
  (epoch, stream, sequence, kind, urgency, queued_boot_ns, digest, file, part, envelope, state, settled_boot_ns)
SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, CASE WHEN ?11 <> 0 THEN ?12 END
"""


async def with_held_rows(
    database: aiosqlite.Connection, journalled: Sequence[JournalEpoch], epoch: int
) -> list[JournalEpoch]:
    """Return the epochs before ``epoch`` of which rows are held, as the new journal lists them."""
    reserved = {old.epoch: old.reserved_to for old in journalled}
    copies = {old.epoch: old.open_envelope for old in journalled}
    opens = await database.execute_fetchall(
        """
        SELECT e.epoch, e.recovered, coalesce(o.envelope, x''), o.digest FROM epochs e
        LEFT JOIN rows o ON o.epoch = e.epoch AND o.stream = ? AND o.sequence = 1
        WHERE e.epoch <> ? AND EXISTS (SELECT 1 FROM rows h WHERE h.epoch = e.epoch) ORDER BY e.number
        """,
        (Stream.REPORT, epoch),
    )  # without an Open: an older agent deleted that some time after it was acked
    kept: list[JournalEpoch] = []
    for old, recovered, envelope, digest in opens:
        # The copy is there for the day when the row's bytes have changed: it must not take that change over.
        copy = copies.get(old, b"")
        sound = copy if hashlib.sha256(copy).digest() == digest else envelope
        last, held_from = dict.fromkeys(Stream, 0), dict.fromkeys(Stream, 1)
        counters = await database.execute_fetchall(
            """
            SELECT c.stream, c.next_sequence,
              (SELECT min(sequence) FROM rows r WHERE r.epoch = c.epoch AND r.stream = c.stream)
            FROM counters c WHERE c.epoch = ?
            """,
            (old,),
        )
        for stream, following, lowest in counters:
            last[Stream(stream)] = following - 1
            held_from[Stream(stream)] = following if lowest is None else lowest
        if recovered:  # what came back after a damage: its counters say nothing
            last = dict(reserved.get(old, last))
        kept.append(JournalEpoch(old, last, sound, held_from))
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
    """Put back what can still be read of the database that was set aside; return which rows.

    What was pending is backlog; what was acked is held as if that had been at ``queued_boot_ns``.
    """
    back: set[Identity] = set()
    await database.execute("SAVEPOINT salvage")
    try:
        rows = salvage(aside)
        while chunk := await asyncio.to_thread(lambda: list(islice(rows, _SALVAGE_CHUNK))):
            values = [tuple(row._replace(queued_boot_ns=queued_boot_ns)) for row in chunk]
            await database.executemany(_INSERT_SALVAGED, [(*row, queued_boot_ns) for row in values])
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


def lost_between(back: Collection[Identity], named_from: Mapping[tuple[int, Stream], int]) -> Iterator[LossRecord]:
    """Name what lay between the rows that are back and could not be read: acked, and no longer held, or not acked.

    Whether it was acked is not known any more; what the collector has is stored, whatever this says.

    Args:
        back: the rows that are back.
        named_from: by epoch and stream, from where on ``lost_of`` names what is absent.
    """
    held: defaultdict[tuple[int, Stream], set[int]] = defaultdict(set)
    for epoch, stream, sequence in back:
        held[epoch, stream].add(sequence)
    for (epoch, stream), sequences in sorted(held.items()):
        end = min(max(sequences), named_from.get((epoch, stream), max(sequences)))
        ranges = ranges_of(one for one in range(min(sequences), end) if one not in sequences)
        for at in range(0, len(ranges), MAX_RANGES):
            yield LossRecord(epoch, stream, ranges[at : at + MAX_RANGES], Reason.CORRUPT)


def lost_of(old: JournalEpoch, back: Collection[Identity]) -> Iterator[LossRecord]:
    """Name what an older epoch held in a database that was set aside, but for the rows that are back.

    Of some of it the collector may have said that it is stored: then it is, whatever this says.
    """
    for stream, last in old.reserved_to.items():
        held = range(old.held_from[stream], last + 1)
        ranges = ranges_of(sequence for sequence in held if Identity(old.epoch, stream, sequence) not in back)
        for at in range(0, len(ranges), MAX_RANGES):
            yield LossRecord(old.epoch, stream, ranges[at : at + MAX_RANGES], Reason.CORRUPT)
