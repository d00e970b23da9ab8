"""What every message of a device leaves behind: its identity, its bytes, or its dead letter.

Every function works within the caller's transaction, on many rows at once. The caller gives rows in identity order:
two collectors that insert the same rows in different orders would wait for each other for ever.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.domain import DeviceStatus, Identity
from collector.store import tables, turns
from collector.store.bulk import CHUNK, Bulk
from collector.store.lookup import Lookup
from edge_wire.messages import Verdict

_IDENTITIES = Bulk(tables.identity, ("device", "epoch", "stream", "sequence", "digest", "verdict"))
_MESSAGES = Bulk(tables.message, ("device", "epoch", "stream", "sequence", "kind", "envelope", "received_at_ns"))
_KEY = (tables.identity.c.device, tables.identity.c.epoch, tables.identity.c.stream, tables.identity.c.sequence)
_KNOWN = Lookup(_KEY, *_KEY, tables.identity.c.digest, tables.identity.c.verdict)
_SENT = (tables.message.c.device, tables.message.c.epoch, tables.message.c.stream, tables.message.c.sequence)
_MESSAGE_IDS = Lookup(_SENT, tables.message.c.id, *_SENT)
_STANDINGS = select(tables.device).where(tables.device.c.id.in_(bindparam("devices", expanding=True)))
LETTERS_A_DEVICE = 1_000
"""How many letters that are not genuine are kept under one device's name; the oldest give way."""
QUARANTINED_A_DEVICE = 20_000
"""How many that a revoked device signed are kept: whoever enrols it again may want them all."""
REVOKED = "revoked"
_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Known:
    """An identity that the store has: the digest that it stands for and what became of it."""

    digest: bytes
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class DeviceStanding:
    """What the transaction needs to know of a device."""

    agency: str
    site: str
    status: DeviceStatus


@dataclass(frozen=True, slots=True)
class Kept:
    """One verified message to keep.

    Attributes:
        identity: which.
        kind: its number in ``edge_wire.messages.KINDS``.
        envelope: the bytes as received.
        received_at_ns: UTC when it came.
    """

    identity: Identity
    kind: int
    envelope: bytes
    received_at_ns: int


@dataclass(frozen=True, slots=True)
class Letter:
    """One message that nobody can use.

    What is genuine is evidence, and is kept. What is not could be anybody's: at most ``LETTERS_A_DEVICE`` of it are
    kept under one device's name (and as many without one), so that nobody fills the store with it; of what a revoked
    device signed ``QUARANTINED_A_DEVICE``.

    Attributes:
        digest: SHA-256 of its bytes; the same bytes again only count.
        topic: where it was published.
        device: as the topic names it.
        reason: short stable word.
        detail: where, what was got, what was expected.
        envelope: the bytes as received, or as many of them as are to be kept.
        received_at_ns: UTC when it came.
        genuine: whether it was verified, and its device is enrolled.
    """

    digest: bytes
    topic: str
    device: str | None
    reason: str
    detail: str
    envelope: bytes
    received_at_ns: int
    genuine: bool


async def device_standings(tx: AsyncConnection, devices: Iterable[str]) -> dict[str, DeviceStanding]:
    """Return how those of ``devices`` stand that the fleet knows."""
    rows = await tx.execute(_STANDINGS, {"devices": sorted(set(devices))})
    return {row.id: DeviceStanding(row.agency, row.site, DeviceStatus(row.status)) for row in rows}


async def signing_keys(
    tx: AsyncConnection, signers: Iterable[tuple[str, bytes]]
) -> dict[tuple[str, bytes], tuple[bytes, int | None]]:
    """Return the SubjectPublicKeyInfo of known keys, by device and key id, with the epoch that it signs, if one."""
    wanted = set(signers)
    found: dict[tuple[str, bytes], tuple[bytes, int | None]] = {}
    for some in _chunks(sorted(wanted)):
        # By device too: of all epochs there ever were only the devices' own are looked through.
        devices, kids = {device for device, _ in some}, {kid for _, kid in some}
        for table in (tables.epoch, tables.device_key):
            query = select(table).where(table.c.device.in_(sorted(devices)), table.c.kid.in_(sorted(kids)))
            for row in (await tx.execute(query)).mappings():
                found[row["device"], row["kid"]] = (row["spki"], row.get("epoch"))
    return {signer: key for signer, key in found.items() if signer in wanted}


