"""Kills an outbox between any two writes, without a change to it.

Python tells an audit hook of each file that is opened for writing, renamed or deleted, and SQLite tells of each
statement before it runs. A kill there leaves the folder as it is at that moment: it is copied, and who was writing goes
on none the wiser. Not copied is ``-shm``, memory that is shared between processes and gone with the last of them.
"""

import os
import shutil
import sys
from pathlib import Path

_FILES = {"os.rename", "os.remove", "os.truncate", "open"}
_LOOKING = ("SELECT", "PRAGMA", "--")


class Crash:
    """A kill at the ``at``-th write in ``folder``; ``left`` is what it leaves, None until then."""

    current: "Crash | None" = None

    def __init__(self, folder: Path, at: int, left_at: Path) -> None:
        self._folder = folder
        self._left = at
        self._left_at = left_at
        self.left: Path | None = None

    def __enter__(self) -> "Crash":
        Crash.current = self
        return self

    def __exit__(self, *_: object) -> None:
        Crash.current = None

    def happen(self) -> None:
        """Copy the folder as it is now, unless that was done."""
        if self.left is None:
            self.left = self._left_at
            shutil.copytree(self._folder, self._left_at, ignore=shutil.ignore_patterns("*-shm"))

    def count(self) -> None:
        self._left -= 1
        if self._left < 0:
            self.happen()

    def file(self, path: object) -> None:
        if isinstance(path, (str, bytes, os.PathLike)) and os.fsdecode(path).startswith(str(self._folder)):
            self.count()


def _hook(name: str, arguments: tuple[object, ...]) -> None:
    crash = Crash.current
    if crash is None or crash.left is not None:
        return
    if name in _FILES and (name != "open" or (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR)):
        crash.file(arguments[0])


def statement(text: str) -> None:
    """Count a statement, as the trace callback of a connection."""
    crash = Crash.current
    if crash is not None and crash.left is None and not text.lstrip().startswith(_LOOKING):
        crash.count()


def watch() -> None:
    """Begin to listen; for as long as the interpreter runs, a hook cannot be taken back."""
    if not _listening:
        _listening.append(True)
        sys.addaudithook(_hook)


_listening: list[bool] = []
