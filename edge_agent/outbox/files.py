"""The files of an open outbox: which are kept, how much they take by share, and how they go.

Owned by the event loop; the lock is held while a file is written and its row committed, and while files are deleted: a
file that is written again at the moment when its older self is deleted would be missing afterwards.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial

import structlog

from edge_agent.errors import OutboxError
from edge_agent.outbox.entries import Entry
from edge_agent.outbox.evidence import Evidence, Share
from edge_agent.outbox.faults import OutboxFullError, is_full
from edge_agent.outbox.kept_files import KeptFiles
from edge_agent.outbox.settings import OutboxSettings
from edge_agent.outbox.writer import Writer
from edge_agent.sending import Identity

_log = structlog.get_logger(__name__)


class Files:
    """What lies under ``OutboxSettings.evidence``.

    Attributes:
        lock: see the module.
        table: which there are; only the writing task's transactions use it.
    """

    def __init__(
        self,
        settings: OutboxSettings,
        writer: Writer[Entry, Identity],
        table: KeptFiles,
        kept_bytes: Mapping[Share, int],
    ) -> None:
        self.lock = asyncio.Lock()
        self._settings = settings
        self._writer = writer
        self.table = table
        self._evidence = Evidence(settings.evidence)
        self._kept_bytes = Counter(kept_bytes)

    @property
    def kept_bytes(self) -> int:
        """How much all of them take."""
        return self._kept_bytes.total()

    async def keep(self, content: bytes, written: list[bytes]) -> bytes:
        """Put ``content`` on disk and return its hash; the caller holds the lock until its row is committed.

        Args:
            content: the file's bytes.
            written: takes the hash, unless the file was there before; for ``take_back``.

        Raises:
            OutboxFullError: there is no room.
            OutboxError: it could not be written.
        """
        try:
            sha256, new = await asyncio.to_thread(self._evidence.keep, content)
            if new:
                written.append(sha256)
            return sha256
        except OSError as error:
            kind = OutboxFullError if is_full(error, 0) else OutboxError
            raise kind(f"{self._settings.evidence}: a file could not be kept: {error}") from error

    async def take_back(self, written: Iterable[bytes]) -> None:
        """Delete files whose row was not stored after all; the caller holds the lock.

        Nothing counts them, so nothing would ever give their room back, and they come with each detection that a full
        disk does not take.
        """
        try:
            for sha256 in written:
                await asyncio.to_thread(self._evidence.remove, sha256)
        except OSError as error:
            _log.error("files without a row could not be deleted; the next start adopts them", error=str(error))

    async def read(self, sha256: bytes) -> bytes | None:
        """Return the file's bytes; None if it is not held or is no longer what its name says.

        Raises:
            OutboxError: it is held and cannot be read.
        """
        try:
            return await asyncio.to_thread(self._evidence.read, sha256)
        except OSError as error:
            raise OutboxError(f"{self._settings.evidence}: a file could not be read: {error}") from error

    def count(self, added_bytes: Mapping[Share, int]) -> None:
        """Note what a committed row added to what is kept."""
        self._kept_bytes.update(added_bytes)

    async def trim(self) -> None:
        """Delete the oldest above each share's quota, as far as it goes; the caller holds the lock.

        What was just stored is stored either way.
        """
        try:
            for share in Share:
                while (surplus_bytes := self._kept_bytes[share] - self._settings.share_quota_bytes(share)) > 0:
                    forgotten = await self._writer.run(partial(self.table.forget, share, surplus_bytes))
                    await self._remove((sha256, size_bytes, share) for sha256, size_bytes in forgotten)
                    if not forgotten:
                        what = share.name.lower()
                        _log.warning("kept files exceed their quota, and each is needed by a pending row", what=what)
                        break
        except (OSError, OutboxError) as error:
            # Forgotten and not deleted: it still counts as kept, and the next opening adopts it.
            _log.error("old files could not be deleted; others are with the next detection", error=str(error))

    async def expire(self) -> None:
        """Delete sound that was kept long enough.

        Raises:
            OutboxError: the database could not be written.
        """
        async with self.lock:
            expired = await self._writer.run(self.table.expire_sound)
            await self.remove_locked((sha256, size_bytes, Share.SOUND) for sha256, size_bytes in expired)

    async def remove_locked(self, forgotten: Iterable[tuple[bytes, int, Share]]) -> None:
        """Delete files that no row of the table names any more; the caller holds the lock."""
        try:
            await self._remove(forgotten)
        except OSError as error:
            _log.error("old files could not be deleted; the next start takes them up again", error=str(error))

    async def _remove(self, forgotten: Iterable[tuple[bytes, int, Share]]) -> None:
        gone: Sequence[tuple[bytes, int, Share]] = tuple(forgotten)
        for sha256, size_bytes, share in gone:
            await asyncio.to_thread(self._evidence.remove, sha256)
            self._kept_bytes[share] -= size_bytes
