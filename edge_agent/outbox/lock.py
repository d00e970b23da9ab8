"""One agent per outbox: a lock on a file, which the kernel drops with the one that holds it.

An agent locks it exclusively for as long as it runs. Who only asks (``is_held``) locks it with others, for a moment.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

import structlog

from edge_agent.errors import OutboxError

_log = structlog.get_logger(__name__)
_NAME = "outbox.lock"
_PATIENCE_S = 1.0
_AGAIN_S = 0.01


class FolderLock:
    """Held from construction until ``release``. Blocks for a moment while others only ask, at most for a second.

    The folder is made if need be, and closed to others.

    Raises:
        OutboxError: another holds it.
        OSError: the folder cannot be made, or the file not be opened.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if folder.stat().st_mode & 0o077:
            folder.chmod(0o700)
            _log.warning("others could look into the outbox: mode set to 0700", folder=str(folder))
        self._descriptor = os.open(folder / _NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        patient_until_s = time.monotonic() + _PATIENCE_S
        while not _lock(self._descriptor, fcntl.LOCK_EX):
            # Whoever can share it shares it with those that only ask: no agent is there, and they are gone in a moment.
            if not _lock(self._descriptor, fcntl.LOCK_SH) or time.monotonic() > patient_until_s:
                os.close(self._descriptor)
                raise OutboxError(f"{folder}: another agent has this outbox open; stop it first")
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)  # or two that wait here would keep each other out
            time.sleep(_AGAIN_S)

    def release(self) -> None:
        """Let go of it."""
        os.close(self._descriptor)


def is_held(folder: Path) -> bool:
    """Whether a running agent has the outbox in ``folder`` open.

    Raises:
        OutboxError: that cannot be seen, for want of permission.
    """
    try:
        descriptor = os.open(folder / _NAME, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise unusable(folder, error) from error
    try:
        return not _lock(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def unusable(path: Path, error: OSError) -> OutboxError:
    """Say that ``path`` cannot be used, and what helps where it belongs to another user."""
    fix = "; run this as the agent's user, or with sudo" if isinstance(error, PermissionError) else ""
    return OutboxError(f"{path}: cannot be used: {error.strerror or error}{fix}")


def _lock(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
