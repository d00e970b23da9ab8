"""Which fault comes when: from a seed alone, so that a run can be repeated.

Faults of one lane come one after the other, lanes go side by side: a link may fail while a collector is down. Every
kind of a lane comes once, in an order of its own, before any comes again. Times are when a fault may begin at the
earliest; one that the lane's predecessor holds up begins later. Pure.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Appointment:
    """One fault to come: ``seed`` decides everything that is random about it."""

    kind: str
    at_s: float
    seed: int


def appointments(kinds: Sequence[str], seed: str, gap_s: float) -> Iterator[Appointment]:
    """Yield the faults of one lane for ever.

    Args:
        kinds: what can happen in it.
        seed: of this lane.
        gap_s: between the beginnings of two faults, at the mean.
    """
    chance = random.Random(seed)
    at_s = chance.uniform(0.5, 1.5) * gap_s
    while True:
        for kind in chance.sample(kinds, len(kinds)):
            yield Appointment(kind, at_s, chance.getrandbits(32))
            at_s += chance.uniform(0.5, 1.5) * gap_s
