import pytest

from collector.domain import Age
from collector.ingest.ages import BootClocks, Elapsed, capture_time_ns, judge_age
from edge_wire.clock import UNSYNCHRONISED_ERROR_NS

S = 1_000_000_000
HOUR = 3_600 * S
BOOT = bytes(16)


def age(elapsed: Elapsed | None, *, claimed_ago_ns: int = 0, error_ns: int = 1_000_000) -> Age:
    return judge_age(
        elapsed,
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
    assert age(Elapsed(3 * S), claimed_ago_ns=HOUR) == Age(False)
    assert age(Elapsed(HOUR), claimed_ago_ns=-HOUR).historical


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


@pytest.mark.parametrize("claimed_ago_ns", [-30 * HOUR, -10 * S, 0, 60 * S, 600 * S, 30 * HOUR])
def test_without_a_live_word_the_claimed_time_alone_makes_nothing_historical_and_nothing_live(
    claimed_ago_ns: int,
) -> None:
    """PROTOCOL, Time: if the age cannot be established it is ``age unknown``: alerted, labelled."""
    for elapsed in (None, Elapsed(0, at_least=True), Elapsed(119 * S, at_least=True)):
        unknown = age(elapsed, claimed_ago_ns=claimed_ago_ns)
        assert not unknown.historical
        assert unknown.note is not None
        assert unknown.note.startswith("Age unknown: ")


def test_an_unknown_age_says_what_the_device_claims_if_that_can_be() -> None:
    nothing = "Age unknown: nothing live has come from that boot. By the device's own clock it was captured "
    assert age(None, claimed_ago_ns=185 * 60 * S).note == nothing + "3 h 5 min before it arrived here."
    assert age(None, claimed_ago_ns=20 * S).note == nothing + "just before it arrived here."
    refuted = age(None, claimed_ago_ns=-HOUR).note
    assert refuted == age(None, claimed_ago_ns=HOUR, error_ns=16 * S).note, "not captured after it came; nor trusted"
    assert refuted == "Age unknown: the device's clock cannot be trusted and nothing live has come from that boot."


def test_what_is_historical_says_how_late_it_came() -> None:
    assert age(Elapsed(23 * 60 * S)).note == "Historical: it was captured 23 min before it arrived here."
    assert age(Elapsed(50 * HOUR + 120 * S)).note == "Historical: it was captured 50 h 2 min before it arrived here."
    assert age(Elapsed(23 * 60 * S, at_least=True)) == Age(
        True, "Historical: it was captured at least 23 min before it arrived here."
    )


def test_what_has_come_of_a_boot_proves_how_old_the_rest_of_it_is_at_least() -> None:
    clocks = BootClocks()
    # A backlog, newest first: nobody knows how old its first row is.
    assert clocks.least_age_ns("lpr-1", BOOT, 5_000 * S, 90_000 * S) == 0
    # Captured 600 s before that one, and it comes 2 s after it.
    assert clocks.least_age_ns("lpr-1", BOOT, 4_400 * S, 90_002 * S) == pytest.approx(602 * S, abs=S // 1_000)
    # Captured later, by the boot clock, than anything that has come: the bound is its own.
    assert clocks.least_age_ns("lpr-1", BOOT, 5_001 * S, 90_001 * S) == 0
    assert clocks.least_age_ns("lpr-1", b"x" * 16, 4_400 * S, 90_002 * S) == 0, "another boot proves nothing"
    assert clocks.least_age_ns("lpr-2", BOOT, 4_400 * S, 90_002 * S) == 0, "nor does another device"
    assert not clocks.knows("lpr-1", BOOT), "a bound is not a live word"


def test_live_rows_that_come_late_one_after_the_other_prove_nothing_old() -> None:
    clocks = BootClocks()
    for second in range(0, 600, 5):
        # Up to 3 s under way: no age is proved beyond that.
        captured_ns, delay_ns = (1_000 + second) * S, (second % 3 + 1) * S
        assert clocks.least_age_ns("lpr-1", BOOT, captured_ns, 9_000 * S + captured_ns + delay_ns) <= 3 * S


def test_a_boot_clock_that_runs_slow_proves_nothing_old() -> None:
    clocks = BootClocks()
    week = 7 * 24 * HOUR
    clocks.least_age_ns("lpr-1", BOOT, 0, 0)
    assert clocks.least_age_ns("lpr-1", BOOT, week - 60 * S, week) == 0, "100 ppm slow"


@pytest.mark.parametrize(
    ("elapsed", "claimed_ago_ns", "error_ns", "ago_ns"),
    [
        (None, HOUR, 1_000_000, HOUR),  # nothing else to go by
        (Elapsed(3 * S), 3 * S + S // 2, 1_000_000, 3 * S + S // 2),  # health came late: the claim is the nearer
        (Elapsed(3 * S), HOUR, 1_000_000, 3 * S),  # an hour slow, and does not know it
        (Elapsed(3 * S), -HOUR, 1_000_000, 3 * S),
        (Elapsed(3 * S), 15 * S, 12 * S, 15 * S),  # as far off as it admits
        (Elapsed(3 * S), 4 * S, UNSYNCHRONISED_ERROR_NS, 3 * S),  # it says itself that it does not know the time
        (Elapsed(600 * S, at_least=True), HOUR, 1_000_000, HOUR),  # a bound says no more than that
    ],
)
def test_when_it_was_captured_is_the_claim_unless_the_boot_clocks_know_better(
    elapsed: Elapsed | None, claimed_ago_ns: int, error_ns: int, ago_ns: int
) -> None:
    now_ns = 100 * HOUR
    got_ns = capture_time_ns(
        elapsed, captured_at_ns=now_ns - claimed_ago_ns, clock_error_ns=error_ns, received_at_ns=now_ns
    )
    assert got_ns == now_ns - ago_ns
