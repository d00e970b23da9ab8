"""Which time a report is about."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.reports.periods import PeriodError, parse

TODAY = date(2026, 11, 22)
CHICAGO = ZoneInfo("America/Chicago")


def days(text: str) -> tuple[str, str, str]:
    period = parse(text, UTC, TODAY)
    ends = [
        datetime.fromtimestamp(at // 10**9, UTC).strftime("%Y-%m-%d %H:%M") for at in (period.begin_ns, period.end_ns)
    ]
    return period.name, ends[0], ends[1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-10", ("2026-10", "2026-10-01 00:00", "2026-11-01 00:00")),
        ("2026-12", ("2026-12", "2026-12-01 00:00", "2027-01-01 00:00")),
        ("2024-02", ("2024-02", "2024-02-01 00:00", "2024-03-01 00:00")),
        ("2026-W45", ("2026-W45", "2026-11-02 00:00", "2026-11-09 00:00")),
        ("2026-W53", ("2026-W53", "2026-12-28 00:00", "2027-01-04 00:00")),
        ("2026", ("2026", "2026-01-01 00:00", "2027-01-01 00:00")),
        ("last-month", ("2026-10", "2026-10-01 00:00", "2026-11-01 00:00")),
        ("last-week", ("2026-W46", "2026-11-09 00:00", "2026-11-16 00:00")),
        ("2026-01-01..2026-06-30", ("2026-01-01..2026-06-30", "2026-01-01 00:00", "2026-07-01 00:00")),
        ("2026-11-22..2026-11-22", ("2026-11-22..2026-11-22", "2026-11-22 00:00", "2026-11-23 00:00")),
    ],
)
def test_a_period_has_both_its_days(text: str, expected: tuple[str, str, str]) -> None:
    assert days(text) == expected


@pytest.mark.parametrize("text", ["", "2026-13", "2026-W54", "2026-11-31..2026-12-01", "yesterday", "2026-11-22", ".."])
def test_what_is_no_period_is_refused(text: str) -> None:
    with pytest.raises(PeriodError, match="expected a month"):
        parse(text, UTC, TODAY)


def test_a_period_does_not_end_before_it_begins() -> None:
    with pytest.raises(PeriodError, match="ends before it begins"):
        parse("2026-11-22..2026-11-20", UTC, TODAY)


def test_a_month_is_as_long_as_it_is_there() -> None:
    november = parse("2026-11", CHICAGO, TODAY)  # the clocks are set back on the first
    assert november.end_ns - november.begin_ns == (30 * 24 + 1) * 3_600 * 10**9


@given(st.dates(date(2000, 1, 1), date(2090, 1, 1)))
def test_last_month_is_the_one_before_today(today: date) -> None:
    last = parse("last-month", UTC, today)
    this = parse(f"{today:%Y-%m}", UTC, today)
    assert last.end_ns == this.begin_ns
