"""The few interfaces between the collector's rooms, and the values that pass. ``app.py`` alone joins them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from collector.domain import Age
from collector.match.matcher import Seen
from collector.store.database import Transaction


@dataclass(frozen=True, slots=True)
class Passed:
    """What is new of one read.

    Attributes:
        read_id: the read.
        before: what the latest revision stored earlier saw; None for a read that is new here or is only rematched.
        revisions: what each new revision saw, oldest first; the last one is the read as it is now.
        late: what revisions saw that came after a later one.
        age: of the read.
    """

    read_id: int
    before: Seen | None
    revisions: tuple[Seen, ...]
    late: tuple[Seen, ...]
    age: Age


@dataclass(frozen=True, slots=True)
class Alerted:
    """What came of it: alerts raised, as (read, alert), and alerts revised."""

    raised: tuple[tuple[int, int], ...]
    revised: tuple[int, ...]


class Raiser(Protocol):
    """Matches reads against one generation of the hotlists and brings their alerts to where they stand."""

    @property
    def generation(self) -> int:
        """The hotlists' highest version that it knows."""
        ...

    async def raise_and_revise(self, tx: Transaction, passed: Sequence[Passed], at_ns: int) -> Alerted:
        """Raise and revise in the transaction that stores the reads; ``at_ns`` is UTC."""
        ...


class AskForSound(Protocol):
    """Asks the devices that are connected for what has not come of the sound of an incident.

    Clips if it has alerted, of the closest sensors first; recordings if somebody has asked for them.
    """

    async def __call__(self, incident_id: int, shot_ids: Collection[int] | None, /) -> None:
        """Ask for what belongs to these shots of it; to all of them if None."""
        ...
