"""Alerts of both kinds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from pyproj import Geod
from sqlalchemy import Row, Select, and_, exists, false, func, or_, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.domain import (
    Alert,
    AlertState,
    AttachedRead,
    Check,
    Closed,
    Disposition,
    Entry,
    FieldOutcome,
    Hit,
    ImageCheck,
    Incident,
    Outcome,
    Part,
    Recalled,
    RecordCheck,
    RecordStatus,
    Rule,
    Support,
    TrailPoint,
)
from collector.store import entries, tables
from collector.store.cases import match_of
from collector.store.notices import notified
from collector.store.queries.of_incidents import incidents_by_id
from collector.store.queries.of_reads import MAX_PAGE, files_here, read_of, select_reads

_EARTH = Geod(ellps="WGS84")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which alerts are asked for; None is any.

    Attributes:
        state: what people did with them.
        list: the name of the entry's list.
        severity: the list's own word.
        site: where the latest read was.
    """

    state: AlertState | None = None
    list: str | None = None
    severity: str | None = None
    site: str | None = None


ALL = Wanted()


def _everything(_: Alert) -> bool:
    return True


async def alerts(
    tx: AsyncConnection,
    wanted: Wanted = ALL,
    *,
    sees: Callable[[Alert], bool] = _everything,
    limit: int = 50,
    before: int | None = None,
) -> list[Alert]:
    """Return alerts, newest first.

    Args:
        tx: one transaction.
        wanted: which.
        sees: whether whoever asks may see one.
        limit: at most so many.
        before: only ids below.
    """
    alert, entry = tables.alert, tables.hotlist_entry
    query = _alerts().order_by(alert.c.id.desc()).limit(min(limit, MAX_PAGE))
    for column, value in (
        (alert.c.state, wanted.state),
        (entry.c.list, wanted.list),
        (entry.c.severity, wanted.severity),
        (alert.c.site, wanted.site),
    ):
        if value is not None:
            query = query.where(column == str(value))
    found: list[Alert] = []
    while len(found) < limit:
        page = await _of(tx, query if before is None else query.where(alert.c.id < before))
        found += [one for one in page if sees(one)]
        if len(page) < min(limit, MAX_PAGE):
            break
        before = page[-1].id
    return found[:limit]


async def alerts_by_id(tx: AsyncConnection, ids: Iterable[int]) -> dict[int, Alert]:
    """Return those of the alerts ``ids`` that exist."""
    wanted = list(ids)
    found = await _of(tx, _alerts().where(tables.alert.c.id.in_(wanted))) if wanted else []
    return {one.id: one for one in found}


async def reads_of_alert(tx: AsyncConnection, alert_id: int, *, limit: int = MAX_PAGE) -> list[AttachedRead]:
    """Return the reads of an alert in order of time, those that were suppressed too; of very many the latest."""
    attached, read = tables.alert_read, tables.read
    query: Select[Any] = (
        select_reads()
        .add_columns(*(column.label(f"of_{column.name}") for column in attached.c))
        .join(attached, attached.c.read_id == read.c.id)
        .where(attached.c.alert_id == alert_id)
        .order_by(attached.c.passed_at_ns.desc(), read.c.id.desc())
        .limit(limit)
    )
    found = [
        AttachedRead(
            Part(row.of_part), read_of(row._mapping), row.of_probability, row.of_supports, row.of_attached_at_ns
        )
        for row in await tx.execute(query)
    ]
    return found[::-1]


async def _of(tx: AsyncConnection, query: Select[Any]) -> list[Alert]:
    rows = (await tx.execute(query)).all()
    ids = [row.id for row in rows]
    incidents = await incidents_by_id(tx, [row.incident_id for row in rows if row.incident_id is not None])
    trails, told = await _trails(tx, ids), await notified(tx, ids)
    return [
        _alert(
            row,
            _hit(row) if row.incident_id is None else incidents[row.incident_id],
            trails[row.id],
            told.get(row.id, ()),
        )
        for row in rows
    ]


