"""Sets of sequences as inclusive, ascending runs that do not touch: a million rows without a gap are one pair.

Pure. Every function takes runs in any order, overlapping or not, and returns them in order.
"""

from __future__ import annotations

from collections.abc import Iterable

Run = tuple[int, int]
Runs = tuple[Run, ...]


def union(*parts: Iterable[Run]) -> Runs:
    """Return what is in any of ``parts``; empty runs (last below first) count for nothing."""
    joined: list[Run] = []
    for first, last in sorted(run for part in parts for run in part if run[0] <= run[1]):
        if joined and first <= joined[-1][1] + 1:
            if last > joined[-1][1]:
                joined[-1] = (joined[-1][0], last)
        else:
            joined.append((first, last))
    return tuple(joined)


def difference(runs: Iterable[Run], without: Iterable[Run]) -> Runs:
    """Return what is in ``runs`` and not in ``without``."""
    left: list[Run] = []
    taken = union(without)
    at = 0
    for first, last in union(runs):
        while at < len(taken) and taken[at][1] < first:
            at += 1
        here = at
        while here < len(taken) and taken[here][0] <= last:
            if taken[here][0] > first:
                left.append((first, taken[here][0] - 1))
            first = taken[here][1] + 1
            here += 1
        if first <= last:
            left.append((first, last))
    return tuple(left)


def intersection(runs: Iterable[Run], others: Iterable[Run]) -> Runs:
    """Return what is in both."""
    both: list[Run] = []
    a, b = union(runs), union(others)
    i = j = 0
    while i < len(a) and j < len(b):
        first, last = max(a[i][0], b[j][0]), min(a[i][1], b[j][1])
        if first <= last:
            both.append((first, last))
        if a[i][1] < b[j][1]:
            i += 1
        else:
            j += 1
    return tuple(both)


def count(runs: Iterable[Run]) -> int:
    """Return how many sequences ``runs`` have, which must not overlap."""
    return sum(last - first + 1 for first, last in runs)
