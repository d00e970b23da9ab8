"""Whether two plate reads show the same plate, by what each camera saw in every slot. Pure.

For one slot of two reads let x be the probability that both show the same character, drawn from the two distributions.
If the plates are the same there, x is expected to be high; if they differ, low. With even odds beforehand Bayes gives

    P(same character) = n x / (n x + n / (n - 1) (1 - x)),  n = 34 characters

and the product over the slots is the probability that the plates are the same. The even odds are for each slot: a car
that follows with a plate one character off is taken to be as likely as the same car, so that reads which are sure of
different characters are never taken for one plate because the rest agrees. 0 and O count as one character, and 1 and I:
plates use one of each pair and cameras mix them.

One character may be missing in one of the reads (a bolt read as 1, an edge cut off); the rest must then agree by
itself. Only reads that are likelier the same than not (``LIKELY``) belong together. What that joins and splits is
measured by ``bench/passages.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from collector.match.plates import fold

LIKELY = 0.5
"""Reads at least this likely to show the same plate belong together."""

_CHARACTERS = 34
_EMPTY = "_"
# A network that sees a character too many or too few is as sure of it as of the others. 7 % of pairs of reads of one
# plate differ so, and of unlike plates next to none whose other characters agree (bench/passages.py).
_MISSED = 0.6


@dataclass(frozen=True, slots=True)
class Slot:
    """What one slot may show.

    Attributes:
        known: probability by character, folded, without "no character".
        total: of ``known`` together.
        other: probability of each character, beside what ``known`` gives it.
        empty: that there is no character.
    """

    known: dict[str, float]
    total: float
    other: float
    empty: float


Plate = tuple[Slot, ...]
"""A read's slots, prepared for comparing; those that most likely hold no character are left out."""


def prepare(slots: Iterable[Sequence[tuple[str, float]]]) -> Plate:
    """Return a read's slots, each its candidates likeliest first, in the form that ``same_plate`` compares."""
    prepared = []
    for slot in slots:
        if not slot or slot[0][0] == _EMPTY:
            continue
        known: dict[str, float] = {}
        empty = 0.0
        for character, p in slot:
            if character == _EMPTY:
                empty += p
            else:
                folded = fold(character)
                known[folded] = known.get(folded, 0.0) + p
        total = sum(known.values())
        prepared.append(Slot(known, total, max(0.0, 1 - total - empty) / _CHARACTERS, empty))
    return tuple(prepared)


def same_plate(one: Plate, other: Plate) -> float:
    """Return the probability that two reads show the same plate; 0 where it is certainly below ``LIKELY``."""
    if len(one) > len(other):
        one, other = other, one
    if not one or len(other) - len(one) > 1:
        return 0.0
    if len(one) == len(other):
        likely = _agreeing(one, other)
        return likely[-1] if len(likely) > len(one) else 0.0
    # One character too many in the other: before it the slots agree from the left, behind it from the right.
    left = _agreeing(one, other)
    right = _agreeing(one[::-1], other[::-1])
    found = 0.0
    for at in range(len(left)):
        behind = len(one) - at
        if behind < len(right):
            found = max(found, left[at] * right[behind] * max(_MISSED, other[at].empty))
    return found if found >= LIKELY else 0.0


def _agreeing(one: Sequence[Slot], other: Sequence[Slot]) -> list[float]:
    """Return how likely the first 0, 1, 2, … slots are the same, as far as that is not below ``LIKELY``."""
    likely = [1.0]
    for a, b in zip(one, other, strict=False):
        p = likely[-1] * _same_character(a, b)
        if p < LIKELY:
            break
        likely.append(p)
    return likely


def _same_character(a: Slot, b: Slot) -> float:
    known = b.known
    x = sum(p * known[character] for character, p in a.known.items() if character in known)
    x += a.other * b.total + b.other * a.total + _CHARACTERS * a.other * b.other
    x = min(1.0, x)
    same, different = x, (1 - x) / (_CHARACTERS - 1)
    return same / (same + different)
