"""Shot incidents, and the arrivals that may belong to one."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from sqlalchemy import Row, func, insert, not_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.domain import AlertState, Stage, Support
from collector.errors import StoreRefusedError
from collector.incidents.records import (
    Change,
    Heard,
    KeptIncident,
    Known,
    Listener,
    Neighbourhood,
    Place,
    Standing,
)
from collector.store import alert_changes, feed, tables
from collector.store.alert_changes import Step, supported_as
from collector.store.feed import FeedKind
from collector.store.following import told_of
from collector.store.places import place_of, places
from collector.store.queries.of_shots import gun_probability

# SQLite allows 32,766 variables a statement.
_CHUNK = 1_000
_MS = 1_000_000
_KNOWN = tuple(one.name for one in fields(Known))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What keeping changes came to.

    Attributes:
        incident_ids: of the changes, in their order.
        audible: shots whose sound people want now, by incident: all of one that has alerted, what came to one that had.
    """

    incident_ids: tuple[int, ...]
    audible: Mapping[int, frozenset[int]]


async def looked_at(tx: AsyncConnection) -> int:
    """Return up to which feed number shots and reads have been looked at."""
    return int((await tx.execute(select(tables.incident_cursor.c.number))).scalar_one())


async def note_looked_at(tx: AsyncConnection, number: int) -> None:
    """Shots and reads up to this feed number have been looked at; a lower one than is noted changes nothing."""
    table = tables.incident_cursor
    await tx.execute(update(table).where(table.c.number < number).values(number=number))


async def new_shots(
    tx: AsyncConnection, after: int, *, up_to: int | None = None, rows: int, most: int, live_ns: int, live: bool
) -> tuple[list[int], int]:
    """Return the next shots that the feed tells of and that are in no incident, and the number behind which to go on.

    Args:
        tx: one transaction.
        after: the number of the feed's row to begin behind.
        up_to: the last row's number; None for the feed's end.
        rows: how many rows to go through.
        most: how many shots to return.
        live_ns: a shot that came within this time of being heard is live.
        live: whether to return the live shots or the others.
    """
    shot = tables.shot
    came_live = shot.c.received_at_ns - shot.c.heard_at_ns <= live_ns
    which = shot.c.incident_id.is_(None) & (came_live if live else not_(came_live))
    return await told_of(
        tx, after, kind=FeedKind.SHOT, row_id=shot.c.id, which=which, up_to=up_to, rows=rows, most=most
    )


async def settling(tx: AsyncConnection, now_ns: int, most: int) -> tuple[list[int], int | None]:
    """Return incidents of which nobody can tell any more, the longest due first, and when the next one will be."""
    table = tables.incident
    query = select(table.c.id, table.c.settles_at_ns).where(table.c.settles_at_ns.is_not(None))
    rows = (await tx.execute(query.order_by(table.c.settles_at_ns).limit(most + 1))).all()
    due = [row.id for row in rows if row.settles_at_ns <= now_ns][:most]
    return due, rows[len(due)].settles_at_ns if len(rows) > len(due) else None


