"""How much room the file system has, and the ballast that makes room when it has none. Blocking."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from edge_agent.outbox.durable import sync_folder

_BLOCK_BYTES = 512


class Disk(Protocol):
    """The file system that an outbox lies on."""

    def free_bytes(self, folder: Path) -> int:
        """How much an ordinary user can still write to the file system of ``folder``.

        Raises:
            OSError: it cannot be asked.
        """
        ...


class FileSystem:
    """The real one."""

    def free_bytes(self, folder: Path) -> int:
        """See ``Disk.free_bytes``."""
        found = os.statvfs(folder)
        return found.f_bavail * found.f_frsize


class Ballast:
    """A file that takes room for nothing, until it is released.

    On a full file system even a DELETE fails: SQLite writes what changes before it frees anything. What the ballast
    gives back is enough for that, and it is made again once there is room.

    Args:
        path: where the file lies.
        size_bytes: how much it takes; 0: there is none, and nothing is ever released.
    """

    def __init__(self, path: Path, size_bytes: int) -> None:
        self._path = path
        self._size_bytes = size_bytes

    @property
    def held(self) -> bool:
        """Whether all of it is there, in blocks that are really taken."""
        if self._size_bytes == 0:
            return True
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return False
        return found.st_size == self._size_bytes and found.st_blocks * _BLOCK_BYTES >= self._size_bytes

    def release(self) -> bool:
        """Give its room back; return whether there was any.

        Raises:
            OSError: the file system does not even delete.
        """
        try:
            self._path.unlink()
        except FileNotFoundError:
            return False
        sync_folder(self._path.parent)
        return True

    def make(self, free_bytes: int, beside_bytes: int) -> bool:
        """Take the room, if ``beside_bytes`` stay free: it must not be what fills the disk. Return whether it is held.

        Args:
            free_bytes: how much the file system has.
            beside_bytes: how much of that others must be left.

        Raises:
            OSError: there was no room after all; none of it is taken.
        """
        if self.held:
            if self._size_bytes == 0:
                self._path.unlink(missing_ok=True)
            return True
        if free_bytes < self._size_bytes + beside_bytes:
            return False
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            # Blocks that are reserved, not a hole: a file of zeros that was only made long takes no room.
            os.posix_fallocate(descriptor, 0, self._size_bytes)
            os.fsync(descriptor)
        except OSError:
            self._path.unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)
        sync_folder(self._path.parent)
        return True
