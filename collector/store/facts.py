"""Rows about what devices say of themselves: epochs, losses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.store import tables
from edge_wire.messages import LossRecord, Open

_CHAIN_LIMIT = 1_000


async def keep_epoch(tx: AsyncConnection, device: str, epoch: int, body: Open, kid: bytes, received_at_ns: int) -> bool:
    """Open an epoch.

    Returns:
        Whether another epoch of the device names the same predecessor (or both name none): the sign of a cloned card
        or a restored backup. Both are then marked; nothing is dropped for it.
    """
    table = tables.epoch
    same = table.c.previous == body.previous if body.previous is not None else table.c.previous.is_(None)
    twins = (table.c.device == device, same)
    # A corrupt outbox may honestly not know what came before it.
    unknowing = body.corrupt and body.previous is None
    cloned = not unknowing and bool(
        (await tx.execute(select(func.count()).select_from(table).where(*twins))).scalar_one()
    )
    if cloned:
        await tx.execute(update(table).where(*twins).values(cloned_or_restored=True))
    await tx.execute(
        insert(table).values(
            device=device,
            epoch=epoch,
            kid=kid,
            spki=body.public_key,
            boot_id=body.boot_id,
            boot_ns=body.boot_ns,
            utc_ns=body.utc_ns,
            previous=body.previous,
            previous_last=[[int(stream), sequence] for stream, sequence in body.previous_last],
            corrupt=body.corrupt,
            received_at_ns=received_at_ns,
            cloned_or_restored=cloned,
        )
    )
    return cloned


async def boot_ids(tx: AsyncConnection, device: str, epochs: Sequence[int]) -> dict[int, bytes]:
    """Return in which boot each of ``epochs`` was opened."""
    table = tables.epoch
    rows = await tx.execute(
        select(table.c.epoch, table.c.boot_id).where(table.c.device == device, table.c.epoch.in_(epochs))
    )
    return {row.epoch: row.boot_id for row in rows}


async def follows(tx: AsyncConnection, device: str, epoch: int, other: int) -> bool:
    """Whether ``epoch`` is the later one of two.

    The chain of predecessors decides; where it joins neither to the other (a clone, a corrupt outbox), the one whose
    Open arrived later.
    """
    table = tables.epoch
    rows = await tx.execute(
        select(table.c.epoch, table.c.previous, table.c.received_at_ns)
        .where(table.c.device == device)
        .order_by(table.c.received_at_ns.desc())
        .limit(_CHAIN_LIMIT)
    )
    received_at_ns: dict[int, int] = {}
    previous: dict[int, int | None] = {}
    for row in rows:
        received_at_ns[row.epoch], previous[row.epoch] = row.received_at_ns, row.previous
    if _descends(previous, epoch, other):
        return True
    if _descends(previous, other, epoch) or epoch not in previous:
        return False
    return other not in previous or received_at_ns[epoch] >= received_at_ns[other]


def _descends(previous: Mapping[int, int | None], epoch: int, ancestor: int) -> bool:
    seen: set[int] = set()
    at: int | None = epoch
    while at is not None and at not in seen:
        seen.add(at)
        at = previous.get(at)
        if at == ancestor:
            return True
    return False


async def keep_losses(tx: AsyncConnection, rows: Sequence[tuple[str, int, LossRecord]]) -> None:
    """Keep what devices say is lost: (device, id of the message that says so, what it says)."""
    values = [
        {
            "device": device,
            "epoch": body.lost_epoch,
            "stream": int(body.lost_stream),
            "first_sequence": first,
            "last_sequence": last,
            "reason": body.reason,
            # Counted once, however many runs the record names.
            "uncommitted": body.uncommitted if at == 0 else 0,
            "message_id": message_id,
        }
        for device, message_id, body in rows
        for at, (first, last) in enumerate(body.ranges or ((0, 0),))
    ]
    if values:
        await tx.execute(insert(tables.loss), values)
