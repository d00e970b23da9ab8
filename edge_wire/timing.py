"""How well a shot arrival is timed, and whether that is good enough to locate by.

Both sides judge by this one rule: the device tells its technician, the collector leaves the arrival out of the
geometry.
"""

from __future__ import annotations

import math

from edge_wire.clock import kernel_discipline
from edge_wire.messages import Header, ShotArrival

TIMING_LIMIT_NS = 20_000_000
"""Above 20 ms, one sigma, an arrival counts for what was heard and not for where.

In 20 ms sound travels 7 m. What the way through a city adds was measured as 13 ms on live fire and cannot be had back;
a sensor that is less sure of its own clock than half as much again tells nothing that its neighbours do not tell
better, and pulls the place towards its error.
"""


def timing_error_ns(header: Header, arrival: ShotArrival) -> int:
    """Return the one-sigma error of an arrival's time: clock, onset and sample clock together, in nanoseconds."""
    return combined_ns(header.clock_error_ns, arrival.onset_error_ns, arrival.fit_error_ns)


def combined_ns(*errors_ns: int) -> int:
    """Return the error of a sum of independent terms with these errors: the root of the sum of their squares."""
    return math.isqrt(sum(error_ns * error_ns for error_ns in errors_ns))


def clock_source() -> str:
    """Return what disciplines this machine's clock: ``kernel`` or ``unsynchronised``.

    The kernel knows that a daemon (chrony, ntpd, ptp4l) keeps its clock and how well, not which, nor by what source.
    """
    return "kernel" if kernel_discipline().synchronised else "unsynchronised"
