"""Files that are whole or absent, whatever happens to the power. Blocking: called on a worker thread."""

from __future__ import annotations

import os
from pathlib import Path

PARTIAL = ".partial"


def write_durably(path: Path, content: bytes) -> None:
    """Put ``content`` at ``path``, replacing what was there; on disk, with its name, when this returns.

    Raises:
        OSError: the disk is full or broken; ``path`` is then as it was.
    """
    partial = path.with_name(path.name + PARTIAL)
    try:
        with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)  # or half a file would keep a full disk full
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make names in ``folder`` durable: a rename is in the folder, not in the file."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
