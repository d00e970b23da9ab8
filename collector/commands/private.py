"""Keeping what a collector stores from other accounts of its machine: plates, places, pictures and keys."""

import stat
from pathlib import Path

from collector.errors import ConfigurationError

UMASK = 0o077
"""For every program of the collector: whatever it makes is for its own account alone."""


def private_folder(folder: Path) -> None:
    """Make ``folder``, or close the one that is there to other accounts.

    Raises:
        ConfigurationError: it cannot be made or closed, or is one that accounts share.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        mode = stat.S_IMODE(folder.stat().st_mode)
        if mode & stat.S_ISVTX:
            # Closing /tmp would shut everybody else out of it.
            raise ConfigurationError(
                f"data_dir: {folder}: got mode {mode:04o}, a shared folder; expected one of its own"
            )
        if mode & 0o077:
            folder.chmod(0o700)
    except OSError as error:
        raise ConfigurationError(
            f"data_dir: {folder}: cannot be made, or closed to others (0700): {error.filename}: {error.strerror}"
        ) from error
