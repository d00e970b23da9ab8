"""A folder as a source: somebody, or some other program, puts files into it.

A file that is still being written is not looked into: either its writer says when it is done by a second file
(``NAME.done``), or its size and time must have stood still for a while, and must not have moved while it was copied.
Only plain files count: a link could lead to anything that the collector may read and the writer may not.
"""

from __future__ import annotations

import asyncio
import fnmatch
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from collector.config import FeedFolder
from collector.hotlists.feeds.records import Delivery, FeedError
from collector.hotlists.feeds.snapshot_folder import SnapshotFolder, TooLargeError

DONE = ".done"
_CHUNK_BYTES = 1 << 20


class Stamp(NamedTuple):
    """What tells one state of a file from another. Ordered: the latest is the greatest."""

    modified_ns: int
    name: str
    size_bytes: int

    @property
    def text(self) -> str:
        """As it is noted."""
        return f"{self.modified_ns}:{self.size_bytes}:{self.name}"

    def delivery(self, sha256: bytes, into: SnapshotFolder) -> Delivery:
        """The delivery that the file is, kept in ``into``."""
        return Delivery(into.path_of(sha256), sha256, self.size_bytes, self.name, self.text, self.modified_ns)


def latest(found: Sequence[Stamp], pattern: str, done_marker: bool) -> Stamp | None:
    """Return the latest file that matches and, where that is asked for, is said to be done; None without one.

    A name that nobody could see or that is no text would go into the store and to people's screens: it does not count.
    """
    names = {one.name for one in found}
    wanted = [
        one
        for one in found
        if fnmatch.fnmatchcase(one.name, pattern)
        and not one.name.startswith(".")
        and one.name.isprintable()
        and not (done_marker and one.name.endswith(DONE))
        and (not done_marker or one.name + DONE in names)
    ]
    return max(wanted, default=None)


@dataclass(frozen=True, slots=True)
class FolderSource:
    """The ``Source`` over a folder of this machine."""

    settings: FeedFolder

    @property
    def where(self) -> str:
        """The folder and the pattern."""
        return str(self.settings.path / self.settings.files)

    async def fetch(self, modified: str, into: SnapshotFolder, most_bytes: int) -> Delivery | None:
        """Return the latest complete file, as ``Source.fetch``."""
        try:
            found = await asyncio.to_thread(self._latest)
            if found is None or found.text == modified:
                return None
            if not self.settings.done_marker:
                await asyncio.sleep(self.settings.settle_s)
                if await asyncio.to_thread(self._latest) != found:
                    return None
            return await asyncio.to_thread(self._copy, found, into, most_bytes)
        except TooLargeError as error:
            raise FeedError(f"{self.where}: {error}; `most_bytes` says how many are taken") from error
        except OSError as error:
            raise FeedError(f"{self.where}: {error.strerror or error}") from error

    def _latest(self) -> Stamp | None:
        found = []
        with os.scandir(self.settings.path) as files:
            for one in files:
                if one.is_file(follow_symlinks=False):
                    about = one.stat(follow_symlinks=False)
                    found.append(Stamp(about.st_mtime_ns, one.name, about.st_size))
        return latest(found, self.settings.files, self.settings.done_marker)

    def _copy(self, found: Stamp, into: SnapshotFolder, most_bytes: int) -> Delivery | None:
        path = self.settings.path / found.name
        # Not blocking: what has taken the file's place since may be a pipe.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise FeedError(f"{path}: is no file")
            with into.writing(most_bytes) as kept:
                while content := os.read(descriptor, _CHUNK_BYTES):
                    kept.write(content)
            after = os.fstat(descriptor)
        finally:
            os.close(descriptor)
        if (after.st_mtime_ns, after.st_size, kept.size_bytes) != (found.modified_ns, found.size_bytes, after.st_size):
            return None
        return found.delivery(kept.sha256, into)
