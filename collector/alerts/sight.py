"""Who may see an alert. Pure.

A covert entry is for the users that it names, whatever else says: its alerts are in nobody else's list, stream, search
or message. Otherwise a category may be for some roles. An alert that somebody may not see does not exist for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from collector.domain import Alert, Hit


@dataclass(frozen=True, slots=True)
class Sight:
    """Who may see an alert, of those whose role sees alerts at all.

    Attributes:
        names: of users; None for everybody.
        roles: their roles; None for every role.
    """

    names: frozenset[str] | None = None
    roles: frozenset[str] | None = None

    def allows(self, name: str, role: str) -> bool:
        """Whether a user may see it."""
        if self.names is not None:
            return name in self.names
        return self.roles is None or role in self.roles


EVERYBODY = Sight()


def sight_of(alert: Alert, visible_to: Mapping[str, frozenset[str]]) -> Sight:
    """Return who may see an alert.

    Args:
        alert: of a hit or an incident.
        visible_to: which roles see a category, by its code.
    """
    if not isinstance(alert.about, Hit):
        return EVERYBODY
    entry = alert.about.entry
    if entry.covert_to is not None:
        return Sight(names=frozenset(entry.covert_to))
    return Sight(roles=visible_to.get(entry.category))
