"""The sample clock of a live sound card, fitted against the machine's clocks.

A card counts samples by a quartz of its own, tens of ppm off whatever steers this machine's clock: after an hour its
count alone would be 0.1 to 0.4 s wrong. What ties count and clock together are the ages that PortAudio gives its
blocks, and those only ever make a block look late: a callback comes milliseconds after its time, never before. So the
line that is fitted lies *below* the points, and touches them around their middle: of all such lines the highest. That
is the estimator of Moon, Skelly and Towsley (INFOCOM 1999) for the skew of a clock across a network, where delays have
the same one-sided form; a least-squares line would take in half of the lateness.

- Rate and offset come from the blocks of the last ``WINDOW_S``. The rate is held within ``RATE_LIMIT``: what would need
  more is not a quartz.
- The error is one sigma of where the line stands at the newest block. It follows from how densely the points lie just
  above the line (few that were prompt, little known), and from how late the promptest of the last blocks look: that may
  be lateness, and may as well be the clock that has begun to go otherwise.
- When the last ``SHORT_S`` alone say something else than all (this machine slept, samples went missing untold, a daemon
  slews the clock by more than a quartz can drift), what was before tells nothing about the new relation and is dropped.
- CLOCK_BOOTTIME is slewed together with UTC and never stepped, so the fit is made against it and steps of UTC do not
  touch it: a block's UTC is that of now, less its age by CLOCK_BOOTTIME. A step is logged.

Why no library: filters for clocks (chrony's, PTP servos, DLLs of JACK and PipeWire) assume errors of both signs and
give no error of their estimate; robust regressions (Theil-Sen, Huber, RANSAC) centre on the bulk of the points, which
here is the lateness. Figures: ``tests/edge_agent/sources/test_sample_clock.py``.

Belongs to the thread that iterates the source.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import structlog
from numpy.typing import NDArray

from edge_agent.records import CaptureTime
from edge_wire.clock import Clock

WINDOW_S = 60.0
RATE_LIMIT = 300e-6
"""Sound cards stay within 100 ppm, and so do the quartzes of the computers that they are held against."""
SHORT_S = 10.0
_PRESUMED_LATENESS_S = 0.030  # before anything is known of a card
_NEAREST = 10
_HONESTY = 1.3  # brings error / sigma to 1 where it is known worst, in the first seconds: see the tests
_RECENT = (2, 6, 30)  # blocks
_REFIT_SHARE, _REFIT_BLOCKS = 12, 10  # a fit costs 0.1 ms: one for each twelfth that is new, and one a second
_HALVINGS = 14  # of 600 ppm: to a twentieth of a ppm
_CERTAINLY = 6  # sigma; fewer would begin anew every hour for lateness alone
_FLOOR_S = 300e-6  # a prompt block's age is no better than a frame of USB
_STEP_NS = 1_000_000
_READINGS = 3
_log = structlog.get_logger()


class SampleClock:
    """Turns the number of a sample into its capture time, over one unbroken run of samples.

    Args:
        rate_hz: the card's nominal rate.
        clock: the machine's clocks.
        latency_ns: from the membrane to the sample; taken off every capture time.
    """

    def __init__(self, rate_hz: int, clock: Clock, latency_ns: int = 0) -> None:
        self._rate_hz = rate_hz
        self._clock = clock
        self._latency_ns = latency_ns
        self._anchor_ns: int | None = None
        self._utc_less_boot_ns: int | None = None
        self._points: deque[tuple[float, float]] = deque()  # seconds by the count, and how much later it arrived
        self._since_fit = 0
        self._told_s = -math.inf
        self._line = _Line(0.0, 0.0, 0.0, _PRESUMED_LATENESS_S)

    def capture(self, count: int, arrived_boot_ns: int) -> tuple[CaptureTime, int]:
        """Take a block; return when its first sample was captured, and the one-sigma error of the fit there in ns.

        Args:
            count: samples before the block's first one.
            arrived_boot_ns: CLOCK_BOOTTIME at which that sample seems to have been taken: often too late, never early.
        """
        nominal_ns = count * 1_000_000_000 // self._rate_hz
        if self._anchor_ns is None:
            self._anchor_ns = arrived_boot_ns
        at_s = count / self._rate_hz
        self._take(at_s, (arrived_boot_ns - self._anchor_ns - nominal_ns) / 1e9)
        boot_ns = self._anchor_ns + nominal_ns + round(self._line.at(at_s) * 1e9) - self._latency_ns
        captured = CaptureTime(boot_ns + self._utc_less_boot(), boot_ns, self._clock.error_ns())
        return captured, round(self._error_s() * 1e9)

    def _take(self, at_s: float, late_s: float) -> None:
        early_s = self._line.at(at_s) - late_s
        if self._points and early_s > _CERTAINLY * math.hypot(_FLOOR_S, self._line.sigma_s):
            self._begin_anew(at_s, -early_s, ())  # nothing is early: the line is no longer that of this clock
        self._points.append((at_s, late_s))
        while self._points[0][0] < at_s - WINDOW_S:
            self._points.popleft()
        self._since_fit += 1
        if self._since_fit >= min(_REFIT_BLOCKS, len(self._points) / _REFIT_SHARE):
            self._fit(at_s)
        else:
            self._line = self._line.lowered(max(0.0, early_s))

    def _fit(self, at_s: float) -> None:
        self._since_fit = 0
        points = np.array(self._points)
        self._line = _fitted(points)
        recent = points[points[:, 0] > at_s - SHORT_S]
        if 2 * len(recent) > len(points):
            return
        short = _fitted(recent)
        apart_s = short.at(at_s) - self._line.at(at_s)
        if abs(apart_s) > _CERTAINLY * math.hypot(_FLOOR_S, self._line.sigma_s, short.sigma_s):
            self._begin_anew(at_s, apart_s, [self._points[n] for n in range(len(points) - len(recent), len(points))])
            self._line = short

    def _begin_anew(self, at_s: float, by_s: float, points: Sequence[tuple[float, float]]) -> None:
        self._points = deque(points)
        if at_s >= self._told_s + WINDOW_S:  # a card of quite another rate than it says would do this at every block
            self._told_s = at_s
            _log.warning("sample clock and system clock go otherwise than before: fitted anew", by_ms=by_s * 1e3)

    def _error_s(self) -> float:
        late_s = [late_s - self._line.at(at_s) for at_s, late_s in islice(reversed(self._points), _RECENT[-1])]
        # A line with so many points above it has of so few a promptest that is usually no later than this.
        usual_s = self._line.sigma_s * len(self._points)
        unusual_s = [min(late_s[:count]) - usual_s / count for count in _RECENT]
        return math.hypot(_FLOOR_S, self._line.sigma_s, max(0.0, *unusual_s))

    def _utc_less_boot(self) -> int:
        """UTC less CLOCK_BOOTTIME: constant but for steps, and for what another thread does between two readings."""
        readings = []
        for _ in range(_READINGS):
            before_ns, utc_ns, after_ns = self._clock.boot_ns(), self._clock.utc_ns(), self._clock.boot_ns()
            readings.append((after_ns - before_ns, utc_ns - (before_ns + after_ns) // 2))
        now_ns = min(readings)[1]
        before = self._utc_less_boot_ns
        if before is not None and abs(now_ns - before) > _STEP_NS:
            _log.warning("UTC was set; times of sounds follow from now on", by_ms=(now_ns - before) / 1e6)
        self._utc_less_boot_ns = now_ns
        return now_ns


@dataclass(frozen=True, slots=True)
class _Line:
    """How late blocks arrive at the earliest, over time by the count; ``sigma_s`` is its error at the newest."""

    pivot_s: float
    offset_s: float
    rate: float
    sigma_s: float

    def at(self, at_s: float) -> float:
        return self.offset_s + self.rate * (at_s - self.pivot_s)

    def lowered(self, by_s: float) -> _Line:
        return replace(self, offset_s=self.offset_s - by_s) if by_s else self


def _fitted(points: NDArray[np.float64]) -> _Line:
    at_s, late_s = points.T
    pivot_s = float(at_s[0] + at_s[-1]) / 2
    offset_s, rate = highest_line_below(at_s - pivot_s, late_s)
    above_s = late_s - offset_s - rate * (at_s - pivot_s)
    nearest = min(_NEAREST, max(1, len(points) // 4))
    # As if the number of points within a distance of the line grew with its square: so it does where promptness is
    # rare, and where it grows in proportion, or faster, the error is stated somewhat too large.
    near_s = float(np.partition(above_s, nearest - 1)[nearest - 1]) + _PRESUMED_LATENESS_S / len(points)
    return _Line(pivot_s, offset_s, rate, _HONESTY * near_s / math.sqrt(nearest))


def highest_line_below(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float]:
    """Return height at ``x`` = 0 and slope of the line that nowhere lies above the points and is highest at 0.

    The slope is within ``RATE_LIMIT``. Of two slopes the line stands higher with the one that turns it, around where it
    touches, towards 0; so halving the interval finds it.
    """
    low, high = -RATE_LIMIT, RATE_LIMIT
    for _ in range(_HALVINGS):
        slope = (low + high) / 2
        if x[int((y - slope * x).argmin())] < 0:
            low = slope
        else:
            high = slope
    slope = (low + high) / 2
    return float((y - slope * x).min()), slope
