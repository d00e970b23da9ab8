"""Passages, and the reads that may belong to one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, bindparam, func, insert, not_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.domain import text_confidence
from collector.errors import StoreRefusedError
from collector.passages.grouping import Grouped, NearRead
from collector.passages.likeness import prepare
from collector.store import feed, tables
from collector.store.feed import FeedKind
from collector.store.following import told_of

# SQLite allows 32,766 variables a statement.
_CHUNK = 1_000
_SHOWN = ("first_at_ns", "last_at_ns", "text", "confidence", "reads")


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """Reads of one site around some that have changed, in the order in which their plates could be read."""

    agency: str
    site: str
    reads: tuple[NearRead, ...]


async def looked_at(tx: AsyncConnection) -> int:
    """Return up to which feed number reads have been looked at."""
    return int((await tx.execute(select(tables.passage_cursor.c.number))).scalar_one())


async def note_looked_at(tx: AsyncConnection, number: int) -> None:
    """Reads up to this feed number have been looked at; a lower one than is noted changes nothing."""
    table = tables.passage_cursor
    await tx.execute(update(table).where(table.c.number < number).values(number=number))


async def changed_reads(
    tx: AsyncConnection, after: int, *, up_to: int | None = None, rows: int, most: int, live_ns: int, live: bool
) -> tuple[list[int], int]:
    """Return the next reads that the feed tells of, and the number of its row behind which to go on.

    Args:
        tx: one transaction.
        after: the number of the feed's row to begin behind.
        up_to: the last row's number; None for the feed's end.
        rows: how many rows to go through.
        most: how many reads to return.
        live_ns: a read that came within this time of its pass is live.
        live: whether to return the live reads or the others.
    """
    read = tables.read
    came_live = read.c.received_at_ns - read.c.passed_at_ns <= live_ns
    which = came_live if live else not_(came_live)
    return await told_of(
        tx, after, kind=FeedKind.READ, row_id=read.c.id, which=which, up_to=up_to, rows=rows, most=most
    )


async def neighbourhoods(
    tx: AsyncConnection, read_ids: Collection[int], reach_ns: int, most: int
) -> list[Neighbourhood]:
    """Return, site by site, these reads and everything within ``reach_ns`` of one of them.

    Raises:
        StoreRefusedError: that is more than ``most`` reads.
    """
    read = tables.read
    times: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for some in _chunks(sorted(read_ids)):
        query = select(read.c.agency, read.c.site, read.c.passed_at_ns).where(read.c.id.in_(some))
        for row in await tx.execute(query):
            times[row.agency, row.site].append(row.passed_at_ns)
    found: list[Neighbourhood] = []
    left = most
    for (agency, site), passed in times.items():
        rows: list[Row[Any]] = []
        for begin_ns, end_ns in _spans(sorted(passed), reach_ns):
            rows += await tx.execute(
                select(
                    read.c.id,
                    read.c.device,
                    read.c.camera,
                    read.c.passed_at_ns,
                    read.c.first_readable_ns,
                    read.c.text,
                    read.c.passage_id,
                )
                .where(read.c.site == site, read.c.agency == agency, read.c.passed_at_ns.between(begin_ns, end_ns))
                .limit(left - len(rows) + 1)
            )
            if len(rows) > left:
                raise StoreRefusedError(
                    f"site {site} of {agency}: got more than {most} reads within {reach_ns / 1e9:g} s of some, "
                    "expected fewer: does a device there repeat itself, or its clock stand still?"
                )
        left -= len(rows)
        # What a single camera saw is compared by its text alone, and slots take the longest to fetch.
        compared = len({(row.device, row.camera) for row in rows}) > 1
        slots = await _slots(tx, [row.id for row in rows]) if compared else {}
        reads = tuple(
            NearRead(
                id=row.id,
                camera=(row.device, row.camera),
                passed_at_ns=row.passed_at_ns,
                until_ns=row.passed_at_ns - row.first_readable_ns,
                text=row.text,
                plate=prepare(slots.get(row.id, ())),
                passage_id=row.passage_id,
            )
            for row in rows
        )
        found.append(Neighbourhood(agency, site, reads))
    return found


async def keep(tx: AsyncConnection, grouped: Sequence[tuple[Neighbourhood, Sequence[Grouped]]]) -> None:
    """Bring passages to where ``grouped`` has them, and tell of those that differ from what was kept.

    Alerts of reads that have come into a passage or left one are told again. However much there is, it takes a handful
    of statements: ingest waits for this transaction.
    """
    before = {read.id: read.passage_id for at, _ in grouped for read in at.reads}
    groups = [one for _, some in grouped for one in some]
    named = {one.passage_id for one in groups if one.passage_id is not None}
    places: dict[int, int | None] = {read_id: None for read_id, passage in before.items() if passage in named}
    begun = iter(await _begin(tx, [at for at, some in grouped for one in some if one.passage_id is None]))
    kept = [next(begun) if one.passage_id is None else one.passage_id for one in groups]
    for passage_id, one in zip(kept, groups, strict=True):
        places |= dict.fromkeys(one.read_ids, passage_id)
    moves = {read_id: place for read_id, place in places.items() if before[read_id] != place}
    read, alert = tables.read, tables.alert
    if moves:
        values = [{"b_id": read_id, "passage_id": place} for read_id, place in moves.items()]
        await tx.execute(update(read).where(read.c.id == bindparam("b_id")), values)
    changed = {one for read_id, place in moves.items() for one in (before[read_id], place) if one is not None}
    changed |= await _bring_up_to_date(tx, kept)
    alerts: list[int] = []
    for some in _chunks(sorted(moves)):
        alerts += (await tx.execute(select(alert.c.id).where(alert.c.read_id.in_(some)))).scalars()
    await feed.append_all(tx, [(FeedKind.PASSAGE, one) for one in sorted(changed)])
    await feed.append_all(tx, [(FeedKind.ALERT, one) for one in sorted(alerts)])


async def _begin(tx: AsyncConnection, places: Sequence[Neighbourhood]) -> list[int]:
    """Insert a passage for each of ``places``, still without reads; return their ids."""
    if not places:
        return []
    table = tables.passage
    last = (await tx.execute(select(func.coalesce(func.max(table.c.id), 0)))).scalar_one()
    nothing = {"first_at_ns": 0, "last_at_ns": 0, "text": "", "confidence": 0.0, "reads": 0}
    await tx.execute(insert(table), [{"site": at.site, "agency": at.agency, **nothing} for at in places])
    # Asked for afterwards, as for reads; nobody else inserts any.
    return list((await tx.execute(select(table.c.id).where(table.c.id > last).order_by(table.c.id))).scalars())


async def _bring_up_to_date(tx: AsyncConnection, passage_ids: Sequence[int]) -> set[int]:
    """Let passages show when their reads were and what the surest of them says; return those where that differs."""
    read, table = tables.read, tables.passage
    members: defaultdict[int, list[Any]] = defaultdict(list)
    shown: dict[int, dict[str, Any]] = {}
    for some in _chunks(passage_ids):
        wanted = (
            read.c.id,
            read.c.passage_id,
            read.c.passed_at_ns,
            read.c.first_readable_ns,
            read.c.text,
            read.c.slots,
        )
        for row in await tx.execute(select(*wanted).where(read.c.passage_id.in_(some))):
            members[row.passage_id].append(row)
        for row in await tx.execute(select(table).where(table.c.id.in_(some))):
            shown[row.id] = {name: row._mapping[name] for name in _SHOWN}
    differing = [
        {"b_id": one, **values} for one in passage_ids if (values := _of_reads(shown[one], members[one])) != shown[one]
    ]
    if differing:
        await tx.execute(update(table).where(table.c.id == bindparam("b_id")), differing)
    return {one["b_id"] for one in differing}


def _of_reads(shown: dict[str, Any], rows: Sequence[Any]) -> dict[str, Any]:
    """Return what a passage shows of its reads; once they have all left, what it showed before."""
    if not rows:
        return {**shown, "reads": 0}
    sure = max(rows, key=lambda row: (text_confidence(row.slots), -row.passed_at_ns, -row.id))
    return {
        "first_at_ns": min(row.passed_at_ns for row in rows),
        "last_at_ns": max(row.passed_at_ns - row.first_readable_ns for row in rows),
        "text": sure.text,
        "confidence": text_confidence(sure.slots),
        "reads": len(rows),
    }


async def _slots(tx: AsyncConnection, ids: Sequence[int]) -> dict[int, Any]:
    read = tables.read
    found: dict[int, Any] = {}
    for some in _chunks(ids):
        rows = await tx.execute(select(read.c.id, read.c.slots).where(read.c.id.in_(some)))
        found.update((row.id, row.slots) for row in rows)
    return found


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
