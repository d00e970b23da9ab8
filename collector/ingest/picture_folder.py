"""Pictures and clips as files, each named by its hash alone.

A file is written beside its place, fsynced, renamed into it, and the folder fsynced, before the caller commits a row
that says it is here. Writing the same file again is nothing. Any thread may call.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from collector.errors import CollectorError


class PictureFolderError(CollectorError):
    """A file could not be written: one to come again later, with the store none the worse for it."""


class PictureFolder:
    """The folder of pictures and clips.

    Args:
        folder: where it is; made if it is missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, sha256: bytes) -> Path:
        """Where the file with this hash is, or would be."""
        name = sha256.hex()
        return self._folder / name[:2] / name

    def keep(self, content: bytes, sha256: bytes) -> bool:
        """Write a file.

        Returns:
            False, with nothing written, when the content does not have that hash.

        Raises:
            PictureFolderError: the file system refused; try again later.
        """
        if hashlib.sha256(content).digest() != sha256:
            return False
        path = self.path(sha256)
        try:
            if path.is_file() and path.stat().st_size == len(content):
                return True
            path.parent.mkdir(parents=True, exist_ok=True)
            self._write(path, content)
        except OSError as error:
            raise PictureFolderError(f"pictures {path}: {error}") from error
        return True

    def _write(self, path: Path, content: bytes) -> None:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(name).rename(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        for folder in (path.parent, self._folder):
            opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(opened)
            finally:
                os.close(opened)
