"""The sample clock against UTC: right, soon, and no surer of itself than it may be.

The simulated card counts by a quartz of its own; its blocks look late by a time that is never negative.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from structlog.testing import capture_logs
from support import FakeClock

from edge_agent.sources.sample_clock import SHORT_S, WINDOW_S, SampleClock, highest_line_below

RATE_HZ = 48_000
BLOCK = 4_800
BLOCK_S = BLOCK / RATE_HZ
Lateness = Callable[[np.random.Generator, int], NDArray[np.float64]]

LATE: dict[str, Lateness] = {
    "prompt": lambda rng, n: np.zeros(n),
    "evenly up to 30 ms": lambda rng, n: rng.uniform(0, 0.030, n),
    "exponentially, 5 ms": lambda rng, n: np.minimum(rng.exponential(0.005, n), 0.030),
    "mostly 30 ms, now and then prompt": lambda rng, n: np.where(
        rng.random(n) < 0.9, rng.uniform(0, 0.030, n), rng.uniform(0, 0.001, n)
    ),
    "in steps of 3 ms": lambda rng, n: rng.integers(0, 10, n) * 0.003,
}


class Card:
    """A card whose blocks are timed one after the other.

    Args:
        clock: moved on as the blocks come.
        ppm: by how much its quartz is slow.
        late: how late each block looks, in seconds.
        slewed: what CLOCK_BOOTTIME shows at a true second; the machine's clock is set by it.
    """

    def __init__(
        self, clock: FakeClock, ppm: float, late: NDArray[np.float64], slewed: Callable[[float], float] = lambda s: s
    ) -> None:
        self._clock = clock
        self._began_boot_ns = clock.boot_ns()
        self._utc_less_boot_ns = clock.utc_ns() - clock.boot_ns()
        self._ppm = ppm
        self._late = late
        self._slewed = slewed
        self.sample_clock = SampleClock(RATE_HZ, clock)

    def play(self) -> NDArray[np.float64]:
        """Errors in ms of each block's time (positive: too late), and what it says of itself, (n, 2)."""
        return np.array([self._block(number) for number in range(len(self._late))])

    def _block(self, number: int) -> tuple[float, float]:
        true_s = self._slewed(number * BLOCK_S * (1 + self._ppm * 1e-6))
        arrived_ns = self._began_boot_ns + round((true_s + self._late[number]) * 1e9)
        self._clock.now_boot_ns = arrived_ns + round(BLOCK_S * 1e9)
        self._clock.now_utc_ns = self._clock.now_boot_ns + self._utc_less_boot_ns
        captured, fit_error_ns = self.sample_clock.capture(number * BLOCK, arrived_ns)
        off_ns = captured.utc_ns - self._utc_less_boot_ns - self._began_boot_ns - true_s * 1e9
        return off_ns / 1e6, fit_error_ns / 1e6


def blocks_in(seconds: float) -> int:
    return round(seconds / BLOCK_S)


