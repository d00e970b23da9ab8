"""The entries of all hotlists in force, found by key. Immutable: a change makes another one that shares what is big.

An ``Index`` is a few sorted runs and the ids that have ended since they were made. So one entry more among five million
is a run of its own, in force at once; ``crowded`` says when runs are worth merging, which ``merged`` does on whatever
thread has the time, and ``with_merged`` puts the result in the place of what it was made of, whatever has come since.
Readers see one index or the next and wait for neither. Same entries, same answers in the same order, however they came.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from collector.match.columns import Columns, Run, contained
from collector.match.fitting import Patterns
from collector.match.records import ListedPlate, ListState

# Runs of up to so many entries are merged where they are added: that takes a few milliseconds.
_SMALL = 20_000
# What is asked passes every run.
_MOST_RUNS = 4
# Rows that have ended are found and thrown away again.
_MOST_ENDED = 0.2


class Index:
    """One generation of all hotlists; ``build`` or ``changed`` make it.

    Attributes:
        versions: how each list stands, by name.
        generation: the highest version of any list, 0 without lists.
        patterns: the entries that are patterns; ``find`` does not know them.
    """

    __slots__ = ("_begins", "_ended", "_runs", "_size", "generation", "patterns", "versions")

    def __init__(
        self,
        runs: Sequence[Run] = (),
        patterns: Patterns | None = None,
        states: Mapping[str, ListState] | None = None,
        ended: NDArray[np.int64] | None = None,
    ) -> None:
        """Join runs.

        Args:
            runs: entries; an id stands in one of them, once.
            patterns: entries that are patterns.
            states: how each list stands.
            ended: ids that ``runs`` have and that count no longer, ascending.
        """
        self._runs = tuple(run for run in runs if len(run))
        self._begins = np.cumsum([0, *(len(run) for run in self._runs)])
        self._ended = np.empty(0, np.int64) if ended is None else ended
        self.patterns = Patterns(()) if patterns is None else patterns
        self._size = int(self._begins[-1]) - len(self._ended) + len(self.patterns)
        self.versions: Mapping[str, ListState] = MappingProxyType(dict(states or {}))
        self.generation = max((state.version for state in self.versions.values()), default=0)

    @classmethod
    def build(cls, portions: Iterable[Sequence[ListedPlate]], states: Mapping[str, ListState]) -> Index:
        """Return an index of the entries in ``portions``."""
        columns, patterns = [], []
        for portion in portions:
            columns.append(Columns.of([one for one in portion if not one.is_pattern]))
            patterns += [one for one in portion if one.is_pattern]
        return cls((Run.of(columns),), Patterns(patterns), states)

    def __len__(self) -> int:
        return self._size

    @property
    def nbytes(self) -> int:
        """What its arrays take."""
        return self._ended.nbytes + sum(run.filter.nbytes + run.columns.nbytes for run in self._runs)

    def find(self, keys: NDArray[np.uint64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Look keys up, many at once.

        Args:
            keys: (N,) uint64 (``packing``), in any order, each as often as it likes.

        Returns:
            For every entry of every key which key it is, and the entry's row, of equal length: by key, then by the
            entry's id. Rows mean something to this index only.
        """
        found = [run.find(keys) for run in self._runs]
        which = np.concatenate([np.empty(0, np.intp), *(one for one, _ in found)])
        rows = np.concatenate(
            [np.empty(0, np.intp), *(rows + begin for (_, rows), begin in zip(found, self._begins, strict=False))]
        )
        if not len(which):
            return which, rows
        ids = self.ids(rows)
        if len(self._ended):
            stands = ~contained(ids, self._ended)
            which, rows, ids = which[stands], rows[stands], ids[stands]
        order = np.lexsort((ids, which))
        return which[order], rows[order]

    def ids(self, rows: NDArray[np.intp]) -> NDArray[np.int64]:
        """Return (N,) int64, the ids of the entries in ``rows``."""
        ids = np.empty(len(rows), np.int64)
        for begin, run in zip(self._begins, self._runs, strict=False):
            within = (rows >= begin) & (rows < begin + len(run))
            ids[within] = run.columns.ids[rows[within] - begin]
        return ids

    def listed(self, row: int) -> ListedPlate:
        """Return the entry of a row that ``find`` named."""
        at = int(self._begins.searchsorted(row, "right")) - 1
        return self._runs[at].columns.listed(row - int(self._begins[at]))

    def changed(self, added: Sequence[ListedPlate], ended: Iterable[int], states: Mapping[str, ListState]) -> Index:
        """Return this index with entries more and others gone.

        Args:
            added: new entries.
            ended: ids of entries that it has.
            states: how each list stands from now on.
        """
        run = Run.of([Columns.of([one for one in added if not one.is_pattern])])
        ids = np.fromiter(ended, np.int64)
        return self.with_runs((run,), [one for one in added if one.is_pattern], ids, states)

    def with_runs(
        self,
        runs: Sequence[Run],
        patterns: Sequence[ListedPlate],
        ended: NDArray[np.int64],
        states: Mapping[str, ListState],
    ) -> Index:
        """``changed`` for what has been made into runs elsewhere.

        Args:
            runs: new entries.
            patterns: new entries that are patterns.
            ended: (N,) int64, ids of entries and patterns that it has, in any order.
            states: how each list stands from now on.
        """
        gone = set(ended.tolist()) if len(self.patterns) else set()
        kept = [one for one in self.patterns.entries if one.entry_id not in gone]
        of_patterns = len(self.patterns) - len(kept)
        standing = Patterns([*kept, *patterns]) if of_patterns or patterns else self.patterns
        if of_patterns:
            named = np.array(sorted(one.entry_id for one in self.patterns.entries), np.int64)
            ended = ended[~contained(ended, named)]
        # Not union1d: it looks for equal ones in a hash table, which takes seconds and the interpreter's lock.
        all_ended = np.sort(np.concatenate([self._ended, ended])) if len(ended) else self._ended
        return Index(_tidied([*self._runs, *runs]), standing, states, all_ended)

    @property
    def crowded(self) -> bool:
        """Whether ``merged`` is worth its time."""
        return len(self._runs) > _MOST_RUNS or len(self._ended) > _MOST_ENDED * int(self._begins[-1])

    def merged(self) -> Run:
        """Return all its entries but patterns as one run. Takes about a second for five million."""
        return Run.of([run.columns for run in self._runs], self._ended)

    def with_merged(self, run: Run, of: Index) -> Index:
        """Return this index with ``run`` in the place of what it was made of.

        Args:
            run: what ``of.merged()`` returned.
            of: this index, or one that it came from by changes.
        """
        fresh = [one for one in self._runs if not any(one is merged for merged in of._runs)]
        # Small runs that it was made of may have been merged with what has come since.
        mixed = [one.columns.ids for one in of._runs if not any(one is run for run in self._runs)]
        if mixed:
            known = np.sort(np.concatenate(mixed).astype(np.int64))
            fresh = [Run.of([one.columns], known) for one in fresh]
        ended = self._ended[~contained(self._ended, of._ended)]
        return Index((run, *fresh), self.patterns, self.versions, ended)


def _tidied(runs: list[Run]) -> list[Run]:
    """Merge the smallest ones: what people add one by one does not pile up."""
    while len(runs) > 1 and len(runs[-1]) + len(runs[-2]) <= _SMALL:
        last = runs.pop()
        runs[-1] = Run.of([runs[-1].columns, last.columns])
    return runs
