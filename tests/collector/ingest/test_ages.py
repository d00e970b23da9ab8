import pytest

from collector.domain import Age
from collector.ingest.ages import BootClocks, capture_time_ns, judge_age
from edge_wire.clock import UNSYNCHRONISED_ERROR_NS

S = 1_000_000_000
HOUR = 3_600 * S
BOOT = bytes(16)


def age(age_ns: int | None, *, claimed_ago_ns: int = 0, error_ns: int = 1_000_000) -> Age:
    return judge_age(
        age_ns,
        captured_at_ns=100 * HOUR - claimed_ago_ns,
        clock_error_ns=error_ns,
        received_at_ns=100 * HOUR,
        historical_after_ns=120 * S,
    )


def test_the_boot_clocks_tell_the_age_whatever_the_wall_clock_says() -> None:
    clocks = BootClocks()
    clocks.heard("lpr-1", BOOT, 500 * S, 9_000 * S)
    assert clocks.age_ns("lpr-1", BOOT, 507 * S, 9_010 * S) == 3 * S
    # An hour slow, an hour fast: still three seconds.
    assert not age(3 * S, claimed_ago_ns=HOUR).historical
    assert age(HOUR, claimed_ago_ns=-HOUR).historical


def test_the_least_delayed_word_counts() -> None:
    clocks = BootClocks()
    clocks.heard("lpr-1", BOOT, 500 * S, 9_000 * S)
    clocks.heard("lpr-1", BOOT, 501 * S, 9_006 * S)
    assert clocks.age_ns("lpr-1", BOOT, 506 * S, 9_006 * S) == 0
    clocks.heard("lpr-1", BOOT, 600 * S, 9_099 * S)
    assert clocks.age_ns("lpr-1", BOOT, 600 * S, 9_100 * S) == 1 * S


def test_a_drifting_clock_is_followed() -> None:
    clocks = BootClocks()
    clocks.heard("lpr-1", BOOT, 0, 0)
    # After a week at 50 ppm slow, the old pair would be 30 s off.
    week = 7 * 24 * HOUR
    clocks.heard("lpr-1", BOOT, week - 30 * S, week)
    assert clocks.age_ns("lpr-1", BOOT, week - 30 * S, week) == 0


def test_another_boot_tells_nothing() -> None:
    clocks = BootClocks()
    clocks.heard("lpr-1", BOOT, 0, 0)
    assert clocks.age_ns("lpr-1", b"x" * 16, 0, 0) is None


def test_without_a_live_word_a_trusted_wall_clock_counts() -> None:
    assert age(None, claimed_ago_ns=60 * S) == Age(False)
    assert age(None, claimed_ago_ns=600 * S).historical


def test_what_is_historical_says_how_late_it_came() -> None:
    assert age(23 * 60 * S).note == "Historical: it was captured 23 min before it arrived here."
    assert age(None, claimed_ago_ns=50 * HOUR + 120 * S).note == (
        "Historical: it was captured 50 h 2 min before it arrived here."
    )


def test_an_unknown_age_alerts_and_says_so() -> None:
    unknown = age(None, claimed_ago_ns=HOUR, error_ns=16 * S)
    assert not unknown.historical
    assert unknown.note is not None
    assert "unknown" in unknown.note


@pytest.mark.parametrize(
    ("age_ns", "claimed_ago_ns", "error_ns", "ago_ns"),
    [
        (None, HOUR, 1_000_000, HOUR),  # nothing else to go by
        (3 * S, 3 * S + S // 2, 1_000_000, 3 * S + S // 2),  # health came late: the claim is the nearer
        (3 * S, HOUR, 1_000_000, 3 * S),  # an hour slow, and does not know it
        (3 * S, -HOUR, 1_000_000, 3 * S),
        (3 * S, 15 * S, 12 * S, 15 * S),  # as far off as it admits
        (3 * S, 4 * S, UNSYNCHRONISED_ERROR_NS, 3 * S),  # it says itself that it does not know the time
    ],
)
def test_when_it_was_captured_is_the_claim_unless_the_boot_clocks_know_better(
    age_ns: int | None, claimed_ago_ns: int, error_ns: int, ago_ns: int
) -> None:
    now_ns = 100 * HOUR
    got_ns = capture_time_ns(
        age_ns, captured_at_ns=now_ns - claimed_ago_ns, clock_error_ns=error_ns, received_at_ns=now_ns
    )
    assert got_ns == now_ns - ago_ns
