"""The audit log: one row for every change that a person or an integration makes, written by one function.

A row commits with the change it tells of, so neither exists without the other; triggers refuse to alter or remove
one. What is recorded names things and says what changed; it never holds a password, token or login code.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.store import tables


async def record(
    tx: AsyncConnection, *, who: str, action: str, subject: str, detail: Mapping[str, Any], at_ns: int
) -> None:
    """Append one row to the audit log, in the transaction of the change itself.

    Args:
        tx: The open write transaction of the change.
        who: The user's name, or ``cli:NAME`` for a command run on the collector's own machine.
        action: What was done, ``noun.verb``: ``alert.acknowledge``, ``user.add``, ``hotlist.import``.
        subject: What it was done to: an id or a name.
        detail: What else matters, as JSON; no secrets.
        at_ns: UTC nanoseconds.
    """
    await tx.execute(
        insert(tables.audit).values(who=who, action=action, subject=subject, detail=dict(detail), at_ns=at_ns)
    )
