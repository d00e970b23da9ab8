"""The image's own posterior over plausible plates, of whole batches of reads at once.

A slot says how likely each character is, and how likely none (``_``). Three things that it does not say are known from
reads whose plate is known (``parameters.toml``, ``models/plate_matching``): by which characters one is really taken for
another, how often a character was read that the plate does not have (a bolt, a stacked letter) or has but lost, and how
often the plate is none of what its slots can spell. With these

    P(plate) = (1 - P(none of these)) * sum over the ways to spell it, product over slots p(character or none)

where each slot's p sums to 1. So the sum over all strings is known without listing one, and which plates are listed has
no part in it. O is read as 0 throughout: labels, clerks and OCR mix them.

Everything is an array over (reads, slots, 36 codes); code 0 is no character, 1 to 35 as in ``packing``. A read's
numbers do not depend on which other reads are in its batch. Pure; safe on any thread.
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collector.match import packing
from collector.match.packing import BASE, EMPTY, SPELLED
from collector.match.parameters import EXTRA_KINDS, Calibration, Parameters

Slots = tuple[tuple[tuple[str, float], ...], ...]

LEAST = 1e-4
"""What is less likely than this is not looked up: a tenth of what the least hit has, as a plate may be spelled in
several ways."""
NO_DOUBT = 0.03
"""Added to a read's entropy (nats) before its logarithm is taken."""

_UNKNOWN = 255
# However much doubt there is, a likelier character stays likelier.
_LEAST_SHARPNESS = 0.2
# A character that would be the thirteenth of a key.
_FULL = np.uint64(BASE ** (packing.LONGEST - 1))
# A probability of 1 as a whole number.
_ONE = 1 << 40
# How many reads are spelled out together, down to LEAST and at most. Bounds memory: one has at most 1 / least strings.
_TOGETHER = 128
_MOST_TOGETHER = 1024


def _codes() -> NDArray[np.uint8]:
    codes = packing.CODES.copy()
    codes[0] = _UNKNOWN
    codes[ord(SPELLED[EMPTY])] = EMPTY
    for lower in range(ord("a"), ord("z") + 1):
        codes[lower] = codes[lower - 32]
    return codes


_CODE_OF = _codes()


@dataclass(frozen=True, slots=True)
class Shown:
    """What the slots of a batch of reads say.

    Attributes:
        p: (reads, slots, 36) float64, probability by code.
        missing: (reads, slots) float64, what is missing of 1: characters that are not told.
        used: (reads, slots) bool; a read with fewer slots than others has none at the end.
    """

    p: NDArray[np.float64]
    missing: NDArray[np.float64]
    used: NDArray[np.bool_]

    @property
    def top(self) -> NDArray[np.intp]:
        """(reads, slots), the likeliest code."""
        return np.asarray(self.p.argmax(axis=2))


def shown(reads: Sequence[Slots]) -> Shown:
    """Return the slots of ``reads`` as arrays.

    Raises:
        ValueError: a slot holds what is no probability; the text names it.
    """
    slots = list(itertools.chain.from_iterable(reads))
    per_read = np.fromiter(map(len, reads), np.intp, len(reads))
    per_slot = np.fromiter(map(len, slots), np.intp, len(slots))
    told: list[Any] = list(itertools.chain.from_iterable(itertools.chain.from_iterable(slots)))
    most = int(per_read.max(initial=0))
    # Where each slot of each read stands in a (reads, slots) grid.
    begins = np.cumsum(per_read) - per_read
    place = np.repeat(np.arange(len(reads)) * most - begins, per_read) + np.arange(len(slots))
    # Characters and probabilities in turn.
    characters: list[str] = told[::2]
    values = np.array(told[1::2], np.float64)
    text = "".join(characters)
    if len(text) != len(characters):
        # Whatever is not one character is none that a plate may bear.
        text = "".join(one if len(one) == 1 else "?" for one in characters)
    codes = _CODE_OF[np.minimum(np.frombuffer(text.encode("utf-32-le"), np.uint32), 127)]
    at = np.repeat(place, per_slot)
    wrong = np.flatnonzero(~((values >= 0) & (values < np.inf)))
    if len(wrong):
        read, slot = divmod(int(at[wrong[0]]), most)
        got = f"{values[wrong[0]]} for {characters[wrong[0]]!r}"
        raise ValueError(f"read {read}, slot {slot}: got {got}, expected a probability of 0 or more")
    known = codes != _UNKNOWN
    flat = np.bincount(at[known] * BASE + codes[known], values[known], len(reads) * most * BASE)
    p = flat.reshape(len(reads), most, BASE)
    used = np.zeros(len(reads) * most, np.bool_)
    used[place[per_slot > 0]] = True
    total = p.sum(axis=2)
    over = np.maximum(total, 1.0)
    return Shown(p / over[..., None], np.maximum(1.0 - total, 0.0), used.reshape(len(reads), most))


