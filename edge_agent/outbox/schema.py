"""The outbox's tables, and opening its database.

``PRAGMA user_version`` numbers the layout. A newer number than ours is a newer agent's outbox: it is left alone.

-   ``rows``: one per sequenced message; ``state`` is a ``RowState``, times are CLOCK_BOOTTIME of the boot in ``facts``.
-   ``counters``: the next sequence of each stream; never computed from rows, which come and go.
-   ``epochs``: one per opening, in order. ``recovered`` ones came back from the journal: their rows are lost, so their
    counters say nothing and no Statement speaks of them.
-   ``files``: what is kept under ``evidence``, since when, and in whose ``Share`` of the room; NULL: not looked at yet.
-   ``facts``: single values: boot id, the last boot time that was seen, the collector's store id.
"""

from __future__ import annotations

import sqlite3
from enum import IntEnum
from pathlib import Path

import aiosqlite

from edge_agent.errors import ConfigurationError, OutboxError

VERSION = 2


class RowState(IntEnum):
    """What became of a row. Stored: values are never renumbered."""

    PENDING = 0
    STORED = 1
    DEAD_LETTERED = 2
    PARKED = 3


_TABLES = f"""
BEGIN;
CREATE TABLE rows (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    epoch INTEGER NOT NULL,
    stream INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    urgency INTEGER NOT NULL,
    state INTEGER NOT NULL DEFAULT 0,
    queued_boot_ns INTEGER NOT NULL,
    settled_boot_ns INTEGER,
    digest BLOB NOT NULL,
    file BLOB,
    envelope BLOB NOT NULL,
    UNIQUE (epoch, stream, sequence)
);
CREATE TABLE counters (
    epoch INTEGER NOT NULL,
    stream INTEGER NOT NULL,
    next_sequence INTEGER NOT NULL,
    PRIMARY KEY (epoch, stream)
) WITHOUT ROWID;
CREATE TABLE epochs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    epoch INTEGER NOT NULL UNIQUE,
    open_acked INTEGER NOT NULL DEFAULT 0,
    recovered INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE files (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    sha256 BLOB NOT NULL UNIQUE,
    size_bytes INTEGER NOT NULL,
    share INTEGER,
    kept_boot_ns INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE facts (name TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID;
PRAGMA user_version = {VERSION};
COMMIT;
"""
# Layout 1 knew neither whose room a file takes nor since when; both are found out when the folder is gone through.
_FROM_1 = f"""
BEGIN;
ALTER TABLE files ADD COLUMN share INTEGER;
ALTER TABLE files ADD COLUMN kept_boot_ns INTEGER NOT NULL DEFAULT 0;
PRAGMA user_version = {VERSION};
COMMIT;
"""
# At every opening: an outbox that is older than an index gets it too, and its layout stays. ``state`` stands in
# those that rows are counted by, or SQLite would look each row up to see what the index's own condition says.
_INDEXES = """
CREATE INDEX IF NOT EXISTS pending_in_order ON rows (urgency, queued_boot_ns, number, state) WHERE state = 0;
CREATE INDEX IF NOT EXISTS pending_by_stream ON rows (epoch, stream, sequence, state) WHERE state = 0;
CREATE INDEX IF NOT EXISTS pending_by_digest ON rows (digest) WHERE state = 0;
CREATE INDEX IF NOT EXISTS pending_by_file ON rows (file) WHERE state = 0 AND file IS NOT NULL;
CREATE INDEX IF NOT EXISTS by_file ON rows (file) WHERE file IS NOT NULL;
CREATE INDEX IF NOT EXISTS kept ON files (share, kept_boot_ns);
CREATE INDEX IF NOT EXISTS settled ON rows (settled_boot_ns, state) WHERE state <> 0;
"""

_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


class DamagedError(Exception):
    """The file is not a sound database; the text says what SQLite found."""


async def connect(path: Path) -> aiosqlite.Connection:
    """Open the database for writing, check it, and make the tables of an empty one.

    Raises:
        DamagedError: it is corrupt or no database.
        ConfigurationError: a newer agent wrote it.
        OutboxError: it cannot be opened for another reason, such as a full disk.
        OSError: it belongs to somebody else, or the folder is read-only.
    """
    _make_private(path)
    try:
        # "IMMEDIATE": a transaction begins as a writer, so that it cannot fail half way for want of the lock.
        database = await aiosqlite.connect(path, isolation_level="IMMEDIATE")
    except sqlite3.Error as error:
        raise OutboxError(f"{path}: cannot be opened: {error}") from error
    try:
        await _prepare(database, path)
    except sqlite3.Error as error:
        await database.close()
        if (error.sqlite_errorcode & 0xFF) in _DAMAGED:  # the low byte: extended codes say more above it
            raise DamagedError(str(error)) from error
        raise OutboxError(f"{path}: cannot be opened: {error}") from error
    except BaseException:
        await database.close()
        raise
    return database


async def connect_reader(path: Path) -> aiosqlite.Connection:
    """Open the database for reading what is committed, and nothing else."""
    return await aiosqlite.connect(reading_uri(path), uri=True, isolation_level=None)


def reading_uri(path: Path) -> str:
    """The database as SQLite takes it when nothing may be written."""
    return f"{path.absolute().as_uri()}?mode=ro"


async def _prepare(database: aiosqlite.Connection, path: Path) -> None:
    await database.execute("PRAGMA journal_mode = WAL")
    # FULL: NORMAL lost up to 1,200 rows that had been reported as kept when the power was cut.
    await database.execute("PRAGMA synchronous = FULL")
    findings = [row[0] for row in await database.execute_fetchall("PRAGMA quick_check(1)")]
    if findings != ["ok"]:
        raise DamagedError("; ".join(map(str, findings)))
    ((version,),) = await database.execute_fetchall("PRAGMA user_version")
    if version > VERSION:
        raise ConfigurationError(f"{path}: got layout {version}, expected at most {VERSION}; a newer agent wrote it")
    if version == 0:
        await database.executescript(_TABLES)
    elif version == 1:
        await database.executescript(_FROM_1)
    await database.executescript(_INDEXES)


def _make_private(path: Path) -> None:
    """Make the file if it is absent, and let its owner alone read it; SQLite gives -wal and -shm the same mode."""
    path.touch(mode=0o600)
    for suffix in ("", "-wal", "-shm"):
        file = path.with_name(path.name + suffix)
        if file.exists():
            file.chmod(0o600)
