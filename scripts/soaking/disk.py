"""A disk that is small enough to fill: a tmpfs where we may mount one.

Filled with a file of zeroes down to the last byte, which is what a full disk is to everybody who writes to it. Where
mounting is not permitted (not root, a locked-down container) ``SmallDisk.mounted`` is False, and the programs are given
a quota instead: they may not write to any file beyond its first bytes, which looks much the same to them.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

_FILLER = ".filler"
_CHUNK = bytes(1 << 20)


class SmallDisk:
    """A file system of its own at ``folder``. Use ``with SmallDisk(…) as disk``.

    Args:
        folder: where; made if absent.
        size_mib: how much it holds.
        keep: leave what it held in ``folder`` afterwards.
    """

    def __init__(self, folder: Path, size_mib: int, *, keep: bool = False) -> None:
        self._folder = folder
        self._keep = keep
        self._size_mib = size_mib
        self.mounted = False

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={self._size_mib}m,mode=0700", "nightjar-soak", str(self._folder)],
            capture_output=True,
            check=False,
        )
        self.mounted = done.returncode == 0
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.mounted:
            return
        kept = self._folder.with_name(self._folder.name + ".kept")
        if self._keep:
            shutil.copytree(self._folder, kept)
        # Lazily: whoever still has a file open there must not keep the driver from ending.
        subprocess.run(["umount", "--lazy", str(self._folder)], capture_output=True, check=False)
        if self._keep:
            self._folder.rmdir()
            kept.rename(self._folder)

    def fill(self) -> None:
        """Leave no byte free.

        Raises:
            OSError: it cannot be written for another reason.
        """
        for chunk in (_CHUNK, _CHUNK[:4096], _CHUNK[:1]):
            descriptor = os.open(self._folder / _FILLER, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                while True:
                    os.write(descriptor, chunk)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
            finally:
                os.close(descriptor)

    def empty(self) -> None:
        """Give the room back."""
        (self._folder / _FILLER).unlink(missing_ok=True)
