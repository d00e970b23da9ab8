"""By what incidents are judged. From the configuration; nothing moves these by itself, whatever the day."""

from __future__ import annotations

from dataclasses import dataclass

from collector.locate.records import Weather


@dataclass(frozen=True, slots=True)
class Rules:
    """By what incidents are judged.

    Attributes:
        alert_from: the probability of gunfire from which an incident alerts.
        audible_m: from how far a microphone usually hears a shot.
        weather: the air; None if unknown.
        settle_s: how long after a shot has reached a microphone its arrival has come here.
        nearby_s: how far in time from an incident a plate read is attached to it.
        nearby_m: how far from its location.
        hold_s: how long after an incident was made the reads near it are held for it.
        hold_gunshot_s: how long after a person's verdict ``gunshot``.
    """

    alert_from: float = 0.95
    audible_m: float = 800.0
    weather: Weather | None = None
    settle_s: float = 2.5
    nearby_s: float = 120.0
    nearby_m: float = 500.0
    hold_s: float = 86_400.0
    hold_gunshot_s: float = 30 * 86_400.0
