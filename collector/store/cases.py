"""Alerts of hits as raising and revising them needs them, and the reads that belong to each.

Whoever changes them in a transaction of ingest has the turn of their entries (``turns.of_entries``), and reads them
after it got that: only then is what it read what it changes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Row, and_, bindparam, func, insert, select, true, update
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.domain import AlertState, Aligned, Check, Match, Part, Rule, Standing, Support
from collector.match.records import ListedPlate
from collector.store import hotlists, tables, turns

# SQLite takes 32,766 variables a statement.
_CHUNK = 10_000


class EntryKey(NamedTuple):
    """What makes an entry the same one in the next version of its list."""

    list: str
    plate: str
    region: str | None
    reference: str


@dataclass(frozen=True, slots=True)
class CaseRow:
    """An alert of a hit.

    Attributes:
        id: its number.
        listed: the entry that it was raised for.
        historical: it happened too long ago to be acted on.
        takes_reads: it is open, its entry has not been recalled, something supports it, and nobody has seen in the
            picture that it is another plate or another state's: further reads of the entry belong to it.
        site: where its latest read was.
        passed_at_ns: when that passed.
        soundings: how often it has called for attention.
        standing: how it stands.
        supporting: how many of its reads support it.
        surest: the highest probability of these; None if none of them has one.
        text: what the read that raised it reads.
        looked_at: somebody has acknowledged it.
    """

    id: int
    listed: ListedPlate
    historical: bool
    takes_reads: bool
    site: str
    passed_at_ns: int
    soundings: int
    standing: Standing
    supporting: int
    surest: float | None
    text: str
    looked_at: bool


@dataclass(frozen=True, slots=True)
class AttachedRow:
    """A read of an alert."""

    alert_id: int
    read_id: int
    part: Part
    probability: float | None
    supports: bool


@dataclass(frozen=True, slots=True)
class NewCase:
    """An alert to raise."""

    read_id: int
    entry_id: int
    list_version: int
    standing: Standing
    historical: bool
    site: str
    passed_at_ns: int
    soundings: int
    raised_at_ns: int
    escalate_at_ns: int | None


@dataclass(frozen=True, slots=True)
class NewRead:
    """A read that belongs to an alert from now on."""

    alert_id: int
    read_id: int
    part: Part
    site: str
    passed_at_ns: int
    probability: float | None
    supports: bool
    latitude: float | None
    longitude: float | None
    direction: str | None
    attached_at_ns: int


def key_of(listed: ListedPlate) -> EntryKey:
    """Return what makes an entry the same in the next version."""
    return EntryKey(listed.list, listed.plate, listed.region, listed.reference)


async def take_turn(tx: AsyncConnection, keys: Iterable[EntryKey]) -> None:
    """Wait until nobody else raises or changes alerts of these entries, in this transaction once."""
    await turns.of_entries(tx, (f"{one.list}/{one.plate}" for one in keys))


async def keys_of_reads(tx: AsyncConnection, read_ids: Collection[int]) -> set[EntryKey]:
    """Return the entries of the alerts that any of these reads belongs to."""
    alert, entry, attached = tables.alert, tables.hotlist_entry, tables.alert_read
    rows = await tx.execute(
        select(entry.c.list, entry.c.plate, entry.c.region, entry.c.reference)
        .join_from(attached, alert, alert.c.id == attached.c.alert_id)
        .join(entry, entry.c.id == alert.c.entry_id)
        .where(attached.c.read_id.in_(sorted(read_ids)))
    )
    return {EntryKey(*row) for row in rows}


async def attached(tx: AsyncConnection, read_ids: Collection[int]) -> list[AttachedRow]:
    """Return to which alerts these reads belong."""
    table = tables.alert_read
    query = select(table).where(table.c.read_id.in_(sorted(read_ids))).order_by(table.c.alert_id, table.c.read_id)
    return [
        AttachedRow(row.alert_id, row.read_id, Part(row.part), row.probability, row.supports)
        for row in await tx.execute(query)
    ]


async def open_cases(tx: AsyncConnection, keys: Collection[EntryKey], *, from_ns: int, to_ns: int) -> list[int]:
    """Return the alerts that further reads of these entries may belong to, ascending.

    Args:
        tx: a transaction that has these entries' turn.
        keys: of the entries; alerts of others with the same plates may be among those returned.
        from_ns: UTC; the latest read of an alert passed then, or later,
        to_ns: and not after this.
    """
    alert, entry = tables.alert, tables.hotlist_entry
    query = (
        select(alert.c.id)
        .join(entry, entry.c.id == alert.c.entry_id)
        .where(
            entry.c.plate.in_(sorted({one.plate for one in keys})),
            entry.c.list.in_(sorted({one.list for one in keys})),
            # Nothing closes by itself: of an entry that is hit every day there may be many.
            alert.c.passed_at_ns.between(from_ns, to_ns),
            _takes_reads(),
        )
        .order_by(alert.c.id)
    )
    return list((await tx.execute(query)).scalars())


async def cases(tx: AsyncConnection, ids: Collection[int]) -> list[CaseRow]:
    """Return the alerts with these ids, ascending."""
    alert, entry, attached = tables.alert, tables.hotlist_entry, tables.alert_read
    of_it = (attached.c.alert_id == alert.c.id, attached.c.supports == true())
    query = (
        select(
            alert,
            *(column.label(f"entry_{column.name}") for column in entry.c if column.name in _LISTED),
            select(func.count()).where(*of_it).scalar_subquery().label("supporting"),
            select(func.max(attached.c.probability)).where(*of_it).scalar_subquery().label("surest"),
            _takes_reads().label("takes_reads"),
            tables.read.c.text,
        )
        .join(entry, entry.c.id == alert.c.entry_id)
        .join(tables.read, tables.read.c.id == alert.c.read_id)
        .where(alert.c.id.in_(sorted(ids)))
        .order_by(alert.c.id)
    )
    return [_case(row) for row in await tx.execute(query)]


class Audience(NamedTuple):
    """What an entry that is in force says of whom its alerts go to, and who entered it; empty: a file."""

    covert_to: tuple[str, ...] | None
    category: str
    severity: str
    added_by: str


async def in_force(tx: AsyncConnection, entry_ids: Collection[int]) -> dict[int, Audience]:
    """Return those of the entries that stand on their lists now: a matcher may be a version behind.

    Whoever ends entries has the store to itself, so what stands now does until this transaction ends.
    """
    entry, hotlist = tables.hotlist_entry, tables.hotlist
    columns = (entry.c.id, entry.c.covert_to, entry.c.category, entry.c.severity, entry.c.added_by)
    query = select(*columns).join(hotlist, hotlist.c.name == entry.c.list)
    found: dict[int, Audience] = {}
    ids = sorted(entry_ids)
    for at in range(0, len(ids), _CHUNK):
        for row in await tx.execute(query.where(entry.c.id.in_(ids[at : at + _CHUNK]), hotlists.in_force())):
            covert_to = None if row.covert_to is None else tuple(sorted(row.covert_to))
            found[row.id] = Audience(covert_to, row.category, row.severity, row.added_by)
    return found


async def muted(tx: AsyncConnection, keys: Collection[EntryKey]) -> dict[EntryKey, int]:
    """Return those of the entries that somebody has muted, each with the list's version up to which it is."""
    mute = tables.mute
    columns = (mute.c.list, mute.c.plate, mute.c.region, mute.c.reference)
    rows = await tx.execute(
        select(*columns, func.max(mute.c.list_version))
        .where(mute.c.plate.in_(sorted({one.plate for one in keys})))
        .group_by(*columns)
    )
    return {EntryKey(*key): version for *key, version in rows}