def tempered(said: Shown, temperature: float, floor: float) -> Shown:
    """Calibrate raw slots, of which characters under a small probability are not told.

    Args:
        said: as the OCR's network gave them.
        temperature: log-probabilities are divided by it.
        floor: the share of each slot that is spread evenly.
    """
    told = said.p > 0
    untold = BASE + 1 - told.sum(axis=2)
    warm = np.zeros_like(said.p)
    np.power(said.p, 1 / temperature, out=warm, where=told)
    rest = untold * np.power(said.missing / untold, 1 / temperature)
    total = warm.sum(axis=2) + rest
    warm = np.where(told, (1 - floor) * warm / np.maximum(total, 1e-300)[..., None] + floor / (BASE + 1), 0.0)
    return Shown(warm, np.where(said.used, np.maximum(1 - warm.sum(axis=2), 0.0), said.missing), said.used)


def calibrated(reads: Sequence[Slots], by: Calibration) -> list[Slots]:
    """Calibrate raw slots.

    Args:
        reads: slots as the OCR's network gave them.
        by: the calibration of that OCR.

    Returns:
        Slots, as devices send them.
    """
    warm = tempered(shown(reads), by.temperature, by.floor).p
    slots: list[list[tuple[tuple[str, float], ...]]] = [[() for _ in read] for read in reads]
    told: dict[tuple[int, int], list[tuple[str, float]]] = {}
    for read, slot, code in zip(*(axis.tolist() for axis in np.nonzero(warm)), strict=True):
        told.setdefault((read, slot), []).append((SPELLED[code], float(warm[read, slot, code])))
    for (read, slot), pairs in told.items():
        slots[read][slot] = tuple(sorted(pairs, key=lambda pair: -pair[1]))
    return [tuple(some) for some in slots]