async def _trails(tx: AsyncConnection, ids: Sequence[int]) -> defaultdict[int, list[TrailPoint]]:
    attached, read = tables.alert_read, tables.read
    found: defaultdict[int, list[TrailPoint]] = defaultdict(list)
    if not ids:
        return found
    # Where the read that said so was taken back, one that was suppressed there may still have seen it.
    gone = tables.alert_read.alias()
    doubted = exists().where(
        gone.c.alert_id == attached.c.alert_id,
        gone.c.site == attached.c.site,
        gone.c.part != str(Part.SUPPRESSED),
        gone.c.supports == false(),
    )
    query = (
        select(attached, read.c.device, read.c.camera)
        .join(read, read.c.id == attached.c.read_id)
        .where(
            attached.c.alert_id.in_(ids),
            or_(attached.c.part != str(Part.SUPPRESSED), and_(attached.c.supports == true(), doubted)),
        )
        .order_by(attached.c.alert_id, attached.c.passed_at_ns, attached.c.read_id)
    )
    rows = (await tx.execute(query)).all()
    supported = {row.alert_id for row in rows if row.supports}
    for row in rows:
        before = found[row.alert_id][-1] if found[row.alert_id] else None
        # What nothing supports any more is shown where it was raised.
        counts = row.supports if row.alert_id in supported else row.part == Part.RAISED
        if not counts or (row.part == Part.SUPPRESSED and before is not None and before.site == row.site):
            continue
        found[row.alert_id].append(
            TrailPoint(
                read_id=row.read_id,
                part=Part(row.part),
                device=row.device,
                camera=row.camera,
                site=row.site,
                passed_at_ns=row.passed_at_ns,
                probability=row.probability,
                supports=row.supports,
                latitude=row.latitude,
                longitude=row.longitude,
                direction=row.direction,
                distance_m=None if before is None else _distance_m(before, row.latitude, row.longitude),
            )
        )
    return found


def _distance_m(before: TrailPoint, latitude: float | None, longitude: float | None) -> float | None:
    if before.latitude is None or before.longitude is None or latitude is None or longitude is None:
        return None
    return round(float(_EARTH.inv(before.longitude, before.latitude, longitude, latitude)[2]), 1)


def _alerts() -> Select[Any]:
    alert, read, entry, hotlist = tables.alert, tables.read, tables.hotlist_entry, tables.hotlist
    attached, mute = tables.alert_read, tables.mute
    suppressed = select(func.count()).where(attached.c.alert_id == alert.c.id, attached.c.part == str(Part.SUPPRESSED))
    muted = exists().where(
        mute.c.list == entry.c.list,
        mute.c.plate == entry.c.plate,
        or_(mute.c.region == entry.c.region, and_(mute.c.region.is_(None), entry.c.region.is_(None))),
        mute.c.reference == entry.c.reference,
        mute.c.list_version >= hotlist.c.version,
    )
    return (
        select(
            alert,
            *(column.label(f"entry_{column.name}") for column in entry.c if column.name != "id"),
            *(column.label(f"read_{column.name}") for column in read.c if column.name != "id"),
            *files_here("read_"),
            hotlist.c.criminal_justice,
            suppressed.scalar_subquery().label("suppressed"),
            muted.label("muted"),
        )
        .outerjoin(read, read.c.id == alert.c.read_id)
        .outerjoin(entry, entry.c.id == alert.c.entry_id)
        .outerjoin(hotlist, hotlist.c.name == entry.c.list)
    )


def _alert(row: Row[Any], about: Hit | Incident, trail: Sequence[TrailPoint], told: tuple[str, ...]) -> Alert:
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
        soundings=row.soundings,
        escalate_at_ns=row.escalate_at_ns,
        escalated_at_ns=row.escalated_at_ns,
        recalled=None if row.recalled_at_ns is None else Recalled(row.recalled_at_ns, row.recalled_why or ""),
        closed=None
        if row.disposition is None
        else Closed(Disposition(row.disposition), row.closed_by, row.closed_at_ns),
        image_check=_image_check(row.image_check),
        record_check=_record_check(row.record_check),
        field_outcome=_field_outcome(row.field_outcome),
        confirm_by_ns=row.confirm_by_ns,
        trail=tuple(trail),
        suppressed=row.suppressed,
        muted=bool(row.muted),
        notified=told,
    )


def _image_check(kept: Mapping[str, Any] | None) -> ImageCheck | None:
    if kept is None:
        return None
    return ImageCheck(
        Check(kept["plate"]), Check(kept["state"]), Check(kept["vehicle"]), by=kept["by"], at_ns=kept["at_ns"]
    )


def _record_check(kept: Mapping[str, Any] | None) -> RecordCheck | None:
    if kept is None:
        return None
    return RecordCheck(RecordStatus(kept["status"]), kept["reference"], kept["by"], kept["at_ns"])


def _field_outcome(kept: Mapping[str, Any] | None) -> FieldOutcome | None:
    return None if kept is None else FieldOutcome(Outcome(kept["outcome"]), kept["by"], kept["at_ns"])


def _hit(row: Row[Any]) -> Hit:
    read = {name[5:]: value for name, value in row._mapping.items() if name.startswith("read_")}
    return Hit(
        rule=Rule(row.rule),
        entry=_entry(row),
        list_version=row.list_version,
        read=read_of(read | {"id": row.read_id}),
        criminal_justice=bool(row.criminal_justice),
        revision=row.revision,
        match=match_of(row.match),
    )


def _entry(row: Row[Any]) -> Entry:
    # ``entry_id`` is the alert's own column.
    return entries.entry(SimpleNamespace(**{n[6:]: v for n, v in row._mapping.items() if n.startswith("entry_")}))
