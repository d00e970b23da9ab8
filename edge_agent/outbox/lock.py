"""One agent per outbox: a lock on a file, which the kernel drops with the one that holds it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from edge_agent.errors import OutboxError

_NAME = "outbox.lock"


class FolderLock:
    """Held from construction until ``release``.

    Raises:
        OutboxError: another holds it.
    """

    def __init__(self, folder: Path) -> None:
        self._descriptor = os.open(folder / _NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._descriptor)
            raise OutboxError(f"{folder}: another agent has this outbox open; stop it first") from error

    def release(self) -> None:
        """Let go of it."""
        os.close(self._descriptor)


def is_held(folder: Path) -> bool:
    """Whether a running agent has the outbox in ``folder`` open."""
    try:
        descriptor = os.open(folder / _NAME, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
