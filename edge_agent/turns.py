"""Cameras take turns at the networks: fair, bounded, and nobody starves.

All cameras share one session of each network. As many of them run it at once as there are cores for it (a run uses
one); the others wait in the order in which they asked. A camera asks again only when it has been served, so with n
cameras that always have something to read each gets one turn in n, however long the others' pictures take to come. A
camera that waits holds one frame, and its ``Watch`` the newest of those that came since; the others are dropped and
counted there. So a frame is read at most one round late: (cameras - 1) / (runs at once) readings.

A frame in which nothing moved is never read, so it never waits for a turn.

Safe to call from any thread; the threads that read cameras do.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from edge_agent.ports import PlateReader
from edge_agent.records import PlateCandidate


def usable_cores() -> int:
    """Return how many cores this program may run on, as its affinity says (``taskset``, ``CPUAffinity=``, cpusets)."""
    return len(os.sched_getaffinity(0))


class Turns:
    """Lets ``at_once`` threads through at a time, in the order in which they came.

    Args:
        at_once: how many; at least 1.

    Raises:
        ValueError: ``at_once`` is below 1.
    """

    def __init__(self, at_once: int) -> None:
        if at_once < 1:
            raise ValueError(f"at_once: got {at_once}, expected 1 or more")
        self._free = at_once
        self._waiting: deque[threading.Event] = deque()
        self._lock = threading.Lock()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a turn; it is over when the block is left."""
        mine = threading.Event()
        with self._lock:
            if self._free > 0:
                self._free -= 1
                mine.set()
            else:
                self._waiting.append(mine)
        mine.wait()
        try:
            yield
        finally:
            with self._lock:
                # Handed on, not set free: else the thread that just had a turn could take the next one as well.
                if self._waiting:
                    self._waiting.popleft().set()
                else:
                    self._free += 1


class ReaderInTurns:
    """A ``ports.PlateReader`` that several cameras share, each waiting for its turn.

    Args:
        reader: what reads; safe to call from as many threads as ``turns`` lets through.
        turns: who is next.
    """

    def __init__(self, reader: PlateReader, turns: Turns) -> None:
        self._reader = reader
        self._turns = turns

    def read(self, image: NDArray[np.uint8]) -> Sequence[PlateCandidate]:
        """Return the plates of ``image``, (H, W, 3) uint8 BGR, best first, when this thread's turn has come."""
        with self._turns.turn():
            return self._reader.read(image)