@dataclass(frozen=True, slots=True)
class Posterior:
    """What a batch of reads may be.

    Attributes:
        p: (reads, slots, 36) float64: probability by code, each slot's sum 1.
        none: (reads,) float64: that the plate is none of what the slots can spell.
    """

    p: NDArray[np.float64]
    none: NDArray[np.float64]

    @classmethod
    def of(cls, said: Shown, known: Parameters) -> Posterior:
        """Return the posterior of what slots say, calibrated ones."""
        top = said.top
        filled = said.used & (top != EMPTY)
        # What is not told goes to the characters that the likeliest one is taken for; a little does anyway.
        spread = known.floor + known.missing_share * said.missing
        # What is told is a small part of the array: places of it laid flat, which is much faster than by axes.
        told_at = np.flatnonzero(said.p.ravel() > 0)
        place, code = np.divmod(told_at, BASE)
        told = said.p.ravel()[told_at]
        doubt = _doubt(said, known, place // max(1, said.p.shape[1]), told)
        log_doubt = np.log(doubt + NO_DOUBT)
        # Blur makes all slots of a read unsure together: then each of them says less than it claims.
        sharpness = np.maximum(known.sharpness + known.sharpness_by_doubt * doubt, _LEAST_SHARPNESS)[:, None, None]
        logs = np.log(spread)[..., None] + known.log_confusion[top]
        logs.reshape(-1)[told_at] = np.log(told + spread.ravel()[place] * known.confusion[top.ravel()[place], code])
        logs *= sharpness
        logs += known.bias[top]
        weights = np.exp(logs, out=logs)
        # A character that was read where the plate has none, however sure it looks.
        rarely = np.exp(known.extra_by_doubt * log_doubt)[:, None]
        weights[..., EMPTY] += np.where(filled, known.extra[extra_kinds(top, filled)] * rarely, 0.0)
        weights[~said.used] = np.arange(BASE) == EMPTY
        odds = known.none_at_all + known.none_by_doubt * doubt + known.none_by_log_doubt * log_doubt
        none = 1.0 / (1.0 + np.exp(-odds))
        weights /= weights.sum(axis=2, keepdims=True)
        return cls(weights, none)

    def spelled(self, least: float = LEAST) -> Spelled:
        """Return every string of which a way to spell it has a probability of ``least``."""
        together = max(1, min(_MOST_TOGETHER, round(_TOGETHER * least / LEAST)))
        begins = range(0, len(self.p), together)
        portions = [self._portion(begin, min(begin + together, len(self.p)), least) for begin in begins]
        if len(portions) == 1:
            return portions[0]
        return Spelled(
            np.concatenate([np.empty(0, np.intp), *(one.read for one in portions)]),
            np.concatenate([np.empty(0, np.uint64), *(one.key for one in portions)]),
            np.concatenate([np.empty(0), *(one.p for one in portions)]),
        )

    def some(self, reads: Sequence[int]) -> Posterior:
        """Return the posterior of some of the reads, in this order."""
        of = np.asarray(reads, np.intp)
        return Posterior(self.p[of], self.none[of])

    def _portion(self, begin: int, end: int, least: float) -> Spelled:
        slots = self.p[begin:end]
        reads, width, _ = slots.shape
        likely = np.flatnonzero(slots.ravel() >= least)
        place, code = np.divmod(likely, BASE)
        values = slots.ravel()[likely]
        starts = np.searchsorted(place, np.arange(reads * width)).reshape(reads, width).T.copy()
        # Likeliest first within a slot: what a string may go on with is then a run of them. In whole numbers, so that
        # a read is spelled the same wherever it stands in its batch.
        rank = place * (2 * _ONE) + (_ONE - (values * _ONE).astype(np.int64))
        order = np.argsort(rank)
        rank, values, code = rank[order], values[order], code[order].astype(np.uint64)
        # The most that the slots from here on can leave of a probability.
        best = np.cumprod(slots.max(axis=2, initial=0.0)[:, ::-1], axis=1)[:, ::-1]
        best = np.concatenate([best, np.ones((reads, 1))], axis=1).T.copy()
        of = np.arange(reads)
        key = np.zeros(reads, np.uint64)
        p = 1.0 - self.none[begin:end]
        for at in range(width):
            first = starts[at][of]
            bound = np.minimum(least / (p * best[at + 1][of]) * _ONE, _ONE + 1).astype(np.int64)
            many = np.searchsorted(rank, (of * width + at) * (2 * _ONE) + (_ONE - bound), "right") - first
            option = first
            if (many != 1).any():
                ends = np.cumsum(many)
                back = np.repeat(np.arange(len(of)), many)
                option = np.arange(len(back)) + (first - (ends - many))[back]
                of, key, p = of[back], key[back], p[back]
            p = p * values[option]
            added = code[option]
            fits = (added == EMPTY) | (key < _FULL)
            key = np.where(added == EMPTY, key, key * np.uint64(BASE) + added)
            if not fits.all():
                of, key, p = of[fits], key[fits], p[fits]
        bears = key != 0
        return Spelled(of[bears] + begin, key[bears], p[bears])

    def probability(self, read: int, codes: Sequence[int]) -> float:
        """Return how likely the plate of ``read`` is the one with these codes, whatever else is: exactly."""
        # Plain numbers: they are too few for arrays. ways[n]: the slots so far spell the first n characters.
        ways = [1.0] + [0.0] * len(codes)
        for empty, *borne in self.p[read][:, [EMPTY, *codes]].tolist():
            ways = [
                ways[0] * empty,
                *(stay * empty + on * p for stay, on, p in zip(ways[1:], ways, borne, strict=False)),
            ]
        return float(1.0 - self.none[read]) * ways[-1]

    def aligned(self, read: int, codes: Sequence[int]) -> tuple[int, ...]:
        """Return where the characters of a plate likeliest stand (Viterbi, 1967).

        Returns:
            For each slot which character it bears, by place; -1 for none. () where there are too few slots.
        """
        logs = np.log(np.maximum(self.p[read][:, [EMPTY, *codes]], 1e-300)).tolist()
        best = [0.0] + [-math.inf] * len(codes)
        moved: list[list[bool]] = []
        for empty, *borne in logs:
            stay = [one + empty for one in best]
            step = [-math.inf, *map(operator.add, best, borne)]
            moved.append(list(map(operator.gt, step, stay)))
            best = list(map(max, stay, step))
        if best[-1] == -math.inf:
            return ()
        places, left = [-1] * len(logs), len(codes)
        for at in range(len(logs) - 1, -1, -1):
            if moved[at][left]:
                left -= 1
                places[at] = left
        return tuple(places)


@dataclass(frozen=True, slots=True)
class Spelled:
    """Strings that plates may be, one row for each way to spell one.

    Attributes:
        read: (rows,) which read, ascending.
        key: (rows,) uint64, of the string, as ``packing`` makes them.
        p: (rows,) float64, the probability of this way.
    """

    read: NDArray[np.intp]
    key: NDArray[np.uint64]
    p: NDArray[np.float64]

    def likeliest(self, most: int) -> dict[int, list[tuple[str, float]]]:
        """Return the likeliest strings of each read that has any."""
        if not len(self.key):
            return {}
        order = np.lexsort((self.key, self.read))
        read, key = self.read[order], self.key[order]
        first = np.flatnonzero(np.concatenate([[True], (read[1:] != read[:-1]) | (key[1:] != key[:-1])]))
        read, key, p = read[first], key[first], np.add.reduceat(self.p[order], first)
        order = np.lexsort((key, -p, read))
        rank = np.arange(len(order)) - np.searchsorted(read, read)
        order = order[rank < most]
        found: dict[int, list[tuple[str, float]]] = {}
        for of, text, one in zip(read[order].tolist(), packing.unpack(key[order]), p[order].tolist(), strict=True):
            found.setdefault(of, []).append((text, one))
        return found


def _doubt(said: Shown, known: Parameters, read: NDArray[np.intp], told: NDArray[np.float64]) -> NDArray[np.float64]:
    """(reads,): the entropy of all slots together, in nats; ``told`` are the probabilities above 0, by ``read``."""
    rest = np.where(said.used & (said.missing > 0), said.missing, 1.0)
    of_rest = np.where(rest < 1.0, rest * np.log(rest / known.untold), 0.0).sum(axis=1)
    return np.asarray(-np.bincount(read, told * np.log(told), len(of_rest)) - of_rest)


def extra_kinds(top: NDArray[np.intp], filled: NDArray[np.bool_]) -> NDArray[np.intp]:
    """(reads, slots): which of ``EXTRA_KINDS`` a character would be if it were one too many."""
    same = np.zeros_like(filled)
    same[:, 1:] = filled[:, 1:] & filled[:, :-1] & (top[:, 1:] == top[:, :-1])
    same[:, :-1] |= same[:, 1:]
    order = np.cumsum(filled, axis=1)
    last = order == order[:, -1:] if order.size else filled
    front, middle, end, again = (EXTRA_KINDS.index(kind) for kind in ("front", "middle", "end", "repeated"))
    return np.where(same, again, np.where(order <= 2, front, np.where(last, end, middle)))
