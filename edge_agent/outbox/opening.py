"""Opening an outbox: check what is there, set aside what is damaged, begin a new epoch.

Nothing that is damaged is ever deleted: databases, journals and logs go aside (see ``aside``).

The order of writes matters. The database learns of the new epoch first, the journal second: an epoch that the journal
knows and the database does not can then only mean that the database was lost, replaced or set back.
"""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiosqlite
import structlog
from cryptography.hazmat.primitives.asymmetric import ec

from edge_agent.errors import OutboxError
from edge_agent.outbox import aside, recovery, schema, wal
from edge_agent.outbox import journal as journals
from edge_agent.outbox.conditions import Condition, opening_facts
from edge_agent.outbox.disk import Disk
from edge_agent.outbox.durable import sync_folder
from edge_agent.outbox.entries import INSERT_ROW, row_values
from edge_agent.outbox.evidence import Evidence, Share
from edge_agent.outbox.faults import OutboxFullError, is_full
from edge_agent.outbox.journal import Journal, JournalEpoch
from edge_agent.outbox.lock import unusable
from edge_agent.outbox.settings import OutboxSettings
from edge_agent.provisioning.device_key import DeviceKey
from edge_agent.sending import Identity, Urgency
from edge_wire import codec, cose
from edge_wire.clock import Clock, boot_id
from edge_wire.messages import Header, LastSequence, LossRecord, Open, Stream
from edge_wire.topics import Channel

_log = structlog.get_logger(__name__)
_PAGE_BYTES = 4_096
# From the indexes: no row was queued after it was settled.
_LAST_TIME = """
SELECT max(last) FROM (
  SELECT (SELECT max(queued_boot_ns) FROM rows WHERE state = 0 AND urgency = value) AS last
  FROM json_each('[0, 1, 2, 3, 4, 5, 6]')
  UNION ALL SELECT max(settled_boot_ns) FROM rows WHERE state <> 0
  UNION ALL SELECT max(kept_boot_ns) FROM files
)
"""
_SHORTEST_LOG_PAGES, _LONGEST_LOG_PAGES = 64, 1_000


@dataclass(frozen=True, slots=True)
class Opened:
    """A new epoch, on disk.

    Attributes:
        database: the writing connection.
        journal: the journal with the new epoch in it.
        epoch: the new epoch.
        epoch_key: its key, in memory only.
        body: what its Open says.
        store_id: the store that acked last, if any did.
        kept_bytes: what the files beside the database take, by share.
        found: what was wrong with what lay there.
        offset_ns: what is added to the boot clock, for all times in the database.
    """

    database: aiosqlite.Connection
    journal: Journal
    epoch: int
    epoch_key: ec.EllipticCurvePrivateKey
    body: Open
    store_id: bytes | None
    kept_bytes: Mapping[Share, int]
    found: frozenset[Condition]
    offset_ns: int


@dataclass(frozen=True, slots=True)
class _Before:
    """What was here before: the epoch that the new Open names."""

    epoch: int | None
    last: Mapping[Stream, int]
    corrupt: bool


@dataclass(frozen=True, slots=True)
class _Taken:
    """The database as it could be opened.

    Attributes:
        database: the writing connection.
        new: whether there was none, or it had to be set aside.
        found: what was wrong.
        asides: the damaged ones whose rows are to be put back.
    """

    database: aiosqlite.Connection
    new: bool
    found: frozenset[Condition]
    asides: tuple[Path, ...] = ()


async def open_epoch(settings: OutboxSettings, device_key: DeviceKey, clock: Clock, disk: Disk) -> Opened:
    """Begin a new epoch in the outbox at ``settings.folder``; the caller holds its lock.

    Raises:
        OutboxFullError: there is no room for it.
        OutboxError: the folder cannot be used.
        ConfigurationError: a newer agent's outbox lies there.
    """
    try:
        journalled, unreadable = await asyncio.to_thread(_read_journal, settings.journal)
        taken = await _take_database(settings)
    except OSError as error:
        kind = OutboxFullError if is_full(error, 0) else OutboxError
        raise kind(str(unusable(Path(error.filename or settings.folder), error))) from error
    except sqlite3.Error as error:
        raise _failed(f"{settings.database}: cannot be opened", error, settings, disk) from error
    database = taken.database
    await database.execute(f"PRAGMA wal_autocheckpoint = {_log_pages(settings):d}")
    found = taken.found | ({Condition.JOURNAL_SET_ASIDE} if unreadable else frozenset())
    try:
        lost = taken.new and (Condition.SET_ASIDE in found or journalled is not None or unreadable)
        before = await _before(database, journalled or (), lost=lost, torn=Condition.TAIL_LOST in found)
        opened = await _begin(taken, settings, device_key, clock, before, journalled or (), found)
        return opened
    except (sqlite3.Error, OSError) as error:
        await database.close()
        raise _failed(f"{settings.folder}: the new epoch could not be written", error, settings, disk) from error
    except BaseException:
        await database.close()
        raise


