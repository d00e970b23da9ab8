"""Keeping an open outbox within its room: quota, floor, ballast, and what has stayed long enough.

One task on the event loop, woken when enough was written and every fifteen seconds; what it changes goes through the
writing task, a small transaction at a time, between which detections are stored as ever.

-   Above ``quota_bytes`` whatever comes first in the order of ``eviction`` goes, down to a 64th below it.
-   Below ``free_floor_bytes`` the same, but no detections: a disk that others have filled would otherwise cost every
    read and shot while there is still room for them.
-   A write that finds no room is reported with ``relieve``. That releases the ballast, which nearly always is enough;
    what was acked and full frames go until it can be made again. Anything else goes only when most of what the ballast
    gave back is used too: a disk that is full for a second must not cost what waits to be sent. But it goes before all
    is used: then the log could neither grow nor be emptied, and not even a DELETE were possible.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import aiosqlite
import structlog

from edge_agent.errors import OutboxError
from edge_agent.outbox.conditions import Condition
from edge_agent.outbox.disk import Ballast, Disk
from edge_agent.outbox.entries import Entry
from edge_agent.outbox.eviction import Evicted, Rank, evict
from edge_agent.outbox.faults import OutboxFullError
from edge_agent.outbox.files import Files
from edge_agent.outbox.rows import Rows
from edge_agent.outbox.schema import PAGES
from edge_agent.outbox.settings import OutboxSettings
from edge_agent.outbox.writer import Writer
from edge_agent.sending import Identity
from edge_wire.clock import Clock

_log = structlog.get_logger(__name__)
_LOOK_EVERY_S = 15.0
_PURGE_EVERY_NS = 600_000_000_000
_LOOK_AFTER_BYTES = 1 << 20
_SLACK = 64
_STEP_BYTES = 2 << 20
"""About how much one transaction evicts."""
_SMALLEST_STEP_BYTES = 64 << 10
_MARGIN_BYTES = 16 << 10
"""What a write takes beside what it stores: pages of the indexes."""
_PAGE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class _Measured:
    """Where the room is.

    Attributes:
        used_bytes: pages in use and files.
        spare_bytes: pages of the database that are free, and used again before it grows.
        free_bytes: what the file system has left.
    """

    used_bytes: int
    spare_bytes: int
    free_bytes: int


class Housekeeping:
    """See the module.

    Args:
        settings: how the outbox is kept.
        clock: the machine's clocks.
        disk: the file system.
        database: the writing connection; only the writing task's transactions use it.
        reader: a connection that sees what is committed.
        writer: where changes go through.
        rows: the rows.
        files: the files.
        enqueued: called after something was put into the queue.
    """

    def __init__(
        self,
        settings: OutboxSettings,
        clock: Clock,
        disk: Disk,
        database: aiosqlite.Connection,
        reader: aiosqlite.Connection,
        writer: Writer[Entry, Identity],
        rows: Rows,
        files: Files,
        enqueued: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._disk = disk
        self._database = database
        self._reader = reader
        self._writer = writer
        self._rows = rows
        self._files = files
        self._enqueued = enqueued
        self._ballast = Ballast(settings.ballast, settings.ballast_bytes)
        # What is deleted is first written to the log: on a full file system a transaction has to fit into what the
        # ballast gave back, and as much stays free beside the ballast when it is made again.
        self._beside_bytes = max(_SMALLEST_STEP_BYTES, min(_STEP_BYTES, settings.ballast_bytes // 8))
        self._wake = asyncio.Event()
        self._tidying = asyncio.Lock()
        self._unmeasured_bytes = 0
        self._look_after_bytes = min(_LOOK_AFTER_BYTES, settings.quota_bytes // (2 * _SLACK))
        self._uncommitted: Counter[int] = Counter()
        self._full = not self._ballast.held
        self._relieved = 0
        self._purged_boot_ns = clock.boot_ns()

    @property
    def conditions(self) -> frozenset[Condition]:
        """What is known to be wrong here and cannot be seen from outside."""
        return frozenset(
            condition
            for condition, holds in (
                (Condition.DISK_FULL, self._full),
                (Condition.NOT_KEPT, self._uncommitted.total() > 0),
            )
            if holds
        )

    @property
    def uncommitted(self) -> Mapping[int, int]:
        """How many messages of each kind failed before a commit and are in no loss record yet."""
        return dict(self._uncommitted)

    @property
    def full(self) -> bool:
        """Whether a write found no room, and there is not yet enough to make the ballast again."""
        return self._full

    @property
    def relieved(self) -> int:
        """How often room was made for a write that found none."""
        return self._relieved

    def note_bytes(self, written_bytes: int) -> None:
        """Note what was stored; after enough of it the room is looked at."""
        self._unmeasured_bytes += written_bytes
        if self._unmeasured_bytes >= self._look_after_bytes:
            self._wake.set()

    def note_uncommitted(self, kind: int, count: int) -> None:
        """Count what failed before a commit, until a loss record tells of it."""
        self._uncommitted[kind] += count

    async def run(self) -> None:
        """Keep house until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_EVERY_S):
                    await self._wake.wait()
            try:
                if self._clock.boot_ns() - self._purged_boot_ns >= _PURGE_EVERY_NS:
                    await self.purge()
                await self.make_room()
            except OutboxError as error:
                _log.error("the outbox could not be kept in order; tried again later", error=str(error))

    async def purge(self) -> None:
        """Delete what has stayed long enough after its ack, and sound that was kept long enough.

        Raises:
            OutboxError: it could not be written.
        """
        self._purged_boot_ns = self._clock.boot_ns()
        await self._writer.run(self._rows.purge)
        await self._files.expire()

    async def make_room(self) -> None:
        """Evict what is over quota or below the floor, make the ballast, and tell what could not be kept.

        Raises:
            OutboxError: it could not be written.
        """
        async with self._tidying:
            self._wake.clear()
            self._unmeasured_bytes = 0
            try:
                await self._evict()
                await self._make_ballast()
            except OutboxFullError:
                await self._relieve()
            await self._tell_uncommitted()

    async def relieve(self, seen: int, wanted_bytes: int) -> None:
        """Make room for a write that found none, unless that was done since ``relieved`` was ``seen``.

        Args:
            seen: what ``relieved`` was before the write was tried.
            wanted_bytes: about how much it takes.

        Raises:
            OutboxError: not even that could be written.
        """
        async with self._tidying:
            if self._relieved == seen:
                await self._relieve(wanted_bytes)

    async def _relieve(self, wanted_bytes: int = 0) -> None:
        self._full = True
        try:
            released = await asyncio.to_thread(self._ballast.release)
        except OSError as error:
            raise OutboxError(f"{self._settings.ballast}: cannot be released: {error}") from error
        if released:
            _log.error("the file system is full: the ballast is released", folder=str(self._settings.folder))
        await self._evict(wanted_bytes + _MARGIN_BYTES)
        await self._make_ballast()
        self._relieved += 1

    async def tell_uncommitted(self) -> None:
        """Enqueue what failed before a commit; see ``note_uncommitted``.

        Raises:
            OutboxError: it could not be written, and counts on.
        """
        async with self._tidying:
            await self._tell_uncommitted()

    async def _tell_uncommitted(self) -> None:
        if not self._uncommitted:
            return
        # Taken out first: when this is cancelled, as ``close`` does, the writer commits it all the same, and what
        # still stood here would be told once more.
        counts, self._uncommitted = self._uncommitted, Counter()
        try:
            await self._writer.run(partial(self._rows.record_uncommitted, counts))
        except OutboxError:
            self._uncommitted.update(counts)
            raise
        self._enqueued()

    async def _make_ballast(self) -> None:
        try:
            held = await asyncio.to_thread(
                lambda: self._ballast.make(self._disk.free_bytes(self._settings.folder), self._beside_bytes)
            )
        except OSError as error:
            _log.warning("no room for the ballast", folder=str(self._settings.folder), error=str(error))
            held = False
        if held and self._full:
            _log.info("there is room again", folder=str(self._settings.folder))
        self._full = self._full and not held

    async def _evict(self, wanted_bytes: int = 0) -> None:
        measured = await self._measure()
        over_quota = measured.used_bytes > self._settings.quota_bytes
        quota_bytes = self._settings.quota_bytes - (self._settings.quota_bytes // _SLACK if over_quota else 0)
        step_bytes = self._beside_bytes if self._full else _STEP_BYTES
        for rank in Rank:
            floor_bytes = max(wanted_bytes, self._floor_bytes(rank))
            while True:
                short_bytes = floor_bytes - measured.free_bytes - measured.spare_bytes
                surplus_bytes = min(step_bytes, max(short_bytes, measured.used_bytes - quota_bytes))
                if surplus_bytes <= 0 or not await self._evict_some(rank, surplus_bytes):
                    break
                measured = await self._measure()
        while measured.free_bytes < max(wanted_bytes, self._floor_bytes(Rank.SETTLED)) and measured.spare_bytes:
            before = measured
            await self._give_back(step_bytes // _PAGE_BYTES)
            measured = await self._measure()
            if measured.spare_bytes >= before.spare_bytes:  # a database of an older layout keeps what it has
                break

    def _floor_bytes(self, rank: Rank) -> int:
        """How much is to be free before anything of ``rank`` stays."""
        full_bytes = self._beside_bytes if self._full else 0
        if rank.detections:
            return full_bytes
        again_bytes = self._settings.ballast_bytes if self._full and rank <= Rank.FRAMES else 0
        return max(again_bytes + full_bytes, self._settings.free_floor_bytes)

    async def _evict_some(self, rank: Rank, wanted_bytes: int) -> Evicted:
        async with self._files.lock:
            evicted = await self._evict_less_and_less(rank, wanted_bytes)
            await self._files.remove_locked(evicted.files)
        if evicted.unsent:
            self._enqueued()
            _log.error("unsent rows evicted", what=rank.name.lower(), rows=evicted.unsent)
        return evicted

    async def _evict_less_and_less(self, rank: Rank, wanted_bytes: int) -> Evicted:
        """Evict; on a full file system as little as it takes to fit into the log that is there."""
        while True:
            try:
                return await self._writer.run(partial(evict, self._database, self._rows, rank, wanted_bytes))
            except OutboxFullError:
                wanted_bytes //= 8
                if wanted_bytes == 0:
                    raise

    async def _measure(self) -> _Measured:
        try:
            ((pages, spare, page_bytes),) = await self._reader.execute_fetchall(PAGES)
            free_bytes = await asyncio.to_thread(self._disk.free_bytes, self._settings.folder)
        except sqlite3.Error as error:
            raise self._writer.explained(error, "could not be measured") from error
        except OSError as error:
            raise OutboxError(f"{self._settings.folder}: cannot be measured: {error}") from error
        return _Measured((pages - spare) * page_bytes + self._files.kept_bytes, spare * page_bytes, free_bytes)

    async def _give_back(self, pages: int) -> None:
        """Let the file system have free pages of the database: they leave when the log goes into the database."""
        await self._writer.run(partial(self._rows.shrink, pages))
        try:
            async with aiosqlite.connect(self._settings.database) as database:
                await database.execute_fetchall("PRAGMA wal_checkpoint(PASSIVE)")
        except sqlite3.Error as error:
            raise self._writer.explained(error) from error
