"""The few interfaces between the collector's rooms, and the values that pass. ``app.py`` alone joins them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from collector.domain import Age
from collector.match.records import Seen
from collector.store.database import Transaction


@dataclass(frozen=True, slots=True)
class Passed:
    """What is new of one read.

    Attributes:
        read_id: the read.
        before: what the latest revision stored earlier saw; None for a read that is new here or is only rematched.
        revisions: what each new revision saw, oldest first; the last one is the read as it is now.
        late: what revisions saw that came after a later one.
        revision: the number of the read's latest revision.
        age: of the read.
        camera: which took it, as ``device/camera``.
        site: where its device stood.
        passed_at_ns: UTC, when its plate was first readable, as far as the clocks tell.
        direction: compass point of the lane's traffic, if the device says.
        position: latitude and longitude of a device that was moving; None for one that stands where its health says.
    """

    read_id: int
    before: Seen | None
    revisions: tuple[Seen, ...]
    late: tuple[Seen, ...]
    revision: int
    age: Age
    camera: str
    site: str
    passed_at_ns: int
    direction: str | None = None
    position: tuple[float, float] | None = None

    @property
    def device(self) -> str:
        """Whose camera it is."""
        return self.camera.partition("/")[0]


@dataclass(frozen=True, slots=True)
class Alerted:
    """What came of it.

    Attributes:
        raised: alerts that are new, as (read, alert).
        changed: all alerts of which something differs, the new ones last.
        hits: reads that belong to an alert and did not before, whether they raised it or not.
    """

    raised: tuple[tuple[int, int], ...] = ()
    changed: tuple[int, ...] = ()
    hits: frozenset[int] = frozenset()


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