def _log_pages(settings: OutboxSettings) -> int:
    """How long the log may get: SQLite's own thousand pages, or less where the ballast could not carry that."""
    pages = settings.ballast_bytes // 4 // _PAGE_BYTES
    return min(_LONGEST_LOG_PAGES, max(_SHORTEST_LOG_PAGES, pages)) if pages else _LONGEST_LOG_PAGES


def _failed(what: str, error: sqlite3.Error | OSError, settings: OutboxSettings, disk: Disk) -> OutboxError:
    kind = OutboxFullError if is_full(error, disk.free_bytes(settings.folder)) else OutboxError
    return kind(f"{what}: {error}")


def _read_journal(path: Path) -> tuple[tuple[JournalEpoch, ...] | None, bool]:
    """Return what the journal holds, and whether one lay there that could not be read; that one is set aside."""
    journalled = journals.read(path)
    if journalled is not None or not path.exists():
        return journalled, False
    _log.error("outbox journal damaged: set aside", file=str(aside.set_aside(path)))
    return None, True


async def _take_database(settings: OutboxSettings) -> _Taken:
    path = settings.database
    log = path.with_name(path.name + "-wal")
    damaged, asides = await asyncio.to_thread(aside.marked, settings.damage)
    missing = not path.exists()
    committed = await asyncio.to_thread(wal.last_commit, log)
    try:
        if damaged:
            raise schema.DamagedError("a corrupt page was met while the agent ran, or this was begun before")
        connected = await schema.connect(path)
    except schema.DamagedError as error:
        settings.torn.unlink(missing_ok=True)  # the log goes with it, and all of it is in a bound
        asides = await asyncio.to_thread(aside.set_database_aside, path, settings.damage, asides)
        _log.error("outbox damaged: set aside, a new epoch begins", file=str(asides[-1]), found=str(error))
        connected = await schema.connect(path)
        return _Taken(connected.database, new=True, found=frozenset({Condition.SET_ASIDE}), asides=tuple(asides))
    if asides and not await connected.database.execute_fetchall("SELECT 1 FROM epochs LIMIT 1"):
        # Killed after the damaged one went aside, before the new epoch was on disk.
        return _Taken(connected.database, new=True, found=frozenset({Condition.SET_ASIDE}), asides=tuple(asides))
    if committed > connected.log_frames:
        # Noted before anything is written: after that the log does not show it any more, and this opening may fail yet.
        aside.mark(settings.torn)
        sync_folder(settings.folder)
        _log.error("the end of the outbox's log is damaged: the last rows may be missing", kept=aside.copy_log(log))
    if not settings.torn.exists():
        return _Taken(connected.database, new=missing, found=frozenset())
    return _Taken(connected.database, new=missing, found=frozenset({Condition.TAIL_LOST}))


async def _before(
    database: aiosqlite.Connection, journalled: Sequence[JournalEpoch], *, lost: bool, torn: bool
) -> _Before:
    known = {epoch for (epoch,) in await database.execute_fetchall("SELECT epoch FROM epochs")}
    if lost or (journalled and journalled[-1].epoch not in known):
        if not journalled:
            return _Before(None, {}, corrupt=True)
        return _Before(journalled[-1].epoch, journalled[-1].reserved_to, corrupt=True)
    counters = await database.execute_fetchall(
        "SELECT epoch, stream, next_sequence - 1 FROM counters "
        "WHERE epoch = (SELECT epoch FROM epochs ORDER BY number DESC LIMIT 1)"
    )
    epochs = [epoch for epoch, _, _ in counters]
    last = {Stream(stream): sequence for _, stream, sequence in counters}
    if torn:  # without the journal there is no bound, and none is stated
        last = dict(journalled[-1].reserved_to) if journalled and journalled[-1].epoch in epochs else {}
    return _Before(epochs[0] if epochs else None, last, corrupt=torn)


