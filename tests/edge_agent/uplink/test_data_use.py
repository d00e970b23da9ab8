"""The data plan's count: by kind and month, over restarts, with a forecast and its levels."""

import json
from datetime import UTC, datetime

import pytest

from edge_agent.uplink import DataUse, PlanLevel
from edge_agent.uplink.data_use import DataMeter, plan_conditions

S = 1_000_000_000
HOUR, DAY = 3_600 * S, 86_400 * S
MB = 1_000_000


def at(clock, text):
    clock.now_utc_ns = round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * S


@pytest.fixture
def path(tmp_path):
    return tmp_path / "data-use.json"


def opened(path, clock, boot="a", monthly_bytes=100 * MB, billing_day=5):
    return DataMeter(path, monthly_bytes, billing_day, clock, boot)


def test_bytes_are_counted_by_kind_in_their_billing_month(path, clock):
    at(clock, "2026-12-04 23:00")
    meter = opened(path, clock)
    meter.add("plate-read", 400)
    meter.add("crop", 3_000)
    clock.advance(2 * HOUR)
    meter.add("plate-read", 410)
    use = meter.use()
    assert (use.period_from, use.period_until) == ("2026-12-05", "2027-01-05")
    assert (use.used_bytes, use.by_kind) == (410, {"plate-read": 410})
    assert meter.since_start == {"plate-read": 810, "crop": 3_000}


def test_what_was_saved_is_there_after_a_restart_and_a_reboot(path, clock):
    first = opened(path, clock)
    first.add("shot", 500)
    first.save(first.snapshot())
    again = opened(path, clock)
    again.add("shot", 70)
    again.save(again.snapshot())
    clock.advance(HOUR)
    clock.now_boot_ns = S
    rebooted = opened(path, clock, boot="b")
    assert rebooted.use().by_kind == {"shot": 570}
    assert rebooted.since_start == {}
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_wall_clock_step_moves_no_bytes_to_another_month(path, clock):
    meter = opened(path, clock)
    meter.add("shot", 500)
    before = meter.use()
    for step_ns in (-400 * DAY, 800 * DAY, -400 * DAY):
        clock.now_utc_ns += step_ns
        clock.advance(60 * S)
        meter.add("shot", 1)
    assert meter.use().used_bytes == 503
    assert meter.use().period_from == before.period_from
    meter.save(meter.snapshot())
    assert opened(path, clock).use().used_bytes == 503


def test_a_clock_that_is_years_ahead_for_days_empties_no_book(path, clock):
    meter = opened(path, clock)
    meter.add("shot", 500)
    clock.now_utc_ns += 4_000 * DAY
    for _ in range(10):
        clock.advance(HOUR)
        meter.add("shot", 1)
        meter.save(meter.snapshot())
    clock.now_utc_ns -= 4_000 * DAY
    for _ in range(3):
        clock.advance(HOUR)
        meter.use()
    assert 500 <= meter.use().used_bytes <= 510


def test_it_is_saved_after_a_mebibyte_or_five_minutes_and_not_for_nothing(path, clock):
    meter = opened(path, clock)
    clock.advance(3_600 * S)
    assert meter.due() is None
    meter.add("shot", 1)
    assert meter.due() is not None
    meter.add("shot", 1)
    assert meter.due() is None
    meter.add("crop", 1 << 20)
    assert meter.due() is not None


def test_the_forecast_is_this_weeks_rate_to_the_end_of_the_month(path, clock):
    at(clock, "2026-11-05 00:00")
    meter = opened(path, clock)
    meter.add("plate-read", 10_000)
    assert meter.use().forecast_bytes is None  # nothing can be told from a minute
    for _ in range(10):
        clock.advance(DAY)
        meter.add("plate-read", MB)
    use = meter.use()
    assert use.period_until == "2026-12-05"
    assert use.used_bytes == 10 * MB + 10_000
    # Seven of them in the six days since the first of the seven midnights.
    assert use.forecast_bytes == pytest.approx(use.used_bytes + 20 * MB * 7 / 6, rel=0.01)


@pytest.mark.parametrize(
    ("used_bytes", "level", "alarm"),
    [(79 * MB, "ok", False), (80 * MB, "near", True), (99 * MB, "near", True), (100 * MB, "over", True)],
)
def test_levels(path, clock, used_bytes, level, alarm):
    meter = opened(path, clock)
    meter.add("crop", used_bytes)
    assert (meter.use().level, meter.use().alarm) == (level, alarm)
    assert opened(None, clock, monthly_bytes=None).use().level is PlanLevel.NONE


def test_a_level_is_told_once_over_restarts(path, clock):
    meter = opened(path, clock)
    assert meter.level_before(PlanLevel.OK) is PlanLevel.NONE
    assert meter.level_before(PlanLevel.NEAR) is PlanLevel.OK
    assert meter.level_before(PlanLevel.NEAR) is None
    meter.save(meter.due())
    again = opened(path, clock)
    assert again.level_before(PlanLevel.NEAR) is None
    assert again.level_before(PlanLevel.OVER) is PlanLevel.NEAR


@pytest.mark.parametrize("content", [b"", b"{}", b'{"last":{},"since_utc_ns":0}', b'{"days": 3'])
def test_a_file_that_cannot_be_read_is_set_aside_and_said_so(path, clock, content):
    path.write_bytes(content)
    meter = opened(path, clock)
    meter.add("shot", 1)
    assert meter.use().used_bytes == 1
    assert "could not be read" in meter.trouble
    meter.save(meter.snapshot())
    assert path.with_name("data-use.json.unreadable").read_bytes() == content
    assert json.loads(path.read_bytes())["days"]


def test_without_a_path_it_counts_in_memory(clock):
    meter = opened(None, clock)
    meter.add("shot", 5)
    meter.save(meter.snapshot())
    assert meter.use().used_bytes == 5


def use(used_bytes, forecast_bytes, level):
    return DataUse(used_bytes, 2_000 * MB, forecast_bytes, PlanLevel(level), "2026-11-05", "2026-12-05")


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (use(500 * MB, 1_000 * MB, "ok"), []),
        (use(500 * MB, None, "ok"), []),
        (use(1_640 * MB, 1_700 * MB, "near"), ["82% of 2,000 MB used", "2026-12-05"]),
        (use(500 * MB, 2_600 * MB, "ok"), ["25% used", "2,600 MB by then"]),
    ],
)
def test_what_is_wrong_with_the_plan_is_said_in_a_sentence(plan, words):
    conditions = plan_conditions(plan)
    assert len(conditions) == bool(words)
    assert all(word in conditions[0] for word in words)
