"""How long alerts wait, how far they reach and who sees them: the configuration, as the rest of the room takes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

_S = 1_000_000_000
_HOUR_NS = 3_600 * _S


@dataclass(frozen=True, slots=True)
class Ages:
    """From which age of a list its alerts say so; None for never.

    Attributes:
        soft_h: how old the list is;
        hard_h: that it has expired, where it still alerts.
    """

    soft_h: float | None = None
    hard_h: float | None = None

    def said(self, age_ns: int | None) -> str:
        """Return what is to be said of a list that was last confirmed ``age_ns`` ago; empty while it is fresh."""
        age_h = 0.0 if age_ns is None else age_ns / _HOUR_NS
        since = f"the list was last confirmed {age_h:.0f} h ago"
        if self.hard_h is not None and age_h >= self.hard_h:
            return f"EXPIRED: {since}, and counts for {self.hard_h:g} h: ask its source before anything else."
        if self.soft_h is not None and age_h >= self.soft_h:
            return f"Caution: {since}; it should be every {self.soft_h:g} h."
        return ""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the configuration says of alerts.

    Attributes:
        suppress_within_s: a further read of an entry at the same site is attached without a sound within that time.
        trail_within_s: one at another site belongs to the alert within that time.
        escalate_after_s: an alert that nobody acknowledges calls again after that time;
        escalate_after_of: or after the time of its list, by the list's name.
        ages_of: from which age a list is said to be old, by its name.
        confirm_urgent_s: by when the record is to be confirmed after a detention, if it is urgent;
        confirm_routine_s: and if it is not.
        visible_to: which roles see alerts of a category, by its code; a category that is not named everybody who sees
            alerts.
        handling_of: what is said to whoever meets a vehicle of a category whose entry says nothing, by the category's
            code.
    """

    suppress_within_s: float = 600
    trail_within_s: float = 12 * 3_600
    escalate_after_s: float = 120
    escalate_after_of: Mapping[str, float] = field(default_factory=dict)
    ages_of: Mapping[str, Ages] = field(default_factory=dict)
    confirm_urgent_s: float = 600
    confirm_routine_s: float = 3_600
    visible_to: Mapping[str, frozenset[str]] = field(default_factory=dict)
    handling_of: Mapping[str, str] = field(default_factory=dict)

    @property
    def suppress_within_ns(self) -> int:
        """The time in which reads at one site are one alert."""
        return round(self.suppress_within_s * _S)

    @property
    def trail_within_ns(self) -> int:
        """The time in which reads at several sites are one alert."""
        return round(self.trail_within_s * _S)

    def escalate_after_ns(self, listed: str | None = None) -> int:
        """Return after what time an alert of a list calls again; without a list, one of a shot incident."""
        seconds = self.escalate_after_s if listed is None else self.escalate_after_of.get(listed, self.escalate_after_s)
        return round(seconds * _S)

    def confirm_within_ns(self, *, urgent: bool) -> int:
        """Return by when after a detention the record is to be confirmed."""
        return round((self.confirm_urgent_s if urgent else self.confirm_routine_s) * _S)
