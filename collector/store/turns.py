"""Whose turn it is to write, among transactions of several collectors on one PostgreSQL.

Whoever writes has the store to itself (``alone``), except ingest: transactions of different devices go side by side
(``of_devices``). Nobody else may then write what is a device's, so what was read stays true until the commit, and the
statements are the same as on SQLite, which has one writer at a time anyway and where all of this is nothing.

Turns are advisory locks that end with the transaction, after its commit can be seen. They are taken in one order (the
store, devices ascending, entries of hotlists ascending, dead letters, the feed), before the rows that they stand for:
two transactions never wait for each other. Whoever waits longer than ``lock_timeout`` gets a ``StoreError``.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

# The first of a lock's two numbers, so that another program's locks on the same database are others.
_OURS = 0x4E4A
_DEVICES, _ENTRIES = _OURS + 1, _OURS + 2
_STORE, _LETTERS, _FEED = range(3)
# Text, because making this anew out of expressions takes longer than running it. The parts of a UNION ALL are run one
# after the other, and the array is taken in its order.
_SHARE = text(
    "SELECT pg_advisory_xact_lock_shared(:ours, :store)"
    " UNION ALL SELECT pg_advisory_xact_lock(:devices, each) FROM unnest(CAST(:locks AS integer[])) AS each"
)
_ENTRIES_TOO = text("SELECT pg_advisory_xact_lock(:entries, each) FROM unnest(CAST(:locks AS integer[])) AS each")
_ALONE = text("SELECT pg_advisory_xact_lock(:ours, :number)")
# Those that share a lock only wait for each other needlessly; a batch of 500 takes at most so many locks.
_LOCKS = 256


async def alone(tx: AsyncConnection) -> None:
    """Wait until nobody else writes; nobody will until this transaction ends."""
    await _lock(tx, _STORE)


async def of_devices(tx: AsyncConnection, devices: Iterable[str]) -> None:
    """Wait until nobody writes alone or of one of ``devices``; nobody will until this transaction ends."""
    if _is_shared(tx):
        locks = _locks(devices)
        await tx.execute(_SHARE, {"ours": _OURS, "store": _STORE, "devices": _DEVICES, "locks": locks})


async def of_entries(tx: AsyncConnection, entries: Iterable[str]) -> None:
    """Wait until nobody else raises or changes alerts of these entries; nobody will until this transaction ends.

    All that a transaction will need at once, and after its devices. What was read of these alerts before may be old.
    """
    if _is_shared(tx) and (locks := _locks(entries)):
        await tx.execute(_ENTRIES_TOO, {"entries": _ENTRIES, "locks": locks})


async def of_every_entry(tx: AsyncConnection) -> None:
    """Wait as ``of_entries`` does, for all of them: for whoever must take a later turn before it knows its entries."""
    if _is_shared(tx):
        await tx.execute(_ENTRIES_TOO, {"entries": _ENTRIES, "locks": list(range(_LOCKS))})


async def of_letters(tx: AsyncConnection) -> None:
    """Wait until nobody else writes dead letters: they are no device's, whatever they say."""
    await _lock(tx, _LETTERS)


async def of_feed(tx: AsyncConnection) -> None:
    """Wait until whoever has numbers of the feed has committed them.

    Taken last: a reader behind number n then never misses one below it, whichever collector wrote it.
    """
    await _lock(tx, _FEED)


def _locks(names: Iterable[str]) -> list[int]:
    return sorted({zlib.crc32(one.encode()) % _LOCKS for one in names})


async def _lock(tx: AsyncConnection, number: int) -> None:
    if _is_shared(tx):
        await tx.execute(_ALONE, {"ours": _OURS, "number": number})


def _is_shared(tx: AsyncConnection) -> bool:
    return tx.dialect.name == "postgresql"
