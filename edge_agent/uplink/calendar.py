"""Which day it is for counting, on a device whose wall clock may be wrong; and where a billing month begins.

A board without a battery begins in 1970 or where it was switched off, and is set right when it reaches a time server;
a clock may also be set wrong for a while. Bytes counted under such a time would land in another month. So a step of
the wall clock is believed only once it has lasted for an hour of the boot clock; until then time goes on from before.
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from edge_wire.clock import Clock

BELIEVED_AFTER_NS = 3_600_000_000_000
_STEP_NS = 300_000_000_000
# Whoever was switched off for longer has to wait for the hour.
_LONGEST_OFF_NS = 400 * 86_400_000_000_000


@dataclass(frozen=True, slots=True)
class Instant:
    """A time that was reckoned, and what it was reckoned from: boot times compare only within one boot."""

    utc_ns: int
    boot_ns: int
    boot_id: str


class Reckoning:
    """Tells the time as ``Instant``, a wall clock's steps smoothed over.

    Args:
        clock: the machine's clocks.
        boot_id: names this boot.
        last: what was reckoned last, by this or an earlier run; None when nothing ever was.
    """

    def __init__(self, clock: Clock, boot_id: str, last: Instant | None) -> None:
        self._clock = clock
        now_utc_ns, now_boot_ns = clock.utc_ns(), clock.boot_ns()
        self._doubted_since_ns: int | None = None
        if last is None:
            self._last = Instant(now_utc_ns, now_boot_ns, boot_id)
        elif last.boot_id == boot_id:
            self._last = last
        elif last.utc_ns <= now_utc_ns < last.utc_ns + _LONGEST_OFF_NS:
            self._last = Instant(now_utc_ns, now_boot_ns, boot_id)
        else:
            self._last = Instant(last.utc_ns, now_boot_ns, boot_id)

    def now(self) -> Instant:
        """Return the time now."""
        utc_ns, boot_ns = self._clock.utc_ns(), self._clock.boot_ns()
        expected_ns = self._last.utc_ns + boot_ns - self._last.boot_ns
        if abs(utc_ns - expected_ns) <= _STEP_NS:
            self._doubted_since_ns = None
        elif self._doubted_since_ns is None:
            self._doubted_since_ns = boot_ns
        doubted = self._doubted_since_ns is not None and boot_ns - self._doubted_since_ns < BELIEVED_AFTER_NS
        if not doubted:
            self._doubted_since_ns = None
        self._last = Instant(expected_ns if doubted else utc_ns, boot_ns, self._last.boot_id)
        return self._last


def day_of(utc_ns: int) -> date:
    """Return the UTC day."""
    return datetime.fromtimestamp(utc_ns // 1_000_000_000, UTC).date()


def billing_month(today: date, billing_day: int) -> tuple[date, date]:
    """Return the first day of the billing month that ``today`` lies in, and that of the next one."""
    begins = _billing_day_in(today.year, today.month, billing_day)
    if today < begins:
        before = today.replace(day=1) - timedelta(days=1)
        return _billing_day_in(before.year, before.month, billing_day), begins
    after = today.replace(day=28) + timedelta(days=4)
    return begins, _billing_day_in(after.year, after.month, billing_day)


def _billing_day_in(year: int, month: int, billing_day: int) -> date:
    return date(year, month, min(billing_day, calendar.monthrange(year, month)[1]))
