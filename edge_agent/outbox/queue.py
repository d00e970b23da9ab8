"""The rows that wait: what goes out next, and what the collector's word changes about them.

Every coroutine is called from the agent's event loop. Changes go through the writing task; memory is changed only
after the commit that it reflects.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from functools import partial

import aiosqlite
import structlog

from edge_agent.outbox import ordering
from edge_agent.outbox.entries import Entry
from edge_agent.outbox.opening import Opened
from edge_agent.outbox.rows import Rows, Settled
from edge_agent.outbox.settings import OutboxSettings
from edge_agent.outbox.writer import Writer
from edge_agent.sending import AckFinding, AckOutcome, Identity, PendingRow, Refusal
from edge_wire.messages import Ack, Health, Presence, Resend, Stream
from edge_wire.topics import Channel

_log = structlog.get_logger(__name__)


class Queue:
    """What the uplink has of an open outbox: all of the ``Outgoing`` port but the files that a command asks for.

    Args:
        settings: how the outbox is kept.
        opened: its epoch.
        reader: a connection that sees what is committed.
        writer: runs what changes rows.
        rows: the rows.
    """

    def __init__(
        self,
        settings: OutboxSettings,
        opened: Opened,
        reader: aiosqlite.Connection,
        writer: Writer[Entry, Identity],
        rows: Rows,
    ) -> None:
        self._settings = settings
        self._opened = opened
        self._reader = reader
        self._writer = writer
        self._rows = rows
        self._added = asyncio.Event()
        self._open_acked = False
        self._connection = 0
        self._store_id = opened.store_id
        self._superseded: set[bytes] = set()
        self._published: defaultdict[tuple[int, Stream], set[int]] = defaultdict(set)

    @property
    def epoch(self) -> int:
        """The epoch that this object opened."""
        return self._opened.epoch

    @property
    def open_acked(self) -> bool:
        """Whether the collector has this epoch's key."""
        return self._open_acked

    def begin_connection(self) -> int:
        """Note that a connection is tried, and return its number within the epoch, from 1."""
        self._connection += 1
        self._superseded.clear()
        return self._connection

    async def enqueue_statement(self) -> None:
        """Enqueue what every open stream holds.

        Raises:
            OutboxError: it could not be written.
        """
        await self._writer.run(self._rows.insert_statement)
        self._added.set()

    async def pending(self, room: int, ordinary_room: int, without: Collection[int]) -> Sequence[PendingRow]:
        """Return the next rows in sending order; see ``Outgoing.pending``.

        Raises:
            OutboxError: the database cannot be read.
        """
        live_since_ns = self._rows.time_ns() - self._settings.live_for_ns
        if self._writer.broken.done():
            raise self._writer.broken.result()
        try:
            due = await ordering.pending(self._reader, room, ordinary_room, without, live_since_ns)
        except sqlite3.Error as error:
            raise self._writer.explained(error, "could not be read") from error
        if due.corrupt:
            lost = await self._writer.run(partial(self._rows.give_up_corrupt, due.corrupt))
            _log.error("rows changed on the disk since they were signed", lost=[tuple(i) for i in lost])
            self._added.set()
        return due.rows

    def published(self, identities: Iterable[Identity]) -> None:
        """Note that these are about to be on their way: only such rows can be acked."""
        for epoch, stream, sequence in identities:
            self._published[epoch, stream].add(sequence)

    async def acked(self, ack: Ack) -> AckOutcome:
        """Apply a verified ack.

        Raises:
            OutboxError: it could not be written; nothing changed, and the rows will be sent again.
        """
        if ack.store_id in self._superseded:
            return _reported(AckOutcome((), AckFinding.SUPERSEDED_STORE), ack)
        return await self._writer.to_its_end(self._acked(ack))

    async def _acked(self, ack: Ack) -> AckOutcome:
        settled = await self._writer.run(partial(self._apply_ack, ack))
        if settled.outcome.finding is not None:
            return _reported(settled.outcome, ack)
        self._published[ack.of_epoch, ack.stream].difference_update(i.sequence for i in settled.outcome.settled)
        if ack.store_id != self._store_id:
            if self._store_id is not None:
                self._superseded.add(self._store_id)
            self._store_id = ack.store_id
            self._added.set()
        if settled.opened:
            self._open_acked |= ack.of_epoch == self.epoch
            self._added.set()
        return settled.outcome

    async def refused(self, digest: bytes) -> Refusal | None:
        """Park the row that was published and has exactly these bytes; see ``Outgoing.refused``.

        Raises:
            OutboxError: it could not be written; nothing changed.
        """
        published = [
            Identity(epoch, stream, sequence)
            for (epoch, stream), sequences in self._published.items()
            for sequence in sequences
        ]
        refusal = await self._writer.run(partial(self._rows.park, digest, published))
        if refusal is not None and refusal.parked:
            self._published[refusal.identity[:2]].discard(refusal.identity.sequence)
            self._added.set()
        if refusal is not None:
            _log.error("the collector refused a row", identity=tuple(refusal.identity), parked=refusal.parked)
        return refusal

    async def resend(self, resend: Resend) -> int:
        """Put rows that are still held back into the queue; return how many.

        Raises:
            OutboxError: it could not be written; nothing changed.
        """
        return await self._writer.to_its_end(self._resend(resend))

    async def _resend(self, resend: Resend) -> int:
        requeued = await self._writer.run(partial(self._rows.requeue, resend))
        # They have to be published again before an ack can mean them.
        self._published[resend.of_epoch, resend.stream].difference_update(i.sequence for i in requeued)
        if Identity(self.epoch, Stream.REPORT, 1) in requeued:
            self._open_acked = False
        self._added.set()
        return len(requeued)

    def sign(self, body: Health | Presence) -> bytes:
        """Return an unsequenced message, signed by the epoch's key, captured now."""
        channel = Channel.HEALTH if isinstance(body, Health) else Channel.PRESENCE
        return self._rows.sign(body, self._rows.now(), channel)

    async def wait_for_rows(self) -> None:
        """Return when rows may have been added since the last return."""
        await self._added.wait()
        self._added.clear()

    async def _apply_ack(self, ack: Ack) -> Settled:
        # Acks that came together share a transaction: what an earlier one of them changed is in it, not yet in memory.
        store_id = await self._rows.store_id()
        if store_id != self._store_id and ack.store_id == self._store_id:
            return Settled(AckOutcome((), AckFinding.SUPERSEDED_STORE))
        settled = await self._rows.settle(ack, self._published[ack.of_epoch, ack.stream])
        if settled.outcome.finding is None and ack.store_id != store_id:
            await self._rows.note_store(ack.store_id)
            if store_id is not None:  # one that takes another's place has to learn what this device holds
                await self._rows.insert_statement()
        return settled


def _reported(outcome: AckOutcome, ack: Ack) -> AckOutcome:
    _log.error(
        "an ack was not applied",
        why=str(outcome.finding),
        epoch=ack.of_epoch,
        stream=int(ack.stream),
        ranges=ack.ranges,
    )
    return outcome
