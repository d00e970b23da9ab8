"""The outbox as the agent sees it: opened and closed, and what the stages put into it.

With its ``queue`` it is the ``Outgoing`` port of the uplink. Every coroutine is called from the agent's event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Self, TypeVar

import aiosqlite
import structlog

from edge_agent.errors import OutboxError
from edge_agent.outbox import aside, schema
from edge_agent.outbox.carrying import Carrying, EvidenceFile
from edge_agent.outbox.conditions import worst_first
from edge_agent.outbox.disk import Ballast, Disk, FileSystem
from edge_agent.outbox.entries import Entry, check, named_file
from edge_agent.outbox.faults import OutboxDamagedError, OutboxFullError
from edge_agent.outbox.files import Files
from edge_agent.outbox.housekeeping import Housekeeping
from edge_agent.outbox.kept_files import KeptFiles
from edge_agent.outbox.lock import FolderLock, unusable
from edge_agent.outbox.losses import UNCOMMITTED
from edge_agent.outbox.opening import Opened, open_epoch
from edge_agent.outbox.queue import Queue
from edge_agent.outbox.rows import Rows
from edge_agent.outbox.settings import OutboxSettings
from edge_agent.outbox.state import OutboxState, read_state
from edge_agent.outbox.writer import Writer
from edge_agent.provisioning.device_key import DeviceKey
from edge_agent.records import CaptureTime
from edge_agent.sending import Identity, Urgency
from edge_wire.clock import Clock
from edge_wire.messages import KIND_OF, KINDS, STREAM_OF, Command, Open, Stream, UpBody

_log = structlog.get_logger(__name__)
_ALMOST_FULL_BYTES = 4 << 20
_ROW_BYTES = 1024
"""About what a row takes in the database: how soon the room is looked at rests on it, not what is found there."""
_Result = TypeVar("_Result")


class Outbox(Queue):
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
        rows = Rows(opened.database, opened.journal, opened.epoch, opened.epoch_key, settings, clock, opened.offset_ns)
        writer: Writer[Entry, Identity] = Writer(opened.database, rows.insert, self._free_bytes)
        super().__init__(settings, opened, reader, writer, rows)
        self._clock = clock
        self._disk = disk
        self._lock = lock
        table = KeptFiles(opened.database, settings.keep_clips_ns, rows.time_ns)
        files = Files(settings, writer, table, opened.kept_bytes)
        self._carrying = Carrying(settings, writer, rows, files, opened.epoch)
        self._house = Housekeeping(settings, clock, disk, opened.database, reader, writer, rows, files, self._added.set)
        self._closed = False
        writer.broken.add_done_callback(self._mark_damage)
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
        async with contextlib.AsyncExitStack() as undo:
            try:
                lock = FolderLock(settings.folder)
                undo.callback(lock.release)
                if disk.free_bytes(settings.folder) < _ALMOST_FULL_BYTES:
                    Ballast(settings.ballast, settings.ballast_bytes).release()
                opened = await open_epoch(settings, device_key, clock, disk)
            except OSError as error:
                raise unusable(settings.folder, error) from error
            undo.push_async_callback(opened.database.close)
            reader = await schema.connect_reader(settings.database)
            undo.pop_all()
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
        finally:
            await self._reader.close()
            await self._opened.database.close()
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
    def opened_as(self) -> Open:
        """What the epoch's Open says, ``corrupt`` among it."""
        return self._opened.body

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

    async def send_media(self, command: Command) -> None:
        """Enqueue the files that a verified command asks for, or the answer that they are no longer held.

        Raises:
            OutboxError: a file could not be read, or an answer not be written.
        """
        for wanted in command.wanted:
            self._house.note_bytes(_ROW_BYTES + await self._carrying.answer(command, wanted))
        self._added.set()

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
