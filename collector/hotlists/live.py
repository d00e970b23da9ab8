"""The matcher in force, kept up with the store while the collector runs.

A new generation is built on a thread and swapped in by one assignment, so a reader sees the old one or the new one.
Reads that are stored meanwhile were matched with the old one; their transaction notes it (``match_pending``), and they
are matched again after the swap. So every read is matched at least once against every generation that was current when
it was stored, or later (PROTOCOL, invariant 5). Owned by one task.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import structlog

from collector.errors import StoreError
from collector.match.matcher import ListedPlate, Matcher
from collector.store import hotlists
from collector.store.database import Store

_log = structlog.get_logger(__name__)

# An import is made by another process, whose commits wake nobody here.
POLL_S = 0.5


class LiveMatcher:
    """Holds the matcher in force.

    Args:
        store: where the hotlists are.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._matcher = Matcher()
        self._stopping = asyncio.Event()

    @property
    def matcher(self) -> Matcher:
        """The matcher in force; the same one until a newer generation takes its place."""
        return self._matcher

    async def load(self) -> bool:
        """Take up the newest generation; whether there was a newer one.

        Raises:
            StoreError: the store cannot be reached; the matcher stays what it was.
        """
        async with self._store.read() as tx:
            if await hotlists.generation(tx) == self._matcher.generation:
                return False
            versions = await hotlists.versions(tx)
            listed: list[list[ListedPlate]] = [portion async for portion in hotlists.plates(tx)]
        self._matcher = await asyncio.to_thread(
            lambda: Matcher((plate for portion in listed for plate in portion), versions)
        )
        _log.info("hotlists_in_force", generation=self._matcher.generation, entries=len(self._matcher))
        return True

    async def follow(self, rematch: Callable[[], Awaitable[None]]) -> None:
        """Keep up with the store until ``stop``.

        Args:
            rematch: matches again the reads that were stored with an older generation.
        """
        while not self._stopping.is_set():
            try:
                await self.load()
                await rematch()
            except StoreError as error:
                _log.error("hotlists_not_followed", error=str(error), again_in_s=POLL_S)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), POLL_S)

    def stop(self) -> None:
        """Let ``follow`` end."""
        self._stopping.set()