async def neighbourhoods(
    tx: AsyncConnection,
    shot_ids: Collection[int],
    incident_ids: Collection[int],
    *,
    reach_ns: int,
    most: int,
    most_of_one: int,
    most_of_device: int,
) -> list[Neighbourhood]:
    """Return, agency by agency, these shots and those of these incidents, and every incident within ``reach_ns``.

    Other shots that are in none are not: they are looked at in their turn, or have been left out. Of an incident that
    any of it is in all shots are returned; one that has ``most_of_one`` of them or more is complete, and neither it nor
    its shots are, unless it is one of ``incident_ids``. What a device heard when it had told of ``most_of_device``
    others within ``reach_ns`` is not there either, so that nobody's noise keeps the others' shots from being looked at.

    Raises:
        StoreRefusedError: that is more than ``most`` shots.
    """
    shot = tables.shot
    times: defaultdict[str, list[int]] = defaultdict(list)
    wanted = set(shot_ids)
    for column, ids in ((shot.c.id, shot_ids), (shot.c.incident_id, incident_ids)):
        for some in _chunks(sorted(ids)):
            query = select(shot.c.agency, shot.c.heard_at_ns).where(column.in_(some))
            for row in await tx.execute(query):
                times[row.agency].append(row.heard_at_ns)
    found: list[Neighbourhood] = []
    left = most
    for agency, heard in sorted(times.items()):
        known, listeners = await places(tx, agency)
        for begin_ns, end_ns in _spans(sorted(heard), reach_ns):
            near = await _near(tx, agency, (begin_ns, end_ns), reach_ns=reach_ns, most_of_device=most_of_device)
            inside = {incident_id for incident_id in near.values() if incident_id is not None}
            full = await _with_so_many(tx, inside - set(incident_ids), most_of_one)
            members = await _members(tx, inside - full, left)
            new = [one for one, incident_id in near.items() if incident_id is None and one in wanted]
            rows = {row.id: row for row in (*await _rows(tx, new[: left + 1]), *members)}
            left -= len(rows)
            if left < 0:
                raise StoreRefusedError(
                    f"agency {agency}: got more than {most} shots within {reach_ns / 1e9:g} s of some, expected fewer: "
                    "do devices there repeat themselves, or do their clocks stand still?"
                )
            shots = _in_order(_heard(row, known) for row in rows.values())
            _add(found, Neighbourhood(agency, shots, await _kept(tx, inside - full), listeners))
    return found


async def settle(tx: AsyncConnection, incident_ids: Collection[int]) -> None:
    """Nobody can tell any more of these incidents, and nothing of them is to be looked at again for it."""
    table = tables.incident
    await tx.execute(update(table).where(table.c.id.in_(sorted(incident_ids))).values(settles_at_ns=None))


async def keep(tx: AsyncConnection, agency: str, changes: Sequence[Change], at_ns: int) -> Outcome:
    """Bring incidents to where ``changes`` has them, raise and revise their alerts, and tell of what differs.

    An incident that people have given a verdict of stays reviewed.
    """
    ids: list[int] = []
    audible: dict[int, frozenset[int]] = {}
    for change in changes:
        incident_id = change.incident_id
        if incident_id is None:
            incident_id = await _begin(tx, agency, change, at_ns)
        elif change.changed:
            await _revise(tx, incident_id, change, at_ns)
        else:
            table = tables.incident
            await tx.execute(update(table).where(table.c.id == incident_id).values(settles_at_ns=change.settles_at_ns))
        ids.append(incident_id)
    moved = await _move(tx, list(zip(ids, changes, strict=True)))
    for incident_id, change in zip(ids, changes, strict=True):
        if change.into is not None:
            table = tables.incident
            await tx.execute(update(table).where(table.c.id == incident_id).values(merged_into=change.into))
        if not change.changed and incident_id not in moved:
            continue
        if change.alert is not None:
            await _alert(tx, incident_id, change.alert, at_ns, historical=change.known.historical)
            before = change.alert.alert_id is not None
            audible[incident_id] = frozenset(moved.get(incident_id, ()) if before else change.shot_ids)
        await tell(tx, incident_id)
    return Outcome(tuple(ids), {one: shots for one, shots in audible.items() if shots})


def _add(found: list[Neighbourhood], one: Neighbourhood) -> None:
    """Add a neighbourhood, together with those that have an incident in common with it: a long series joins them."""
    for other in [other for other in found if other.kept.keys() & one.kept.keys()]:
        found.remove(other)
        shots = {shot.id: shot for shot in (*other.shots, *one.shots)}
        one = Neighbourhood(one.agency, _in_order(shots.values()), {**other.kept, **one.kept}, one.listeners)
    found.append(one)


def _in_order(shots: Iterable[Heard]) -> tuple[Heard, ...]:
    return tuple(sorted(shots, key=lambda one: (one.heard_at_ns, one.id)))


