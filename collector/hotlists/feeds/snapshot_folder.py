"""The bytes of deliveries, by their hash, for as long as somebody may have to decide about them.

Invariants: what lies under a hash has that hash; it is whole, because it is renamed only when it is on the disk; a
writer never takes more than it was allowed. Files are for their owner alone: they hold plates and names.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

_PARTIAL = ".partial-"


class TooLargeError(Exception):
    """More came than may be kept."""


class SnapshotWriter:
    """Takes the bytes of one delivery."""

    def __init__(self, folder: Path, descriptor: int, most_bytes: int) -> None:
        self._folder = folder
        self._descriptor = descriptor
        self._most_bytes = most_bytes
        self._digest = hashlib.sha256()
        self.size_bytes = 0

    def write(self, content: bytes) -> None:
        """Take some more.

        Raises:
            TooLargeError: that is more than may be kept.
            OSError: the disk does not take it.
        """
        self.size_bytes += len(content)
        if self.size_bytes > self._most_bytes:
            raise TooLargeError(f"got more than {self._most_bytes} bytes")
        self._digest.update(content)
        while content:
            content = content[os.write(self._descriptor, content) :]

    def settle(self) -> None:
        """Have what came so far on the disk; for a thread: of half a gigabyte that takes seconds.

        Raises:
            OSError: the disk does not take it.
        """
        os.fsync(self._descriptor)

    @property
    def sha256(self) -> bytes:
        """Of what came so far."""
        return self._digest.digest()


class SnapshotFolder:
    """The folder.

    Args:
        path: made when it is first written to.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def writing(self, most_bytes: int) -> Iterator[SnapshotWriter]:
        """Take one delivery: kept under its hash when the block ends, gone if it ends by an error.

        Raises:
            OSError: the disk does not take it.
        """
        self._path.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, name = tempfile.mkstemp(prefix=_PARTIAL, dir=self._path)
        try:
            writer = SnapshotWriter(self._path, descriptor, most_bytes)
            yield writer
            writer.settle()
            os.rename(name, self.path_of(writer.sha256))
        except BaseException:
            os.unlink(name)
            raise
        finally:
            os.close(descriptor)

    def path_of(self, sha256: bytes) -> Path:
        """Where the delivery with this hash lies, or would."""
        return self._path / sha256.hex()

    def clear(self, but: Collection[bytes]) -> None:
        """Remove what nobody has to decide about any more, and what a killed collector left half written.

        Raises:
            OSError: something cannot be removed.
        """
        keep = {one.hex() for one in but}
        if self._path.is_dir():
            for path in self._path.iterdir():
                if path.name not in keep:
                    path.unlink(missing_ok=True)
