"""What SQLite and the file system fail with, by what one does about it."""

from __future__ import annotations

import errno
import sqlite3

from edge_agent.errors import OutboxError

_FULL_ERRNOS = {errno.ENOSPC, errno.EDQUOT}
# The extended codes are there beside the low byte because a page that cannot be read is as good as a corrupt one.
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_UNREADABLE = {sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_IOERR_CORRUPTFS}
_LITTLE_BYTES = 1 << 20


class OutboxFullError(OutboxError):
    """There was no room to write; nothing was stored. Room was made, or could not be."""


class OutboxDamagedError(OutboxError):
    """The database was found corrupt while it was in use. Nothing more is kept until the outbox is opened anew."""


def is_full(error: BaseException, free_bytes: int) -> bool:
    """Whether ``error`` means that the file system has no room.

    Args:
        error: what SQLite or the file system raised.
        free_bytes: what is free; SQLite calls some writes that found no room a disk error.
    """
    if isinstance(error, sqlite3.Error):
        code = _code(error)
        return code & 0xFF == sqlite3.SQLITE_FULL or (
            code & 0xFF in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN) and free_bytes < _LITTLE_BYTES
        )
    return isinstance(error, OSError) and error.errno in _FULL_ERRNOS


def is_damage(error: BaseException) -> bool:
    """Whether ``error`` means that the database is corrupt, or that a part of it cannot be read."""
    if not isinstance(error, sqlite3.Error):
        return False
    code = _code(error)
    return code & 0xFF in _DAMAGED or code in _UNREADABLE


def _code(error: sqlite3.Error) -> int:
    # Errors of the module itself, such as a closed connection, have no code.
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK)
