"""Notices: which changes of alerts have been looked at, what is to be sent, what became of it.

What they say of an alert is in ``alert_facts``. Every function works within the caller's transaction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, bindparam, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.alerts.sending.records import PERSON, TRAIL, Notice, NoticeState, Occasion, target
from collector.store import tables
from collector.store.alert_facts import sightings_of

_NAME = "notices"


async def told_up_to(tx: AsyncConnection) -> int:
    """Return the number of the last change of an alert for which notices were made; 0 before the first."""
    table = tables.follower
    number = (await tx.execute(select(table.c.number).where(table.c.name == _NAME))).scalar_one_or_none()
    return number or 0


async def note_told(tx: AsyncConnection, change_id: int) -> None:
    """Note that notices were made for every change up to this one."""
    table = tables.follower
    done = await tx.execute(update(table).where(table.c.name == _NAME).values(number=change_id))
    if not done.rowcount:
        await tx.execute(insert(table).values(name=_NAME, number=change_id))


async def last_change(tx: AsyncConnection) -> int:
    """Return the number of the last change of any alert; 0 if there is none."""
    return int((await tx.execute(select(func.coalesce(func.max(tables.alert_change.c.id), 0)))).scalar_one())


async def changes(tx: AsyncConnection, after: int, *, most: int) -> list[Occasion]:
    """Return changes of alerts above the number ``after``, ascending.

    None below the last of them is missing if nobody else writes at the same time (``Store.write``): numbers are taken
    before they commit.
    """
    change = tables.alert_change
    rows = (await tx.execute(select(change).where(change.c.id > after).order_by(change.c.id).limit(most))).all()
    # The read that was the step on the trail: by the time that somebody looks, the vehicle may have gone on.
    steps = {row.id: (row.alert_id, row.detail["read"]) for row in rows if row.action == TRAIL and "read" in row.detail}
    seen = await sightings_of(tx, set(steps.values()))
    return [
        Occasion(row.id, row.alert_id, row.action, row.at_ns, seen.get(steps[row.id]) if row.id in steps else None)
        for row in rows
    ]


async def routes_told(tx: AsyncConnection, alert_ids: Iterable[int]) -> dict[int, set[str]]:
    """Return for each of the alerts the routes that have told of it."""
    notice = tables.notice
    query = select(notice.c.alert_id, notice.c.route).where(notice.c.alert_id.in_(sorted(set(alert_ids)))).distinct()
    found: defaultdict[int, set[str]] = defaultdict(set)
    for row in await tx.execute(query):
        found[row.alert_id].add(row.route)
    return found


async def make(tx: AsyncConnection, wanted: Sequence[tuple[Occasion, str, str]], at_ns: int) -> None:
    """Make notices: occasion, route and target of each. Those for people are sent by being there.

    None of them may have been made before.
    """
    shown = target(PERSON, "")
    rows = [
        {
            "alert_id": occasion.alert_id,
            "route": route,
            "target": whom,
            "occasion": occasion.key,
            "state": str(NoticeState.SENT if whom.startswith(shown) else NoticeState.WAITING),
            "attempts": 0,
            "due_at_ns": at_ns,
            "problem": "",
            "made_at_ns": at_ns,
            "ended_at_ns": at_ns if whom.startswith(shown) else None,
        }
        for occasion, route, whom in wanted
    ]
    if rows:
        await tx.execute(insert(tables.notice), rows)


async def notified(tx: AsyncConnection, alert_ids: Iterable[int]) -> dict[int, tuple[str, ...]]:
    """Return for each of the alerts of which people were told their names, in the order in which they were."""
    notice = tables.notice
    shown = target(PERSON, "")
    query = (
        select(notice.c.alert_id, notice.c.target)
        .where(notice.c.alert_id.in_(sorted(set(alert_ids))), notice.c.target.startswith(shown, autoescape=True))
        .order_by(notice.c.id)
    )
    found: defaultdict[int, dict[str, None]] = defaultdict(dict)
    for row in await tx.execute(query):
        found[row.alert_id][row.target.removeprefix(shown)] = None
    return {alert_id: tuple(names) for alert_id, names in found.items()}


async def waiting(tx: AsyncConnection) -> dict[str, int]:
    """Return for each target for which notices wait when the first of them is due, UTC nanoseconds."""
    notice = tables.notice
    rows = await tx.execute(
        select(notice.c.target, func.min(notice.c.due_at_ns))
        .where(notice.c.state == str(NoticeState.WAITING))
        .group_by(notice.c.target)
    )
    return {name: due_at_ns for name, due_at_ns in rows}


async def due(
    tx: AsyncConnection, targets: Collection[str], now_ns: int, *, most: int, but: Collection[int] = ()
) -> list[Notice]:
    """Return notices for some targets that are due, the longest due first, without those that are numbered ``but``."""
    notice = tables.notice
    rows = await tx.execute(
        select(notice)
        .where(
            notice.c.state == str(NoticeState.WAITING),
            notice.c.target.in_(sorted(targets)),
            notice.c.due_at_ns <= now_ns,
            notice.c.id.not_in(sorted(but)),
        )
        .order_by(notice.c.due_at_ns, notice.c.id)
        .limit(most)
    )
    return [_notice(row) for row in rows]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an attempt came to.

    Attributes:
        id: of the notice.
        state: how far it has come by this.
        due_at_ns: when it is to be tried again, if it waits.
        problem: why it failed; empty if it did not.
        at_ns: UTC, now.
    """

    id: int
    state: NoticeState
    due_at_ns: int
    problem: str
    at_ns: int


