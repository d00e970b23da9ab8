"""Clears away what imports have left that were killed, or that broke off on a full disk.

It is in force in no version, and the next import of its list would clear it away; but that may be long in coming, and
the disk is the one that was full. What an import is still writing grows; one that has stood still for a while and is
alive all the same finds its draft closed, and begins again by itself. Runs under a lease. Owned by one task.
"""

from __future__ import annotations

import asyncio

import structlog

from collector.errors import StoreError
from collector.hotlists.importing import clear_away
from collector.store import listing
from collector.store.database import Store
from collector.store.drafts import Draft

_log = structlog.get_logger(__name__)
EVERY_S = 600.0
_CLOSED = b""
Drafts = dict[str, tuple[Draft, int, int]]
"""By list: the draft, and how many entries begin and end with it so far."""


async def clear(store: Store, before: Drafts) -> Drafts:
    """Clear away drafts that nobody writes any more.

    Args:
        store: where they are.
        before: how they stood a while ago.

    Returns:
        How they stand.

    Raises:
        StoreError: the store cannot be reached, or is still full.
    """
    now: Drafts = {}
    async with store.read() as tx:
        for name, head in (await listing.heads(tx)).items():
            if head.draft_mark is not None:
                draft = Draft(name, head.version, head.draft_mark, head.draft or _CLOSED)
                now[name] = (draft, *await listing.drafted_size(tx, name, head.draft_mark))
    for name, (draft, begun, ended) in now.items():
        given_up = draft.token == _CLOSED or before.get(name) == (draft, begun, ended)
        # It alone: another import may have begun meanwhile.
        if given_up and await clear_away(store, name, draft):
            _log.warning("broken_import_cleared_away", list=name, entries=begun)
    return now


async def follow(store: Store, *, every_s: float = EVERY_S) -> None:
    """Do so again and again, until cancelled."""
    drafts: Drafts = {}
    while True:
        try:
            drafts = await clear(store, drafts)
        except StoreError as error:
            _log.error("broken_imports_not_cleared_away", error=str(error), again_in_s=every_s)
        await asyncio.sleep(every_s)
