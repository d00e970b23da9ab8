"""Detections with the files that they name, and files that the collector asks for.

The lock of ``Files`` is held from before a file is written until its row is committed, and while one is read for an
answer. Owned by the event loop.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from edge_agent.errors import OutboxError
from edge_agent.outbox.entries import Entry, media_parts
from edge_agent.outbox.evidence import Share
from edge_agent.outbox.files import Files
from edge_agent.outbox.rows import Rows
from edge_agent.outbox.settings import OutboxSettings
from edge_agent.outbox.writer import Writer
from edge_agent.sending import Identity, Urgency
from edge_wire.messages import Command, Part, PlateRead, Wanted


@dataclass(frozen=True, slots=True)
class EvidenceFile:
    """A file that goes with a detection: what it shows, and its bytes exactly as they were hashed."""

    part: Part
    content: bytes


class Carrying:
    """What of an open outbox carries files.

    Args:
        settings: which crops go unasked.
        writer: runs what changes rows.
        rows: the rows.
        files: the files.
        epoch: the epoch that was opened.
    """

    def __init__(
        self, settings: OutboxSettings, writer: Writer[Entry, Identity], rows: Rows, files: Files, epoch: int
    ) -> None:
        self._settings = settings
        self._writer = writer
        self._rows = rows
        self._files = files
        self._epoch = epoch

    async def store(self, entry: Entry, files: Sequence[EvidenceFile]) -> Identity:
        """Store a detection and its files, which are the ones that it names.

        Raises:
            OutboxFullError: there is no room; nothing was stored.
            OutboxError: nothing was stored.
        """
        async with self._files.lock:
            written: list[bytes] = []
            try:
                hashes = [await self._files.keep(file.content, written) for file in files]
                stored = partial(self._store_with_files, entry, dict(zip(hashes, files, strict=True)))
                identity, added_bytes = await self._writer.run(stored)
            except OutboxError:
                await self._files.take_back(written)
                raise
            self._files.count(added_bytes)
            await self._files.trim()
        return identity

    async def answer(self, command: Command, wanted: Wanted) -> int:
        """Enqueue a file that a verified command asks for, or that it is no longer held; return its size in bytes.

        Raises:
            OutboxError: it could not be read, or the answer not be written.
        """
        async with self._files.lock:
            content = await self._files.read(wanted.sha256)
            await self._writer.run(partial(self._answer, command, wanted, content))
        return len(content or b"")

    async def _store_with_files(
        self, entry: Entry, files: dict[bytes, EvidenceFile]
    ) -> tuple[Identity, Counter[Share]]:
        entries = [entry]
        for sha256, file in files.items():
            if self._goes_unasked(file) and not await self._rows.is_enqueued(sha256):
                track = entry.body.track if isinstance(entry.body, PlateRead) else None
                parts = media_parts(file.part, sha256, file.content, self._epoch, track=track)
                entries += [Entry(part, entry.captured) for part in parts]
        identities = await self._rows.insert(entries)
        sizes = {sha256: (file.part, len(file.content)) for sha256, file in files.items()}
        added_bytes = await self._files.table.note(sizes)
        return identities[0], added_bytes

    async def _answer(self, command: Command, wanted: Wanted, content: bytes | None) -> None:
        if await self._rows.raise_urgency(wanted.sha256):
            return
        of_epoch = self._epoch if command.of_epoch is None else command.of_epoch
        parts = media_parts(
            wanted.part, wanted.sha256, content or b"", of_epoch, track=command.track, sequence=command.sequence
        )
        now = self._rows.now()
        await self._rows.insert([Entry(part, now, Urgency.ASKED_MEDIA) for part in parts])

    def _goes_unasked(self, file: EvidenceFile) -> bool:
        most_bytes = self._settings.crops_up_to_bytes
        return file.part == Part.CROP and (most_bytes is None or len(file.content) <= most_bytes)
