"""Whether there is room for what an import writes, as far as that can be known beforehand."""

from __future__ import annotations

import shutil
from pathlib import Path

from collector.errors import StoreError
from collector.store.database import Store
from collector.store.sqlite import unused_bytes

# Measured with plates alone and with ten columns, indexes and journal included: 137 and 342; the rest is for whatever
# else is written meanwhile. Of rows with long texts it is too little, and such an import breaks off when the disk is
# full, having changed nothing.
_BYTES_AN_ENTRY = 500
# A mark in its row, another index's entry, and the journal.
_BYTES_AN_ENDING = 100


class NoRoomError(StoreError):
    """The disk has no room for what an import would write: not tried again at once, somebody has to make room."""


async def check_room(store: Store, begin: int, end: int) -> None:
    """See that the disk has room for an import; of a database elsewhere nothing is known here.

    Args:
        store: where to.
        begin: so many entries are written.
        end: so many end.

    Raises:
        NoRoomError: it has not.
        StoreError: the store cannot be reached.
    """
    if store.shared:
        return
    wanted = begin * _BYTES_AN_ENTRY + end * _BYTES_AN_ENDING
    free = _free_bytes(store)
    # The file never shrinks: what was cleared away, or was kept long enough, is room within it.
    async with store.read() as tx:
        unused = await unused_bytes(tx)
    if free + unused < wanted:
        raise NoRoomError(
            f"store {store.where}: its disk has {free // 1_000_000:,} MB free, and the file {unused // 1_000_000:,} MB "
            f"within it, expected at least {wanted // 1_000_000:,} MB for {begin:,} entries; nothing was changed: "
            "make room, then run it again"
        )


def _free_bytes(store: Store) -> int:
    return shutil.disk_usage(Path(store.where).absolute().parent).free
