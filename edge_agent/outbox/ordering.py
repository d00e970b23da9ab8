"""PROTOCOL's order of sending, as queries.

Shots, live reads, media that was asked for, reports, backlog newest first, other media; before them all the Open of
each epoch that the collector does not have yet, and of such an epoch nothing else. Within a lane the order is queue
time on the boot clock: newest first for shots and backlog, since freshness is what they lose, oldest first for the
rest, so that revisions and the parts of a file go in order.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass

import aiosqlite

from edge_agent.sending import Identity, PendingRow, Urgency
from edge_wire.messages import Stream
from edge_wire.topics import Channel

CHANNEL_OF = {
    Stream.DETECTION: Channel.DETECTION,
    Stream.MEDIA: Channel.MEDIA,
    Stream.REPORT: Channel.REPORT,
}
"""Where each stream is published."""

_LIVE = "urgency = 2 AND queued_boot_ns >= :live_since"
_LATE = "urgency = 2 AND queued_boot_ns < :live_since"
_LANES = (
    (Urgency.OPEN, "urgency = 0", "ASC"),
    (Urgency.SHOT, "urgency = 1", "DESC"),
    (Urgency.LIVE_READ, _LIVE, "ASC"),
    (Urgency.ASKED_MEDIA, "urgency = 3", "ASC"),
    (Urgency.REPORT, "urgency = 4", "ASC"),
    (Urgency.BACKLOG, _LATE, "DESC"),
    (Urgency.OTHER_MEDIA, "urgency = 6", "ASC"),
)
_QUERY = """
SELECT number, epoch, stream, sequence, digest, envelope FROM rows
WHERE state = 0 AND {lane}
  AND (urgency = 0 OR epoch IN (SELECT epoch FROM epochs WHERE open_acked = 1))
  AND number NOT IN (SELECT value FROM json_each(:without))
ORDER BY queued_boot_ns {way}, number {way} LIMIT :room
"""
_QUERIES = tuple((urgency, _QUERY.format(lane=lane, way=way)) for urgency, lane, way in _LANES)


@dataclass(frozen=True, slots=True)
class Due:
    """What is to be sent next, and the numbers of rows whose bytes are no longer those that were signed."""

    rows: list[PendingRow]
    corrupt: list[int]


async def pending(
    reader: aiosqlite.Connection, room: int, ordinary_room: int, without: Collection[int], live_since_boot_ns: int
) -> Due:
    """Find the next rows to send, as ``Outgoing.pending`` says.

    The collector could not verify bytes that changed on the disk, nor name them: they would be sent for ever.

    Args:
        reader: a connection that sees what is committed.
        room: how many rows at most.
        ordinary_room: how many of them may be of no live urgency.
        without: numbers of rows to leave out.
        live_since_boot_ns: reads queued before are backlog.
    """
    rows: list[PendingRow] = []
    corrupt: list[int] = []
    skipped = json.dumps(list(without))
    for urgency, query in _QUERIES:
        left = room - len(rows) if urgency.live else min(room - len(rows), ordinary_room)
        if left <= 0:
            continue
        values = {"live_since": live_since_boot_ns, "without": skipped, "room": left}
        for number, epoch, stream, sequence, digest, envelope in await reader.execute_fetchall(query, values):
            if hashlib.sha256(envelope).digest() != digest:
                corrupt.append(number)
                continue
            identity = Identity(epoch, Stream(stream), sequence)
            rows.append(PendingRow(number, identity, urgency, CHANNEL_OF[identity.stream], envelope))
            ordinary_room -= not urgency.live
    return Due(rows, corrupt)
