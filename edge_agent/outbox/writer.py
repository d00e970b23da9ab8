"""Group commit: whatever waits while one transaction is written to disk shares the next one.

One task owns the writing connection. A caller's work runs inside a transaction that either commits as a whole, after
which each caller gets its result, or is rolled back, after which each gets ``OutboxError``. A caller that is cancelled
does not disturb the others; its work may still be committed.

A corrupt page, a rollback that fails, or a fault of ours ends the writer: ``broken`` then says why, and everything that
is submitted from then on is refused with that. It never goes on as if nothing had happened.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

import aiosqlite

from edge_agent.errors import OutboxError
from edge_agent.outbox.faults import OutboxDamagedError, OutboxFullError, is_damage, is_full

_Entry = TypeVar("_Entry")
_Key = TypeVar("_Key")
_Result = TypeVar("_Result")
_MAX_GROUP = 500


@dataclass(slots=True, eq=False)
class _Piece(Generic[_Entry]):
    entries: Sequence[_Entry]
    work: Callable[[], Awaitable[Any]] | None
    done: asyncio.Future[Any]


class Writer(Generic[_Entry, _Key]):
    """The queue in front of the writing connection.

    Args:
        database: the connection; nobody else writes through it.
        insert: stores entries inside the running transaction and returns their keys, in order.
        free_bytes: how much room the file system has.

    Attributes:
        broken: set to the reason once nothing can be written any more.
    """

    def __init__(
        self,
        database: aiosqlite.Connection,
        insert: Callable[[Sequence[_Entry]], Awaitable[Sequence[_Key]]],
        free_bytes: Callable[[], int],
    ) -> None:
        self.broken: asyncio.Future[OutboxError] = asyncio.get_running_loop().create_future()
        self._database = database
        self._insert = insert
        self._free_bytes = free_bytes
        self._waiting: asyncio.Queue[_Piece[_Entry] | None] = asyncio.Queue()
        self._works: set[asyncio.Task[Any]] = set()
        self._task = asyncio.create_task(self._run(), name="outbox-writer")

    async def insert(self, entries: Sequence[_Entry]) -> Sequence[_Key]:
        """Store entries, together with whatever else waits, and return their keys once they are on disk.

        Raises:
            OutboxFullError: there was no room; nothing was stored.
            OutboxError: nothing was stored.
        """
        return cast(Sequence[_Key], await self._submit(entries, None))

    async def run(self, work: Callable[[], Awaitable[_Result]]) -> _Result:
        """Run ``work`` inside a transaction and return its result once that is on disk.

        Raises:
            OutboxFullError: there was no room; nothing was changed.
            OutboxError: nothing was changed.
        """
        return cast(_Result, await self._submit((), work))

    async def to_its_end(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        """Finish ``work`` also when who waits for it is cancelled, as the uplink is when its connection breaks.

        The writer commits what it has begun either way, and memory has to follow: an Open whose ack was committed and
        not noted would never be acked again, and the device would stay without birth and health until it is restarted.
        """
        task = asyncio.create_task(work)
        self._works.add(task)
        task.add_done_callback(self._works.discard)
        task.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody may be left to take it
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Commit what waits, then end."""
        if not self._task.done():
            self._waiting.put_nowait(None)
        await self._task
        self.breaks(OutboxError("the outbox is closed"))
        await asyncio.gather(*self._works, return_exceptions=True)

    def breaks(self, error: OutboxError) -> None:
        """Refuse everything from now on."""
        if not self.broken.done():
            self.broken.set_result(error)

    async def _submit(self, entries: Sequence[_Entry], work: Callable[[], Awaitable[Any]] | None) -> Any:
        if self.broken.done():
            why = self.broken.result()
            raise type(why)(f"nothing was stored: {why}")
        piece = _Piece(entries, work, asyncio.get_running_loop().create_future())
        self._waiting.put_nowait(piece)
        return await piece.done

    async def _run(self) -> None:
        batch: list[_Piece[_Entry]] = []
        try:
            while (first := await self._waiting.get()) is not None:
                batch = [first]
                while len(batch) < _MAX_GROUP and not self._waiting.empty():
                    piece = self._waiting.get_nowait()
                    if piece is None:
                        self._waiting.put_nowait(None)
                        break
                    batch.append(piece)
                if self.broken.done():
                    _fail(batch, self.broken.result())
                else:
                    await self._commit(batch)
        except Exception as error:
            self.breaks(OutboxError(f"the outbox's writer broke: {error!r}"))
            raise
        finally:
            # Only after a fault that is ours: nobody may wait for ever for a task that is gone.
            left = [*batch, *(p for p in (self._waiting.get_nowait() for _ in range(self._waiting.qsize())) if p)]
            _fail(left, OutboxError("the outbox's writer ended: nothing was stored"))

    async def _commit(self, batch: Sequence[_Piece[_Entry]]) -> None:
        try:
            keys = iter(await self._insert([entry for piece in batch for entry in piece.entries]))
            results = [
                [next(keys) for _ in piece.entries] if piece.work is None else await piece.work() for piece in batch
            ]
            await self._database.commit()
        except (sqlite3.Error, OSError) as error:
            failed = self.explained(error)
            await self._undo(failed)
            _fail(batch, failed)
            return
        for piece, result in zip(batch, results, strict=True):
            if not piece.done.done():
                piece.done.set_result(result)

    def explained(
        self, error: sqlite3.Error | OSError, failed: str = "could not be written, nothing was stored"
    ) -> OutboxError:
        """Say what an error means for who called; a damaged database breaks the writer, whoever met the damage."""
        if is_damage(error):
            damaged = OutboxDamagedError(f"the outbox is damaged and {failed}: {error}")
            self.breaks(damaged)
            return damaged
        kind = OutboxFullError if is_full(error, self._free_bytes()) else OutboxError
        return kind(f"the outbox {failed}: {error}")

    async def _undo(self, failed: OutboxError) -> None:
        try:
            await self._database.rollback()
        except sqlite3.Error as error:
            # The transaction is still there, half done: the next commit would make it true.
            self.breaks(OutboxDamagedError(f"{failed}; nor could it be taken back: {error}"))


def _fail(batch: Iterable[_Piece[Any]], error: OutboxError) -> None:
    for piece in batch:
        if not piece.done.done():
            piece.done.set_exception(type(error)(*error.args))  # one each: whoever raises it adds a traceback
