"""Crops, frames and clips as files named by the SHA-256 of their bytes: ``ab/<sha256 in hex>``.

A file is written once, whole, and never changed. Which are kept, and for how long, is the outbox's to know; this file
knows bytes and names. Pictures and sound have a share of the room each: a busy street's frames must not push out the
clips of a shot, nor a night of fireworks the frames. Blocking: called on a worker thread.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path

import structlog

from edge_agent.outbox.durable import PARTIAL, sync_folder, write_durably
from edge_wire.messages import Part

_log = structlog.get_logger(__name__)
_SHELF = re.compile(r"[0-9a-f]{2}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PART_BEGINS = {b"OggS": Part.CLIP, b"fLaC": Part.RECORDING}


class Share(IntEnum):
    """Whose room a file takes. Stored: values are never renumbered."""

    PICTURES = 0
    SOUND = 1

    @classmethod
    def of(cls, part: Part) -> Share:
        """Return the share that files of this kind belong to."""
        return cls.SOUND if part in (Part.CLIP, Part.RECORDING) else cls.PICTURES


class Evidence:
    """The files below one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, sha256: bytes) -> Path:
        """Where the file with this hash lies, if it is held."""
        name = sha256.hex()
        return self._folder / name[:2] / name

    def keep(self, content: bytes) -> tuple[bytes, bool]:
        """Put ``content`` on disk under its hash, durably; return the hash, and whether the file was not there yet.

        Raises:
            OSError: it could not be written.
        """
        sha256 = hashlib.sha256(content).digest()
        path = self.path(sha256)
        if path.exists():
            return sha256, False
        if not path.parent.exists():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            sync_folder(self._folder)
        write_durably(path, content)
        return sha256, True

    def read(self, sha256: bytes) -> bytes | None:
        """Return the file's bytes, or None if it is not held or is no longer what its name says.

        Raises:
            OSError: it is held and cannot be read.
        """
        try:
            content = self.path(sha256).read_bytes()
        except FileNotFoundError:
            return None
        return content if hashlib.sha256(content).digest() == sha256 else None

    def part(self, sha256: bytes) -> Part:
        """Tell by how a file begins what it shows, as far as that can be seen: a picture counts as a frame.

        Raises:
            OSError: it is held and cannot be read.
        """
        try:
            with self.path(sha256).open("rb") as file:
                return _PART_BEGINS.get(file.read(4), Part.FRAME)
        except FileNotFoundError:
            return Part.FRAME

    def remove(self, sha256: bytes) -> None:
        """Delete the file; nothing happens when it is gone already."""
        self.path(sha256).unlink(missing_ok=True)

    def sweep(self) -> Iterator[tuple[bytes, int]]:
        """Yield hash and size in bytes of every file, and delete what a crash left half written.

        What others put there, such as ``lost+found`` or ``.nfs0001``, is left alone and logged.
        """
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for shelf in os.scandir(self._folder):
            if not _SHELF.fullmatch(shelf.name) or not shelf.is_dir(follow_symlinks=False):
                _log.warning("not ours, left alone", file=shelf.path)
                continue
            for entry in os.scandir(shelf):
                is_file = entry.is_file(follow_symlinks=False)
                if is_file and entry.name.endswith(PARTIAL):
                    os.unlink(entry)
                elif is_file and _SHA256.fullmatch(entry.name) and entry.name.startswith(shelf.name):
                    yield bytes.fromhex(entry.name), entry.stat().st_size
                else:
                    _log.warning("not ours, left alone", file=entry.path)
