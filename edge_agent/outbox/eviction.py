"""What goes first when room is short, and how it goes.

In this order: rows that the collector acked; full frames; crops; sound; old reports; plate reads; shot arrivals, with
what names their clips. Within a rank the oldest go first, by queue time on the boot clock and by sequence; a file goes
before the rows that carry it, because those lose nothing by it. Never: a pending loss record, or an Open; one that is
acked goes with the last row of its epoch.

Everything here runs inside a transaction of the writing task. Rows that were not acked leave in the transaction that
enqueues the loss record that names them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import aiosqlite

from edge_agent.outbox.evidence import Share
from edge_agent.outbox.losses import Lost, Reason
from edge_agent.outbox.rows import Rows
from edge_agent.sending import Identity
from edge_wire.messages import KIND_OF, LossRecord, Open, Part, Stream

_MOST_ROWS = 4_000
_MOST_FILES = 256
_ROW_OVERHEAD_BYTES = 200
"""What a row takes beside its envelope, in the table and its indexes."""


class Rank(IntEnum):
    """What goes, first to last."""

    SETTLED = 0
    FRAMES = 1
    CROPS = 2
    SOUND = 3
    REPORTS = 4
    READS = 5
    SHOTS = 6

    @property
    def detections(self) -> bool:
        """Whether these are what the device is there for, and not what goes with it."""
        return self >= Rank.READS


@dataclass(frozen=True, slots=True)
class Evicted:
    """What one transaction gave up.

    Attributes:
        files: hash, size in bytes and share of files that are forgotten; they are deleted after the commit.
        rows: how many rows went.
        unsent: how many of them had not been acked.
        freed_bytes: about how much all this took.
    """

    files: Sequence[tuple[bytes, int, Share]] = ()
    rows: int = 0
    unsent: int = 0
    freed_bytes: int = 0

    def __bool__(self) -> bool:
        return bool(self.files or self.rows)


_PARTS = {
    Rank.FRAMES: (Part.FRAME, Part.OVERVIEW),
    Rank.CROPS: (Part.CROP,),
    Rank.SOUND: (Part.CLIP, Part.RECORDING),
}
_ASKED = "urgency = 3 AND coalesce(part, 1) IN "  # a row of an older layout does not say what it shows
_LANES = {
    Rank.FRAMES: (_ASKED + "(2, 4)",),
    Rank.CROPS: ("urgency = 6", _ASKED + "(1)"),
    Rank.SOUND: (_ASKED + "(3, 5)",),
    Rank.REPORTS: ("urgency = 4",),
    Rank.READS: ("urgency = 2", "urgency = 5"),
    Rank.SHOTS: ("urgency = 1",),
}
_SETTLED = "SELECT number, length(envelope) FROM rows WHERE state <> 0 AND kind <> ? ORDER BY settled_boot_ns LIMIT ?"
_UNSENT = """
SELECT queued_boot_ns, number, epoch, stream, sequence, kind, length(envelope) FROM rows
WHERE state = 0 AND {lane} AND kind NOT IN (?, ?) ORDER BY queued_boot_ns, number LIMIT ?
"""
_NEVER = (KIND_OF[Open], KIND_OF[LossRecord])
_FILES = """
SELECT kept_boot_ns, number, sha256, size_bytes, share FROM files WHERE part = ?
ORDER BY kept_boot_ns, number LIMIT ?
"""


async def evict(database: aiosqlite.Connection, rows: Rows, rank: Rank, wanted_bytes: int) -> Evicted:
    """Give up the oldest of ``rank`` until about ``wanted_bytes`` are freed, or some thousand rows are gone.

    Returns:
        What went; nothing when nothing of this rank is left.
    """
    if rank is Rank.SETTLED:
        return await _evict_settled(database, wanted_bytes)
    files = await _forget_files(database, _PARTS.get(rank, ()), wanted_bytes)
    if files:
        return Evicted(files, freed_bytes=sum(size_bytes for _, size_bytes, _ in files))
    return await _evict_unsent(database, rows, _LANES[rank], wanted_bytes)


async def _evict_settled(database: aiosqlite.Connection, wanted_bytes: int) -> Evicted:
    numbers: list[tuple[int]] = []
    freed_bytes = 0
    for number, size_bytes in await database.execute_fetchall(_SETTLED, (KIND_OF[Open], _MOST_ROWS)):
        if freed_bytes >= wanted_bytes:
            break
        numbers.append((number,))
        freed_bytes += size_bytes + _ROW_OVERHEAD_BYTES
    await database.executemany("DELETE FROM rows WHERE number = ?", numbers)
    return Evicted(rows=len(numbers), freed_bytes=freed_bytes)


async def _forget_files(
    database: aiosqlite.Connection, parts: Sequence[Part], wanted_bytes: int
) -> list[tuple[bytes, int, Share]]:
    found = [row for part in parts for row in await database.execute_fetchall(_FILES, (part, _MOST_FILES))]
    forgotten: list[tuple[bytes, int, Share]] = []
    for _, _, sha256, size_bytes, share in sorted(found):
        if wanted_bytes <= 0:
            break
        wanted_bytes -= size_bytes
        forgotten.append((sha256, size_bytes, Share(share)))
    await database.executemany("DELETE FROM files WHERE sha256 = ?", [(sha256,) for sha256, _, _ in forgotten])
    return forgotten


async def _evict_unsent(database: aiosqlite.Connection, rows: Rows, lanes: Sequence[str], wanted_bytes: int) -> Evicted:
    queries = [_UNSENT.format(lane=lane) for lane in lanes]
    found = [row for query in queries for row in await database.execute_fetchall(query, (*_NEVER, _MOST_ROWS))]
    lost: list[Lost] = []
    numbers: list[tuple[int]] = []
    freed_bytes = 0
    for _, number, epoch, stream, sequence, kind, size_bytes in sorted(found):
        if freed_bytes >= wanted_bytes:
            break
        numbers.append((number,))
        lost.append(Lost(Identity(epoch, Stream(stream), sequence), kind))
        freed_bytes += size_bytes + _ROW_OVERHEAD_BYTES
    await database.executemany("DELETE FROM rows WHERE number = ?", numbers)
    if lost:
        await rows.record_losses(lost, Reason.EVICTED)
        await rows.note_evicted()
    return Evicted(rows=len(numbers), unsent=len(lost), freed_bytes=freed_bytes)
