"""Hours: whether a moment falls into a route's."""

from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.alerts.sending.hours import DAYS, Hours, Window

CHICAGO = ZoneInfo("America/Chicago")
FRIDAY = frozenset({DAYS.index("fri")})


def at(text: str, zone: tzinfo = CHICAGO) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()) * 1_000_000_000


def test_a_window_across_midnight_belongs_to_the_day_on_which_it_begins() -> None:
    night = Hours(CHICAGO, (Window.parse("22:00-06:00"),), FRIDAY)
    assert night.hold(at("2026-11-20T22:00"))  # a Friday
    assert night.hold(at("2026-11-21T05:59"))
    assert not night.hold(at("2026-11-21T06:00"))
    assert not night.hold(at("2026-11-20T21:59"))
    assert not night.hold(at("2026-11-20T03:00"))  # Thursday's night
    assert not night.hold(at("2026-11-21T23:00"))


def test_days_alone_are_whole_days() -> None:
    fridays = Hours(CHICAGO, days=FRIDAY)
    assert fridays.hold(at("2026-11-20T00:00"))
    assert fridays.hold(at("2026-11-20T23:59"))
    assert not fridays.hold(at("2026-11-21T00:00"))
    # 23:00 in Chicago is 05:00 of the next day in UTC.
    assert Hours(UTC, days=FRIDAY).hold(at("2026-11-20T23:00", UTC))
    assert not Hours(UTC, days=FRIDAY).hold(at("2026-11-20T23:00"))


def test_the_clock_on_the_wall_counts_when_it_is_set_back() -> None:
    small_hours = Hours(CHICAGO, (Window.parse("01:00-02:00"),))
    # 2026-11-01: 01:30 comes twice, at 06:30 and at 07:30 UTC.
    assert small_hours.hold(at("2026-11-01T06:30", UTC))
    assert small_hours.hold(at("2026-11-01T07:30", UTC))
    assert not small_hours.hold(at("2026-11-01T08:00", UTC))


@pytest.mark.parametrize(
    "text", ["22:00", "24:00-06:00", "8:00-09:00", "22:60-23:00", "25:00-26:00", "22:00-24:01", ""]
)
def test_what_is_no_time_of_day_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="such as 22:00-06:00"):
        Window.parse(text)


def test_hours_as_long_as_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="leave them out for the whole day"):
        Window.parse("08:00-08:00")
    assert Window.parse("00:00-24:00") == Window(0, 1440)


minutes = st.integers(0, 1439)
moments = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1))


@given(minutes, minutes, moments)
def test_a_window_and_its_complement_share_the_day(begin: int, end: int, moment: datetime) -> None:
    if begin == end:
        return
    held = [Hours(UTC, (Window(*ends),)).hold(at(moment.isoformat(), UTC)) for ends in ((begin, end), (end, begin))]
    assert sum(held) == 1


@given(minutes, minutes, moments, st.sets(st.integers(0, 6), min_size=1))
def test_every_minute_of_a_window_is_of_one_day(begin: int, end: int, moment: datetime, days: set[int]) -> None:
    """Minute by minute from its beginning: an independent reckoning."""
    if begin == end:
        return
    hours = Hours(UTC, (Window(begin, end),), frozenset(days))
    length = (end - begin) % 1440
    moment = moment.replace(second=0, microsecond=0)
    since = (moment.hour * 60 + moment.minute - begin) % 1440
    began = moment - timedelta(minutes=since)
    assert hours.hold(at(moment.isoformat(), UTC)) is (since < length and began.weekday() in days)


@given(st.lists(st.tuples(minutes, minutes).filter(lambda ends: ends[0] != ends[1]), min_size=1, max_size=4), moments)
def test_several_windows_hold_where_one_of_them_does(ends: list[tuple[int, int]], moment: datetime) -> None:
    moment_ns = at(moment.isoformat(), UTC)
    several = Hours(UTC, tuple(Window(*one) for one in ends))
    assert several.hold(moment_ns) is any(Hours(UTC, (Window(*one),)).hold(moment_ns) for one in ends)