async def known_identities(tx: AsyncConnection, identities: Iterable[Identity]) -> dict[Identity, Known]:
    """Return those of ``identities`` that the store has, and perhaps others."""
    rows = await _KNOWN.rows(tx, [(one.device, one.epoch, one.stream, one.sequence) for one in identities])
    return {
        Identity(row.device, row.epoch, row.stream, row.sequence): Known(row.digest, Verdict(row.verdict))
        for row in rows
    }


async def keep_identities(tx: AsyncConnection, rows: Sequence[tuple[Identity, Known]]) -> None:
    """Take identities for good."""
    await _IDENTITIES.insert(
        tx,
        [(one.device, one.epoch, one.stream, one.sequence, known.digest, int(known.verdict)) for one, known in rows],
    )


async def keep_messages(tx: AsyncConnection, rows: Sequence[Kept]) -> list[int]:
    """Keep the bytes as received; return the row ids in the order of ``rows``."""
    values = []
    for row in rows:
        one = row.identity
        values.append((one.device, one.epoch, one.stream, one.sequence, row.kind, row.envelope, row.received_at_ns))
    await _MESSAGES.insert(tx, values)
    keys = [value[:4] for value in values]
    # Asked for afterwards: with RETURNING in the order of the rows, SQLite would be given one row at a time.
    ids: dict[tuple[Any, ...], int] = {tuple(row[1:]): row.id for row in await _MESSAGE_IDS.rows(tx, keys)}
    return [ids[key] for key in keys]


async def keep_letters(tx: AsyncConnection, letters: Iterable[Letter]) -> None:
    """Keep dead letters, one row for the same bytes however often they come, and no more than there is room for."""
    table = tables.dead_letter
    by_digest: defaultdict[bytes, list[Letter]] = defaultdict(list)
    for letter in letters:
        by_digest[letter.digest].append(letter)
    if by_digest:
        await turns.of_letters(tx)
    # What came before its key was known may be genuine when it comes again.
    best = {digest: max(some, key=lambda letter: letter.genuine) for digest, some in by_digest.items()}
    for some in _chunks(sorted(by_digest)):
        rows = await tx.execute(select(table.c.digest, table.c.genuine).where(table.c.digest.in_(some)))
        here = {row.digest: row.genuine for row in rows}
        again = [{"b_digest": d, "b_times": len(by_digest[d]), "b_at": by_digest[d][-1].received_at_ns} for d in here]
        if again:
            await tx.execute(
                update(table)
                .where(table.c.digest == bindparam("b_digest"))
                .values(times=table.c.times + bindparam("b_times"), last_at_ns=bindparam("b_at")),
                again,
            )
        for digest, genuine in here.items():
            if best[digest].genuine and not genuine:
                await tx.execute(update(table).where(table.c.digest == digest).values(_shown(best[digest])))
        fresh = [
            {
                "digest": digest,
                **_shown(best[digest]),
                "times": len(by_digest[digest]),
                "first_at_ns": by_digest[digest][0].received_at_ns,
                "last_at_ns": by_digest[digest][-1].received_at_ns,
            }
            for digest in some
            if digest not in here
        ]
        if fresh:
            await tx.execute(insert(table), fresh)
    for device, revoked in {(one.device, one.reason == REVOKED) for one in best.values() if not one.genuine}:
        same = (
            table.c.device.is_(None) if device is None else table.c.device == device,
            ~table.c.genuine,
            table.c.reason == REVOKED if revoked else table.c.reason != REVOKED,
        )
        most = QUARANTINED_A_DEVICE if revoked else LETTERS_A_DEVICE
        room = select(table.c.id).where(*same).order_by(table.c.id.desc()).limit(most)
        await tx.execute(delete(table).where(*same, table.c.id.not_in(room)))


def _shown(letter: Letter) -> dict[str, str | bytes | bool | None]:
    names = ("topic", "device", "reason", "detail", "envelope", "genuine")
    return {name: getattr(letter, name) for name in names}


def _chunks(items: Sequence[_Item]) -> Iterable[Sequence[_Item]]:
    return (items[at : at + CHUNK] for at in range(0, len(items), CHUNK))
