"""What changed on devices, as they say themselves: one row a change, kept as it was told."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.store import tables
from edge_wire.messages import Change, Header


async def keep_changes(tx: AsyncConnection, rows: Sequence[tuple[str, int, Header, Change]]) -> set[str]:
    """Keep changes that had not come before.

    Args:
        tx: the transaction of their messages.
        rows: device, the message's row, its header and its body, in the order in which they are to be numbered.

    Returns:
        The devices that told one: consoles want to show them anew.
    """
    if rows:
        await tx.execute(
            insert(tables.device_change),
            [
                {
                    "device": device,
                    "message_id": message_id,
                    "subject": body.subject,
                    "ref": body.id,
                    "state": body.state,
                    "before": body.before,
                    "reason": body.reason,
                    "at_ns": header.captured_at_ns,
                }
                for device, message_id, header, body in rows
            ],
        )
    return {device for device, *_ in rows}
