"""What all kinds of fault have in common."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from soaking.disk import SmallDisk
from soaking.programs import Program
from soaking.site import Site

PAGE_BYTES = 4_096
"""Of an outbox's database, and the least that a quota leaves."""


class NotPossibleError(Exception):
    """This kind does not exist here; the text says why."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How long outages last, in seconds."""

    shortest_s: float
    longest_s: float

    def outage_s(self, chance: random.Random) -> float:
        """Draw one; most are short."""
        return self.shortest_s + (self.longest_s - self.shortest_s) * chance.random() ** 2


Fault = Callable[[Site, random.Random, Scale], str]


@contextmanager
def full(disk: SmallDisk, programs: Sequence[Program]) -> Iterator[str]:
    """Leave these programs nowhere to write; yields how."""
    if disk.mounted:
        disk.fill()
    else:
        for program in programs:
            program.limit_files(PAGE_BYTES)
    try:
        yield "small disk" if disk.mounted else "quota"
    finally:
        disk.empty()
        for program in programs:
            program.limit_files(None)
