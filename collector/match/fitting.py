"""How likely a plate is one that a pattern fits: P of all strings of a language together, without spelling one.

The slots of a posterior are independent, so P(pattern) is a sum over ways through the slots, and ways that have found
as many places of the pattern go on alike: slot by slot, only how likely each place is the next has to be known. That
is exact while a string is found in one way, as it is by patterns with one ``*`` or none. With several it is a bound
from above; where that is likely enough, sets of places are followed instead of places (Rabin and Scott, "Finite
automata and their decision problems", 1959), which a string reaches in one way whatever the pattern.

Nearly no read fits a pattern, so both begin with a bound that costs a look: every character that a pattern wants has
to stand in some slot, its first and last ones in front and at the end. A read's numbers do not depend on its batch.
Pure; safe on any thread.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from collector.match.packing import BASE, EMPTY, SPELLED
from collector.match.patterns import MOST, Pattern, PatternError, parse
from collector.match.posterior import Posterior
from collector.match.records import ListedPlate

# Reads with a pattern that are followed together: their numbers stay in a core's cache.
_TOGETHER = 4096
# The first bound is a rough one in 32 bits, of which the last digits depend on the batch.
_SLACK = 0.9
_ANYTHING = tuple(range(EMPTY + 1, BASE))
_ALL = sum(1 << code for code in _ANYTHING)


class Likely(NamedTuple):
    """Which reads may be what which patterns fit, of equal length: by read, then by pattern."""

    read: NDArray[np.intp]
    pattern: NDArray[np.intp]
    p: NDArray[np.float64]


class Patterns:
    """The patterns in force.

    Args:
        entries: entries that are patterns.

    Attributes:
        entries: those that are looked for, by id.
        refused: the others, with the reason: no pattern, or one too many.
    """

    __slots__ = ("_end", "_loops", "_members", "_patterns", "_set", "_several", "_wants", "entries", "refused")

    def __init__(self, entries: Sequence[ListedPlate]) -> None:
        standing: list[ListedPlate] = []
        patterns: list[Pattern] = []
        refused: list[tuple[ListedPlate, str]] = []
        for one in sorted(entries, key=lambda one: one.entry_id):
            try:
                pattern = parse(one.plate)
            except PatternError as error:
                refused.append((one, str(error)))
                continue
            if len(standing) == MOST:
                refused.append((one, f"pattern {one.plate!r}: {MOST} are in force, expected no more than that"))
                continue
            standing.append(one)
            patterns.append(pattern)
        self.entries = tuple(standing)
        self.refused = tuple(refused)
        self._patterns = patterns
        self._end = np.array([len(one.accepts) for one in patterns], np.intp)
        most = int(self._end.max(initial=0))
        # Many places accept few different sets of characters; the first one is empty, for places that a pattern lacks.
        sets = {0: 0}
        self._set = np.zeros((most, len(patterns)), np.intp)
        self._loops = np.zeros((most + 1, len(patterns)), np.bool_)
        for number, pattern in enumerate(patterns):
            for at, accepted in enumerate(pattern.accepts):
                self._set[at, number] = sets.setdefault(accepted, len(sets))
            for at in range(len(pattern.accepts) + 1):
                self._loops[at, number] = pattern.stars >> at & 1
        self._several = self._loops.sum(axis=0) > 1
        self._members = [_codes(accepted) for accepted in sets]
        self._wants = _wants(patterns)

    def __len__(self) -> int:
        return len(self.entries)

    def likely(self, posterior: Posterior, least: float) -> Likely:
        """Return every read and pattern of which P(the plate is one that the pattern fits) is ``least`` or more."""
        read, pattern = self._bounded(posterior, least)
        p = np.empty(len(read))
        for at in range(0, len(read), _TOGETHER):
            some = slice(at, at + _TOGETHER)
            p[some] = self._by_places(posterior, read[some], pattern[some])
        kept = np.flatnonzero(p >= least)
        read, pattern, p = read[kept], pattern[kept], p[kept]
        for row in np.flatnonzero(self._several[pattern]).tolist():
            p[row] = _by_sets(posterior, int(read[row]), self._patterns[pattern[row]])
        kept = np.flatnonzero(p >= least)
        return Likely(read[kept], pattern[kept], p[kept])

    def _bounded(self, posterior: Posterior, least: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return reads and patterns all of whose characters stand likely enough where they may stand."""
        p = posterior.p.astype(np.float32)
        none = np.ones((len(p), p.shape[1] + 2), np.float32)
        none[:, 1:-1] = p[:, :, EMPTY]
        # How likely a slot bears the first character, or the last one, if it bears any.
        outermost = np.stack([np.cumprod(none, axis=1)[:, :-2], np.cumprod(none[:, ::-1], axis=1)[:, -3::-1]], axis=1)
        somewhere = 1.0 - np.multiply.reduce(1.0 - p, axis=1)
        shows = np.concatenate([somewhere[:, None], outermost @ p], axis=1).reshape(len(p), -1)
        of, wants = self._wants
        rarely = (shows @ of) * (1.0 - posterior.none)[:, None] < least * _SLACK
        read, pattern = np.divmod(np.flatnonzero((rarely.astype(np.float32) @ wants).ravel() == 0), wants.shape[1])
        return read, pattern

    def _by_places(
        self, posterior: Posterior, read: NDArray[np.intp], pattern: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        """Return (N,): P of all ways in which each pattern is found, as many as a string has."""
        reads, of = np.unique(read, return_inverse=True)
        slots = np.ascontiguousarray(posterior.p[reads].transpose(1, 2, 0))
        accepted = np.zeros((len(slots), len(self._members), len(reads)))
        for number, codes in enumerate(self._members):
            for code in codes:
                accepted[:, number] += slots[:, code]
        sets, loops = self._set[:, pattern], self._loops[:, pattern]
        # ways[i]: the slots so far have the first i places.
        ways = np.zeros(loops.shape)
        ways[0] = 1.0
        for slot in range(len(slots)):
            on = ways[:-1] * accepted[slot][sets, of]
            ways *= np.where(loops, 1.0, slots[slot, EMPTY, of])
            ways[1:] += on
        return np.asarray((1.0 - posterior.none[read]) * ways[self._end[pattern], np.arange(len(pattern))])


def _wants(patterns: Sequence[Pattern]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return what patterns want to stand somewhere, in front or at the end, and which pattern wants which of them.

    Returns:
        (3 * 36, N): the codes of each, by where. (N, patterns): 1 where a pattern has it.
    """
    somewhere, first, last = range(3)
    numbers: dict[tuple[int, int], int] = {}
    pairs = []
    for number, one in enumerate(patterns):
        for at, accepted in enumerate(one.accepts):
            where = somewhere
            if at == 0 and not one.stars & 1:
                where = first
            elif at == len(one.accepts) - 1 and not one.stars >> len(one.accepts):
                where = last
            pairs.append((numbers.setdefault((where, accepted), len(numbers)), number))
    of = np.zeros((3, BASE, len(numbers)), np.float32)
    for (where, accepted), at in numbers.items():
        of[where, _codes(accepted), at] = 1.0
    wants = np.zeros((len(numbers), len(patterns)), np.float32)
    for at, number in pairs:
        wants[at, number] = 1.0
    return of.reshape(3 * BASE, len(numbers)), wants


def _by_sets(posterior: Posterior, read: int, pattern: Pattern) -> float:
    """Return P of the strings that a pattern fits, each counted once."""
    alike = _alike(pattern)
    # How likely the slots so far have led to each set of places, and where characters lead on from there.
    states = {1: 1.0}
    onward: dict[int, list[tuple[int, int]]] = {}
    for slot in posterior.p[read].tolist():
        here = [sum([slot[code] for code in codes]) for codes in alike.values()]
        after = {state: p * slot[EMPTY] for state, p in states.items()}
        for state, p in states.items():
            if state not in onward:
                led = [pattern.after(state, places) for places in alike]
                onward[state] = [(to, kind) for kind, to in enumerate(led) if to]
            for to, kind in onward[state]:
                after[to] = after.get(to, 0.0) + p * here[kind]
        states = after
    found = sum([p for state, p in states.items() if state >> len(pattern.accepts) & 1])
    return float(1.0 - posterior.none[read]) * found


@lru_cache(MOST)
def _alike(pattern: Pattern) -> dict[int, tuple[int, ...]]:
    """Return the characters that fit the same places, by those places."""
    alike: dict[int, tuple[int, ...]] = {}
    for code in _ANYTHING:
        places = pattern.fitting(code)
        alike[places] = (*alike.get(places, ()), code)
    return alike


def likeliest(posterior: Posterior, read: int, pattern: Pattern) -> tuple[str, tuple[int, ...]]:
    """Return the plate that ``pattern`` fits and ``read`` likeliest is, by the likeliest way through its slots.

    Viterbi, 1967.

    Returns:
        The plate, and for each slot which of its characters it bears, -1 for none; "" and () if there are too few.
    """
    slots = posterior.p[read]
    likely = {accepted: _likeliest_of(slots, _codes(accepted)) for accepted in {_ALL, *pattern.accepts}}
    # For each place what leads there: from which one, and by which characters.
    steps = [(at, at + 1, likely[accepted]) for at, accepted in enumerate(pattern.accepts)]
    steps += [(at, at, likely[_ALL]) for at in range(len(pattern.accepts) + 1) if pattern.stars >> at & 1]
    best, ways = [1.0] + [0.0] * len(pattern.accepts), [""] * (len(pattern.accepts) + 1)
    for slot, empty in enumerate(slots[:, EMPTY].tolist()):
        before, so_far = best, ways
        best, ways = [p * empty for p in before], [way + SPELLED[EMPTY] for way in so_far]
        for at, to, options in steps:
            character, here = options[slot]
            p = before[at] * here
            if p > best[to]:
                best[to], ways[to] = p, so_far[at] + character
    if not best[-1]:
        return "", ()
    order = itertools.count()
    places = tuple(-1 if character == SPELLED[EMPTY] else next(order) for character in ways[-1])
    return ways[-1].replace(SPELLED[EMPTY], ""), places


def _likeliest_of(slots: NDArray[np.float64], codes: tuple[int, ...]) -> list[tuple[str, float]]:
    """Return for each slot the likeliest of some characters."""
    if len(codes) == 1:
        return [(SPELLED[codes[0]], p) for p in slots[:, codes[0]].tolist()]
    which = slots[:, codes].argmax(axis=1).tolist()
    return [(SPELLED[codes[one]], float(slots[slot, codes[one]])) for slot, one in enumerate(which)]


@cache
def _codes(accepted: int) -> tuple[int, ...]:
    return tuple(code for code in _ANYTHING if accepted >> code & 1)