async def _begin(
    taken: _Taken,
    settings: OutboxSettings,
    device_key: DeviceKey,
    clock: Clock,
    before: _Before,
    journalled: Sequence[JournalEpoch],
    found: frozenset[Condition],
) -> Opened:
    database = taken.database
    epoch, epoch_key = secrets.randbits(63), ec.generate_private_key(ec.SECP256R1())
    this_boot, boot_ns, utc_ns = boot_id(), clock.boot_ns(), clock.utc_ns()
    body = Open(
        cose.spki(epoch_key.public_key()),
        this_boot,
        boot_ns,
        utc_ns,
        before.epoch,
        tuple(LastSequence(stream, last) for stream, last in sorted(before.last.items())),
        before.corrupt,
    )
    header = Header(epoch, utc_ns, boot_ns, clock.error_ns(), stream=Stream.REPORT, sequence=1)
    aad = cose.external_aad(settings.device, Channel.REPORT)
    # A TPM takes half a second for this: not on the event loop.
    envelope = await asyncio.to_thread(device_key.sign, codec.encode(header, body), aad)

    offset_ns = await _carry_on_time(database, settings, this_boot, boot_ns)
    now_ns = boot_ns + offset_ns
    await database.executemany("REPLACE INTO facts (name, value) VALUES (?, ?)", opening_facts(settings, found))
    lost: list[LossRecord] = []
    if before.corrupt:
        known = {old for (old,) in await database.execute_fetchall("SELECT epoch FROM epochs")}
        await recovery.bring_back_opens(database, journalled, now_ns)
        back = {Identity(old.epoch, Stream.REPORT, 1) for old in journalled}
        for damaged in taken.asides:
            back |= await recovery.put_back(database, damaged, boot_ns - settings.live_for_ns - 1)
        older = [old for old in journalled[:-1] if old.epoch not in known]
        lost = [record for old in older for record in recovery.lost_of(old, back)]
        named_from = {(old.epoch, stream): first for old in older for stream, first in old.held_from.items()}
        lost += recovery.lost_between(back, named_from)
    await database.execute("INSERT INTO epochs (epoch) VALUES (?)", (epoch,))
    await database.executemany(
        "INSERT INTO counters (epoch, stream, next_sequence) VALUES (?, ?, ?)",
        [(epoch, stream, 2 + len(lost) if stream == Stream.REPORT else 1) for stream in Stream],
    )
    identity = Identity(epoch, Stream.REPORT, 1)
    await database.execute(INSERT_ROW, row_values(identity, body, Urgency.OPEN, now_ns, envelope))
    for sequence, record in enumerate(lost, start=2):
        told = cose.sign(codec.encode(replace(header, sequence=sequence), record), epoch_key, aad)
        identity = Identity(epoch, Stream.REPORT, sequence)
        await database.execute(INSERT_ROW, row_values(identity, record, Urgency.REPORT, now_ns, told))
    kept_bytes = await _adopt_files(database, Evidence(settings.evidence), now_ns)
    await database.commit()
    # What they stand for is in the Open now, and must not be said of this epoch too.
    for marked in (settings.damage, settings.torn):
        await asyncio.to_thread(aside.unmark, marked)

    older = await recovery.with_held_rows(database, journalled, epoch)
    reserved = dict.fromkeys(Stream, settings.journal_block) | {Stream.REPORT: settings.journal_block + len(lost)}
    journal = Journal(settings.journal, (*older, JournalEpoch(epoch, reserved, envelope)), settings.journal_block)
    await asyncio.to_thread(journal.write)
    stores = await database.execute_fetchall("SELECT value FROM facts WHERE name = 'store_id'")
    store_id = next((value for (value,) in stores), None)
    return Opened(database, journal, epoch, epoch_key, body, store_id, kept_bytes, found, offset_ns)


async def _carry_on_time(
    database: aiosqlite.Connection, settings: OutboxSettings, this_boot: bytes, boot_ns: int
) -> int:
    """Return what is to be added to the boot clock, so that it goes on over a reboot, which sets it back to zero.

    How long the machine was off is unknown without trusting the wall clock. It counts as ``live_for``: nothing from
    before is live any more, and what has to be deleted in time is kept longer by at most the time without power. No
    row is touched: there may be millions, and no room to write them again.
    """
    facts: dict[str, Any] = {
        name: value for name, value in await database.execute_fetchall("SELECT name, value FROM facts")
    }
    offset_ns = int(facts.get(schema.OFFSET, 0))
    if facts.get("boot_id") not in (None, this_boot):
        ((last,),) = await database.execute_fetchall(_LAST_TIME)
        offset_ns = max(facts["last_seen_boot_ns"], last or 0) + settings.live_for_ns + 1 - boot_ns
    values = [("boot_id", this_boot), (schema.OFFSET, offset_ns), ("last_seen_boot_ns", boot_ns + offset_ns)]
    await database.executemany("REPLACE INTO facts (name, value) VALUES (?, ?)", values)
    return offset_ns


async def _adopt_files(database: aiosqlite.Connection, evidence: Evidence, now_ns: int) -> dict[Share, int]:
    """Bring the table of files and the folder together, and return how many bytes are kept."""
    held = dict(await asyncio.to_thread(lambda: list(evidence.sweep())))
    known = {sha256 for (sha256,) in await database.execute_fetchall("SELECT sha256 FROM files")}
    await database.executemany("DELETE FROM files WHERE sha256 = ?", [(sha256,) for sha256 in known - held.keys()])
    await database.executemany(
        "INSERT INTO files (sha256, size_bytes) VALUES (?, ?)",
        [(sha256, size_bytes) for sha256, size_bytes in held.items() if sha256 not in known],
    )
    unknown = [sha256 for (sha256,) in await database.execute_fetchall("SELECT sha256 FROM files WHERE part IS NULL")]
    parts = await asyncio.to_thread(lambda: [evidence.part(sha256) for sha256 in unknown])
    await database.executemany(
        "UPDATE files SET part = ?, share = ?, kept_boot_ns = CASE WHEN share IS NULL THEN ? ELSE kept_boot_ns END "
        "WHERE sha256 = ?",
        [(part, Share.of(part), now_ns, sha256) for part, sha256 in zip(parts, unknown, strict=True)],
    )
    sums = await database.execute_fetchall("SELECT share, sum(size_bytes) FROM files GROUP BY share")
    return dict.fromkeys(Share, 0) | {Share(share): size_bytes for share, size_bytes in sums}
