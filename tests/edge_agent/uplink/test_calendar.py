"""Billing months, and a wall clock that steps."""

from datetime import date

import pytest

from edge_agent.uplink.calendar import BELIEVED_AFTER_NS, Reckoning, billing_month, day_of

S = 1_000_000_000
DAY = 86_400 * S


@pytest.mark.parametrize(
    ("today", "billing_day", "begins", "ends"),
    [
        ("2026-11-21", 1, "2026-11-01", "2026-12-01"),
        ("2026-11-21", 21, "2026-11-21", "2026-12-21"),
        ("2026-11-20", 21, "2026-10-21", "2026-11-21"),
        ("2026-12-31", 5, "2026-12-05", "2027-01-05"),
        ("2027-02-28", 31, "2027-02-28", "2027-03-31"),
        ("2027-02-27", 31, "2027-01-31", "2027-02-28"),
        ("2027-03-01", 31, "2027-02-28", "2027-03-31"),
    ],
)
def test_a_billing_month_begins_on_its_day_or_a_short_months_last(today, billing_day, begins, ends):
    assert billing_month(date.fromisoformat(today), billing_day) == tuple(map(date.fromisoformat, (begins, ends)))


@pytest.mark.parametrize("step_ns", [-DAY, DAY, -50 * 365 * DAY])
def test_a_step_of_the_wall_clock_is_believed_once_it_has_lasted_for_an_hour(clock, step_ns):
    reckoning, began_ns = Reckoning(clock, "a", None), clock.utc_ns()
    clock.advance(S)
    clock.now_utc_ns += step_ns
    assert reckoning.now().utc_ns == began_ns + S
    clock.advance(BELIEVED_AFTER_NS - S)
    assert reckoning.now().utc_ns == began_ns + BELIEVED_AFTER_NS
    clock.advance(S)
    assert reckoning.now().utc_ns == clock.utc_ns() == began_ns + BELIEVED_AFTER_NS + S + step_ns


def test_a_clock_that_is_set_right_again_was_never_followed(clock):
    reckoning, began_ns = Reckoning(clock, "a", None), clock.utc_ns()
    for step_ns in (DAY, -DAY):
        clock.now_utc_ns += step_ns
        clock.advance(S)
        reckoning.now()
    clock.advance(2 * BELIEVED_AFTER_NS)
    assert reckoning.now().utc_ns == began_ns + 2 * S + 2 * BELIEVED_AFTER_NS == clock.utc_ns()


def test_slewing_and_small_corrections_are_followed_at_once(clock):
    reckoning = Reckoning(clock, "a", None)
    clock.now_utc_ns += 120 * S
    assert reckoning.now().utc_ns == clock.utc_ns()


def test_within_a_boot_time_goes_on_where_the_last_run_left_off(clock):
    last = Reckoning(clock, "a", None).now()
    clock.advance(60 * S)
    clock.now_utc_ns -= DAY
    assert Reckoning(clock, "a", last).now().utc_ns == last.utc_ns + 60 * S


def test_a_boot_in_1970_does_not_turn_time_back(clock):
    last = Reckoning(clock, "a", None).now()
    clock.now_utc_ns, clock.now_boot_ns = 100 * S, 5 * S
    after_boot = Reckoning(clock, "b", last)
    assert after_boot.now().utc_ns == last.utc_ns
    clock.advance(20 * S)
    clock.now_utc_ns = last.utc_ns + 3 * DAY  # the time server answered
    assert after_boot.now().utc_ns == last.utc_ns + 20 * S
    clock.advance(BELIEVED_AFTER_NS)
    assert day_of(after_boot.now().utc_ns) == day_of(clock.utc_ns())


def test_time_that_passed_without_power_is_believed(clock):
    last = Reckoning(clock, "a", None).now()
    clock.now_utc_ns, clock.now_boot_ns = last.utc_ns + 40 * DAY, 5 * S
    assert Reckoning(clock, "b", last).now().utc_ns == clock.utc_ns()