async def raise_cases(tx: AsyncConnection, new: Sequence[NewCase]) -> list[int]:
    """Insert alerts; return their ids in order."""
    if not new:
        return []
    values = [
        {
            "read_id": one.read_id,
            "entry_id": one.entry_id,
            "list_version": one.list_version,
            "state": str(AlertState.NEW),
            "historical": one.historical,
            "raised_at_ns": one.raised_at_ns,
            "site": one.site,
            "passed_at_ns": one.passed_at_ns,
            "soundings": one.soundings,
            "escalate_at_ns": one.escalate_at_ns,
            **_stands(one.standing),
        }
        for one in new
    ]
    result = await tx.execute(insert(tables.alert).returning(tables.alert.c.id, sort_by_parameter_order=True), values)
    return list(result.scalars())


async def change_cases(tx: AsyncConnection, changed: Sequence[CaseRow]) -> None:
    """Bring alerts to how they stand now."""
    if changed:
        await tx.execute(
            update(tables.alert).where(tables.alert.c.id == bindparam("b_id")),
            [
                {
                    "b_id": one.id,
                    "site": one.site,
                    "passed_at_ns": one.passed_at_ns,
                    "soundings": one.soundings,
                    **_stands(one.standing),
                }
                for one in changed
            ],
        )


async def attach(tx: AsyncConnection, new: Sequence[NewRead]) -> None:
    """Let reads belong to alerts."""
    if new:
        await tx.execute(insert(tables.alert_read), [{**asdict(one), "part": str(one.part)} for one in new])