@given(ppm=st.floats(-100, 100), how=st.sampled_from(sorted(LATE)), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_any_quartz_and_any_lateness_is_timed_within_its_stated_error(ppm: float, how: str, seed: int) -> None:
    late = LATE[how](np.random.default_rng(seed), blocks_in(75))
    off_ms, sigma_ms = Card(FakeClock(), ppm, late).play().T
    assert np.all(np.abs(off_ms) <= 8 * sigma_ms)
    assert np.abs(off_ms[blocks_in(60) :]).max() <= 1.5
    assert sigma_ms[blocks_in(60) :].min() >= 0.3


@pytest.mark.parametrize("how", sorted(LATE))
def test_the_stated_error_is_honest_and_soon_small(how: str) -> None:
    """Over 25 cards: root mean square of error / sigma, and sigma itself, from the first second on."""
    rng = np.random.default_rng(7)
    played = np.array(
        [Card(FakeClock(), rng.uniform(-100, 100), LATE[how](rng, blocks_in(61))).play() for _ in range(25)]
    )
    for at_s, sigma_below_ms in ((0.3, 20), (1, 10), (2, 8), (10, 3), (30, 8), (60, 4)):
        off_ms, sigma_ms = played[:, blocks_in(at_s) - 1].T
        assert np.sqrt(np.mean((off_ms / sigma_ms) ** 2)) <= 1.3, at_s
        assert np.median(sigma_ms) <= sigma_below_ms, at_s


def test_the_first_block_is_known_to_be_badly_timed() -> None:
    ((_, sigma_ms),) = Card(FakeClock(), 0, np.array([0.030])).play()
    assert sigma_ms > 20, "not good enough to locate by"


@pytest.mark.parametrize("ppm", [-100, 100])
def test_a_night_of_drift_does_not_add_up(ppm: float) -> None:
    late = LATE["evenly up to 30 ms"](np.random.default_rng(1), blocks_in(1_200))
    off_ms, _ = Card(FakeClock(), ppm, late).play().T
    assert np.abs(off_ms[blocks_in(60) :]).max() <= 2.0, "120 ms had the count alone been believed"


@pytest.mark.parametrize("slew_ppm", [-500, -100, 100, 500])
@pytest.mark.parametrize("how", ["prompt", "evenly up to 30 ms"])
def test_the_machines_clock_is_slewed_for_a_minute(slew_ppm: float, how: str) -> None:
    """500 ppm is the most by which the kernel itself slews."""

    def slewed(true_s: float) -> float:
        return true_s + slew_ppm * 1e-6 * min(max(true_s - 90, 0), 60)

    late = LATE[how](np.random.default_rng(3), blocks_in(240))
    with capture_logs():
        off_ms, sigma_ms = Card(FakeClock(), 40, late, slewed).play()[blocks_in(20) :].T
    assert np.abs(off_ms).max() <= 12, "good enough to locate by at any time"
    assert np.mean(np.abs(off_ms) > 3 * sigma_ms) <= 0.2
    assert np.abs(off_ms[blocks_in(200) :]).max() <= 1.0


@pytest.mark.parametrize("by_s", [-0.05, 0.004, 0.05, 100.0])
@pytest.mark.parametrize("how", ["prompt", "evenly up to 30 ms"])
def test_a_gap_that_nobody_told_is_doubted_at_once_and_soon_understood(by_s: float, how: str) -> None:
    """Samples went missing, or the machine slept."""
    late = LATE[how](np.random.default_rng(4), blocks_in(130))
    with capture_logs() as logs:
        off_ms, sigma_ms = Card(FakeClock(), 40, late, lambda s: s + (by_s if s > 90 else 0)).play().T
    doubted_after_s = 0.4 if how == "prompt" else 3.2
    during = slice(blocks_in(90 + doubted_after_s), blocks_in(90 + SHORT_S + 2))
    assert np.all(np.abs(off_ms[during]) <= np.maximum(5 * sigma_ms[during], 5))
    # A jump by less than a tenth of the lateness is found only when the window has passed it.
    assert np.abs(off_ms[blocks_in(90 + SHORT_S + 5) :]).max() <= (1.5 if how == "prompt" else 5)
    assert any("fitted anew" in log["event"] for log in logs) or abs(by_s) < 0.005


@pytest.mark.parametrize("how", sorted(LATE))
def test_a_steady_card_is_never_fitted_anew(how: str) -> None:
    late = LATE[how](np.random.default_rng(5), blocks_in(5 * WINDOW_S))
    with capture_logs() as logs:
        Card(FakeClock(), -70, late).play()
    assert not logs


@pytest.mark.parametrize("real_rate_hz", [44_100, 47_900, 48_100])
def test_a_card_of_another_rate_than_it_says_says_how_badly_it_is_timed_and_logs_it_now_and_then(
    real_rate_hz: int,
) -> None:
    late = LATE["exponentially, 5 ms"](np.random.default_rng(6), blocks_in(150))
    with capture_logs() as logs:
        off_ms, sigma_ms = Card(FakeClock(), (RATE_HZ / real_rate_hz - 1) * 1e6, late).play().T
    assert np.mean(np.abs(off_ms) > 5 * sigma_ms) <= 0.1
    assert len(logs) <= 3


def test_when_utc_is_set_times_follow_at_once_and_the_fit_stays(clock: FakeClock) -> None:
    sample_clock = SampleClock(RATE_HZ, clock)
    offsets, sigmas = [], []
    with capture_logs() as logs:
        for number in range(100):
            clock.advance(100_000_000)
            clock.now_utc_ns += 3_000_000_000 if number == 50 else 0
            captured, fit_error_ns = sample_clock.capture(number * BLOCK, clock.boot_ns() - 100_000_000)
            offsets.append(captured.utc_ns - captured.boot_ns)
            sigmas.append(fit_error_ns)
    assert {after - before for before, after in pairwise(offsets)} == {0, 3_000_000_000}
    assert sigmas[51] <= sigmas[49]
    assert [(log["event"], log["by_ms"]) for log in logs] == [
        ("UTC was set; times of sounds follow from now on", 3_000)
    ]


def test_utc_is_read_beside_the_boot_clock_and_not_long_after(clock: FakeClock) -> None:
    """Between two readings another thread may run for milliseconds; of several pairs the closest counts."""

    class Interrupted(FakeClock):
        reads = 0

        def utc_ns(self) -> int:
            self.reads += 1
            if self.reads % 3:
                self.advance(8_000_000)
            return super().utc_ns()

    interrupted = Interrupted()
    captured, _ = SampleClock(RATE_HZ, interrupted).capture(0, interrupted.boot_ns())
    assert captured.utc_ns - captured.boot_ns == clock.utc_ns() - clock.boot_ns()


@given(
    points=st.lists(st.tuples(st.floats(-30, 30), st.floats(0, 0.03)), min_size=1, max_size=40),
    slope=st.floats(-100e-6, 100e-6),
)
@settings(deadline=None)
def test_the_line_is_the_highest_below_the_points(points: list[tuple[float, float]], slope: float) -> None:
    x, above = np.array(points).T
    y = above + slope * x
    height, found = highest_line_below(x, y)
    assert np.all(y - height - found * x >= -1e-12)
    others = [float((y - other * x).min()) for other in np.linspace(-300e-6, 300e-6, 61)]
    assert height >= max(others) - 3e-6
