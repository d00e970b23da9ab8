"""What happens to rows inside a transaction. Every coroutine here runs in one that the writing task began and ends.

Nothing here touches memory that outlives a rollback: what a change means for memory is returned, and applied by the
caller once it is committed.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import aiosqlite
from cryptography.hazmat.primitives.asymmetric import ec

from edge_agent.outbox.conditions import EVICTED_AT
from edge_agent.outbox.entries import INSERT_ROW, Entry, row_values, stream_of, urgency_of
from edge_agent.outbox.journal import Journal
from edge_agent.outbox.losses import UNCOMMITTED, Lost, Reason, count_losses, loss_records
from edge_agent.outbox.ordering import CHANNEL_OF
from edge_agent.outbox.schema import RowState
from edge_agent.outbox.settings import OutboxSettings
from edge_agent.records import CaptureTime
from edge_agent.sending import AckFinding, AckOutcome, Identity, Refusal, Urgency
from edge_wire import codec, cose
from edge_wire.clock import Clock
from edge_wire.messages import (
    KIND_OF,
    KINDS,
    STREAM_OF,
    Ack,
    Header,
    LossRecord,
    Media,
    Open,
    Resend,
    Statement,
    Stream,
    StreamState,
    UpBody,
    Verdict,
)
from edge_wire.topics import Channel

_STATE_OF = {Verdict.STORED: RowState.STORED, Verdict.DEAD_LETTERED: RowState.DEAD_LETTERED}
_OPEN_KIND = KIND_OF[Open]
# Parking an Open would silence its epoch, and parking a loss record would lose the count of a loss.
_NEVER_PARKED = {_OPEN_KIND, KIND_OF[LossRecord]}
_STATEMENT_STREAMS = 600


@dataclass(frozen=True, slots=True)
class Settled:
    """What an ack did, and what memory has to learn of it after the commit."""

    outcome: AckOutcome
    opened: bool = False


class Rows:
    """The rows of an open outbox.

    Args:
        database: the writing connection.
        journal: where sequences are reserved before they are used.
        epoch: the epoch that was opened.
        epoch_key: its key; this object is the only one that keeps it.
        settings: how the outbox is kept.
        clock: the machine's clocks.
        offset_ns: see ``time_ns``.
    """

    def __init__(
        self,
        database: aiosqlite.Connection,
        journal: Journal,
        epoch: int,
        epoch_key: ec.EllipticCurvePrivateKey,
        settings: OutboxSettings,
        clock: Clock,
        offset_ns: int,
    ) -> None:
        self._database = database
        self._journal = journal
        self._epoch = epoch
        self._epoch_key = epoch_key
        self._settings = settings
        self._clock = clock
        self._offset_ns = offset_ns

    def time_ns(self) -> int:
        """The boot clock as it goes on over reboots: what every time in the database is."""
        return self._clock.boot_ns() + self._offset_ns

    def now(self) -> CaptureTime:
        """The instant, as a fact that comes about now is captured."""
        return CaptureTime(self._clock.utc_ns(), self._clock.boot_ns(), self._clock.error_ns())

    def sign(self, body: UpBody, captured: CaptureTime, channel: Channel, sequence: int | None = None) -> bytes:
        """Return the envelope of a message of this epoch; without ``sequence`` an unsequenced one."""
        stream = STREAM_OF[type(body)]
        header = Header(
            self._epoch, captured.utc_ns, captured.boot_ns, captured.error_ns, stream=stream, sequence=sequence
        )
        return cose.sign(codec.encode(header, body), self._epoch_key, cose.external_aad(self._settings.device, channel))

    async def insert(self, entries: Sequence[Entry]) -> list[Identity]:
        """Give entries their sequences, sign and store them; return their identities in order.

        Raises:
            OSError: the journal could not reserve the sequences.
        """
        if not entries:
            return []
        streams = [stream_of(entry.body) for entry in entries]
        following = await self._take_sequences(Counter(streams))
        queued_ns = self.time_ns()
        identities, values = [], []
        for entry, stream in zip(entries, streams, strict=True):
            sequence = following[stream]
            following[stream] += 1
            envelope = self.sign(entry.body, entry.captured, CHANNEL_OF[stream], sequence)
            identities.append(Identity(self._epoch, stream, sequence))
            # An answer "no longer held" has no bytes of the file: it does not count as the file on its way.
            file = entry.body.sha256 if isinstance(entry.body, Media) and entry.body.total else None
            urgency = urgency_of(entry.body) if entry.urgency is None else entry.urgency
            values.append(row_values(identities[-1], entry.body, urgency, queued_ns, envelope, file=file))
        await self._database.executemany(INSERT_ROW, values)
        return identities

    async def insert_statement(self) -> Identity:
        """Store what the epochs of this outbox hold, as of just before the Statement itself.

        A message has room for two hundred epochs: those with pending rows first, then the newest.
        """
        states = await self._database.execute_fetchall(
            """
            SELECT c.epoch, c.stream, c.next_sequence,
              (SELECT count(*) FROM rows r WHERE r.epoch = c.epoch AND r.stream = c.stream AND r.state = 0),
              (SELECT coalesce(min(r.sequence), 0) FROM rows r
               WHERE r.epoch = c.epoch AND r.stream = c.stream AND r.state = 0)
            FROM counters c JOIN epochs e USING (epoch) WHERE e.recovered = 0
            ORDER BY EXISTS (SELECT 1 FROM rows p WHERE p.epoch = c.epoch AND p.state = 0) DESC,
              e.number DESC, c.stream LIMIT ?
            """,
            (_STATEMENT_STREAMS,),
        )
        body = Statement(tuple(StreamState(epoch, Stream(stream), *rest) for epoch, stream, *rest in states))
        (identity,) = await self.insert([Entry(body, self.now())])
        return identity

    async def settle(self, ack: Ack, published: Collection[int]) -> Settled:
        """Take the rows that ``ack`` names out of the queue, as far as they are pending and were published.

        Args:
            ack: verified, and for this connection.
            published: the sequences of its epoch and stream that were published and not yet settled.
        """
        counter = await self._database.execute_fetchall(
            "SELECT next_sequence FROM counters WHERE epoch = ? AND stream = ?", (ack.of_epoch, ack.stream)
        )
        for (following,) in counter:
            if ack.ranges and ack.ranges[-1][1] >= following:
                return Settled(AckOutcome((), AckFinding.BEYOND_COUNTER))
        if not counter:
            return Settled(AckOutcome((), AckFinding.UNKNOWN_EPOCH))
        named = _named(published, ack.ranges)
        opens = ack.stream == Stream.REPORT and 1 in named
        if opens and ack.verdict == Verdict.DEAD_LETTERED:
            return Settled(AckOutcome((), AckFinding.OPEN_REJECTED))
        await self._leave_queue(ack, named, _STATE_OF[ack.verdict])
        if opens:
            await self._database.execute("UPDATE epochs SET open_acked = 1 WHERE epoch = ?", (ack.of_epoch,))
        settled = tuple(Identity(ack.of_epoch, ack.stream, sequence) for sequence in named)
        return Settled(AckOutcome(settled), opens)

    async def park(self, digest: bytes, published: Collection[Identity]) -> Refusal | None:
        """Replace the pending row with these bytes by a loss record ``refused``, if it was published."""
        found = await self._database.execute_fetchall(
            """
            SELECT r.number, r.epoch, r.stream, r.sequence, r.kind
            FROM (SELECT DISTINCT value FROM json_each(?)) AS p
            JOIN rows r ON r.epoch = json_extract(p.value, '$[0]') AND r.stream = json_extract(p.value, '$[1]')
              AND r.sequence = json_extract(p.value, '$[2]')
            WHERE r.state = 0 AND r.digest = ?
            """,
            (json.dumps([tuple(identity) for identity in published]), digest),
        )
        for number, epoch, stream, sequence, kind in found:
            identity = Identity(epoch, Stream(stream), sequence)
            if kind in _NEVER_PARKED:
                return Refusal(identity, parked=False)
            await self._set_parked(number)
            await self.record_losses([Lost(identity, kind)], Reason.REFUSED)
            return Refusal(identity, parked=True)
        return None

    async def give_up_corrupt(self, numbers: Iterable[int]) -> list[Identity]:
        """Take rows out of the queue whose bytes are not those that were signed, and name them; return which.

        An Open is taken from the journal again. Where that does not have it, nobody can ever verify what waits for it:
        all that is pending of its epoch goes, and is named.
        """
        lost: list[Lost] = []
        for number in numbers:
            found = await self._database.execute_fetchall(
                "SELECT epoch, stream, sequence, kind, digest FROM rows WHERE number = ? AND state = 0", (number,)
            )
            for epoch, stream, sequence, kind, digest in found:
                if kind != _OPEN_KIND:
                    await self._set_parked(number)
                    lost.append(Lost(Identity(epoch, Stream(stream), sequence), kind))
                elif not await self._mend_open(number, epoch, digest):
                    lost += await self._give_up_epoch(epoch)
        await self.record_losses(lost, Reason.CORRUPT)
        return [row.identity for row in lost]

    async def record_losses(self, lost: Sequence[Lost], reason: Reason) -> None:
        """Enqueue the loss records that name ``lost``; in the transaction in which these leave the queue."""
        now = self.now()
        await self.insert([Entry(record, now) for record in loss_records(lost, reason)])
        await count_losses(self._database, reason, len(lost))

    async def record_uncommitted(self, counts: Mapping[int, int]) -> None:
        """Enqueue how many messages of each kind failed before they had a sequence."""
        now = self.now()
        by_stream: defaultdict[Stream, list[tuple[int, int]]] = defaultdict(list)
        for kind, count in sorted(counts.items()):
            by_stream[STREAM_OF[KINDS[kind]] or Stream.REPORT].append((kind, count))
        records = [
            LossRecord(self._epoch, stream, (), Reason.DISCARDED, tuple(kinds), sum(count for _, count in kinds))
            for stream, kinds in sorted(by_stream.items())
        ]
        await self.insert([Entry(record, now) for record in records])
        await count_losses(self._database, UNCOMMITTED, sum(counts.values()))

    async def requeue(self, resend: Resend) -> list[Identity]:
        """Put rows that were acked and are still held back into the queue.

        With an Open its epoch waits again until that is acked anew: who asks for it does not have its key.
        """
        requeued: list[Identity] = []
        for first, last in resend.ranges:
            found = await self._database.execute_fetchall(
                """
                UPDATE rows SET state = 0, settled_boot_ns = NULL
                WHERE epoch = ? AND stream = ? AND sequence BETWEEN ? AND ? AND state IN (?, ?) RETURNING sequence
                """,
                (resend.of_epoch, resend.stream, first, last, RowState.STORED, RowState.DEAD_LETTERED),
            )
            requeued += [Identity(resend.of_epoch, resend.stream, sequence) for (sequence,) in found]
        if Identity(resend.of_epoch, Stream.REPORT, 1) in requeued:
            await self._database.execute("UPDATE epochs SET open_acked = 0 WHERE epoch = ?", (resend.of_epoch,))
        return requeued

    async def raise_urgency(self, sha256: bytes) -> int:
        """Send the pending parts of a file as asked for; return how many there are."""
        cursor = await self._database.execute(
            "UPDATE rows SET urgency = ? WHERE state = 0 AND file = ?", (Urgency.ASKED_MEDIA, sha256)
        )
        return cursor.rowcount

    async def is_enqueued(self, sha256: bytes) -> bool:
        """Whether parts of this file are in the outbox, sent or not."""
        return bool(await self._database.execute_fetchall("SELECT 1 FROM rows WHERE file = ? LIMIT 1", (sha256,)))

    async def purge(self) -> None:
        """Delete what has stayed long enough after its ack, and epochs of which nothing but the Open is left.

        An Open stays as long as anything else of its epoch: a collector that was restored may have to ask for it.
        """
        now_ns = self.time_ns()
        since_ns = now_ns - self._settings.keep_stored_ns
        await self._database.execute(
            "DELETE FROM rows WHERE state <> 0 AND settled_boot_ns <= ? AND kind <> ?", (since_ns, _OPEN_KIND)
        )
        await self._database.execute(
            """
            DELETE FROM rows AS o WHERE state <> 0 AND settled_boot_ns <= ? AND kind = ? AND epoch <> ?
              AND NOT EXISTS (SELECT 1 FROM rows r WHERE r.epoch = o.epoch AND r.number <> o.number)
            """,
            (since_ns, _OPEN_KIND, self._epoch),
        )
        await self._database.execute(
            "DELETE FROM epochs WHERE epoch <> ? AND NOT EXISTS (SELECT 1 FROM rows WHERE rows.epoch = epochs.epoch)",
            (self._epoch,),
        )
        await self._database.execute("DELETE FROM counters WHERE epoch NOT IN (SELECT epoch FROM epochs)")
        await self._database.execute("UPDATE facts SET value = ? WHERE name = 'last_seen_boot_ns'", (now_ns,))

    async def note_evicted(self) -> None:
        """Remember when unsent rows were last evicted."""
        now_ns = self.time_ns()
        await self._database.execute("REPLACE INTO facts (name, value) VALUES (?, ?)", (EVICTED_AT, now_ns))

    async def shrink(self, pages: int) -> None:
        """Take so many free pages off the end of the database."""
        # Fetched, since SQLite frees one page a step.
        await self._database.execute_fetchall(f"PRAGMA incremental_vacuum({pages:d})")

    async def store_id(self) -> bytes | None:
        """Return which store acked last, None before the first."""
        found = await self._database.execute_fetchall("SELECT value FROM facts WHERE name = 'store_id'")
        return next((value for (value,) in found), None)

    async def note_store(self, store_id: bytes) -> None:
        """Remember which store acks."""
        await self._database.execute("REPLACE INTO facts (name, value) VALUES ('store_id', ?)", (store_id,))

    async def _set_parked(self, number: int) -> None:
        await self._database.execute(
            "UPDATE rows SET state = ?, settled_boot_ns = ? WHERE number = ?",
            (RowState.PARKED, self.time_ns(), number),
        )

    async def _mend_open(self, number: int, epoch: int, digest: bytes) -> bool:
        """Put back the journal's copy; whether it has one."""
        for held in self._journal.epochs:
            if held.epoch == epoch and hashlib.sha256(held.open_envelope).digest() == digest:
                await self._database.execute(
                    "UPDATE rows SET envelope = ? WHERE number = ?", (held.open_envelope, number)
                )
                return True
        return False

    async def _give_up_epoch(self, epoch: int) -> list[Lost]:
        given_up = await self._database.execute_fetchall(
            "UPDATE rows SET state = ?, settled_boot_ns = ? WHERE epoch = ? AND state = 0 "
            "RETURNING stream, sequence, kind",
            (RowState.PARKED, self.time_ns(), epoch),
        )
        return [Lost(Identity(epoch, Stream(stream), sequence), kind) for stream, sequence, kind in given_up]

    async def _take_sequences(self, counts: Mapping[Stream, int]) -> dict[Stream, int]:
        following: dict[Stream, int] = {}
        for stream, count in counts.items():
            ((after,),) = await self._database.execute_fetchall(
                "UPDATE counters SET next_sequence = next_sequence + ? WHERE epoch = ? AND stream = ? "
                "RETURNING next_sequence",
                (count, self._epoch, stream),
            )
            following[stream] = after - count
        last = {stream: first + counts[stream] - 1 for stream, first in following.items()}
        if not self._journal.covers(last):
            await asyncio.to_thread(self._journal.reserve, last)
        return following

    async def _leave_queue(self, ack: Ack, sequences: Iterable[int], state: RowState) -> None:
        rows = [(ack.of_epoch, ack.stream, sequence) for sequence in sequences]
        if self._settings.keep_stored_ns == 0:
            await self._database.executemany(
                "DELETE FROM rows WHERE epoch = ? AND stream = ? AND sequence = ? AND state = 0 AND kind <> ?",
                [(*row, _OPEN_KIND) for row in rows],
            )
            rows = [row for row in rows if row[1:] == (Stream.REPORT, 1)]
        now_ns = self.time_ns()
        await self._database.executemany(
            "UPDATE rows SET state = ?, settled_boot_ns = ? "
            "WHERE epoch = ? AND stream = ? AND sequence = ? AND state = 0",
            [(state, now_ns, *row) for row in rows],
        )


def _named(published: Collection[int], ranges: Sequence[tuple[int, int]]) -> list[int]:
    """Return the published sequences that lie in ``ranges``, both ascending, without expanding any range."""
    named, runs = [], iter(ranges)
    run = next(runs, None)
    for sequence in sorted(published):
        while run is not None and run[1] < sequence:
            run = next(runs, None)
        if run is None:
            break
        if sequence >= run[0]:
            named.append(sequence)
    return named
