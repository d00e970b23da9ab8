"""The matcher in force, kept up with the store while the collector runs.

Everything is read once, at the start. From then on only what a version has changed is; what an import is still writing
is read while it does, so that a million rows are in force within a second of being published. A new matcher is made
beside the old one, of arrays that they share, and swapped in by one assignment: a reader sees the old one or the new
one and waits for neither. Big arrays are sorted and merged on a thread, by NumPy, which lets the interpreter go on.

Reads that are stored meanwhile were matched with the old one; their transaction notes it (``match_pending``), and they
are matched again after the swap. So every read is matched at least once against every generation that was current when
it was stored, or later (PROTOCOL, invariant 5). Known look-alikes come with it; an entry that expires needs nothing,
for the matcher looks at the time. Owned by one task.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import structlog
from numpy.typing import NDArray

from collector.errors import StoreError
from collector.match.columns import Columns, Run
from collector.match.index import Index
from collector.match.matcher import Matcher
from collector.match.policy import Policy
from collector.match.records import ListedPlate, ListState
from collector.store import listing, look_alikes
from collector.store.database import Store, Transaction
from collector.store.listing import Head
from collector.store.look_alikes import LookAlikes

_log = structlog.get_logger(__name__)

# An import is made by another process, whose commits wake nobody here.
POLL_S = 0.25
# What is read ahead becomes a run by so many entries: at publish little is left to be sorted.
_RUN = 200_000
# One look does not read longer ahead than this: another list may have a new version by then.
_PORTIONS_A_LOOK = 10


@dataclass(slots=True)
class _Ahead:
    """What has been read of a draft.

    Attributes:
        token: opened it.
        mark: its rows carry.
        last_id: up to here.
        read: so many entries, patterns among them.
        runs: most of its entries.
        columns: the others.
        patterns: its patterns.
        ended: ids of entries that end with it.
        last_ended: up to here.
    """

    token: bytes
    mark: int
    last_id: int = 0
    read: int = 0
    runs: list[Run] = field(default_factory=list)
    columns: list[Columns] = field(default_factory=list)
    patterns: list[ListedPlate] = field(default_factory=list)
    ended: list[NDArray[np.int64]] = field(default_factory=list)
    last_ended: int = 0


@dataclass(slots=True)
class _Change:
    """What becomes of the index."""

    runs: list[Run] = field(default_factory=list)
    columns: list[Columns] = field(default_factory=list)
    patterns: list[ListedPlate] = field(default_factory=list)
    ended: list[NDArray[np.int64]] = field(default_factory=list)


class LiveMatcher:
    """Holds the matcher in force.

    Args:
        store: where the hotlists are.
        policy: what the matcher lets through.
    """

    def __init__(self, store: Store, policy: Policy | None = None) -> None:
        self._store = store
        self._policy = policy or Policy()
        self._index = Index()
        self._loaded = False
        self._look_alikes = LookAlikes()
        self._matcher = Matcher(self._index, self._policy, ())
        self._ahead: dict[str, _Ahead] = {}
        self._merging: tuple[Index, asyncio.Task[Run]] | None = None
        self._stopping = asyncio.Event()

    @property
    def matcher(self) -> Matcher:
        """The matcher in force; the same one until a newer one takes its place."""
        return self._matcher

    @property
    def index(self) -> Index:
        """The entries in force."""
        return self._index

    async def load(self) -> bool:
        """Take up the newest generation; whether there was a newer one.

        Raises:
            StoreError: the store cannot be reached; the matcher stays what it was.
        """
        async with self._store.read() as tx:
            heads = await listing.heads(tx)
            known = await look_alikes.look_alikes(tx, self._look_alikes)
            states = {name: ListState(one.version, one.confirmed_at_ns) for name, one in heads.items() if one.version}
            newer = states != self._index.versions
            if not newer and known is self._look_alikes:
                self._loaded = True
                return False
            index = await self._newer(tx, heads, states) if newer else self._index
        self._loaded = True
        self._put_in_force(index, known)
        if newer:
            # A draft that has become a version, or was given up.
            self._ahead = {name: one for name, one in self._ahead.items() if heads[name].draft == one.token}
            _log.info("hotlists_in_force", generation=index.generation, entries=len(index))
        return newer

    async def follow(self, rematch: Callable[[], Awaitable[None]]) -> None:
        """Keep up with the store until ``stop``.

        Args:
            rematch: matches again the reads that were stored with an older generation.
        """
        while not self._stopping.is_set():
            try:
                await self.load()
                await rematch()
                await self.read_ahead()
                self.merge()
            except StoreError as error:
                _log.error("hotlists_not_followed", error=str(error), again_in_s=POLL_S)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), POLL_S)

    def stop(self) -> None:
        """Let ``follow`` end."""
        self._stopping.set()

    def _put_in_force(self, index: Index, known: LookAlikes) -> None:
        if index.patterns is not self._index.patterns:
            told = {one.entry_id for one, _ in self._index.patterns.refused}
            for one, reason in index.patterns.refused:
                if one.entry_id not in told:
                    _log.error("pattern_not_looked_for", list=one.list, entry=one.entry_id, reason=reason)
        matcher = Matcher(index, self._policy, known.exclusions)
        self._index, self._look_alikes, self._matcher = index, known, matcher

    async def _newer(self, tx: Transaction, heads: Mapping[str, Head], states: Mapping[str, ListState]) -> Index:
        change = _Change()
        if not self._loaded:
            async for portion in listing.standing(tx):
                change.columns.append(portion.columns)
                change.patterns += portion.patterns
        else:
            for name, state in states.items():
                base = self._index.versions.get(name, ListState(0, 0)).version
                if state.version == base:
                    continue
                if not await self._take_ahead(tx, name, state.version, change):
                    async for portion in listing.begun(tx, name, base, state.version):
                        change.columns.append(portion.columns)
                        change.patterns += portion.patterns
                    change.ended.append(await listing.ended(tx, name, base, state.version))
        index = self._index
        return await asyncio.to_thread(_changed, index, change, states)

    async def _take_ahead(self, tx: Transaction, name: str, version: int, change: _Change) -> bool:
        """Add what was read ahead of ``version``, and the rest of it; False if something else became that version."""
        ahead = self._ahead.pop(name, None)
        if ahead is None or await listing.made_of(tx, version) != ahead.token:
            return False
        await _read_on(tx, name, ahead, None)
        if await listing.drafted_size(tx, name, ahead.mark) != (ahead.read, sum(len(one) for one in ahead.ended)):
            # Its rows did not come in the order of their ids.
            return False
        change.runs += ahead.runs
        change.columns += ahead.columns
        change.patterns += ahead.patterns
        change.ended += ahead.ended
        return True

    async def read_ahead(self) -> None:
        """Read what imports have written so far of versions that are not in force.

        Raises:
            StoreError: the store cannot be reached.
        """
        async with self._store.read() as tx:
            heads = await listing.heads(tx)
            for name, head in heads.items():
                if head.draft is None or head.draft_mark is None:
                    continue
                ahead = self._ahead.get(name)
                if ahead is None or ahead.token != head.draft:
                    ahead = self._ahead[name] = _Ahead(head.draft, head.draft_mark)
                await _read_on(tx, name, ahead, _PORTIONS_A_LOOK)

    def merge(self) -> None:
        """Begin to merge what has become many runs, or put what has been merged in its place."""
        if self._merging is None:
            if self._index.crowded:
                self._merging = self._index, asyncio.create_task(asyncio.to_thread(self._index.merged))
            return
        of, merged = self._merging
        if merged.done():
            self._merging = None
            self._put_in_force(self._index.with_merged(merged.result(), of), self._look_alikes)


async def _read_on(tx: Transaction, name: str, ahead: _Ahead, portions: int | None) -> None:
    """Read what a draft has more; at most so many portions."""
    async for portion in listing.drafted(tx, name, ahead.mark, ahead.last_id):
        ahead.columns.append(portion.columns)
        ahead.patterns += portion.patterns
        ahead.last_id = portion.last_id
        ahead.read += len(portion.columns) + len(portion.patterns)
        if portions is not None:
            if sum(len(one) for one in ahead.columns) >= _RUN:
                ahead.runs = await asyncio.to_thread(_with_run, ahead.runs, ahead.columns)
                ahead.columns = []
            portions -= 1
            if not portions:
                return
    ended = await listing.draft_ended(tx, name, ahead.mark, ahead.last_ended)
    if len(ended):
        ahead.ended.append(ended)
        ahead.last_ended = int(ended.max())


def _with_run(runs: list[Run], columns: list[Columns]) -> list[Run]:
    """Return ``runs`` and one of ``columns``; of similar size there are never two, so that there are few."""
    grown = [*runs, Run.of(columns)]
    while len(grown) > 1 and len(grown[-1]) * 2 > len(grown[-2]):
        last = grown.pop()
        grown[-1] = Run.of([grown[-1].columns, last.columns])
    return grown


def _changed(index: Index, change: _Change, states: Mapping[str, ListState]) -> Index:
    ended = np.concatenate([np.empty(0, np.int64), *change.ended])
    return index.with_runs([*change.runs, Run.of(change.columns)], change.patterns, ended, states)
