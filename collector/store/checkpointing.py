"""Brings what an SQLite store's log has gathered into its file, beside the writers instead of within a commit.

SQLite does it by itself within whichever commit makes the log 4 MB long, and whoever stands behind that one waits for a
thousand pages and two fsyncs more: a few times a second under load (bench/ingest.py). Here a thread does it, a second
after a commit. What was written meanwhile stays in the log, so under steady load it would only ever grow: once it is
long, the rest, which is little by then, is brought over in a writer's turn, and the next writer begins it anew.

A crash loses nothing: what is committed is in the log until it is in the file. Owned by the event loop of its store.
"""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import structlog

LONG_PAGES = 8_000
"""From here on the log is to begin anew: 32 MB."""
LAST_RESORT_PAGES = 50_000
"""Here a commit does it after all (``PRAGMA wal_autocheckpoint``): nobody else has, or readers stood in the way."""
AFTER_S = 1.0
_log = structlog.get_logger(__name__)


class Checkpointing:
    """Looks after the log of one file.

    Args:
        path: of the store.
        turn: held by whoever writes.
        after_s: how long after a commit it is looked at.
        long_pages: from how many pages on it is to begin anew.
    """

    def __init__(self, path: Path, turn: asyncio.Lock, after_s: float = AFTER_S, long_pages: int = LONG_PAGES) -> None:
        self._path = path
        self._turn = turn
        self._after_s = after_s
        self._long_pages = long_pages
        self._closing = asyncio.Event()
        self._carrying: asyncio.Task[None] | None = None
        self._database: sqlite3.Connection | None = None

    def committed(self) -> None:
        """The log has grown."""
        if self._carrying is None or self._carrying.done():
            self._carrying = asyncio.create_task(self._carry(), name="checkpointing")

    async def close(self) -> None:
        """End what is under way; what is in the log stays there, or goes when the last connection closes."""
        self._closing.set()
        if self._carrying is not None:
            await asyncio.wait([self._carrying])
        if self._database is not None:
            self._database.close()

    async def _carry(self) -> None:
        try:
            async with asyncio.timeout(self._after_s):
                await self._closing.wait()
            return
        except TimeoutError:
            pages = await asyncio.to_thread(self._checkpoint)
        if pages >= self._long_pages:
            async with self._turn:
                await asyncio.to_thread(self._checkpoint)

    def _checkpoint(self) -> int:
        """Bring over what nobody reads any more; return how many pages the log had."""
        try:
            if self._database is None:
                self._database = sqlite3.connect(self._path, timeout=0, isolation_level=None, check_same_thread=False)
            _, pages, _ = self._database.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except sqlite3.Error as error:
            # Nothing is lost by it, and the next commit tries again.
            _log.warning("log_not_carried_over", store=str(self._path), error=str(error))
            return 0
        return int(pages)
