"""What was given up, in the words of the protocol: few loss records, each naming many rows by ranges."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import NamedTuple

import aiosqlite

from edge_agent.sending import Identity
from edge_wire.messages import LossRecord, Stream
from edge_wire.packing import ranges_of

# A run takes up to ten bytes, a message has 64 KiB.
MAX_RANGES = 4_000

UNCOMMITTED = "uncommitted"
"""Beside the reasons, in counts: what failed before it had a sequence."""


class Reason(StrEnum):
    """Why rows were given up. On the wire as plain text."""

    EVICTED = "evicted"
    EXPIRED = "expired"
    CORRUPT = "corrupt"
    REFUSED = "refused"
    DISCARDED = "discarded"


class Lost(NamedTuple):
    """One row that was given up."""

    identity: Identity
    kind: int


def loss_records(lost: Iterable[Lost], reason: Reason) -> Iterator[LossRecord]:
    """Name every row of ``lost`` once, with as few records as there are epochs and streams, unless ranges abound."""
    by_stream: defaultdict[tuple[int, Stream], list[Lost]] = defaultdict(list)
    for row in lost:
        by_stream[row.identity.epoch, row.identity.stream].append(row)
    for (epoch, stream), rows in by_stream.items():
        kind_of = {row.identity.sequence: row.kind for row in rows}
        ranges = ranges_of(sorted(kind_of))
        for at in range(0, len(ranges), MAX_RANGES):
            some = ranges[at : at + MAX_RANGES]
            kinds = Counter(kind_of[sequence] for first, last in some for sequence in range(first, last + 1))
            yield LossRecord(epoch, stream, some, reason, tuple(sorted(kinds.items())))


async def count_losses(database: aiosqlite.Connection, reason: str, rows: int) -> None:
    """Add to the count of what was given up for ``reason``, inside the running transaction."""
    if rows:
        await database.execute(
            "INSERT INTO losses (reason, rows) VALUES (?, ?) "
            "ON CONFLICT (reason) DO UPDATE SET rows = rows + excluded.rows",
            (reason, rows),
        )
