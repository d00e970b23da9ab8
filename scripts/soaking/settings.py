"""What a soak is told."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """What is run.

    Attributes:
        seconds: for how long faults come.
        until_s: when it must be settled, in seconds since the start.
        seed: of schedule and generators.
        agents: how many trailers.
        rate_hz: detections a second of each.
        longest_s: of an outage.
        keep: leave everything in the folder.
    """

    seconds: float
    until_s: float
    seed: int
    agents: int = 3
    rate_hz: float = 4.0
    longest_s: float = 5.0
    keep: bool = False
