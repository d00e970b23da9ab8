"""Asks devices for rows that they once had acked and that the store does not have: it went back in time.

A device's Statement says what it has sent and what waits. What it neither has waiting nor has come, and no loss record
names, is asked for (``Resend``); the device sends what it still holds. So is what a later Open says that an epoch had
which the Statement leaves out: its database was set aside, and the device may hold rows that it has salvaged.

The same sequences are asked for at each Statement, but only three times that lie a minute apart: a question may be lost
with its connection, and rows need time to come; but what a device no longer holds it never answers, and the ledger
names it as missing.

A store that went back in time may not know an epoch's key either. Rows that nobody can verify for want of it are not
refused, or their device would give them up: its Open is asked for instead.

Looking for what is absent counts rows, which may take a while when many devices state at once: it has a task of its
own, and ingest does not wait. What it remembers only spares questions and may be lost at any time.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import TypeVar

import structlog

from collector.errors import StoreError
from collector.ingest.downlink import Address
from collector.ingest.intake import Stated
from collector.ingest.verdicts import Refused
from collector.ledger import judging
from collector.ledger.records import Stated as StatedState
from collector.ledger.records import StreamFacts
from collector.ledger.runs import Runs, count, difference, intersection, union
from collector.store import ledger
from collector.store.database import Store, Transaction
from collector.store.ledger import StreamKey
from edge_wire import codec, cose
from edge_wire.errors import WireError
from edge_wire.messages import Resend, Stream, StreamState

_log = structlog.get_logger(__name__)

_TIMES = 3
_COUNTED_EVERY_S = 60.0
# Bounds a message to a few kilobytes, and what one Statement provokes to a few of them.
_MOST_RUNS = 500
_MOST_MESSAGES = 20
_OPEN_AGAIN_NS = 5_000_000_000
_STREAMS_REMEMBERED = 20_000
_Value = TypeVar("_Value")
_Key = TypeVar("_Key")


class Resending:
    """Finds out what to ask for.

    Args:
        store: what is here.
        ask: sends questions.
        now_s: a clock that does not jump.
    """

    def __init__(
        self,
        store: Store,
        ask: Callable[[list[tuple[Address, Resend]]], None],
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._ask = ask
        self._now_s = now_s
        self._stated: dict[str, Stated] = {}
        self._task: asyncio.Task[None] | None = None
        # Up to where nothing is to be asked for: what is here stays here.
        self._settled_to: OrderedDict[StreamKey, int] = OrderedDict()
        # What was asked for once, twice, and often enough.
        self._asked: OrderedDict[StreamKey, tuple[Runs, ...]] = OrderedDict()
        self._counted_s: OrderedDict[StreamKey, float] = OrderedDict()
        self._opens_asked_ns: OrderedDict[tuple[str, int], int] = OrderedDict()

    def note(self, stated: Iterable[Stated]) -> None:
        """Look, soon, for what is absent after these Statements were committed; of a device only the last counts."""
        for one in stated:
            self._stated.pop(one.topic.device, None)
            self._stated[one.topic.device] = one
        if self._stated and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._look(), name="resending")

    async def caught_up(self) -> None:
        """Wait until everything that was noted is asked for."""
        if self._task is not None:
            await self._task

    def close(self) -> None:
        """Ask for nothing more."""
        if self._task is not None:
            self._task.cancel()

    async def after(self, one: Stated) -> list[tuple[Address, Resend]]:
        """Return what to ask for after a Statement was committed; reports, with the Opens, first.

        Raises:
            StoreError: the store cannot be reached.
        """
        async with self._store.read() as tx:
            return await self._after(tx, one)

    def opens_of(self, unopened: Iterable[Refused]) -> list[tuple[Address, Resend]]:
        """Return questions for the Opens of epochs whose rows came although nobody here knows their key.

        What such a row says of itself is unproven; but whoever made it up only gets its own device to send an Open.
        """
        asking = []
        for one in unopened:
            connection, epoch = one.received.connection, _claimed_epoch(one)
            if one.topic is None or connection is None or epoch is None:
                continue
            key = (one.topic.device, epoch)
            now_ns = one.received.received_boot_ns
            before_ns = self._opens_asked_ns.get(key)
            if before_ns is not None and 0 <= now_ns - before_ns < _OPEN_AGAIN_NS:
                continue
            _remember(self._opens_asked_ns, key, now_ns)
            _log.warning("epoch_not_known_here", device=one.topic.device, epoch=epoch)
            address = Address(one.topic.agency, one.topic.device, *connection)
            asking.append((address, Resend(epoch, Stream.REPORT, ((1, 1),))))
        return asking

    async def _look(self) -> None:
        while self._stated:
            one = self._stated.pop(next(iter(self._stated)))
            try:
                self._ask(await self.after(one))
            except StoreError as error:
                # The next Statement asks.
                _log.warning("rows_not_asked_for", device=one.topic.device, error=str(error))

    async def _after(self, tx: Transaction, one: Stated) -> list[tuple[Address, Resend]]:
        address = Address(one.topic.agency, one.topic.device, *one.connection)
        asking: list[tuple[Address, Resend]] = []
        states = [*one.body.streams, *await self._unstated(tx, one)]
        for state in sorted(states, key=lambda each: each.stream != Stream.REPORT):
            runs = await self._to_ask(tx, (address.device, state.epoch, int(state.stream)), state)
            for at in range(0, len(runs), _MOST_RUNS):
                if len(asking) == _MOST_MESSAGES:
                    return asking
                some = runs[at : at + _MOST_RUNS]
                self._note_asked((address.device, state.epoch, int(state.stream)), some)
                asking.append((address, Resend(state.epoch, state.stream, some)))
                _log.warning(
                    "rows_asked_for_again",
                    device=address.device,
                    epoch=state.epoch,
                    stream=int(state.stream),
                    rows=count(some),
                )
        return asking

    async def _unstated(self, tx: Transaction, one: Stated) -> list[StreamState]:
        """Return how far the streams of epochs go that the Statement leaves out, as the epochs after them say."""
        stated = {state.epoch for state in one.body.streams}
        ends = await ledger.ends_told_of(tx, one.topic.device)
        return [
            StreamState(epoch, Stream(stream), last + 1, 0, 0)
            for (epoch, stream), last in ends.items()
            if epoch not in stated
        ]

    async def _to_ask(self, tx: Transaction, key: StreamKey, state: StreamState) -> Runs:
        settled_to = self._settled_to.get(key, 0)
        end = state.next_sequence - 1
        if end <= settled_to:
            return ()
        gaps = await ledger.gaps(tx, key, after=settled_to, to=end)
        absent = difference(gaps, await ledger.losses_of(tx, key)) if gaps else ()
        hopeless = self._asked[key][-1] if key in self._asked else ()
        left = difference(absent, hopeless)
        _remember(self._settled_to, key, left[0][0] - 1 if left else end)
        if not left:
            return ()
        # Only what concerns the rows that are absent: the prefix that is settled is not counted again.
        word = StatedState(state.next_sequence, state.pending, state.lowest_pending, at_ns=0)
        asked_for = judging.unexplained(StreamFacts(*key, gaps=absent, stated=word))
        return difference(asked_for, hopeless)

    def _note_asked(self, key: StreamKey, runs: Runs) -> None:
        asked = list(self._asked.get(key, ((),) * _TIMES))
        now_s = self._now_s()
        counted_s = self._counted_s.get(key)
        if counted_s is None or now_s - counted_s >= _COUNTED_EVERY_S:
            _remember(self._counted_s, key, now_s)
            for times in range(_TIMES - 1, 0, -1):
                asked[times] = union(asked[times], intersection(asked[times - 1], runs))
        asked[0] = union(asked[0], runs)
        _remember(self._asked, key, tuple(asked))


def _claimed_epoch(one: Refused) -> int | None:
    try:
        return codec.decode_header(cose.parse(one.received.payload).payload).epoch
    except WireError:
        return None


def _remember(kept: OrderedDict[_Key, _Value], key: _Key, value: _Value) -> None:
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > _STREAMS_REMEMBERED:
        kept.popitem(last=False)
