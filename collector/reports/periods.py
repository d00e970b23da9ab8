"""Which time a report is about. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo

_MONTH = re.compile(r"(\d{4})-(\d{2})")
_WEEK = re.compile(r"(\d{4})-W(\d{2})")
_YEAR = re.compile(r"(\d{4})")
_EXPECTED = (
    "a month (2026-10), a week (2026-W45), a year (2026), last-month, last-week, or FROM..TO with both days included "
    "(2026-01-01..2026-06-30)"
)


class PeriodError(ValueError):
    """Not a period; the text says what was there and what was expected."""


@dataclass(frozen=True, slots=True)
class Period:
    """From one moment up to and without another.

    Attributes:
        name: as people call it.
        begin_ns: UTC.
        end_ns: UTC.
    """

    name: str
    begin_ns: int
    end_ns: int


def parse(text: str, zone: tzinfo, today: date) -> Period:
    """Return the period that ``text`` names, from midnight to midnight in ``zone``.

    Args:
        text: see ``PeriodError``.
        zone: whose midnight.
        today: there.

    Raises:
        PeriodError: it names none.
    """
    try:
        name, begin, end = _days(text, today)
    except ValueError as error:  # a month 13, a 31st of June
        raise PeriodError(f"got {text!r}, expected {_EXPECTED}") from error
    if begin >= end:
        raise PeriodError(f"got {text!r}, which ends before it begins; expected {_EXPECTED}")
    return Period(name, _midnight_ns(begin, zone), _midnight_ns(end, zone))


def _days(text: str, today: date) -> tuple[str, date, date]:
    """Return a period's name, its first day, and the day after its last.

    Raises:
        ValueError: there is no such day.
    """
    if text == "last-month":
        text = f"{today.replace(day=1) - timedelta(days=1):%Y-%m}"
    elif text == "last-week":
        text = f"{today - timedelta(weeks=1):%G-W%V}"
    if found := _MONTH.fullmatch(text):
        first = date(int(found[1]), int(found[2]), 1)
        return text, first, (first + timedelta(days=31)).replace(day=1)
    if found := _WEEK.fullmatch(text):
        first = date.fromisocalendar(int(found[1]), int(found[2]), 1)
        return text, first, first + timedelta(weeks=1)
    if found := _YEAR.fullmatch(text):
        return text, date(int(text), 1, 1), date(int(text) + 1, 1, 1)
    begin, between, end = text.partition("..")
    if not between:
        raise ValueError(text)
    return text, date.fromisoformat(begin), date.fromisoformat(end) + timedelta(days=1)


def _midnight_ns(day: date, zone: tzinfo) -> int:
    return int(datetime.combine(day, time(), zone).timestamp()) * 1_000_000_000
