"""Keeps notices up with the alerts of one store: makes them, sends them.

One at a time may run on a store, under the lease ``notices``. Owned by one task.
"""

from __future__ import annotations

import asyncio
from typing import NoReturn

import structlog

from collector.alerts.sending.making import NoticeMaker
from collector.alerts.sending.sender import Sender
from collector.errors import StoreError
from collector.store.following import Followed

_log = structlog.get_logger(__name__)

# Ingest commits many times a second; looking once for several is cheaper.
GATHER_S = 0.25
POLL_S = 0.5


class NoticeFollower:
    """Makes and sends notices.

    Args:
        store: where the alerts are.
        maker: makes notices of their changes.
        sender: sends them.
    """

    def __init__(self, store: Followed, maker: NoticeMaker, sender: Sender) -> None:
        self._store = store
        self._maker = maker
        self._sender = sender

    async def follow(self) -> NoReturn:
        """Keep up until cancelled."""
        try:
            while True:
                seen = self._store.committed.count
                try:
                    made = False
                    while await self._maker.look():
                        made = True
                    await self._sender.look(made=made)
                except StoreError as error:
                    _log.error("notices_not_followed", error=str(error), again_in_s=POLL_S)
                await self._rest(seen)
        finally:
            await self._sender.stop()

    async def _rest(self, seen: int) -> None:
        await asyncio.sleep(GATHER_S)
        changed = asyncio.ensure_future(self._store.committed.changed(seen))
        try:
            waited_for = {changed, *self._sender.under_way}
            await asyncio.wait(waited_for, timeout=POLL_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            changed.cancel()
