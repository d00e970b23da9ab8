"""Opening an outbox: check what is there, set aside what is damaged, begin a new epoch.

The order of writes matters. The database learns of the new epoch first, the journal second: an epoch that the journal
knows and the database does not can then only mean that the database was lost, replaced or set back.
"""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiosqlite
import structlog
from cryptography.hazmat.primitives.asymmetric import ec

from edge_agent.errors import OutboxError
from edge_agent.outbox import journal as journals
from edge_agent.outbox import schema
from edge_agent.outbox.evidence import Evidence, Share
from edge_agent.outbox.journal import Journal, JournalEpoch
from edge_agent.outbox.lock import unusable
from edge_agent.outbox.rows import INSERT_ROW, row_values
from edge_agent.outbox.settings import OutboxSettings
from edge_agent.provisioning.device_key import DeviceKey
from edge_agent.sending import Identity, Urgency
from edge_wire import codec, cose
from edge_wire.clock import Clock, boot_id
from edge_wire.messages import Header, LastSequence, Open, Stream
from edge_wire.topics import Channel

_log = structlog.get_logger(__name__)


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
    """

    database: aiosqlite.Connection
    journal: Journal
    epoch: int
    epoch_key: ec.EllipticCurvePrivateKey
    body: Open
    store_id: bytes | None
    kept_bytes: Mapping[Share, int]


@dataclass(frozen=True, slots=True)
class _Before:
    """What was here before: the epoch that the new Open names."""

    epoch: int | None
    last: Mapping[Stream, int]
    corrupt: bool


async def open_epoch(settings: OutboxSettings, device_key: DeviceKey, clock: Clock) -> Opened:
    """Begin a new epoch in the outbox at ``settings.folder``; the caller holds its lock.

    Raises:
        OutboxError: the folder cannot be used.
        ConfigurationError: a newer agent's outbox lies there.
    """
    try:
        journalled = await asyncio.to_thread(journals.read, settings.journal)
        missing = not settings.database.exists()
        try:
            database, damaged = await schema.connect(settings.database), False
        except schema.DamagedError as error:
            aside = await asyncio.to_thread(_set_aside, settings.database)
            _log.error("outbox damaged: set aside, a new epoch begins", file=str(aside), found=str(error))
            database, damaged = await schema.connect(settings.database), True
    except OSError as error:
        raise unusable(Path(error.filename or settings.folder), error) from error
    try:
        before = await _before(database, journalled or (), lost=damaged or (missing and journalled is not None))
        return await _begin(database, settings, device_key, clock, before, journalled or ())
    except (sqlite3.Error, OSError) as error:
        await database.close()
        raise OutboxError(f"{settings.folder}: the new epoch could not be written: {error}") from error
    except BaseException:
        await database.close()
        raise


async def _before(database: aiosqlite.Connection, journalled: Sequence[JournalEpoch], *, lost: bool) -> _Before:
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
    return _Before(epochs[0] if epochs else None, {Stream(s): last for _, s, last in counters}, corrupt=False)


async def _begin(
    database: aiosqlite.Connection,
    settings: OutboxSettings,
    device_key: DeviceKey,
    clock: Clock,
    before: _Before,
    journalled: Sequence[JournalEpoch],
) -> Opened:
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

    await _restart_times(database, settings, this_boot, boot_ns)
    if before.corrupt:
        await _bring_back_opens(database, journalled, boot_ns)
    await database.execute("INSERT INTO epochs (epoch) VALUES (?)", (epoch,))
    await database.executemany(
        "INSERT INTO counters (epoch, stream, next_sequence) VALUES (?, ?, ?)",
        [(epoch, stream, 2 if stream == Stream.REPORT else 1) for stream in Stream],
    )
    identity = Identity(epoch, Stream.REPORT, 1)
    await database.execute(INSERT_ROW, row_values(identity, body, Urgency.OPEN, boot_ns, None, envelope))
    kept_bytes = await _adopt_files(database, Evidence(settings.evidence), boot_ns)
    await database.commit()

    acked = {e for (e,) in await database.execute_fetchall("SELECT epoch FROM epochs WHERE open_acked = 1")}
    unacked = tuple(old for old in journalled if old.epoch not in acked)
    reserved = dict.fromkeys(Stream, settings.journal_block)
    journal = Journal(settings.journal, (*unacked, JournalEpoch(epoch, reserved, envelope)), settings.journal_block)
    await asyncio.to_thread(journal.write)
    stores = await database.execute_fetchall("SELECT value FROM facts WHERE name = 'store_id'")
    store_id = next((value for (value,) in stores), None)
    return Opened(database, journal, epoch, epoch_key, body, store_id, kept_bytes)


async def _restart_times(
    database: aiosqlite.Connection, settings: OutboxSettings, this_boot: bytes, boot_ns: int
) -> None:
    """Carry the rows' times over a reboot, which sets the boot clock back to zero.

    How long the machine was off is unknown without trusting the wall clock. It counts as ``live_for``: nothing from
    before is live any more, and what has to be deleted in time is kept longer by at most the time without power.
    """
    facts: dict[str, Any] = {
        name: value for name, value in await database.execute_fetchall("SELECT name, value FROM facts")
    }
    if facts.get("boot_id") not in (None, this_boot):
        ((queued, settled),) = await database.execute_fetchall(
            "SELECT coalesce(max(queued_boot_ns), 0), coalesce(max(settled_boot_ns), 0) FROM rows"
        )
        ((kept,),) = await database.execute_fetchall("SELECT coalesce(max(kept_boot_ns), 0) FROM files")
        shift_ns = boot_ns - settings.live_for_ns - 1 - max(facts["last_seen_boot_ns"], queued, settled, kept)
        await database.execute("UPDATE files SET kept_boot_ns = kept_boot_ns + ?", (shift_ns,))
        await database.execute(
            "UPDATE rows SET queued_boot_ns = queued_boot_ns + ?, settled_boot_ns = settled_boot_ns + ?",
            (shift_ns, shift_ns),
        )
    await database.executemany(
        "REPLACE INTO facts (name, value) VALUES (?, ?)", [("boot_id", this_boot), ("last_seen_boot_ns", boot_ns)]
    )


async def _bring_back_opens(database: aiosqlite.Connection, journalled: Sequence[JournalEpoch], boot_ns: int) -> None:
    for old in journalled:
        found = await database.execute_fetchall("SELECT 1 FROM epochs WHERE epoch = ?", (old.epoch,))
        if found:
            continue
        await database.execute("INSERT INTO epochs (epoch, recovered) VALUES (?, 1)", (old.epoch,))
        await database.execute(
            "INSERT INTO counters (epoch, stream, next_sequence) VALUES (?, ?, 2)", (old.epoch, Stream.REPORT)
        )
        body = codec.decode_up(cose.parse(old.open_envelope).payload).body
        identity = Identity(old.epoch, Stream.REPORT, 1)
        values = row_values(identity, body, Urgency.OPEN, boot_ns, None, old.open_envelope)
        await database.execute(INSERT_ROW, values)


async def _adopt_files(database: aiosqlite.Connection, evidence: Evidence, boot_ns: int) -> dict[Share, int]:
    """Bring the table of files and the folder together, and return how many bytes are kept."""
    held = dict(await asyncio.to_thread(lambda: list(evidence.sweep())))
    known = {sha256 for (sha256,) in await database.execute_fetchall("SELECT sha256 FROM files")}
    await database.executemany("DELETE FROM files WHERE sha256 = ?", [(sha256,) for sha256 in known - held.keys()])
    await database.executemany(
        "INSERT INTO files (sha256, size_bytes) VALUES (?, ?)",
        [(sha256, size_bytes) for sha256, size_bytes in held.items() if sha256 not in known],
    )
    unknown = [sha256 for (sha256,) in await database.execute_fetchall("SELECT sha256 FROM files WHERE share IS NULL")]
    shares = await asyncio.to_thread(lambda: [evidence.share(sha256) for sha256 in unknown])
    await database.executemany(
        "UPDATE files SET share = ?, kept_boot_ns = ? WHERE sha256 = ?",
        [(share, boot_ns, sha256) for share, sha256 in zip(shares, unknown, strict=True)],
    )
    sums = await database.execute_fetchall("SELECT share, sum(size_bytes) FROM files GROUP BY share")
    return dict.fromkeys(Share, 0) | {Share(share): size_bytes for share, size_bytes in sums}


def _set_aside(path: Path) -> Path:
    number = 1
    while (aside := path.with_name(f"{path.name}.corrupt-{number}")).exists():
        number += 1
    for suffix in ("", "-wal", "-shm"):
        file = path.with_name(path.name + suffix)
        if file.exists():
            file.rename(aside.with_name(aside.name + suffix))
    return aside