async def _near(
    tx: AsyncConnection, agency: str, span_ns: tuple[int, int], *, reach_ns: int, most_of_device: int
) -> dict[int, int | None]:
    """Return the shots of a stretch of time, each with its incident, without what is too many of one device."""
    shot = tables.shot
    # In milliseconds: how far a window reaches goes to PostgreSQL as an integer of 32 bits.
    at_ms = shot.c.heard_at_ns // _MS
    # With itself, and with all of the same moment.
    before = func.count().over(partition_by=shot.c.device, order_by=at_ms, range_=(-(reach_ns // _MS), 0))
    query = select(shot.c.id, shot.c.incident_id, before.label("before")).where(
        shot.c.agency == agency, shot.c.heard_at_ns.between(*span_ns)
    )
    told = query.subquery()
    rows = await tx.execute(select(told.c.id, told.c.incident_id).where(told.c.before <= most_of_device))
    return {row.id: row.incident_id for row in rows}


async def _with_so_many(tx: AsyncConnection, incident_ids: Collection[int], most: int) -> set[int]:
    """Return those of the incidents that have so many shots or more."""
    column = tables.shot.c.incident_id
    found: set[int] = set()
    for some in _chunks(sorted(incident_ids)):
        query = select(column).where(column.in_(some)).group_by(column).having(func.count() >= most)
        found.update((await tx.execute(query)).scalars())
    return found


async def _members(tx: AsyncConnection, incident_ids: Collection[int], most: int) -> list[Row[Any]]:
    """Return the shots of these incidents; where they are more than ``most``, some more than that."""
    shot = tables.shot
    members: list[Row[Any]] = []
    for some in _chunks(sorted(incident_ids)):
        members += await tx.execute(select(shot).where(shot.c.incident_id.in_(some)).limit(most + 1))
    return members


async def _rows(tx: AsyncConnection, shot_ids: Sequence[int]) -> list[Row[Any]]:
    shot = tables.shot
    rows: list[Row[Any]] = []
    for some in _chunks(shot_ids):
        rows += await tx.execute(select(shot).where(shot.c.id.in_(some)))
    return rows


async def _kept(tx: AsyncConnection, incident_ids: Collection[int]) -> dict[int, KeptIncident]:
    incident, alert = tables.incident, tables.alert
    found: dict[int, KeptIncident] = {}
    for some in _chunks(sorted(incident_ids)):
        query = (
            select(incident, alert.c.id.label("alert_id"), alert.c.support, alert.c.why)
            .outerjoin(alert, alert.c.incident_id == incident.c.id)
            .where(incident.c.id.in_(some))
        )
        for row in await tx.execute(query):
            standing = None if row.alert_id is None else Standing(Support(row.support), tuple(row.why), row.alert_id)
            found[row.id] = KeptIncident(
                id=row.id,
                known=Known(**{name: row._mapping[name] for name in _KNOWN}),
                alert_from=row.alert_from,
                listening=tuple(Listener(device, Place(*place)) for device, *place in row.listening),
                settles_at_ns=row.settles_at_ns,
                alert=standing,
                merged_into=row.merged_into,
            )
    return found


async def _begin(tx: AsyncConnection, agency: str, change: Change, at_ns: int) -> int:
    stage = Stage.RAW if change.known.latitude is None else Stage.LOCATED
    inserted = await tx.execute(
        insert(tables.incident)
        .values(
            agency=agency,
            stage=str(stage),
            revision=1,
            made_at_ns=at_ns,
            alert_from=change.alert_from,
            settles_at_ns=change.settles_at_ns,
            listening=[[one.device, *asdict(one.place).values()] for one in change.listening],
            **asdict(change.known),
        )
        .returning(tables.incident.c.id)
    )
    incident_id = int(inserted.scalar_one())
    await keep_revision(tx, incident_id, 1, stage, at_ns, asdict(change.known))
    return incident_id


async def _revise(tx: AsyncConnection, incident_id: int, change: Change, at_ns: int) -> None:
    table = tables.incident
    query = select(table.c.revision, table.c.stage, table.c.settles_at_ns).where(table.c.id == incident_id)
    before = (await tx.execute(query)).one()
    stage = _stage(Stage(before.stage), change.known, settled=before.settles_at_ns is None)
    await tx.execute(
        update(table)
        .where(table.c.id == incident_id)
        .values(
            stage=str(stage),
            revision=before.revision + 1,
            settles_at_ns=change.settles_at_ns,
            merged_into=None,
            **asdict(change.known),
        )
    )
    await keep_revision(tx, incident_id, before.revision + 1, stage, at_ns, asdict(change.known))


def _stage(before: Stage, known: Known, *, settled: bool) -> Stage:
    if before is Stage.REVIEWED:
        return before
    had_point = before in (Stage.LOCATED, Stage.REVISED)
    if known.latitude is None:
        return Stage.REVISED if had_point else Stage.RAW
    return Stage.REVISED if had_point and (settled or before is Stage.REVISED) else Stage.LOCATED


async def keep_revision(
    tx: AsyncConnection, incident_id: int, revision: int, stage: Stage, at_ns: int, known: Mapping[str, Any]
) -> None:
    """Keep what has become known of an incident."""
    await tx.execute(
        insert(tables.incident_revision).values(
            incident_id=incident_id, revision=revision, stage=str(stage), at_ns=at_ns, known=dict(known)
        )
    )


async def _move(tx: AsyncConnection, kept: Sequence[tuple[int, Change]]) -> dict[int, list[int]]:
    """Let shots be of the incidents that they are in now; return those that came to each."""
    shot = tables.shot
    moved: defaultdict[int, list[int]] = defaultdict(list)
    for incident_id, change in kept:
        for some in _chunks(sorted(change.shot_ids)):
            elsewhere = or_(shot.c.incident_id.is_(None), shot.c.incident_id != incident_id)
            coming = list((await tx.execute(select(shot.c.id).where(shot.c.id.in_(some), elsewhere))).scalars())
            if coming:
                await tx.execute(update(shot).where(shot.c.id.in_(coming)).values(incident_id=incident_id))
                moved[incident_id] += coming
    return moved


async def tell(tx: AsyncConnection, incident_id: int) -> None:
    """Tell of an incident, and of its alert if it has one: an alert shows its incident."""
    alert = tables.alert
    await feed.append(tx, FeedKind.INCIDENT, incident_id)
    alert_id = (await tx.execute(select(alert.c.id).where(alert.c.incident_id == incident_id))).scalar_one_or_none()
    if alert_id is not None:
        await feed.append(tx, FeedKind.ALERT, alert_id)


async def _alert(tx: AsyncConnection, incident_id: int, standing: Standing, at_ns: int, *, historical: bool) -> None:
    """Raise or revise an incident's alert."""
    table = tables.alert
    stands = {"support": str(standing.support), "why": list(standing.why)}
    if standing.alert_id is None:
        new = {"state": str(AlertState.NEW), "historical": historical, "raised_at_ns": at_ns}
        inserted = await tx.execute(
            insert(table).values(incident_id=incident_id, **stands, **new).returning(table.c.id)
        )
        await alert_changes.keep(tx, [Step(inserted.scalar_one(), "raised")], at_ns)
        return
    mine = table.c.id == standing.alert_id
    before = Support((await tx.execute(select(table.c.support).where(mine))).scalar_one())
    await tx.execute(update(table).where(mine).values(**stands))
    if before is not standing.support:
        await alert_changes.keep(tx, [Step(standing.alert_id, supported_as(standing.support))], at_ns)


def _heard(row: Row[Any], known: Mapping[str, Place]) -> Heard:
    return Heard(
        id=row.id,
        device=row.device,
        microphone=row.microphone,
        heard_at_ns=row.heard_at_ns,
        error_ns=round(math.hypot(row.onset_error_ns, row.clock_error_ns, row.fit_error_ns)),
        timed=row.timed,
        place=place_of(row.position, row.offset) or known.get(row.device),
        probability=gun_probability(row.classes),
        snr_db=None if row.snr_cdb is None else row.snr_cdb / 100,
        rounds=row.rounds,
        fire=row.fire,
        historical=row.historical,
        age_note=row.age_note,
        incident_id=row.incident_id,
    )


def _chunks(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    return (ids[at : at + _CHUNK] for at in range(0, len(ids), _CHUNK))


def _spans(times_ns: Sequence[int], reach_ns: int) -> list[tuple[int, int]]:
    """Return the stretches of time within ``reach_ns`` of the ascending ``times_ns``, joined where they overlap."""
    spans: list[tuple[int, int]] = []
    for at_ns in times_ns:
        if spans and at_ns - reach_ns <= spans[-1][1]:
            spans[-1] = (spans[-1][0], at_ns + reach_ns)
        else:
            spans.append((at_ns - reach_ns, at_ns + reach_ns))
    return spans
