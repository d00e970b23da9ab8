"""Dead letters, as people look at them: found, put through ingest once more, or purged.

How they come about is ``collector.store.intake``'s. Every function works within the caller's transaction.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, delete, false, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.domain import Identity
from collector.store import tables, turns
from edge_wire import codec, cose
from edge_wire.errors import WireError
from edge_wire.messages import Verdict

IDENTITY_CONFLICT = "identity_conflict"
REVOKED = "revoked"
_CHUNK = 1_000
_MOST_CONFLICTS = 10_000


@dataclass(frozen=True, slots=True)
class StoredLetter:
    """A dead letter as it is kept.

    Attributes:
        id: its number.
        digest: SHA-256 of the bytes as they came.
        topic: where it was published.
        device: as the topic names it.
        reason: short stable word.
        detail: where, what was got, what was expected.
        envelope: its bytes; of what is not genuine only the beginning.
        times: how often the same bytes came.
        first_at_ns: UTC when they came first.
        last_at_ns: and last.
        genuine: verified, from a device that was enrolled.
    """

    id: int
    digest: bytes
    topic: str
    device: str | None
    reason: str
    detail: str
    envelope: bytes
    times: int
    first_at_ns: int
    last_at_ns: int
    genuine: bool

    @property
    def evidence(self) -> bool:
        """Whether a device of ours signed it, though it may have been revoked when it came."""
        return self.genuine or self.reason == REVOKED

    @property
    def is_whole(self) -> bool:
        """Whether all of its bytes are kept."""
        return hashlib.sha256(self.envelope).digest() == self.digest


@dataclass(frozen=True, slots=True)
class Choice:
    """Which letters: those that fulfil everything that is not None.

    Attributes:
        ids: these; None for any.
        device: of this device.
        reason: with this reason.
        since_ns: that came (last) at this time or later, UTC.
        before_ns: that came last before this time.
        evidence: only those that are, or only those that are not; see ``StoredLetter.evidence``.
    """

    ids: Collection[int] | None = None
    device: str | None = None
    reason: str | None = None
    since_ns: int | None = None
    before_ns: int | None = None
    evidence: bool | None = None

    def _where(self) -> list[ColumnElement[bool]]:
        table = tables.dead_letter
        found: list[ColumnElement[bool]] = []
        if self.ids is not None:
            found.append(table.c.id.in_(sorted(self.ids)) if self.ids else false())
        if self.device is not None:
            found.append(table.c.device == self.device)
        if self.reason is not None:
            found.append(table.c.reason == self.reason)
        if self.since_ns is not None:
            found.append(table.c.last_at_ns >= self.since_ns)
        if self.before_ns is not None:
            found.append(table.c.last_at_ns < self.before_ns)
        if self.evidence is not None:
            is_evidence = or_(table.c.genuine, table.c.reason == REVOKED)
            found.append(is_evidence if self.evidence else ~is_evidence)
        return found


async def count(tx: AsyncConnection, choice: Choice) -> int:
    """Return how many letters ``choice`` means."""
    query = select(func.count()).select_from(tables.dead_letter).where(*choice._where())
    return int((await tx.execute(query)).scalar_one())


async def ids(tx: AsyncConnection, choice: Choice) -> list[int]:
    """Return the numbers of all letters that ``choice`` means, in the order in which they came."""
    table = tables.dead_letter
    return list((await tx.execute(select(table.c.id).where(*choice._where()).order_by(table.c.id))).scalars())


async def letter(tx: AsyncConnection, number: int) -> StoredLetter | None:
    """Return one letter, None if there is none with this number."""
    found = await newest(tx, Choice(ids=[number]), limit=1)
    return found[0] if found else None


async def newest(tx: AsyncConnection, choice: Choice, *, limit: int) -> list[StoredLetter]:
    """Return letters, the last first, at most ``limit``."""
    table = tables.dead_letter
    query = select(table).where(*choice._where()).order_by(table.c.id.desc()).limit(limit)
    return [StoredLetter(**row) for row in (await tx.execute(query)).mappings()]


async def reopen(tx: AsyncConnection, kept: StoredLetter, identity: Identity) -> bool:
    """Take a letter and its verdict back, so that the message may be judged once more in the same transaction.

    Returns:
        False, with nothing changed, if the identity stands for other bytes, is stored, or is not known at all: then
        there is nothing to take back.
    """
    await turns.of_letters(tx)
    table = tables.identity
    taken = await tx.execute(
        delete(table).where(
            table.c.device == identity.device,
            table.c.epoch == identity.epoch,
            table.c.stream == identity.stream,
            table.c.sequence == identity.sequence,
            table.c.digest == kept.digest,
            table.c.verdict == int(Verdict.DEAD_LETTERED),
        )
    )
    if not taken.rowcount:
        return False
    await tx.execute(delete(tables.dead_letter).where(tables.dead_letter.c.id == kept.id))
    return True


async def purge(tx: AsyncConnection, numbers: Sequence[int]) -> int:
    """Delete letters; return how many there were. The identities of genuine ones stay dead-lettered for ever."""
    await turns.of_letters(tx)
    table = tables.dead_letter
    gone = 0
    for at in range(0, len(numbers), _CHUNK):
        gone += (await tx.execute(delete(table).where(table.c.id.in_(numbers[at : at + _CHUNK])))).rowcount
    return gone


async def conflicts(tx: AsyncConnection, device: str) -> list[tuple[int, int]]:
    """Return epoch and stream of each genuine message that came under an identity that stands for another."""
    table = tables.dead_letter
    rows = await tx.execute(
        select(table.c.envelope)
        .where(table.c.device == device, table.c.genuine, table.c.reason == IDENTITY_CONFLICT)
        .order_by(table.c.id)
        .limit(_MOST_CONFLICTS)
    )
    found = []
    for (envelope,) in rows:
        try:
            header = codec.decode_header(cose.parse(envelope).payload)
        except WireError:
            continue  # Kept by a version that read more than this one.
        if header.stream is not None:
            found.append((header.epoch, int(header.stream)))
    return found
