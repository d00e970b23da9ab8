"""Setting damaged files aside, as ``NAME.corrupt-N``: nothing of them is ever deleted.

``outbox.damaged`` says how far that has come, so that a kill half way neither mixes the files of two databases nor
forgets the rows of the one that went aside. Empty: the database is still to be set aside. Otherwise it names, one a
line, the databases whose rows are still to be put back; the last of them may not be under that name yet. It is deleted
once the new epoch is on disk, with those rows in it. Blocking.
"""

from __future__ import annotations

import filecmp
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from edge_agent.outbox.durable import sync_folder, write_durably

# The database last: as long as it has its old name, nothing of it counts as set aside.
_SUFFIXES = ("-wal", "-shm", "")


def mark(path: Path) -> None:
    """Note at ``path``, the mark, that the database has to be set aside.

    Raises:
        OSError: it cannot be noted.
    """
    path.touch(mode=0o600)
    os.truncate(path, 0)


def marked(path: Path) -> tuple[bool, list[Path]]:
    """Return whether the mark at ``path`` says that the database has to be set aside, and which are to be put back.

    Raises:
        OSError: it cannot be read.
    """
    try:
        asides = [path.with_name(name) for name in path.read_text(encoding="utf-8").splitlines()]
    except FileNotFoundError:
        return False, []
    return not asides or not asides[-1].exists(), asides


def unmark(path: Path) -> None:
    """Delete the mark.

    Raises:
        OSError: it cannot be deleted.
    """
    if path.exists():
        path.unlink()
        sync_folder(path.parent)


def set_database_aside(database: Path, mark_path: Path, asides: Sequence[Path]) -> list[Path]:
    """Set the database aside, or go on with what a kill left half done; return what is to be put back.

    Args:
        database: where it lies.
        mark_path: the mark.
        asides: what that names.

    Raises:
        OSError: a file cannot be renamed, or the mark not be written.
    """
    begun = bool(asides) and not asides[-1].exists()
    asides = [*asides] if begun else [*asides, free_name(database)]
    write_durably(mark_path, "".join(f"{aside.name}\n" for aside in asides).encode())
    _rename(database, asides[-1])
    return asides


def set_aside(path: Path) -> Path:
    """Rename a file, with what SQLite put beside it; return its new name.

    Raises:
        OSError: it cannot be renamed.
    """
    aside = free_name(path)
    _rename(path, aside)
    return aside


def copy_log(log: Path) -> str:
    """Keep a copy of a damaged log, as far as there is room: SQLite writes over it soon. Return where it is.

    An agent that is killed again and again while it opens must not fill the disk with copies of one log.
    """
    aside = free_name(log)
    try:
        for earlier in log.parent.glob(f"{log.name}.corrupt-*"):
            if filecmp.cmp(log, earlier, shallow=False):
                return str(earlier)
        shutil.copyfile(log, aside)
        aside.chmod(0o600)
    except OSError as error:
        aside.unlink(missing_ok=True)
        return f"no copy of it: {error}"
    return str(aside)


def free_name(path: Path) -> Path:
    """Return a name for ``path`` that nothing was set aside under yet."""
    number = 1
    while any(path.with_name(f"{path.name}.corrupt-{number}{suffix}").exists() for suffix in _SUFFIXES):
        number += 1
    return path.with_name(f"{path.name}.corrupt-{number}")


def _rename(path: Path, aside: Path) -> None:
    for suffix in _SUFFIXES:
        file = path.with_name(path.name + suffix)
        if file.exists():
            file.rename(aside.with_name(aside.name + suffix))
    sync_folder(path.parent)
