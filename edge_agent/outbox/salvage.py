"""What can still be read of a database that was set aside.

Rows that were signed and not acked are sent after all; those that were acked are held on, for a collector whose store
goes back in time. A row proves itself: its envelope has the digest that was stored with it, or it is left where it is.
Pages that cannot be read are passed over. What is not found lies inside the bound that the new Open states, or is named
lost.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from edge_agent.outbox.schema import RowState, reading_uri

_CHUNK = 256
_HELD = (RowState.PENDING, RowState.STORED, RowState.DEAD_LETTERED)
_QUERY = """
SELECT epoch, stream, sequence, kind, urgency, queued_boot_ns, digest, file, {part}, envelope, state
FROM rows NOT INDEXED WHERE number BETWEEN ? AND ?
"""


class Salvaged(NamedTuple):
    """One row that was pending or acked, in the order of ``INSERT_ROW``, and its state."""

    epoch: int
    stream: int
    sequence: int
    kind: int
    urgency: int
    queued_boot_ns: int
    digest: bytes
    file: bytes | None
    part: int | None
    envelope: bytes
    state: int


def salvage(aside: Path) -> Iterator[Salvaged]:
    """Yield the rows of the database at ``aside`` that were pending or acked and can be read whole. Blocking."""
    try:
        with closing(sqlite3.connect(reading_uri(aside), uri=True)) as database:
            (last,) = database.execute("SELECT seq FROM sqlite_sequence WHERE name = 'rows'").fetchone()
            known = database.execute("SELECT 1 FROM pragma_table_info('rows') WHERE name = 'part'").fetchone()
            query = _QUERY.format(part="part" if known else "NULL")  # layouts 1 and 2 had no such column
            for first in range(1, last + 1, _CHUNK):
                yield from _read(database, query, first, min(last, first + _CHUNK - 1))
    except (sqlite3.Error, OSError, TypeError):
        # Not even its first page, or its counter, can be read: no row is known to be there.
        return


def _read(database: sqlite3.Connection, query: str, first: int, last: int) -> Iterator[Salvaged]:
    """Yield what can be read of these row numbers, halving the range around what cannot."""
    try:
        found = database.execute(query, (first, last)).fetchall()
    except sqlite3.DatabaseError:
        if first < last:
            middle = (first + last) // 2
            yield from _read(database, query, first, middle)
            yield from _read(database, query, middle + 1, last)
        return
    for values in found:
        row = Salvaged(*values)
        if row.state in _HELD and _is_whole(row):
            yield row


def _is_whole(row: Salvaged) -> bool:
    return (
        all(isinstance(number, int) for number in row[:6])
        and isinstance(row.envelope, bytes)
        and hashlib.sha256(row.envelope).digest() == row.digest
    )
