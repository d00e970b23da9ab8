"""Which alerts go to whom. Pure: the same change of the same alert is routed alike, whenever somebody asks.

Invariants:
    - What a route does not ask for is left out; a condition that it does not name holds for every alert.
    - A further site is judged by the read that saw it there, wherever the vehicle is by now.
    - A covert entry goes to nobody but the people whom the entry names, and to them only if a route does, too.
    - Whoever was told of an alert by a route is told by it what became of the alert, whatever the hour and wherever the
      vehicle is by then: a recall must reach those who were sent out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from collector.alerts.sending.areas import Area
from collector.alerts.sending.hours import Hours
from collector.alerts.sending.records import (
    ESCALATED,
    PERSON,
    RAISED,
    TRAIL,
    About,
    AlertFacts,
    Occasion,
    Sighting,
    target,
)

# Of these somebody hears for the first time; of all others only who has heard of the alert before.
_CALLS = (RAISED, TRAIL, ESCALATED)


@dataclass(frozen=True, slots=True)
class Route:
    """Some alerts, and whom to tell of them. A condition without any value holds for every alert.

    Attributes:
        name: its own.
        occasions: of which changes to tell.
        lists: of these hotlists.
        categories: of entries of these.
        severities: likewise.
        agencies: whose device read or heard it.
        cameras: ``device/camera``, or the device for all of its cameras.
        about: hits, shots or both.
        area: with the device, or the shots, in it; where the place is not known the route does not hold.
        hours: raised, or called for again, in these.
        historical: also of what happened too long ago to be acted on.
        people: names, shown on the alert.
        targets: everybody else, see ``records.target``.
    """

    name: str
    occasions: frozenset[str]
    lists: frozenset[str] = frozenset()
    categories: frozenset[str] = frozenset()
    severities: frozenset[str] = frozenset()
    agencies: frozenset[str] = frozenset()
    cameras: frozenset[str] = frozenset()
    about: frozenset[About] = frozenset({"hit", "shot"})
    area: Area | None = None
    hours: Hours | None = None
    historical: bool = False
    people: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()

    def wants(self, occasion: Occasion, facts: AlertFacts, *, told: bool) -> bool:
        """Whether it tells of this change.

        Args:
            occasion: the change.
            facts: its alert.
            told: whether this route has told of the alert before.
        """
        if occasion.action not in self.occasions:
            return False
        return told or (occasion.action in _CALLS and self._holds(occasion, facts))

    def _holds(self, occasion: Occasion, facts: AlertFacts) -> bool:
        seen = facts.first if occasion.action == RAISED else occasion.seen or facts.latest
        return (
            facts.about in self.about
            and (self.historical or not facts.historical)
            and self._is_of(facts)
            and _one_of(self.agencies, seen.agency)
            and self._is_by(seen)
            and self._is_at(seen)
            and (self.hours is None or self.hours.hold(occasion.at_ns))
        )

    def _is_of(self, facts: AlertFacts) -> bool:
        listed = facts.listed
        if listed is None:
            return not (self.lists or self.categories or self.severities)
        return (
            _one_of(self.lists, listed.list)
            and _one_of(self.categories, listed.category)
            and _one_of(self.severities, listed.severity)
        )

    def _is_by(self, seen: Sighting) -> bool:
        return not self.cameras or seen.device in self.cameras or f"{seen.device}/{seen.camera}" in self.cameras

    def _is_at(self, seen: Sighting) -> bool:
        if self.area is None:
            return True
        return (
            seen.latitude is not None and seen.longitude is not None and self.area.holds(seen.latitude, seen.longitude)
        )

    def whom(self, facts: AlertFacts) -> tuple[str, ...]:
        """Return the targets that may be told of this alert."""
        covert_to = None if facts.listed is None else facts.listed.covert_to
        if covert_to is not None:
            named = [target(PERSON, one) for one in self.people if one in covert_to]
        else:
            named = [*(target(PERSON, one) for one in self.people), *self.targets]
        return tuple(dict.fromkeys(named))


def routed(
    routes: Iterable[Route], occasion: Occasion, facts: AlertFacts, told: Collection[str]
) -> list[tuple[str, str]]:
    """Return route and target of every notice that a change calls for.

    Args:
        routes: all of them.
        occasion: the change.
        facts: its alert.
        told: the names of the routes that have told of the alert before.
    """
    wanting = [one for one in routes if one.wants(occasion, facts, told=one.name in told)]
    return [(one.name, whom) for one in wanting for whom in one.whom(facts)]


def _one_of(wanted: frozenset[str], value: str) -> bool:
    return not wanted or value in wanted
