"""The outbox as the agent sees it: what the stages put into it, and the ``Outgoing`` port of the uplink.

Every coroutine is called from the agent's event loop. Changes go through the writing task; memory is changed only
after the commit that it reflects.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Self

import aiosqlite
import structlog

from edge_agent.errors import OutboxError
from edge_agent.outbox import ordering, schema
from edge_agent.outbox.evidence import Evidence, Share
from edge_agent.outbox.lock import FolderLock, unusable
from edge_agent.outbox.opening import Opened, open_epoch
from edge_agent.outbox.rows import Entry, Rows, Settled, stream_of
from edge_agent.outbox.settings import OutboxSettings
from edge_agent.outbox.state import OutboxState, read_state
from edge_agent.outbox.writer import Writer
from edge_agent.provisioning.device_key import DeviceKey
from edge_agent.records import CaptureTime
from edge_agent.sending import AckFinding, AckOutcome, Identity, PendingRow, Refusal, Urgency
from edge_wire import codec
from edge_wire.clock import Clock
from edge_wire.cose import MAX_ENVELOPE_BYTES
from edge_wire.errors import WireError
from edge_wire.messages import (
    Ack,
    Command,
    Header,
    Health,
    Media,
    Open,
    Part,
    PlateRead,
    Presence,
    Resend,
    ShotClip,
    Stream,
    UpBody,
    Wanted,
)
from edge_wire.topics import Channel

_log = structlog.get_logger(__name__)
_PART_BYTES = 24 * 1024
_ENVELOPE_OVERHEAD_BYTES = 256
_PURGE_EVERY_S = 600.0
_LARGEST = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class EvidenceFile:
    """A file that goes with a detection: what it shows, and its bytes exactly as they were hashed."""

    part: Part
    content: bytes


class Outbox:
    """An open outbox: one epoch, from ``open`` to ``close``. Use ``async with await Outbox.open(…)``."""

    def __init__(
        self, settings: OutboxSettings, clock: Clock, lock: FolderLock, opened: Opened, reader: aiosqlite.Connection
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._lock = lock
        self._opened = opened
        self._database = opened.database
        self._reader = reader
        self._evidence = Evidence(settings.evidence)
        self._kept_bytes = Counter(opened.kept_bytes)
        self._rows = Rows(opened.database, opened.journal, opened.epoch, opened.epoch_key, settings, clock)
        self._writer: Writer[Entry, Identity] = Writer(opened.database, self._rows.insert)
        self._open_acked = False
        self._connection = 0
        self._store_id = opened.store_id
        self._superseded: set[bytes] = set()
        self._published: defaultdict[tuple[int, Stream], set[int]] = defaultdict(set)
        self._added = asyncio.Event()
        # Held while a file is written and its row committed, and while files are deleted: a file that is written
        # again at the moment when its older self is deleted would be missing afterwards.
        self._filing = asyncio.Lock()
        self._housekeeping = asyncio.create_task(self._keep_house(), name="outbox-housekeeping")

    @classmethod
    async def open(cls, settings: OutboxSettings, device_key: DeviceKey, clock: Clock) -> Self:
        """Begin a new epoch; its Open is on disk when this returns.

        Raises:
            OutboxError: another agent has it open, or the folder cannot be used.
            ConfigurationError: a newer agent's outbox lies there.
        """
        try:
            settings.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if settings.folder.stat().st_mode & 0o077:
                settings.folder.chmod(0o700)
                _log.warning("others could look into the outbox: mode set to 0700", folder=str(settings.folder))
            lock = FolderLock(settings.folder)
        except OSError as error:
            raise unusable(settings.folder, error) from error
        try:
            opened = await open_epoch(settings, device_key, clock)
        except BaseException:
            lock.release()
            raise
        try:
            reader = await schema.connect_reader(settings.database)
        except BaseException:
            await opened.database.close()
            lock.release()
            raise
        outbox = cls(settings, clock, lock, opened, reader)
        try:
            await outbox.purge()
        except BaseException:
            await outbox.close()
            raise
        outbox._added.set()
        return outbox

    async def close(self) -> None:
        """Commit what waits and let go of the files."""
        self._housekeeping.cancel()
        await asyncio.gather(self._housekeeping, return_exceptions=True)
        try:
            await self._writer.close()
        finally:
            await self._reader.close()
            await self._database.close()
            self._lock.release()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def epoch(self) -> int:
        """The epoch that this object opened."""
        return self._opened.epoch

    @property
    def opened_as(self) -> Open:
        """What the epoch's Open says, ``corrupt`` among it."""
        return self._opened.body

    @property
    def open_acked(self) -> bool:
        """Whether the collector has this epoch's key."""
        return self._open_acked

    async def put(self, body: UpBody, captured: CaptureTime, *, urgency: Urgency | None = None) -> Identity:
        """Store one message; it is on disk, signed, when this returns.

        Args:
            body: a kind that has a stream.
            captured: when the light or sound arrived, or the fact came about.
            urgency: its place in the order of sending; None for the kind's own.

        Raises:
            OutboxError: it was not stored, because the disk failed or the collector's decoder would refuse it.
        """
        (identity,) = await self.put_all([Entry(body, captured, urgency)])
        return identity

    async def put_all(self, entries: Sequence[Entry]) -> tuple[Identity, ...]:
        """Store several messages in one transaction: all of them or none.

        Raises:
            OutboxError: none was stored.
        """
        for entry in entries:
            _check(entry)
        identities = await self._writer.insert(entries)
        self._added.set()
        return tuple(identities)

    async def put_with_files(self, entry: Entry, files: Sequence[EvidenceFile]) -> Identity:
        """Store a read or a shot's clip with the files that it names, in one transaction.

        All files are kept. Crops are also enqueued, once; frames and clips wait until a command asks for them.

        Raises:
            OutboxError: nothing was stored, or a file is not the one that the body names.
        """
        _check(entry)
        async with self._filing:
            try:
                hashes = [await asyncio.to_thread(self._evidence.keep, file.content) for file in files]
            except OSError as error:
                raise OutboxError(f"{self._settings.evidence}: a file could not be kept: {error}") from error
            for file, sha256 in zip(files, hashes, strict=True):
                if sha256 != _named_file(entry.body, file.part):
                    raise OutboxError(f"{type(entry.body).__name__}: names another {file.part.name} than came with it")
            stored = partial(self._store_with_files, entry, dict(zip(hashes, files, strict=True)))
            identity, added_bytes = await self._writer.run(stored)
            self._added.set()
            self._kept_bytes.update(added_bytes)
            await self._trim_files()
        return identity

    def begin_connection(self) -> int:
        """Note that a connection is tried, and return its number within the epoch, from 1."""
        self._connection += 1
        self._superseded.clear()
        return self._connection

    async def enqueue_statement(self) -> None:
        """Enqueue what every open stream holds.

        Raises:
            OutboxError: it could not be written.
        """
        await self._writer.run(self._rows.insert_statement)
        self._added.set()

    async def pending(self, room: int, ordinary_room: int, without: Collection[int]) -> Sequence[PendingRow]:
        """Return the next rows in sending order; see ``Outgoing.pending``.

        Raises:
            OutboxError: the database cannot be read.
        """
        live_since_ns = self._clock.boot_ns() - self._settings.live_for_ns
        try:
            return await ordering.pending(self._reader, room, ordinary_room, without, live_since_ns)
        except sqlite3.Error as error:
            raise OutboxError(f"{self._settings.database}: cannot be read: {error}") from error

    def published(self, identities: Iterable[Identity]) -> None:
        """Note that these are about to be on their way: only such rows can be acked."""
        for epoch, stream, sequence in identities:
            self._published[epoch, stream].add(sequence)

    async def acked(self, ack: Ack) -> AckOutcome:
        """Apply a verified ack.

        Raises:
            OutboxError: it could not be written; nothing changed, and the rows will be sent again.
        """
        if ack.store_id in self._superseded:
            return _reported(AckOutcome((), AckFinding.SUPERSEDED_STORE), ack)
        settled = await self._writer.run(partial(self._apply_ack, ack))
        if settled.outcome.finding is not None:
            return _reported(settled.outcome, ack)
        self._published[ack.of_epoch, ack.stream].difference_update(i.sequence for i in settled.outcome.settled)
        if ack.store_id != self._store_id:
            if self._store_id is not None:
                self._superseded.add(self._store_id)
            self._store_id = ack.store_id
            self._added.set()
        if settled.opened:
            self._open_acked |= ack.of_epoch == self.epoch
            self._added.set()
        return settled.outcome

    async def refused(self, digest: bytes) -> Refusal | None:
        """Park the pending row that has exactly these bytes; see ``Outgoing.refused``.

        Raises:
            OutboxError: it could not be written; nothing changed.
        """
        refusal = await self._writer.run(partial(self._rows.park, digest))
        if refusal is not None and refusal.parked:
            self._published[refusal.identity[:2]].discard(refusal.identity.sequence)
            self._added.set()
        if refusal is not None:
            _log.error("the collector refused a row", identity=tuple(refusal.identity), parked=refusal.parked)
        return refusal

    async def resend(self, resend: Resend) -> int:
        """Put rows that are still held back into the queue; return how many.

        Raises:
            OutboxError: it could not be written; nothing changed.
        """
        requeued = await self._writer.run(partial(self._rows.requeue, resend))
        # They have to be published again before an ack can mean them.
        self._published[resend.of_epoch, resend.stream].difference_update(i.sequence for i in requeued)
        self._added.set()
        return len(requeued)

    async def send_media(self, command: Command) -> None:
        """Enqueue the files that a verified command asks for, or the answer that they are no longer held.

        Raises:
            OutboxError: a file could not be read, or an answer not be written.
        """
        for wanted in command.wanted:
            async with self._filing:
                try:
                    content = await asyncio.to_thread(self._evidence.read, wanted.sha256)
                except OSError as error:
                    raise OutboxError(f"{self._settings.evidence}: a file could not be read: {error}") from error
                await self._writer.run(partial(self._answer, command, wanted, content))
        self._added.set()

    def sign(self, body: Health | Presence) -> bytes:
        """Return an unsequenced message, signed by the epoch's key, captured now."""
        channel = Channel.HEALTH if isinstance(body, Health) else Channel.PRESENCE
        return self._rows.sign(body, self._rows.now(), channel)

    async def wait_for_rows(self) -> None:
        """Return when rows may have been added since the last return."""
        await self._added.wait()
        self._added.clear()

    async def purge(self) -> None:
        """Delete what has stayed ``keep_stored_h`` after its ack, and clips older than ``keep_clips_h``.

        Also done every ten minutes.

        Raises:
            OutboxError: it could not be written.
        """
        await self._writer.run(self._rows.purge)
        async with self._filing:
            expired = await self._writer.run(self._rows.expire_sound)
            try:
                await self._remove(Share.SOUND, expired)
            except OSError as error:
                _log.error("expired clips could not be deleted; the next start takes them up again", error=str(error))

    async def state(self) -> OutboxState:
        """Return depth, oldest age and sequences, as ``edge-agent outbox`` shows them."""
        return await asyncio.to_thread(read_state, self._settings.folder, self._clock)

    async def _store_with_files(
        self, entry: Entry, files: dict[bytes, EvidenceFile]
    ) -> tuple[Identity, Counter[Share]]:
        entries = [entry]
        for sha256, file in files.items():
            if file.part == Part.CROP and not await self._rows.is_enqueued(sha256):
                track = entry.body.track if isinstance(entry.body, PlateRead) else None
                parts = media_parts(file.part, sha256, file.content, self.epoch, track=track)
                entries += [Entry(part, entry.captured) for part in parts]
        identities = await self._rows.insert(entries)
        sizes = {sha256: (Share.of(file.part), len(file.content)) for sha256, file in files.items()}
        added_bytes = await self._rows.note_files(sizes)
        return identities[0], added_bytes

    async def _apply_ack(self, ack: Ack) -> Settled:
        settled = await self._rows.settle(ack, self._published[ack.of_epoch, ack.stream])
        if settled.outcome.finding is None and ack.store_id != self._store_id:
            await self._rows.note_store(ack.store_id)
            if self._store_id is not None:  # one that takes another's place has to learn what this device holds
                await self._rows.insert_statement()
        return settled

    async def _answer(self, command: Command, wanted: Wanted, content: bytes | None) -> None:
        if await self._rows.raise_urgency(wanted.sha256):
            return
        of_epoch = self.epoch if command.of_epoch is None else command.of_epoch
        parts = media_parts(
            wanted.part, wanted.sha256, content or b"", of_epoch, track=command.track, sequence=command.sequence
        )
        now = self._rows.now()
        await self._rows.insert([Entry(part, now, Urgency.ASKED_MEDIA) for part in parts])

    async def _trim_files(self) -> None:
        """Delete the oldest files above the quota, as far as it goes: what was just stored is stored either way."""
        try:
            for share in Share:
                while (surplus_bytes := self._kept_bytes[share] - self._settings.quota_bytes(share)) > 0:
                    forgotten = await self._writer.run(partial(self._rows.forget_files, share, surplus_bytes))
                    await self._remove(share, forgotten)
                    if not forgotten:
                        what = share.name.lower()
                        _log.warning("kept files exceed their quota, and each is needed by a pending row", what=what)
                        break
        except (OSError, OutboxError) as error:
            # Forgotten and not deleted: it still counts as kept, and the next opening adopts it.
            _log.error("old files could not be deleted; others are with the next detection", error=str(error))

    async def _remove(self, share: Share, forgotten: Sequence[tuple[bytes, int]]) -> None:
        for sha256, size_bytes in forgotten:
            await asyncio.to_thread(self._evidence.remove, sha256)
            self._kept_bytes[share] -= size_bytes

    async def _keep_house(self) -> None:
        while True:
            await asyncio.sleep(_PURGE_EVERY_S)
            try:
                await self.purge()
            except OutboxError as error:
                _log.error("old rows could not be deleted; tried again later", error=str(error))


