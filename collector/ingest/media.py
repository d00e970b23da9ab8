"""Pieces of files become files: collected, checked against the hash that the device signed, and put in place.

Rows say that a file is here only after it is: written, fsynced, renamed (``PictureFolder``), within the transaction.
"""

from __future__ import annotations

import asyncio

from collector.ingest.picture_folder import PictureFolder
from collector.store import media
from collector.store.database import Transaction
from edge_wire.messages import Media

MAX_FILE_BYTES = 16 * 1024 * 1024
# A device offers a file again for as long as it holds it, and is asked for it at each of its births.
UNFINISHED_LASTS_NS = 7 * 86_400 * 1_000_000_000
_LOOK_AGAIN_NS = 3_600 * 1_000_000_000
_WRONG_HASH = "wrong_hash"


class MediaIntake:
    """Takes Media messages. Owned by the ingest task.

    Args:
        folder: where complete files go.
    """

    def __init__(self, folder: PictureFolder) -> None:
        self._folder = folder
        self._completed: set[tuple[str, bytes]] = set()
        self._looked_at_ns: int | None = None

    async def forget_unfinished(self, tx: Transaction, now_ns: int) -> None:
        """Drop what has lain here for a week without becoming a file; looks once an hour, the first time at once."""
        if self._looked_at_ns is not None and abs(now_ns - self._looked_at_ns) < _LOOK_AGAIN_NS:
            return
        await media.drop_stale_pieces(tx, now_ns - UNFINISHED_LASTS_NS)
        self._looked_at_ns = now_ns

    async def take(self, tx: Transaction, device: str, body: Media, at_ns: int) -> tuple[str, str] | None:
        """Take one piece.

        Returns:
            Why nobody can use it, as (reason, detail); None if it was taken.

        Raises:
            PictureFolderError: the file could not be written; the pieces before this one stay.
        """
        if await media.is_complete(tx, device, body.sha256):
            return None
        if body.total == 0:
            await media.note_file(tx, device, body, complete=False)
            return None
        if body.total > MAX_FILE_BYTES:
            return "oversize_file", f"media {body.sha256.hex()}: got {body.total} bytes, at most {MAX_FILE_BYTES}"
        if not body.content or body.offset + len(body.content) > body.total:
            return "bad_piece", f"media {body.sha256.hex()}: bytes {body.offset}+{len(body.content)} of {body.total}"
        content: bytes | None = body.content
        if len(body.content) < body.total:
            content = await self._join(tx, device, body, at_ns)
        if content is None:
            await media.note_file(tx, device, body, complete=False)
            return None
        in_place = await asyncio.to_thread(self._folder.keep, content, body.sha256)
        await media.drop_pieces(tx, device, body.sha256)
        if not in_place:
            return _WRONG_HASH, f"media {body.sha256.hex()}: {len(content)} bytes have another SHA-256"
        await media.note_file(tx, device, body, complete=True)
        self._completed.add((device, body.sha256))
        return None

    def completed(self, device: str, body: Media) -> list[str]:
        """Return the feed's name of the file if this message completed it, once."""
        if (device, body.sha256) not in self._completed:
            return []
        self._completed.discard((device, body.sha256))
        return [f"{device}/{body.sha256.hex()}"]

    async def _join(self, tx: Transaction, device: str, body: Media, at_ns: int) -> bytes | None:
        """Keep the piece; return the whole file if this was the last one."""
        if await media.keep_piece(tx, device, body, at_ns) < body.total:
            return None
        joined = bytearray()
        for offset, content in await media.pieces(tx, device, body.sha256):
            if offset > len(joined):
                return None
            # Pieces overlap where the device changed their size in between; the hash says whether they agree.
            joined += content[len(joined) - offset :]
        return bytes(joined) if len(joined) == body.total else None
