"""What every message of a device leaves behind: its identity, its bytes, or its dead letter.

Every function works within the caller's transaction, on many rows at once. The caller gives rows in identity order:
two collectors that insert the same rows in different orders would wait for each other for ever.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, and_, bindparam, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.domain import DeviceStatus, Identity
from collector.store import tables, turns
from collector.store.bulk import CHUNK, Bulk
from edge_wire.messages import Verdict

_IDENTITIES = Bulk(tables.identity, ("device", "epoch", "stream", "sequence", "digest", "verdict"))
_MESSAGES = Bulk(tables.message, ("device", "epoch", "stream", "sequence", "kind", "envelope", "received_at_ns"))
_IDENTITY = (tables.message.c.device, tables.message.c.epoch, tables.message.c.stream, tables.message.c.sequence)
# Numbers of a stream that are so close are asked for together, with those between them.
_CLOSE = 4
# So many runs of numbers a statement: SQLite takes expressions that are 1,000 deep.
_RUNS = 256
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
    device = tables.device
    rows = await tx.execute(select(device).where(device.c.id.in_(sorted(set(devices)))))
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
    table = tables.identity
    columns = (table.c.device, table.c.epoch, table.c.stream, table.c.sequence)
    keys = [(one.device, one.epoch, one.stream, one.sequence) for one in identities]
    found = {}
    for some in about(columns, keys):
        for *key, digest, verdict in await tx.execute(select(*columns, table.c.digest, table.c.verdict).where(some)):
            found[Identity(*key)] = Known(digest, Verdict(verdict))
    return found


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
    ids = await inserted(tx, _MESSAGES, values, tables.message.c.id, _IDENTITY)
    return [ids[value[:4]] for value in values]


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


async def inserted(
    tx: AsyncConnection,
    bulk: Bulk,
    rows: Sequence[tuple[Any, ...]],
    row_id: ColumnElement[int],
    key: Sequence[ColumnElement[Any]],
) -> dict[tuple[Any, ...], int]:
    """Insert rows; return their ids by the columns of ``key``, perhaps with others' that came meanwhile.

    Asked for afterwards: with RETURNING in the order of the rows, SQLite would be given one row at a time.
    """
    if not rows:
        return {}
    before = (await tx.execute(select(func.coalesce(func.max(row_id), 0)))).scalar_one()
    await bulk.insert(tx, rows)
    return {tuple(values): number for number, *values in await tx.execute(select(row_id, *key).where(row_id > before))}


def about(columns: Sequence[ColumnElement[Any]], keys: Iterable[tuple[Any, ...]]) -> Iterator[ColumnElement[bool]]:
    """Yield conditions, for one statement each, that together hold for ``keys``, and perhaps for others.

    Numbers of one stream that stand close together are asked for by their ends. Not by ``IN`` over whole keys: SQLite
    (3.40) reads the whole table for that.

    Args:
        columns: the key's, the last one of which is the number.
        keys: their values.
    """
    streams: defaultdict[tuple[Any, ...], list[int]] = defaultdict(list)
    for key in keys:
        streams[key[:-1]].append(key[-1])
    runs: list[tuple[tuple[Any, ...], int, int]] = []
    for stream, numbers in streams.items():
        ordered = sorted(numbers)
        first = last = ordered[0]
        for number in ordered[1:]:
            if number - last > _CLOSE:
                runs.append((stream, first, last))
                first = number
            last = number
        runs.append((stream, first, last))
    for at in range(0, len(runs), _RUNS):
        some = runs[at : at + _RUNS]
        # Of few lengths: each is another statement, made anew out of expressions at its first use.
        some += some[-1:] * ((1 << (len(some) - 1).bit_length()) - len(some))
        yield or_(*(_is_in_run(columns, *run) for run in some))


def _is_in_run(
    columns: Sequence[ColumnElement[Any]], stream: tuple[Any, ...], first: int, last: int
) -> ColumnElement[bool]:
    same = [column == value for column, value in zip(columns, stream, strict=False)]
    return and_(*same, columns[-1].between(first, last))


def _chunks(items: Sequence[_Item]) -> Iterable[Sequence[_Item]]:
    return (items[at : at + CHUNK] for at in range(0, len(items), CHUNK))