async def judge_attached(tx: AsyncConnection, judged: Sequence[AttachedRow]) -> None:
    """Bring reads of alerts to what their latest revision says."""
    table = tables.alert_read
    if judged:
        await tx.execute(
            update(table).where(table.c.alert_id == bindparam("b_alert"), table.c.read_id == bindparam("b_read")),
            [
                {
                    "b_alert": one.alert_id,
                    "b_read": one.read_id,
                    "probability": one.probability,
                    "supports": one.supports,
                }
                for one in judged
            ],
        )


async def retrace(tx: AsyncConnection, alert_ids: Collection[int]) -> None:
    """Put alerts where the latest read that supports them was: what was taken back was no place of the vehicle.

    One that nothing supports any more stays where it was.
    """
    alert, attached = tables.alert, tables.alert_read

    def latest(column: Any, otherwise: Any) -> Any:
        found = (
            select(column)
            .where(attached.c.alert_id == alert.c.id, attached.c.supports == true())
            .order_by(attached.c.passed_at_ns.desc(), attached.c.read_id.desc())
            .limit(1)
        )
        return func.coalesce(found.scalar_subquery(), otherwise)

    await tx.execute(
        update(alert)
        .where(alert.c.id.in_(sorted(alert_ids)))
        .values(
            site=latest(attached.c.site, alert.c.site),
            passed_at_ns=latest(attached.c.passed_at_ns, alert.c.passed_at_ns),
        )
    )


def _takes_reads() -> ColumnElement[bool]:
    alert = tables.alert
    return and_(
        alert.c.state != str(AlertState.CLOSED),
        alert.c.recalled_at_ns.is_(None),
        alert.c.support != str(Support.UNSUPPORTED),
    )


def _is_another(image_check: dict[str, Any] | None) -> bool:
    """Whether somebody has seen another vehicle: the one that is wanted must not pass behind it without a sound."""
    checked = image_check or {}
    return str(Check.MISMATCH) in (checked.get("plate"), checked.get("state"))


_LISTED = ("list", "plate", "region", "is_pattern", "effective_ns", "expires_ns", "category", "reference")


def _case(row: Row[Any]) -> CaseRow:
    return CaseRow(
        id=row.id,
        listed=ListedPlate(row.entry_id, **{name: row._mapping[f"entry_{name}"] for name in _LISTED}),
        historical=row.historical,
        takes_reads=bool(row.takes_reads) and not _is_another(row.image_check),
        site=row.site,
        passed_at_ns=row.passed_at_ns,
        soundings=row.soundings,
        standing=Standing(Rule(row.rule), Support(row.support), tuple(row.why), row.revision, match_of(row.match)),
        supporting=row.supporting,
        surest=row.surest,
        text=row.text,
        looked_at=row.state != AlertState.NEW,
    )


def _stands(standing: Standing) -> dict[str, Any]:
    match = standing.match
    return {
        "rule": str(standing.rule),
        "support": str(standing.support),
        "why": list(standing.why),
        "revision": standing.revision,
        "probability": None if match is None else match.probability,
        "match": None if match is None else _match_json(match),
    }


def _match_json(match: Match) -> dict[str, Any]:
    """Return what the column holds: the match, each column of its alignment as a list."""
    return {
        **asdict(match),
        "alignment": [list(asdict(one).values()) for one in match.alignment],
        "otherwise": [list(one) for one in match.otherwise],
    }


def match_of(kept: dict[str, Any] | None) -> Match | None:
    """Return what the column ``match`` says; None of an alert of an earlier version."""
    if kept is None:
        return None
    return Match(
        **{
            **kept,
            "alignment": tuple(Aligned(*one) for one in kept["alignment"]),
            "otherwise": tuple((text, p) for text, p in kept["otherwise"]),
        }
    )
