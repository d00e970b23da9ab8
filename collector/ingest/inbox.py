"""From the network's thread to the ingest task: bounded, so that a slow store slows the broker and not the memory.

The network's thread waits while the inbox is full, so it stops reading its socket; the broker then keeps the rest.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque

from collector.ingest.received import Received


class Inbox:
    """A queue between one thread that puts and one task that takes.

    Args:
        loop: the taker's.
        capacity: how many publishes may wait.
        capacity_bytes: how many bytes they may have together; a single larger one is still taken.
        plenty: as many as it is worth to take although the taker is busy.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        capacity: int = 2_000,
        capacity_bytes: int = 16 << 20,
        plenty: int = 500,
    ) -> None:
        self._loop = loop
        self._capacity = capacity
        self._capacity_bytes = capacity_bytes
        self._waiting: deque[Received] = deque()
        self._waiting_bytes = 0
        self._closed = False
        self._plenty = plenty
        self._called = False
        self._changed = threading.Condition()
        self._arrived = asyncio.Event()
        self._many = asyncio.Event()

    def put(self, received: Received) -> bool:
        """Add one publish, waiting for room; any thread. Returns False, with nothing added, once closed."""
        with self._changed:
            self._changed.wait_for(self._has_room)
            if self._closed:
                return False
            self._waiting.append(received)
            self._waiting_bytes += len(received.payload)
            call, self._called = not self._called, True
            many = len(self._waiting) == self._plenty or not self._has_room()
        if call:
            # One wake-up for all that arrives before the taker comes: each costs a system call.
            self._loop.call_soon_threadsafe(self._arrived.set)
        if many:
            self._loop.call_soon_threadsafe(self._many.set)
        return True

    async def wait_for_many(self) -> None:
        """Wait until so many are here that there is no point in waiting for more."""
        await self._many.wait()

    async def take(self, most: int, most_bytes: int) -> list[Received]:
        """Wait for something and return it in order: at most ``most``, and ``most_bytes`` unless one alone is larger.

        Returns an empty list once closed.
        """
        await self._arrived.wait()
        taken: list[Received] = []
        size_bytes = 0
        with self._changed:
            if self._closed:
                return []
            while self._waiting and len(taken) < most:
                size_bytes += len(self._waiting[0].payload)
                if taken and size_bytes > most_bytes:
                    break
                taken.append(self._waiting.popleft())
                self._waiting_bytes -= len(taken[-1].payload)
            if not self._waiting:
                self._called = False
                self._arrived.clear()
            if len(self._waiting) < self._plenty:
                self._many.clear()
            self._changed.notify_all()
        return taken

    def close(self) -> None:
        """Let both sides go; what waits is dropped, for the broker still has it. From the loop's thread."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._changed.notify_all()
        self._arrived.set()
        self._many.set()

    def _has_room(self) -> bool:
        return self._closed or (
            len(self._waiting) < self._capacity and (not self._waiting or self._waiting_bytes < self._capacity_bytes)
        )
