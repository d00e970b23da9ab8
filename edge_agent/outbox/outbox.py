"""The outbox as the agent sees it: what the stages put into it, and the ``Outgoing`` port of the uplink.

Every coroutine is called from the agent's event loop. Changes go through the writing task; memory is changed only
after the commit that it reflects.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Self, TypeVar

import aiosqlite
import structlog

from edge_agent.errors import OutboxError
from edge_agent.outbox import aside, ordering, schema
from edge_agent.outbox.carrying import Carrying, EvidenceFile
from edge_agent.outbox.conditions import worst_first
from edge_agent.outbox.disk import Ballast, Disk, FileSystem
from edge_agent.outbox.entries import Entry, check, named_file
from edge_agent.outbox.faults import OutboxDamagedError, OutboxFullError
from edge_agent.outbox.files import Files
from edge_agent.outbox.housekeeping import Housekeeping
from edge_agent.outbox.lock import FolderLock, unusable
from edge_agent.outbox.losses import UNCOMMITTED
from edge_agent.outbox.opening import Opened, open_epoch
from edge_agent.outbox.rows import Rows, Settled
from edge_agent.outbox.settings import OutboxSettings
from edge_agent.outbox.state import OutboxState, read_state
from edge_agent.outbox.writer import Writer
from edge_agent.provisioning.device_key import DeviceKey
from edge_agent.records import CaptureTime
from edge_agent.sending import AckFinding, AckOutcome, Identity, PendingRow, Refusal, Urgency
from edge_wire.clock import Clock
from edge_wire.messages import (
    KIND_OF,
    KINDS,
    STREAM_OF,
    Ack,
    Command,
    Health,
    Open,
    Presence,
    Resend,
    Stream,
    UpBody,
)
from edge_wire.topics import Channel

_log = structlog.get_logger(__name__)
_ALMOST_FULL_BYTES = 4 << 20
_ROW_BYTES = 1024
"""About what a row takes in the database: how soon the room is looked at rests on it, not what is found there."""
_Result = TypeVar("_Result")


class Outbox:
    """An open outbox: one epoch, from ``open`` to ``close``. Use ``async with await Outbox.open(…)``."""

    def __init__(
        self,
        settings: OutboxSettings,
        clock: Clock,
        disk: Disk,
        lock: FolderLock,
        opened: Opened,
        reader: aiosqlite.Connection,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._disk = disk
        self._lock = lock
        self._opened = opened
        self._database = opened.database
        self._reader = reader
        self._rows = Rows(
            opened.database, opened.journal, opened.epoch, opened.epoch_key, settings, clock, opened.offset_ns
        )
        self._writer: Writer[Entry, Identity] = Writer(opened.database, self._rows.insert, self._free_bytes)
        self._files = Files(settings, self._writer, self._rows, opened.kept_bytes)
        self._carrying = Carrying(settings, self._writer, self._rows, self._files, opened.epoch)
        self._added = asyncio.Event()
        self._house = Housekeeping(
            settings, clock, disk, opened.database, reader, self._writer, self._rows, self._files, self._added.set
        )
        self._closed = False
        self._open_acked = False
        self._connection = 0
        self._store_id = opened.store_id
        self._superseded: set[bytes] = set()
        self._published: defaultdict[tuple[int, Stream], set[int]] = defaultdict(set)
        self._works: set[asyncio.Task[Any]] = set()
        self._writer.broken.add_done_callback(self._mark_damage)
        self._housekeeping = asyncio.create_task(self._house.run(), name="outbox-housekeeping")
        self._housekeeping.add_done_callback(self._housekeeping_ended)

    @classmethod
    async def open(
        cls, settings: OutboxSettings, device_key: DeviceKey, clock: Clock, disk: Disk | None = None
    ) -> Self:
        """Begin a new epoch; its Open is on disk when this returns.

        Args:
            settings: how it is kept, and where.
            device_key: signs the Open.
            clock: the machine's clocks.
            disk: the file system; None for the real one.

        Raises:
            OutboxFullError: there is no room, not even with the ballast's.
            OutboxError: another agent has it open, or the folder cannot be used.
            ConfigurationError: a newer agent's outbox lies there.
        """
        disk = disk or FileSystem()
        try:
            settings.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if settings.folder.stat().st_mode & 0o077:
                settings.folder.chmod(0o700)
                _log.warning("others could look into the outbox: mode set to 0700", folder=str(settings.folder))
            lock = FolderLock(settings.folder)
        except OSError as error:
            raise unusable(settings.folder, error) from error
        try:
            if disk.free_bytes(settings.folder) < _ALMOST_FULL_BYTES:
                Ballast(settings.ballast, settings.ballast_bytes).release()
            opened = await open_epoch(settings, device_key, clock, disk)
        except OSError as error:
            lock.release()
            raise unusable(settings.folder, error) from error
        except BaseException:
            lock.release()
            raise
        try:
            reader = await schema.connect_reader(settings.database)
        except BaseException:
            await opened.database.close()
            lock.release()
            raise
        outbox = cls(settings, clock, disk, lock, opened, reader)
        try:
            await outbox.make_room()
            await outbox.purge()
        except OutboxFullError as error:
            # It can still be sent from, and that alone makes room; each put says what it finds.
            _log.error("the outbox is open, but the file system is full", error=str(error))
        except BaseException:
            await outbox.close()
            raise
        outbox._added.set()
        return outbox

    async def close(self) -> None:
        """Commit what waits, tell what could not be kept, and let go of the files; a second time it does nothing."""
        if self._closed:
            return
        self._closed = True
        self._housekeeping.cancel()
        await asyncio.gather(self._housekeeping, return_exceptions=True)
        try:
            await self._house.tell_uncommitted()
        except OutboxError as error:
            _log.error(
                "what could not be kept stays untold", detections=dict(self._house.uncommitted), error=str(error)
            )
        try:
            await self._writer.close()
            await asyncio.gather(*self._works, return_exceptions=True)
        finally:
            await self._reader.close()
            await self._database.close()
            self._lock.release()

    @property
    def uncommitted(self) -> Mapping[int, int]:
        """How many messages of each kind failed before a commit and are in no loss record yet.

        After ``close`` it is what the next outbox has to be told with ``note_uncommitted``.
        """
        return self._house.uncommitted

    async def wait_until_broken(self) -> OutboxError:
        """Return when nothing can be kept any more, with the reason: a damaged database, or a fault of ours.

        Every call raises that from then on. Close this outbox and open it anew: a damaged database is then set aside.
        """
        return await asyncio.shield(self._writer.broken)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def epoch(self) -> int:
        """The epoch that this object opened."""
        return self._opened.epoch

    @property
    def opened_as(self) -> Open:
        """What the epoch's Open says, ``corrupt`` among it."""
        return self._opened.body

    @property
    def open_acked(self) -> bool:
        """Whether the collector has this epoch's key."""
        return self._open_acked

    async def put(self, body: UpBody, captured: CaptureTime, *, urgency: Urgency | None = None) -> Identity:
        """Store one message; it is on disk, signed, when this returns.

        Args:
            body: a kind that has a stream.
            captured: when the light or sound arrived, or the fact came about.
            urgency: its place in the order of sending; None for the kind's own.

        Raises:
            OutboxError: it was not stored, because the disk failed or the collector's decoder would refuse it.
        """
        (identity,) = await self.put_all([Entry(body, captured, urgency)])
        return identity

    async def put_all(self, entries: Sequence[Entry]) -> tuple[Identity, ...]:
        """Store several messages in one transaction: all of them or none.

        Raises:
            OutboxError: none was stored.
        """
        for entry in entries:
            self._check(entry)
        identities = await self._kept(entries, partial(self._writer.insert, entries), _ROW_BYTES * len(entries))
        self._added.set()
        return tuple(identities)

    async def put_with_files(self, entry: Entry, files: Sequence[EvidenceFile]) -> Identity:
        """Store a read or a shot's clip with the files that it names, in one transaction.

        All files are kept. A crop is also enqueued, once, unless it is larger than ``crops_up_to_bytes``; frames and
        clips wait until a command asks for them.

        Raises:
            OutboxError: nothing was stored, or a file is not the one that the body names; it is counted as
                ``note_uncommitted`` does.
        """
        self._check(entry)
        for file in files:
            if hashlib.sha256(file.content).digest() != named_file(entry.body, file.part):
                self._count_failed([entry])
                raise OutboxError(f"{type(entry.body).__name__}: names another {file.part.name} than came with it")
        needs_bytes = _ROW_BYTES + 2 * sum(len(file.content) for file in files)  # in the file, and some in a row too
        identity = await self._kept([entry], partial(self._carrying.store, entry, files), needs_bytes)
        self._added.set()
        return identity

    def note_uncommitted(self, kind: int, count: int = 1) -> None:
        """Count detections that failed before they had a sequence: the next loss record that can be written tells it.

        A detection for which a put raised ``OutboxError`` is counted already. The count is in memory alone.

        Args:
            kind: the message's kind on the wire, as in ``edge_wire.messages.KINDS``.
            count: how many.

        Raises:
            ValueError: there is no such kind, or none that is ever stored.
        """
        if kind not in KINDS or STREAM_OF[KINDS[kind]] is None:
            raise ValueError(f"kind: got {kind}, expected one of {sorted(KINDS)} that has a stream")
        self._house.note_uncommitted(kind, count)

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
        return await self._to_its_end(self._acked(ack))

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
        return await self._to_its_end(self._resend(resend))

    async def _resend(self, resend: Resend) -> int:
        requeued = await self._writer.run(partial(self._rows.requeue, resend))
        # They have to be published again before an ack can mean them.
        self._published[resend.of_epoch, resend.stream].difference_update(i.sequence for i in requeued)
        if Identity(self.epoch, Stream.REPORT, 1) in requeued:
            self._open_acked = False
        self._added.set()
        return len(requeued)

    async def send_media(self, command: Command) -> None:
        """Enqueue the files that a verified command asks for, or the answer that they are no longer held.

        Raises:
            OutboxError: a file could not be read, or an answer not be written.
        """
        for wanted in command.wanted:
            self._house.note_bytes(_ROW_BYTES + await self._carrying.answer(command, wanted))
        self._added.set()

    def sign(self, body: Health | Presence) -> bytes:
        """Return an unsequenced message, signed by the epoch's key, captured now."""
        channel = Channel.HEALTH if isinstance(body, Health) else Channel.PRESENCE
        return self._rows.sign(body, self._rows.now(), channel)

    async def wait_for_rows(self) -> None:
        """Return when rows may have been added since the last return."""
        await self._added.wait()
        self._added.clear()

    async def purge(self) -> None:
        """Delete what has stayed ``keep_stored_h`` after its ack, and sound older than ``keep_clips_h``.

        Also done every ten minutes.

        Raises:
            OutboxError: it could not be written.
        """
        await self._house.purge()

    async def make_room(self) -> None:
        """Evict what is over the quota or the floor, make the ballast anew, tell what could not be kept.

        Also done whenever enough was stored, and every fifteen seconds.

        Raises:
            OutboxError: it could not be written.
        """
        await self._house.make_room()

    async def state(self) -> OutboxState:
        """Return depth, oldest age, room, losses and what is wrong, as ``edge-agent outbox`` shows them.

        Raises:
            OutboxError: it cannot be read.
        """
        try:
            state = await asyncio.to_thread(read_state, self._settings.folder, self._clock, self._disk)
        except OutboxDamagedError as error:
            self._writer.breaks(error)
            raise
        lost = Counter(state.lost)
        lost[UNCOMMITTED] += sum(self._house.uncommitted.values())
        conditions = self._house.conditions.union(state.conditions)
        return replace(state, lost=dict(+lost), conditions=worst_first(conditions))

    async def _to_its_end(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        """Finish ``work`` also when who waits for it is cancelled, as the uplink is when its connection breaks.

        The writer commits what it has begun either way, and memory has to follow: an Open whose ack was committed and
        not noted would never be acked again, and the device would stay without birth and health until it is restarted.
        """
        task = asyncio.create_task(work)
        self._works.add(task)
        task.add_done_callback(self._works.discard)
        task.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody may be left to take it
        return await asyncio.shield(task)

    async def _kept(
        self, entries: Sequence[Entry], store: Callable[[], Awaitable[_Result]], needs_bytes: int
    ) -> _Result:
        """Store, once more after room was made if there was none; count what could not be stored."""
        seen = self._house.relieved
        try:
            try:
                stored = await store()
            except OutboxFullError:
                await self._house.relieve(seen, needs_bytes)
                stored = await store()
        except OutboxError:
            self._count_failed(entries)
            raise
        self._house.note_bytes(needs_bytes)
        if self._house.full:  # and not some time later: what the ballast gave back is used up quickly
            with contextlib.suppress(OutboxError):
                await self.make_room()
        return stored

    def _check(self, entry: Entry) -> None:
        try:
            check(entry)
        except OutboxError:
            self._count_failed([entry])
            raise

    def _count_failed(self, entries: Sequence[Entry]) -> None:
        """Count detections. A report that failed is made again by who made it."""
        for entry in entries:
            if STREAM_OF[type(entry.body)] is Stream.DETECTION:
                self.note_uncommitted(KIND_OF[type(entry.body)])

    def _free_bytes(self) -> int:
        try:
            return self._disk.free_bytes(self._settings.folder)
        except OSError:
            return 0  # asked only to explain a failure, and this is one more sign of it

    def _mark_damage(self, broken: asyncio.Future[OutboxError]) -> None:
        """Leave a mark for the next opening: a quick check may not come upon what a query came upon."""
        error = broken.result()
        if not isinstance(error, OutboxDamagedError):
            return
        _log.critical("the outbox is damaged and keeps nothing more until it is opened anew", error=str(error))
        try:
            aside.mark(self._settings.damage)
        except OSError as failed:
            _log.error("the damage could not be marked", error=str(failed))

    def _housekeeping_ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._writer.breaks(OutboxError(f"the outbox's housekeeping broke: {error!r}"))

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