async def keep_outcomes(tx: AsyncConnection, outcomes: Sequence[Outcome]) -> None:
    """Keep what attempts came to."""
    if not outcomes:
        return
    notice = tables.notice
    await tx.execute(
        update(notice)
        .where(notice.c.id == bindparam("b_id"))
        .values(
            state=bindparam("b_state"),
            attempts=notice.c.attempts + 1,
            due_at_ns=bindparam("b_due"),
            problem=bindparam("b_problem"),
            ended_at_ns=bindparam("b_ended"),
        ),
        [
            {
                "b_id": one.id,
                "b_state": str(one.state),
                "b_due": one.due_at_ns,
                "b_problem": one.problem,
                "b_ended": None if one.state is NoticeState.WAITING else one.at_ns,
            }
            for one in outcomes
        ],
    )


async def give_up(tx: AsyncConnection, targets: Collection[str], problem: str, at_ns: int) -> int:
    """Give up whatever waits for some targets; return how many notices those were."""
    notice = tables.notice
    done = await tx.execute(
        update(notice)
        .where(notice.c.state == str(NoticeState.WAITING), notice.c.target.in_(sorted(targets)))
        .values(state=str(NoticeState.DEAD), problem=problem, ended_at_ns=at_ns)
    )
    return done.rowcount


@dataclass(frozen=True, slots=True)
class Choice:
    """Which notices: those that fulfil everything that is not None.

    Attributes:
        ids: these.
        state: in this state.
        target: for this target, or for all of a way (``webhook``).
        alert_id: about this alert.
    """

    ids: Collection[int] | None = None
    state: NoticeState | None = None
    target: str | None = None
    alert_id: int | None = None

    def _where(self) -> list[ColumnElement[bool]]:
        table = tables.notice
        found: list[ColumnElement[bool]] = []
        if self.ids is not None:
            found.append(table.c.id.in_(sorted(self.ids)))
        if self.state is not None:
            found.append(table.c.state == str(self.state))
        if self.target is not None:
            of_way = table.c.target.startswith(target(self.target, ""), autoescape=True)
            found.append(or_(table.c.target == self.target, of_way))
        if self.alert_id is not None:
            found.append(table.c.alert_id == self.alert_id)
        return found


async def newest(tx: AsyncConnection, choice: Choice, *, limit: int) -> list[Notice]:
    """Return notices, the last first, at most ``limit``."""
    table = tables.notice
    rows = await tx.execute(select(table).where(*choice._where()).order_by(table.c.id.desc()).limit(limit))
    return [_notice(row) for row in rows]


async def count(tx: AsyncConnection, choice: Choice) -> int:
    """Return how many notices ``choice`` means."""
    query = select(func.count()).select_from(tables.notice).where(*choice._where())
    return int((await tx.execute(query)).scalar_one())


async def revive(tx: AsyncConnection, choice: Choice, at_ns: int) -> list[int]:
    """Let the chosen of those that were given up wait again, as if never tried; return their numbers."""
    table = tables.notice
    dead = [*choice._where(), table.c.state == str(NoticeState.DEAD)]
    ids = list((await tx.execute(select(table.c.id).where(*dead).order_by(table.c.id))).scalars())
    again = {"state": str(NoticeState.WAITING), "attempts": 0, "due_at_ns": at_ns, "ended_at_ns": None}
    await tx.execute(update(table).where(*dead).values(again))
    return ids


def _notice(row: Row[Any]) -> Notice:
    return Notice(**{**row._mapping, "state": NoticeState(row.state)})
