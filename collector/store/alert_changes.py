"""What was done to alerts, by whom and when: append-only, one row a step, in the transaction of the step itself.

The machine's own steps have an empty ``who``. A read that is suppressed leaves no row here: ``alert_read`` has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.domain import AlertChange, Support
from collector.store import tables

MACHINE = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One change of an alert.

    Attributes:
        alert_id: whose.
        action: what was done.
        who: the user, ``cli:NAME``, or empty: the machine.
        detail: what else matters, as JSON.
    """

    alert_id: int
    action: str
    who: str = MACHINE
    detail: Mapping[str, Any] = field(default_factory=dict)


def supported_as(support: Support) -> str:
    """Return the action that says how an alert is supported from now on."""
    return "supported" if support is Support.RAISED else str(support)


async def keep(tx: AsyncConnection, steps: Iterable[Step], at_ns: int) -> None:
    """Append steps in their order; ``at_ns`` is UTC."""
    rows = [
        {"alert_id": one.alert_id, "at_ns": at_ns, "who": one.who, "action": one.action, "detail": dict(one.detail)}
        for one in steps
    ]
    if rows:
        await tx.execute(insert(tables.alert_change), rows)


async def of_alert(tx: AsyncConnection, alert_id: int, *, after: int = 0) -> list[AlertChange]:
    """Return the changes of an alert with ids above ``after``, oldest first."""
    change = tables.alert_change
    query = select(change).where(change.c.alert_id == alert_id, change.c.id > after).order_by(change.c.id)
    return [
        AlertChange(row.id, row.alert_id, row.at_ns, row.who, row.action, row.detail) for row in await tx.execute(query)
    ]
