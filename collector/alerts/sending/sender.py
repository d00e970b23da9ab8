"""Sends the notices that wait, and keeps what came of it.

Invariants:
    - A notice is sent at least once, or given up after so many attempts; what was sent and not noted before a crash is
      sent again, with the same number.
    - At most ``at_once`` notices are under way by each carrier: one that hangs holds up nobody else's.
    - What came of attempts is kept before anything else is begun.
    - Whatever a carrier raises is the failure of its one notice, which is tried again and given up in the end like any
      other: what a ``CarryError`` does not say is a mistake of ours, and no other notice waits for its repair.

Owned by one task, under a lease (``collector.store.lease``); each notice under way is a task of its own, which touches
no store.
"""

from __future__ import annotations

import asyncio
import random
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from collector.alerts.sending.carriers import Carrier, CarryError
from collector.alerts.sending.records import Message, Notice, NoticeState
from collector.store import alert_facts, notices
from collector.store.database import Transaction
from collector.store.following import Followed
from collector.store.notices import Outcome
from edge_wire.clock import Clock

_log = structlog.get_logger(__name__)

_FIRST_AGAIN_S = 5.0
_LAST_AGAIN_S = 900.0
# Another process may have let notices wait again.
_LOOK_S = 2.0
_GONE = "its target is not in the configuration any more"


def again_in_s(attempts: int, jitter: float) -> float:
    """Return after how many seconds a notice is tried again that has failed so often.

    Doubled with each attempt, up to a quarter of an hour; and spread over the later half of that, so that receivers
    which were away do not get everything in the same second.

    Args:
        attempts: at least one.
        jitter: between 0 and 1.
    """
    most_s = min(_LAST_AGAIN_S, _FIRST_AGAIN_S * 2.0 ** min(attempts - 1, 32))
    return most_s * (0.5 + 0.5 * jitter)


class Sender:
    """Hands notices to their carriers.

    Args:
        store: where they are, as the holder of the lease writes it.
        carriers: one for each target at most.
        attempts: after so many a notice is given up.
        clock: our clocks.
        jitter: a number between 0 and 1, another one each time.
    """

    def __init__(
        self,
        store: Followed,
        carriers: Sequence[Carrier],
        attempts: int,
        clock: Clock,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._store = store
        self._carriers = tuple(carriers)
        self._attempts = attempts
        self._clock = clock
        self._jitter = jitter
        self._under_way: dict[asyncio.Task[None], tuple[Notice, Carrier]] = {}
        self._outcomes: list[Outcome] = []
        self._look_again_ns = 0

    @property
    def under_way(self) -> frozenset[asyncio.Task[None]]:
        """The notices that are being sent; when one of these ends there is something to do."""
        return frozenset(self._under_way)

    async def look(self, *, made: bool = True) -> None:
        """Keep what came of notices, and begin to send what is due.

        Args:
            made: whether there may be new ones; without, the store is asked only when something is known to be due.

        Raises:
            StoreError: the store cannot be reached; nothing is forgotten.
        """
        ended = self._take_ended()
        if self._outcomes:
            async with self._store.write() as tx:
                await notices.keep_outcomes(tx, self._outcomes)
            self._outcomes.clear()
        now_ns = self._clock.utc_ns()
        # A clock that was set back must not keep what is due waiting for that long.
        soon_ns = self._look_again_ns - round(_LOOK_S * 1_000_000_000)
        if made or ended or not soon_ns <= now_ns < self._look_again_ns:
            self._look_again_ns = now_ns + round(_LOOK_S * 1_000_000_000)
            await self._begin(now_ns)

    async def _begin(self, now_ns: int) -> None:
        async with self._store.read() as tx:
            waiting = await notices.waiting(tx)
            if not waiting:
                return
            found = [(one, await self._due(tx, one, waiting, now_ns)) for one in self._carriers]
            facts = await alert_facts.facts(tx, [each.alert_id for _, some in found for each in some])
        for carrier, some in found:
            for notice in some:
                sending = asyncio.create_task(carrier.carry(Message(notice, facts[notice.alert_id])), name="notice")
                self._under_way[sending] = (notice, carrier)
        left = set(waiting).difference(*(one.targets for one in self._carriers))
        if left:
            async with self._store.write() as tx:
                given_up = await notices.give_up(tx, left, _GONE, now_ns)
            _log.error("notices_given_up", targets=sorted(left), notices=given_up, reason=_GONE)

    async def _due(self, tx: Transaction, carrier: Carrier, waiting: dict[str, int], now_ns: int) -> list[Notice]:
        under_way = [one.id for one, by in self._under_way.values() if by is carrier]
        most = carrier.at_once - len(under_way)
        targets = [one for one in carrier.targets if waiting.get(one, now_ns + 1) <= now_ns]
        if most <= 0 or not targets:
            return []
        return await notices.due(tx, targets, now_ns, most=most, but=under_way)

    def _take_ended(self) -> bool:
        ended = [task for task in self._under_way if task.done()]
        now_ns = self._clock.utc_ns()
        for task in ended:
            notice, _ = self._under_way.pop(task)
            self._outcomes.append(self._judged(notice, _problem(task), now_ns))
        return bool(ended)

    def _judged(self, notice: Notice, problem: str, now_ns: int) -> Outcome:
        if not problem:
            _log.info("notice_sent", notice=notice.id, alert=notice.alert_id, route=notice.route)
            return Outcome(notice.id, NoticeState.SENT, notice.due_at_ns, "", now_ns)
        attempts = notice.attempts + 1
        told = {"notice": notice.id, "alert": notice.alert_id, "route": notice.route, "reason": problem}
        if attempts >= self._attempts:
            _log.error("notice_given_up", attempts=attempts, fix="collector notices retry", **told)
            return Outcome(notice.id, NoticeState.DEAD, notice.due_at_ns, problem, now_ns)
        pause_s = again_in_s(attempts, self._jitter())
        _log.warning("notice_not_sent", attempts=attempts, again_in_s=round(pause_s), **told)
        due_at_ns = now_ns + round(pause_s * 1_000_000_000)
        return Outcome(notice.id, NoticeState.WAITING, due_at_ns, problem, now_ns)

    async def stop(self) -> None:
        """Let go of what is under way; it is sent again by whoever holds the lease next."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        for carrier in self._carriers:
            await carrier.close()


def _problem(ended: asyncio.Task[None]) -> str:
    """Return why a notice could not be carried; empty if it was."""
    if ended.cancelled():
        return "it was broken off"
    error = ended.exception()
    if error is None:
        return ""
    if isinstance(error, CarryError):
        return str(error)
    # Not what it says: whom the message was for, or what, may stand in it.
    where = traceback.extract_tb(error.__traceback__)[-1]
    return f"a mistake of ours: {type(error).__name__} in {Path(where.filename).name}, line {where.lineno}"
