"""Alerts of both kinds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Row, Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.domain import Alert, AlertState, Entry, Hit, Incident, Rule, Support
from collector.store import tables
from collector.store.queries.of_incidents import incidents_by_id
from collector.store.queries.of_reads import MAX_PAGE, files_here, read_of


async def alerts(
    tx: AsyncConnection, *, state: AlertState | None = None, limit: int = 50, before: int | None = None
) -> list[Alert]:
    """Return alerts, newest first: of one state, with ids below ``before``."""
    query = _alerts().order_by(tables.alert.c.id.desc()).limit(min(limit, MAX_PAGE))
    if state is not None:
        query = query.where(tables.alert.c.state == str(state))
    if before is not None:
        query = query.where(tables.alert.c.id < before)
    return await _of(tx, query)


async def alerts_by_id(tx: AsyncConnection, ids: Iterable[int]) -> dict[int, Alert]:
    """Return those of the alerts ``ids`` that exist."""
    found = await _of(tx, _alerts().where(tables.alert.c.id.in_(list(ids))))
    return {one.id: one for one in found}


async def _of(tx: AsyncConnection, query: Select[Any]) -> list[Alert]:
    rows = (await tx.execute(query)).all()
    incidents = await incidents_by_id(tx, [row.incident_id for row in rows if row.incident_id is not None])
    return [_alert(row, _hit(row) if row.incident_id is None else incidents[row.incident_id]) for row in rows]


def _alerts() -> Select[Any]:
    alert, read, entry = tables.alert, tables.read, tables.hotlist_entry
    return (
        select(
            alert,
            *(column.label(f"entry_{column.name}") for column in entry.c if column.name != "id"),
            *(column.label(f"read_{column.name}") for column in read.c if column.name != "id"),
            *files_here("read_"),
        )
        .outerjoin(read, read.c.id == alert.c.read_id)
        .outerjoin(entry, entry.c.id == alert.c.entry_id)
    )


def _alert(row: Row[Any], about: Hit | Incident) -> Alert:
    return Alert(
        id=row.id,
        state=AlertState(row.state),
        support=Support(row.support),
        why=tuple(row.why),
        historical=row.historical,
        raised_at_ns=row.raised_at_ns,
        acknowledged_by=row.acknowledged_by,
        acknowledged_at_ns=row.acknowledged_at_ns,
        about=about,
    )


def _hit(row: Row[Any]) -> Hit:
    read = {name[5:]: value for name, value in row._mapping.items() if name.startswith("read_")}
    return Hit(
        rule=Rule(row.rule),
        entry=Entry(
            id=row.entry_id,
            list=row.entry_list,
            plate=row.entry_plate,
            region=row.entry_region,
            reason=row.entry_reason,
            severity=row.entry_severity,
            notes=row.entry_notes,
        ),
        list_version=row.list_version,
        read=read_of(read | {"id": row.read_id}),
    )
