"""Whether a moment falls into the hours of a route, in local time. Pure."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WINDOW = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-(?:([01]\d|2[0-3]):([0-5]\d)|(24):(00))")
_DAY_MIN = 24 * 60


@dataclass(frozen=True, slots=True)
class Window:
    """From one time of day up to and without another; one that ends before it begins goes on past midnight.

    Attributes:
        begin_min: minutes after midnight.
        end_min: likewise, at most 1,440.
    """

    begin_min: int
    end_min: int

    @classmethod
    def parse(cls, text: str) -> Window:
        """Read ``22:00-06:00``.

        Raises:
            ValueError: it is not of that form, or as long as nothing.
        """
        found = _WINDOW.fullmatch(text)
        if found is None:
            raise ValueError("a time of day to another, such as 22:00-06:00 (or 08:00-24:00)")
        numbers = [int(one) for one in found.groups() if one is not None]
        window = cls(numbers[0] * 60 + numbers[1], numbers[2] * 60 + numbers[3])
        if window.begin_min == window.end_min:
            raise ValueError("hours that end at another time than they begin; leave them out for the whole day")
        return window


@dataclass(frozen=True, slots=True)
class Hours:
    """When a route is in force.

    By the clock on the wall: where it is set forward a window may be an hour shorter, where it is set back an hour
    longer.

    Attributes:
        zone: where the wall is.
        windows: the times of day; none: all day.
        days: on which a window begins, 0 is Monday: of ``22:00-06:00`` on Friday, Saturday at 05:59 is part.
    """

    zone: datetime.tzinfo
    windows: tuple[Window, ...] = ()
    days: frozenset[int] = frozenset(range(7))

    def hold(self, at_ns: int) -> bool:
        """Whether ``at_ns`` (UTC) falls into them."""
        local = datetime.datetime.fromtimestamp(at_ns // 1_000_000_000, self.zone)
        minute, day = local.hour * 60 + local.minute, local.weekday()
        return any(self._in(window, minute, day) for window in self.windows or (Window(0, _DAY_MIN),))

    def _in(self, window: Window, minute: int, day: int) -> bool:
        if window.begin_min < window.end_min:
            return day in self.days and window.begin_min <= minute < window.end_min
        if minute >= window.begin_min:
            return day in self.days
        return minute < window.end_min and (day - 1) % 7 in self.days
