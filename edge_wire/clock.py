"""Time as a measurement: UTC and boot-time nanoseconds, and how far UTC may be off.

Wall time is only ever shown, sent and stored. Order and durations come from the boot clock, which does not jump and
goes on counting while a device sleeps.
"""

from __future__ import annotations

import ctypes
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

# The kernel stops growing its own estimate here (NTP_PHASE_LIMIT, 16 s in microseconds), and reports it when nothing
# disciplines the clock.
UNSYNCHRONISED_ERROR_NS = 16_000_000_000
_STA_UNSYNC = 0x0040


class Clock(Protocol):
    """Where every component gets its time from; tests pass one that they move by hand."""

    def utc_ns(self) -> int:
        """UTC nanoseconds since 1970; may jump."""
        ...

    def boot_ns(self) -> int:
        """CLOCK_BOOTTIME in nanoseconds; never jumps."""
        ...

    def error_ns(self) -> int:
        """How far ``utc_ns`` may be off now, in nanoseconds."""
        ...


@dataclass(frozen=True, slots=True)
class KernelDiscipline:
    """What the kernel knows of its clock: ``max_error_ns`` is a bound, ``synchronised`` whether anything steers it."""

    synchronised: bool
    max_error_ns: int


class _Timex(ctypes.Structure):
    # struct timex of <sys/timex.h>; only the head is read, the tail is room for the rest of it.
    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),
    )


def kernel_discipline() -> KernelDiscipline:
    """Ask the kernel (adjtimex, read only) how well its clock is disciplined; where it cannot say, not at all."""
    libc = ctypes.CDLL(None, use_errno=True)
    timex = _Timex()
    if not hasattr(libc, "adjtimex") or libc.adjtimex(ctypes.byref(timex)) < 0:
        return KernelDiscipline(False, UNSYNCHRONISED_ERROR_NS)
    synchronised = not timex.status & _STA_UNSYNC
    error_ns = int(timex.maxerror) * 1_000
    return KernelDiscipline(synchronised, error_ns if synchronised else max(error_ns, UNSYNCHRONISED_ERROR_NS))


class SystemClock:
    """The machine's clocks. The error bound is asked of the kernel at most once a second: it moves slowly."""

    def __init__(self) -> None:
        self._error_ns = UNSYNCHRONISED_ERROR_NS
        self._asked_ns: int | None = None

    def utc_ns(self) -> int:
        """UTC nanoseconds since 1970."""
        return time.time_ns()

    def boot_ns(self) -> int:
        """CLOCK_BOOTTIME in nanoseconds."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)

    def error_ns(self) -> int:
        """The kernel's bound on the error of ``utc_ns``, in nanoseconds."""
        now_ns = self.boot_ns()
        if self._asked_ns is None or now_ns - self._asked_ns > 1_000_000_000:
            self._error_ns = kernel_discipline().max_error_ns
            self._asked_ns = now_ns
        return self._error_ns


def boot_id() -> bytes:
    """The 16 bytes by which the kernel names this boot; boot times compare only within one."""
    return bytes.fromhex(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip().replace("-", ""))
