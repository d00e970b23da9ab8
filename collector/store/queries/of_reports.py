"""What reports are counted from.

Every function works within the caller's transaction. Reads are counted by the time at which the device says that it
captured them, for which there is an index; alerts by when they were raised.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from sqlalchemy import Select, and_, case, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.domain import Part, Support
from collector.reports.periods import Period
from collector.reports.records import Attached, CountedAlert, Facts, ListInForce, LookAlike, Scans
from collector.store import tables


async def facts(tx: AsyncConnection, period: Period, *, agency: str | None = None) -> Facts:
    """Return what a report of a period is counted from.

    Args:
        tx: one transaction.
        period: which.
        agency: only reads, and alerts raised by reads, of this agency's devices.
    """
    return Facts(
        scans=await _scans(tx, period, agency),
        alerts=await _alerts(tx, period, agency),
        attached=await _attached(tx, period, agency),
        lists=await _lists(tx, period),
        look_alikes=await _look_alikes(tx, period),
    )


async def _scans(tx: AsyncConnection, period: Period, agency: str | None) -> list[Scans]:
    read = tables.read
    key = (read.c.agency, read.c.device, read.c.camera)
    query = (
        select(*key, func.count())
        .where(read.c.captured_at_ns >= period.begin_ns, read.c.captured_at_ns < period.end_ns)
        .group_by(*key)
        .order_by(*key)
    )
    if agency is not None:
        query = query.where(read.c.agency == agency)
    return [Scans(*row) for row in await tx.execute(query)]


def _raised(period: Period, agency: str | None, *columns: Any) -> Select[Any]:
    """Select columns of the alerts of plates that were raised in the period, their reads and entries."""
    alert, read, entry = tables.alert, tables.read, tables.hotlist_entry
    query = (
        select(*columns)
        .select_from(alert)
        .join(read, read.c.id == alert.c.read_id)
        .join(entry, entry.c.id == alert.c.entry_id)
        .where(alert.c.raised_at_ns >= period.begin_ns, alert.c.raised_at_ns < period.end_ns)
    )
    return query if agency is None else query.where(read.c.agency == agency)


async def _alerts(tx: AsyncConnection, period: Period, agency: str | None) -> list[CountedAlert]:
    alert, read, entry = tables.alert, tables.read, tables.hotlist_entry
    query = _raised(
        period,
        agency,
        alert.c.id,
        read.c.agency,
        read.c.device,
        read.c.camera,
        entry.c.list,
        entry.c.category,
        alert.c.rule,
        alert.c.probability,
        entry.c.canary,
        entry.c.covert_to,
        alert.c.historical,
        alert.c.raised_at_ns,
        alert.c.acknowledged_at_ns,
        alert.c.support,
        alert.c.recalled_at_ns,
        alert.c.disposition,
        alert.c.record_check,
        alert.c.field_outcome,
    )
    return [
        CountedAlert(
            id=row.id,
            agency=row.agency,
            device=row.device,
            camera=row.camera,
            list=row.list,
            category=row.category,
            rule=row.rule,
            probability=row.probability,
            canary=row.canary,
            covert=row.covert_to is not None,
            historical=row.historical,
            raised_at_ns=row.raised_at_ns,
            acknowledged_at_ns=row.acknowledged_at_ns,
            unsupported=row.support == Support.UNSUPPORTED,
            recalled=row.recalled_at_ns is not None,
            disposition=row.disposition,
            record=(row.record_check or {}).get("status"),
            outcome=(row.field_outcome or {}).get("outcome"),
        )
        for row in await tx.execute(query.order_by(alert.c.id))
    ]


async def _attached(tx: AsyncConnection, period: Period, agency: str | None) -> dict[int, Attached]:
    attached, alert = tables.alert_read, tables.alert
    query = (
        _raised(period, agency, attached.c.alert_id, attached.c.part, func.count())
        .join(attached, attached.c.alert_id == alert.c.id)
        .where(attached.c.part.in_([str(Part.SUPPRESSED), str(Part.TRAIL)]))
        .group_by(attached.c.alert_id, attached.c.part)
    )
    found: defaultdict[int, dict[str, int]] = defaultdict(dict)
    for alert_id, part, reads in await tx.execute(query):
        found[alert_id][part] = reads
    return {alert_id: Attached(**parts) for alert_id, parts in found.items()}


async def _lists(tx: AsyncConnection, period: Period) -> list[ListInForce]:
    hotlist, entry, version = tables.hotlist, tables.hotlist_entry, tables.hotlist_version
    here = (version.c.at_ns >= period.begin_ns) & (version.c.at_ns < period.end_ns)
    rows = await tx.execute(
        select(
            version.c.list,
            func.min(version.c.at_ns).label("first_at_ns"),
            func.max(case((version.c.at_ns < period.end_ns, version.c.version))).label("last"),
            func.sum(case((here, 1), else_=0)).label("versions"),
        ).group_by(version.c.list)
    )
    versions = {row.list: row for row in rows}
    found = []
    for row in await tx.execute(select(hotlist).order_by(hotlist.c.name)):
        known = versions.get(row.name)
        # Of what was imported before versions were kept, only the last import is known.
        last = row.version if known is None else known.last
        if last is None or (known is None and row.imported_at_ns >= period.end_ns):
            continue
        stood = and_(
            entry.c.list == row.name,
            entry.c.first_version <= last,
            or_(entry.c.end_version.is_(None), entry.c.end_version > last),
            entry.c.canary.is_(False),
        )
        entries = (await tx.execute(select(func.count()).select_from(entry).where(stood))).scalar_one()
        found.append(ListInForce(row.name, row.criminal_justice, entries, 0 if known is None else known.versions))
    return found


async def _look_alikes(tx: AsyncConnection, period: Period) -> list[LookAlike]:
    table, read = tables.exclusion, tables.read
    until = func.coalesce(table.c.ended_at_ns, table.c.expires_at_ns)
    created = table.c.created_at_ns
    from_ns = case((created > period.begin_ns, created), else_=period.begin_ns)
    passes = (
        select(func.count())
        .select_from(read)
        .where(
            read.c.text == table.c.true_plate,
            read.c.captured_at_ns >= from_ns,
            read.c.captured_at_ns < case((until < period.end_ns, until), else_=period.end_ns),
        )
        .scalar_subquery()
    )
    demotion = tables.demotion
    demoted = (
        select(func.count())
        .select_from(demotion)
        .where(demotion.c.exclusion_id == table.c.id, demotion.c.at_ns.between(period.begin_ns, period.end_ns - 1))
        .scalar_subquery()
    )
    alert, entry = tables.alert, tables.hotlist_entry
    # An alert of a covert entry is for those whom the entry names, and for no reader of a report.
    shown = case((entry.c.covert_to.is_(None), table.c.alert_id))
    query = (
        select(table.c.id, table.c.list, table.c.author, shown, created, until, table.c.ended_by, passes, demoted)
        .outerjoin(alert, alert.c.id == table.c.alert_id)
        .outerjoin(entry, entry.c.id == alert.c.entry_id)
        .where(created < period.end_ns, until >= period.begin_ns)
        .order_by(table.c.id)
    )
    return [LookAlike(*row) for row in await tx.execute(query)]