def media_parts(
    part: Part, sha256: bytes, content: bytes, of_epoch: int, *, track: int | None = None, sequence: int | None = None
) -> list[Media]:
    """Cut a file into messages of at most 24 KiB; no bytes become the one answer that it is not held."""
    return [
        Media(part, sha256, offset, len(content), content[offset : offset + _PART_BYTES], of_epoch, track, sequence)
        for offset in range(0, max(len(content), 1), _PART_BYTES)
    ]


def _named_file(body: UpBody, part: Part) -> bytes | None:
    match body, part:
        case PlateRead(), Part.CROP:
            return body.crop_sha256
        case PlateRead(), Part.FRAME:
            return body.frame_sha256
        case PlateRead(), Part.OVERVIEW:
            return body.overview.sha256 if body.overview is not None else None
        case ShotClip(), Part.CLIP:
            return body.clip_sha256
        case ShotClip(), Part.RECORDING:
            return body.recording_sha256
    return None


def _check(entry: Entry) -> None:
    """Refuse what the collector could not read, before it takes a sequence.

    Raises:
        OutboxError: with the field that is wrong.
    """
    captured = entry.captured
    try:
        header = Header(
            _LARGEST,
            captured.utc_ns,
            captured.boot_ns,
            captured.error_ns,
            stream=stream_of(entry.body),
            sequence=_LARGEST,
        )
        payload = codec.encode(header, entry.body)
        codec.decode_up(payload)
    except (WireError, ValueError, TypeError) as error:
        raise OutboxError(f"{type(entry.body).__name__}: cannot be sent and was not stored: {error}") from error
    if len(payload) > MAX_ENVELOPE_BYTES - _ENVELOPE_OVERHEAD_BYTES:
        raise OutboxError(f"{type(entry.body).__name__}: got {len(payload)} bytes, expected at most 65,280")


def _reported(outcome: AckOutcome, ack: Ack) -> AckOutcome:
    _log.error(
        "an ack was not applied",
        why=str(outcome.finding),
        epoch=ack.of_epoch,
        stream=int(ack.stream),
        ranges=ack.ranges,
    )
    return outcome
