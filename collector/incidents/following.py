"""Keeps shot incidents up with the arrivals and plate reads that are stored.

It follows the feed, as ``collector.passages.following`` does, and notes how far it has looked in the transaction that
keeps what came of it. So ingest pays nothing for incidents; an arrival that was stored while nobody looked is looked
at later; and looking twice, after a crash, changes nothing: an arrival that is in an incident already is passed over,
and what is found again is kept already. When an incident is to be looked at again, because nobody can tell of it any
more, stands in the store, too.

Arrivals that came live go before those of a backlog, and at once: an alert waits for them. An arrival of which the
store refuses what came of it, of which nothing can be computed, or around which there are too many, is left out and
logged, and keeps no other waiting.

One at a time may run on a store: it computes outside of the transaction that writes. So it runs under a lease, and
writes through what the lease gives it (``collector.store.lease``). Owned by one task.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

import structlog

from collector.errors import StoreError, StoreRefusedError
from collector.incidents.keeping import changes
from collector.incidents.records import Change, Neighbourhood
from collector.incidents.rules import Rules
from collector.ports import AskForSound
from collector.store import holds, incidents
from collector.store.database import Transaction
from collector.store.following import Followed
from edge_wire.clock import Clock

_log = structlog.get_logger(__name__)

# Sensors of one shot tell of it in quick succession: looking once for several is cheaper than looking for each.
GATHER_S = 0.05
# Another process may write too, and its commits wake nobody here; nor does a clock that steps.
POLL_S = 0.5
_PORTION = 200
# Rows of the feed that are gone through at once for the arrivals of a portion.
_ROWS = 2_000
# An arrival that was stored within so many seconds of being heard is live.
_LIVE_NS = 120 * 1_000_000_000
# Who can be of one series: rounds at most 5 s apart, and 4.7 s of sound across two earshots.
_REACH_NS = 10 * 1_000_000_000
# Arrivals around a portion that are held at once, and of one incident: an incident that has so many is complete, and
# what is heard afterwards makes a new one.
_MOST_AROUND = 3_000
_MOST_OF_ONE = 1_000
# Of one device within that reach: automatic fire is at most 20 rounds a second, a jackhammer that is taken for gunfire
# some hundred a minute. What a device that raves, or is no longer ours, says beyond that is left out.
_MOST_OF_DEVICE = 200
# After work it rests, so that ingest has its turn; an alert may wait for it, but not for long.
_REST = 4
_LONGEST_REST_S = 0.1
# How many are named in the log.
_NAMED = 10
# How much is looked at again, for nothing, after a crash.
_NOTED_EVERY = 1_000
# What an arrival can provoke in code that did not expect it.
_POISON = (StoreRefusedError, ArithmeticError, LookupError, MemoryError, TypeError, ValueError)


class IncidentFollower:
    """Makes incidents of the arrivals of one store, and alerts.

    Args:
        store: where the arrivals are.
        clock: our clocks.
        rules: by what incidents are judged.
        ask: asks the devices for what has not come of the sound of some shots of an incident that has alerted.
    """

    def __init__(self, store: Followed, clock: Clock, rules: Rules, ask: AskForSound) -> None:
        self._store = store
        self._clock = clock
        self._rules = rules
        self._ask = ask
        # Up to where in the feed every arrival has been looked at, and up to where every live one; None before the
        # first.
        self._looked_at: int | None = None
        self._live_at = 0
        self._noted = 0
        self._portion = _PORTION
        self._next_due_ns: int | None = None
        self._stopping = asyncio.Event()

    async def look(self) -> bool:
        """Look at the next arrivals and reads of the feed, and at incidents that nobody can tell of any more.

        Returns:
            Whether there was anything to look at.

        Raises:
            StoreError: the store cannot be reached; the next look begins at the same place.
        """
        async with self._store.read() as tx:
            if self._looked_at is None:
                self._looked_at = self._live_at = self._noted = await incidents.looked_at(tx)
            looked_at = self._looked_at
            shots, live_at = await incidents.new_shots(
                tx, self._live_at, rows=_ROWS, most=self._portion, live_ns=_LIVE_NS, live=True
            )
            left = self._portion - len(shots)
            if left > 0:
                others, looked_at = await incidents.new_shots(
                    tx, looked_at, up_to=live_at, rows=_ROWS, most=left, live_ns=_LIVE_NS, live=False
                )
                shots += others
            due, self._next_due_ns = await incidents.settling(tx, self._clock.utc_ns(), self._portion)
        if shots and self._portion == 1:
            # Who is to blame is looked for one by one.
            due = []
        try:
            await self._follow_up(shots, due, looked_at)
        except _POISON as error:
            if len(shots) + len(due) > 1:
                # One of them is to blame: half as many next time, until it is the only one.
                self._portion = max(1, (len(shots) + len(due)) // 2)
                return True
            _log.error("shot_left_out_of_incidents", shot=shots, incident=due, error=repr(error))
            await self._leave_out(due)
        self._portion = min(_PORTION, 2 * self._portion)
        moved = (live_at, looked_at) != (self._live_at, self._looked_at) or bool(due)
        self._live_at, self._looked_at = live_at, looked_at
        return moved

    async def _follow_up(self, shots: Sequence[int], due: Sequence[int], looked_at: int) -> None:
        near: list[Neighbourhood] = []
        if shots or due:
            async with self._store.read() as tx:
                near = await incidents.neighbourhoods(
                    tx,
                    shots,
                    due,
                    reach_ns=_REACH_NS,
                    most=_MOST_AROUND,
                    most_of_one=_MOST_OF_ONE,
                    most_of_device=_MOST_OF_DEVICE,
                )
            left_out = set(shots) - {shot.id for one in near for shot in one.shots}
            if left_out:
                _log.warning("shots_left_out_of_incidents", shots=sorted(left_out)[:_NAMED], of=len(left_out))
        now_ns = self._clock.utc_ns()
        # Where many are heard this takes a while, in which the loop has others to serve.
        different = await asyncio.to_thread(self._decide, near, now_ns) if near else []
        by_reads = await self._near_new_reads(looked_at)
        audible: dict[int, frozenset[int]] = {}
        if different or due or by_reads or looked_at >= self._noted + _NOTED_EVERY:
            async with self._store.write() as tx:
                for one, some in different:
                    outcome = await incidents.keep(tx, one.agency, some, now_ns)
                    audible |= outcome.audible
                    by_reads += outcome.incident_ids
                await incidents.settle(tx, set(due) - {one.incident_id for _, some in different for one in some})
                await self._attach_reads(tx, by_reads)
                await incidents.note_looked_at(tx, looked_at)
            self._noted = looked_at
        for incident_id, shot_ids in audible.items():
            await self._ask(incident_id, shot_ids)

    def _decide(self, near: Sequence[Neighbourhood], now_ns: int) -> list[tuple[Neighbourhood, list[Change]]]:
        decided = ((one, changes(one, now_ns, self._rules)) for one in near)
        return [(one, some) for one, some in decided if some]

    async def _near_new_reads(self, looked_at: int) -> list[int]:
        assert self._looked_at is not None, "a look knows where it begins"
        if looked_at == self._looked_at:
            return []
        async with self._store.read() as tx:
            return await holds.incidents_near_new_reads(tx, self._looked_at, looked_at, self._rules)

    async def _attach_reads(self, tx: Transaction, incident_ids: Sequence[int]) -> None:
        for incident_id in await holds.refresh(tx, set(incident_ids), self._rules):
            await incidents.tell(tx, incident_id)

    async def _leave_out(self, due: Sequence[int]) -> None:
        if due:
            async with self._store.write() as tx:
                await incidents.settle(tx, set(due))

    async def follow(self) -> None:
        """Keep up with the store until ``stop``."""
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            seen = self._store.committed.count
            try:
                began_s = loop.time()
                while await self.look() and not self._stopping.is_set():
                    await self._pause(min(_LONGEST_REST_S, _REST * (loop.time() - began_s)))
                    began_s = loop.time()
            except StoreError as error:
                _log.error("incidents_not_followed", error=str(error), again_in_s=POLL_S)
                await self._pause(POLL_S)
            await self._rest(seen)

    def stop(self) -> None:
        """Let ``follow`` end."""
        self._stopping.set()

    async def _rest(self, seen: int) -> None:
        await self._pause(GATHER_S)
        due_s = POLL_S
        if self._next_due_ns is not None:
            due_s = min(POLL_S, max(0.0, (self._next_due_ns - self._clock.utc_ns()) / 1e9))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(due_s):
                await self._store.committed.changed(seen)

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)
