"""The outbox's tables, and opening its database.

``PRAGMA user_version`` numbers the layout. A newer number than ours is a newer agent's outbox: it is left alone.

Times are CLOCK_BOOTTIME plus the offset in ``facts``, which makes it go on over reboots.

-   ``rows``: one per sequenced message; ``state`` is a ``RowState``.
-   ``counters``: the next sequence of each stream; never computed from rows, which come and go.
-   ``epochs``: one per opening, in order. ``recovered`` ones came back from the journal: their rows are lost, so their
    counters say nothing and no Statement speaks of them.
-   ``files``: what is kept under ``evidence``, since when, what it shows (``Part``), in whose ``Share`` of the room;
    NULL: not looked at yet.
-   ``losses``: how many rows were given up since the database was made, by reason.
-   ``facts``: single values: boot id, the offset of its clock, the last time that was seen, the collector's store id,
    the limits that the last opening was given and what it found, when unsent rows were last evicted.

Pages that become free go back to the file system when room is short (``auto_vacuum = INCREMENTAL``); a database of
layout 1 or 2 keeps them for itself.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

import aiosqlite

from edge_agent.errors import ConfigurationError
from edge_agent.outbox.faults import is_damage

VERSION = 3
OFFSET = "offset_ns"
"""The fact that is added to the boot clock."""


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
    part INTEGER,
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
    part INTEGER,
    kept_boot_ns INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE losses (reason TEXT PRIMARY KEY, rows INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE facts (name TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID;
PRAGMA user_version = {VERSION};
COMMIT;
"""
# Layout 1 knew neither whose room a file takes nor since when; both are found out when the folder is gone through.
_FROM_1 = """
BEGIN;
ALTER TABLE files ADD COLUMN share INTEGER;
ALTER TABLE files ADD COLUMN kept_boot_ns INTEGER NOT NULL DEFAULT 0;
PRAGMA user_version = 2;
COMMIT;
"""
# Layout 2 did not know what a file shows, nor counted losses; its files are looked at again.
_FROM_2 = f"""
BEGIN;
ALTER TABLE rows ADD COLUMN part INTEGER;
ALTER TABLE files ADD COLUMN part INTEGER;
CREATE TABLE losses (reason TEXT PRIMARY KEY, rows INTEGER NOT NULL) WITHOUT ROWID;
DROP INDEX IF EXISTS pending_in_order;
DROP INDEX IF EXISTS pending_by_digest;
PRAGMA user_version = {VERSION};
COMMIT;
"""
# At every opening: an outbox that is older than an index gets it too, and its layout stays. ``state`` stands in
# those that rows are counted by, or SQLite would look each row up to see what the index's own condition says; ``epoch``
# in the one that rows are sent by, so that those of an epoch that must wait are passed over without looking at them.
_INDEXES = """
CREATE INDEX IF NOT EXISTS pending_in_order ON rows (urgency, queued_boot_ns, number, epoch, state) WHERE state = 0;
CREATE INDEX IF NOT EXISTS pending_by_stream ON rows (epoch, stream, sequence, state) WHERE state = 0;
CREATE INDEX IF NOT EXISTS pending_by_file ON rows (file) WHERE state = 0 AND file IS NOT NULL;
CREATE INDEX IF NOT EXISTS by_file ON rows (file) WHERE file IS NOT NULL;
CREATE INDEX IF NOT EXISTS kept ON files (share, kept_boot_ns);
CREATE INDEX IF NOT EXISTS kept_by_part ON files (part, kept_boot_ns);
CREATE INDEX IF NOT EXISTS settled ON rows (settled_boot_ns, state) WHERE state <> 0;
"""


PAGES = "SELECT page_count, freelist_count, page_size FROM pragma_page_count, pragma_freelist_count, pragma_page_size"
"""How many pages there are, how many of them are free, and how large they are."""


class DamagedError(Exception):
    """The file is not a sound database; the text says what SQLite found."""


@dataclass(frozen=True, slots=True)
class Connected:
    """The writing connection, and how many frames of the log SQLite took up when it opened the database."""

    database: aiosqlite.Connection
    log_frames: int


async def connect(path: Path) -> Connected:
    """Open the database for writing, check it, and make the tables of an empty one.

    Raises:
        DamagedError: it is corrupt or no database.
        ConfigurationError: a newer agent wrote it.
        sqlite3.Error: it cannot be opened for another reason, such as a full disk.
        OSError: it belongs to somebody else, or the folder is read-only.
    """
    _make_private(path)
    # "IMMEDIATE": a transaction begins as a writer, so that it cannot fail half way for want of the lock.
    database = await aiosqlite.connect(path, isolation_level="IMMEDIATE")
    try:
        log_frames = await _prepare(database, path)
    except sqlite3.Error as error:
        await database.close()
        if is_damage(error):
            raise DamagedError(str(error)) from error
        raise
    except BaseException:
        await database.close()
        raise
    return Connected(database, log_frames)


async def connect_reader(path: Path) -> aiosqlite.Connection:
    """Open the database for reading what is committed, and nothing else."""
    return await aiosqlite.connect(reading_uri(path), uri=True, isolation_level=None)


def reading_uri(path: Path) -> str:
    """The database as SQLite takes it when nothing may be written."""
    return f"{path.absolute().as_uri()}?mode=ro"


async def _prepare(database: aiosqlite.Connection, path: Path) -> int:
    ((pages,),) = await database.execute_fetchall("PRAGMA page_count")
    if pages == 0:  # of no use later, and it would write to a log that nobody has looked at yet
        await database.execute("PRAGMA auto_vacuum = INCREMENTAL")
    await database.execute("PRAGMA journal_mode = WAL")
    # FULL: NORMAL lost up to 1,200 rows that had been reported as kept when the power was cut.
    await database.execute("PRAGMA synchronous = FULL")
    ((_, log_frames, _),) = await database.execute_fetchall("PRAGMA wal_checkpoint(PASSIVE)")
    findings = [row[0] for row in await database.execute_fetchall("PRAGMA quick_check(1)")]
    if findings != ["ok"]:
        raise DamagedError("; ".join(map(str, findings)))
    ((version,),) = await database.execute_fetchall("PRAGMA user_version")
    if version > VERSION:
        raise ConfigurationError(f"{path}: got layout {version}, expected at most {VERSION}; a newer agent wrote it")
    if version == 0:
        await database.executescript(_TABLES)
    if version == 1:
        await database.executescript(_FROM_1)
    if version in (1, 2):
        await database.executescript(_FROM_2)
    await database.executescript(_INDEXES)
    return int(log_frames)


def _make_private(path: Path) -> None:
    """Make the file if it is absent, and let its owner alone read it; SQLite gives -wal and -shm the same mode."""
    path.touch(mode=0o600)
    for suffix in ("", "-wal", "-shm"):
        file = path.with_name(path.name + suffix)
        if file.exists():
            file.chmod(0o600)
