"""What a source's network takes: the middle of the last minute, of the runs alone."""

from __future__ import annotations

import numpy as np
from support import FakeClock

from edge_agent.telemetry.meter import Meter, TimedClassifier, TimedReader


def test_the_median_of_the_last_minute_is_told() -> None:
    clock = FakeClock()
    meter = Meter(clock.boot_ns)
    assert meter.median_us() is None
    for took_ns in (9_000_000, 1_000_000, 2_000_000):
        meter.note(clock.boot_ns() - took_ns)
    assert meter.median_us() == 2_000
    clock.advance(59_000_000_000)
    meter.note(clock.boot_ns() - 4_000_000)
    assert meter.median_us() == 2_000, "of four the lower of the two in the middle"
    clock.advance(2_000_000_000)
    assert meter.median_us() == 4_000, "what ran before the last minute is gone"


def test_a_minute_of_many_runs_stays_bounded() -> None:
    clock = FakeClock()
    meter = Meter(clock.boot_ns)
    for _ in range(10_000):
        meter.note(clock.boot_ns())
    assert len(meter._runs) == 4_096


class Network:
    """Takes 5 ms for everything."""

    name = "tiny"

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock

    def read(self, image: object) -> list[object]:
        self._clock.advance(5_000_000)
        return []

    def classify(self, samples: object, rate_hz: int) -> dict[str, float]:
        self._clock.advance(5_000_000)
        return {"gunshot": 0.5}


def test_a_run_of_either_network_is_noted_and_its_answer_handed_on() -> None:
    clock = FakeClock()
    reading, hearing = Meter(clock.boot_ns), Meter(clock.boot_ns)
    assert TimedReader(Network(clock), reading).read(np.zeros((2, 2, 3), np.uint8)) == []
    timed = TimedClassifier(Network(clock), hearing)
    assert (timed.name, timed.classify(np.zeros(4, np.float32), 16_000)) == ("tiny", {"gunshot": 0.5})
    assert (reading.median_us(), hearing.median_us()) == (5_000, 5_000)
