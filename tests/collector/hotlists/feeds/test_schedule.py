from datetime import UTC, datetime
from typing import Any

import pytest

from collector.config import HotlistFeed
from collector.hotlists.feeds.schedule import next_ns

S = 1_000_000_000


def feed(**more: Any) -> HotlistFeed:
    said = {"name": "f", "list": "l", "expected_every_h": 24, "https": {"url": "https://h/l"}}
    return HotlistFeed.model_validate(said | more)


def at(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * S


def test_what_was_never_asked_is_due() -> None:
    assert next_ns(feed(), None, 0) == 0


def test_a_server_is_asked_every_hour_a_folder_every_ten_seconds_unless_something_else_is_said() -> None:
    assert next_ns(feed(), at("2026-11-22T02:00"), 0) == at("2026-11-22T03:00")
    assert next_ns(feed(https=None, folder={"path": "/in"}), 100 * S, 0) == 110 * S
    assert next_ns(feed(every_s=90), 100 * S, 0) == 190 * S


@pytest.mark.parametrize(
    ("tried", "due"),
    [
        ("2026-11-22T02:00", "2026-11-22T05:30"),
        ("2026-11-22T05:30", "2026-11-22T17:30"),
        ("2026-11-22T20:00", "2026-11-23T05:30"),
    ],
)
def test_times_of_the_day(tried: str, due: str) -> None:
    assert next_ns(feed(at=["17:30", "05:30"]), at(tried), 0) == at(due)


def test_a_source_that_fails_is_asked_less_and_less_often_and_a_daily_one_sooner_than_tomorrow() -> None:
    daily = feed(at=["05:30"])
    tried = at("2026-11-22T05:31")
    waits_s = [(next_ns(daily, tried, failures) - tried) / S for failures in range(1, 9)]
    assert waits_s == [30, 60, 120, 240, 480, 960, 1920, 3600]
    watched = feed(https=None, folder={"path": "/in"})
    assert [(next_ns(watched, 0, failures)) / S for failures in (0, 1, 9)] == [10, 30, 3600]
    # Never later than it would have been asked anyway.
    assert next_ns(feed(every_s=600), 0, 20) == 600 * S
