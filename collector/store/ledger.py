"""What the loss ledger is made of: what devices state, what came again, and which sequences are here.

Gaps are found by counting first, stretch by stretch, which reads nothing but an index; only where one holds fewer rows
than it is long are they looked at one by one. (Grouped by stretch in one statement, SQLite sorts all rows first.)

Every function works within the caller's transaction.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, func, insert, literal_column, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.ledger.judging import known_end
from collector.ledger.records import Closing, Lost, Stated, StreamFacts
from collector.ledger.runs import Run, Runs, difference, union
from collector.store import dead_letters, tables
from collector.store.lookup import Lookup
from edge_wire.messages import Header, Statement, Stream, Verdict

StreamKey = tuple[str, int, int]
"""Device, epoch and stream."""

# So many sequences are counted at a time when gaps are looked for.
_STRETCH = 65_536
_EPOCHS_LOOKED_AT = 200
# Written into the statement, or neither database would know that its index of dead letters serves.
_STORED: ColumnElement[int] = literal_column(str(int(Verdict.STORED)))


@dataclass(frozen=True, slots=True)
class StatementRow:
    """One Statement that is new in the store.

    Attributes:
        device: whose.
        header: of its message.
        body: what it says.
        at_ns: UTC when it came.
    """

    device: str
    header: Header
    body: Statement
    at_ns: int


async def note_streams(
    tx: AsyncConnection, statements: Iterable[StatementRow], redelivered: Mapping[StreamKey, int]
) -> None:
    """Keep each device's latest word on its streams, and count what came again.

    A Statement that comes late, behind one that was made after it, changes nothing: a stream's next sequence only ever
    grows. A Statement covers itself too, though it was made before it had its own sequence.

    Args:
        tx: a transaction that may write; of these devices nobody else writes meanwhile.
        statements: in the order in which they came.
        redelivered: how many messages of a stream came again.
    """
    said = list(statements)
    if not said and not redelivered:
        return
    keys = set(redelivered)
    for one in said:
        keys |= {(one.device, state.epoch, int(state.stream)) for state in one.body.streams}
        keys.add((one.device, one.header.epoch, int(Stream.REPORT)))
    here = await _stream_states(tx, keys)
    now = {key: dict(here.get(key) or _untold(key)) for key in keys}
    for one in said:
        words = {(one.device, each.epoch, int(each.stream)): each for each in one.body.streams}
        if any((now[key]["stated_next"] or 0) > each.next_sequence for key, each in words.items()):
            continue
        for key, each in words.items():
            next_sequence = each.next_sequence
            if key == (one.device, one.header.epoch, Stream.REPORT) and one.header.sequence is not None:
                next_sequence = max(next_sequence, one.header.sequence + 1)
            now[key] |= {
                "stated_next": next_sequence,
                "stated_pending": each.pending,
                "stated_lowest": each.lowest_pending,
                "stated_at_ns": one.at_ns,
            }
    for key, times in redelivered.items():
        now[key]["redelivered"] = (now[key]["redelivered"] or 0) + times
    await _keep_stream_states(tx, here, now)


async def devices(tx: AsyncConnection) -> list[str]:
    """Return the ids of all devices, in order."""
    return list((await tx.execute(select(tables.device.c.id).order_by(tables.device.c.id))).scalars())


async def facts_of(tx: AsyncConnection, device: str) -> list[StreamFacts]:
    """Return what is known of every stream of a device: epochs in the order in which they were opened here."""
    epochs = await _epochs(tx, device)
    states = await _states_of(tx, device)
    counts = await _counts(tx, device)
    losses, uncommitted = await _losses(tx, device)
    conflicts = Counter((epoch, stream) for epoch, stream in await dead_letters.conflicts(tx, device))
    keys = set(states) | set(counts) | set(losses) | set(uncommitted) | set(conflicts)
    keys |= {(epoch, int(stream)) for epoch in epochs for stream in Stream}
    latest_ns = max((one.stated.at_ns for one in states.values() if one.stated is not None), default=None)
    closings = _closings(epochs, states, latest_ns)
    # Also epochs of which nothing has come, not even their Open: the one after them tells how far they went.
    keys |= set(closings)
    order = {epoch: number for number, epoch in enumerate(epochs)}
    found = []
    for epoch, stream in sorted(keys, key=lambda key: (order.get(key[0], len(order)), *key)):
        here = counts.get((epoch, stream), _Counted())
        state = states.get((epoch, stream), _State())
        closing = closings.get((epoch, stream))
        lost = tuple(losses.get((epoch, stream), ()))
        end = known_end(state.stated, closing, here.last, lost)
        row = epochs.get(epoch)
        found.append(
            StreamFacts(
                device=device,
                epoch=epoch,
                stream=stream,
                first=here.first,
                last=here.last,
                stored=here.rows - here.dead_lettered,
                dead_lettered=here.dead_lettered,
                redelivered=state.redelivered,
                gaps=() if here.rows == end else await gaps(tx, (device, epoch, stream), after=0, to=end),
                lost=lost,
                uncommitted=uncommitted.get((epoch, stream)),
                stated=state.stated,
                closing=closing,
                conflicts=conflicts[epoch, stream],
                cloned_or_restored=row is not None and row.cloned_or_restored,
            )
        )
    return found


async def gaps(tx: AsyncConnection, stream: StreamKey, *, after: int, to: int) -> Runs:
    """Return the sequences above ``after`` and up to ``to`` that are not in the store."""
    sequence = tables.identity.c.sequence
    start = after + 1
    held: list[Run] = []
    holes: list[Run] = []
    while after < to:
        # From row to row rather than from number to number: a device may claim sequences far beyond any row.
        following = select(func.min(sequence)).where(*_of(stream), sequence.between(after + 1, to))
        first = (await tx.execute(following)).scalar_one()
        if first is None:
            break
        last = min(to, first + _STRETCH - 1)
        counted = select(func.count(), func.max(sequence)).where(*_of(stream), sequence.between(first, last))
        rows, highest = (await tx.execute(counted)).one()
        held.append((first, highest))
        if rows < highest - first + 1:
            holes += await _holes(tx, stream, first, highest)
        after = last
    return union(difference([(start, to)], held), holes)


async def ends_told_of(tx: AsyncConnection, device: str) -> dict[tuple[int, int], int]:
    """Return the last sequences of streams, by epoch and stream, as the Opens of the epochs after them name them.

    Where the outbox was corrupt it is what was reserved: an upper bound. The newest epochs only.
    """
    table = tables.epoch
    rows = await tx.execute(
        select(table.c.previous, table.c.previous_last)
        .where(table.c.device == device, table.c.previous.is_not(None))
        .order_by(table.c.received_at_ns.desc())
        .limit(_EPOCHS_LOOKED_AT)
    )
    ends: Counter[tuple[int, int]] = Counter()
    for epoch, lasts in rows:
        for stream, last in lasts:
            ends[epoch, stream] = max(ends[epoch, stream], last)
    return ends


async def losses_of(tx: AsyncConnection, stream: StreamKey) -> Runs:
    """Return what loss records name of a stream."""
    table = tables.loss
    rows = await tx.execute(
        select(table.c.first_sequence, table.c.last_sequence).where(
            table.c.device == stream[0],
            table.c.epoch == stream[1],
            table.c.stream == stream[2],
            table.c.first_sequence > 0,
        )
    )
    return union((first, last) for first, last in rows)


@dataclass(frozen=True, slots=True)
class _Counted:
    rows: int = 0
    first: int | None = None
    last: int | None = None
    dead_lettered: int = 0


@dataclass(frozen=True, slots=True)
class _State:
    stated: Stated | None = None
    redelivered: int = 0


@dataclass(frozen=True, slots=True)
class _Epoch:
    epoch: int
    previous: int | None
    previous_last: Mapping[int, int]
    corrupt: bool
    received_at_ns: int
    cloned_or_restored: bool


def _of(stream: StreamKey) -> tuple[ColumnElement[bool], ...]:
    table = tables.identity
    device, epoch, number = stream
    return table.c.device == device, table.c.epoch == epoch, table.c.stream == number


async def _holes(tx: AsyncConnection, stream: StreamKey, first: int, last: int) -> list[Run]:
    sequence = tables.identity.c.sequence
    ordered = (
        select(sequence.label("here"), func.lead(sequence).over(order_by=sequence).label("following"))
        .where(*_of(stream), sequence.between(first, last))
        .subquery()
    )
    rows = await tx.execute(
        select(ordered.c.here + 1, ordered.c.following - 1).where(ordered.c.following > ordered.c.here + 1)
    )
    return [(begin, end) for begin, end in rows]


async def _counts(tx: AsyncConnection, device: str) -> dict[tuple[int, int], _Counted]:
    table = tables.identity
    by_stream = (table.c.epoch, table.c.stream)
    dead = await tx.execute(
        select(*by_stream, func.count())
        .where(table.c.device == device, table.c.verdict != _STORED)
        .group_by(*by_stream)
    )
    dead_lettered = {(epoch, stream): rows for epoch, stream, rows in dead}
    counted = await tx.execute(
        select(*by_stream, func.count(), func.min(table.c.sequence), func.max(table.c.sequence))
        .where(table.c.device == device)
        .group_by(*by_stream)
    )
    return {
        (epoch, stream): _Counted(rows, first, last, dead_lettered.get((epoch, stream), 0))
        for epoch, stream, rows, first, last in counted
    }


async def _epochs(tx: AsyncConnection, device: str) -> dict[int, _Epoch]:
    table = tables.epoch
    rows = await tx.execute(
        select(table).where(table.c.device == device).order_by(table.c.received_at_ns, table.c.epoch)
    )
    return {
        row.epoch: _Epoch(
            row.epoch,
            row.previous,
            {stream: sequence for stream, sequence in row.previous_last},
            row.corrupt,
            row.received_at_ns,
            row.cloned_or_restored,
        )
        for row in rows
    }


async def _losses(
    tx: AsyncConnection, device: str
) -> tuple[dict[tuple[int, int], list[Lost]], dict[tuple[int, int], Counter[str]]]:
    table = tables.loss
    lost: defaultdict[tuple[int, int], list[Lost]] = defaultdict(list)
    uncommitted: defaultdict[tuple[int, int], Counter[str]] = defaultdict(Counter)
    for row in await tx.execute(select(table).where(table.c.device == device).order_by(table.c.id)):
        if row.first_sequence:
            lost[row.epoch, row.stream].append(Lost(row.first_sequence, row.last_sequence, row.reason))
        if row.uncommitted:
            uncommitted[row.epoch, row.stream][row.reason] += row.uncommitted
    return lost, uncommitted


async def _states_of(tx: AsyncConnection, device: str) -> dict[tuple[int, int], _State]:
    table = tables.stream_state
    rows = (await tx.execute(select(table).where(table.c.device == device))).all()
    latest_ns = max((row.stated_at_ns for row in rows if row.stated_at_ns is not None), default=None)
    return {
        (row.epoch, row.stream): _State(
            None
            if row.stated_next is None
            else Stated(
                row.stated_next, row.stated_pending, row.stated_lowest, row.stated_at_ns, row.stated_at_ns == latest_ns
            ),
            row.redelivered,
        )
        for row in rows
    }


def _closings(
    epochs: Mapping[int, _Epoch], states: Mapping[tuple[int, int], _State], latest_ns: int | None
) -> dict[tuple[int, int], Closing]:
    """Return what later epochs say of each stream of the epochs before them."""
    followers: defaultdict[int, list[_Epoch]] = defaultdict(list)
    for one in epochs.values():
        if one.previous is not None:
            followers[one.previous].append(one)
    found = {}
    corrupt_after = _corrupt_after(epochs)
    for epoch, next_ones in followers.items():
        corrupt_at_ns = corrupt_after.get(epoch)
        sound = [one for one in next_ones if not one.corrupt]
        damaged = [one for one in next_ones if one.corrupt]
        opened_ns = min(one.received_at_ns for one in next_ones)
        for stream in Stream:
            stated = states.get((epoch, int(stream)), _State()).stated
            lost = corrupt_at_ns is not None and (stated is None or stated.at_ns < corrupt_at_ns)
            found[epoch, int(stream)] = Closing(
                last=max((one.previous_last.get(stream, 0) for one in sound), default=None),
                reserved_to=max((one.previous_last.get(stream, 0) for one in damaged), default=None),
                outbox_lost=lost,
                stated_since=latest_ns is not None and latest_ns >= opened_ns,
            )
    return found


def _corrupt_after(epochs: Mapping[int, _Epoch]) -> dict[int, int]:
    """Return when the device last said that the outbox with an epoch's rows was corrupt, for epochs of which it did.

    Each epoch is passed once, the latest word first: a device that restarts often has tens of thousands.
    """
    found: dict[int, int] = {}
    corrupt = (one for one in epochs.values() if one.corrupt)
    for one in sorted(corrupt, key=lambda each: each.received_at_ns, reverse=True):
        before = one.previous
        while before is not None and before not in found:
            found[before] = one.received_at_ns
            before = epochs[before].previous if before in epochs else None
    return found


def _untold(key: StreamKey) -> dict[str, Any]:
    device, epoch, stream = key
    return {
        "device": device,
        "epoch": epoch,
        "stream": stream,
        "redelivered": 0,
        "stated_next": None,
        "stated_pending": None,
        "stated_lowest": None,
        "stated_at_ns": None,
    }


_STREAM = (tables.stream_state.c.device, tables.stream_state.c.epoch, tables.stream_state.c.stream)
_STREAM_STATES = Lookup(_STREAM, tables.stream_state)


async def _stream_states(tx: AsyncConnection, keys: Iterable[StreamKey]) -> dict[StreamKey, dict[str, Any]]:
    wanted = set(keys)
    rows = await _STREAM_STATES.rows(tx, wanted)
    return {key: dict(row._mapping) for row in rows if (key := (row.device, row.epoch, row.stream)) in wanted}


async def _keep_stream_states(
    tx: AsyncConnection, here: Mapping[StreamKey, Mapping[str, Any]], now: Mapping[StreamKey, Mapping[str, Any]]
) -> None:
    table = tables.stream_state
    fresh = [now[key] for key in sorted(now) if key not in here and now[key] != _untold(key)]
    if fresh:
        await tx.execute(insert(table), [dict(one) for one in fresh])
    for key in sorted(here):
        if now[key] != here[key]:
            device, epoch, stream = key
            same = and_(table.c.device == device, table.c.epoch == epoch, table.c.stream == stream)
            await tx.execute(update(table).where(same).values(dict(now[key])))
