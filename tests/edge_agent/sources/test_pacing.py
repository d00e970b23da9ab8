from support import FakeClock

from edge_agent.records import CaptureTime
from edge_agent.sources.pacing import Pace, Pacing

SECOND = 1_000_000_000


def test_media_time_is_added_to_the_moment_of_the_first_use(clock: FakeClock) -> None:
    began = CaptureTime(clock.utc_ns(), clock.boot_ns(), clock.error_ns())
    pacing = Pacing(clock, Pace.FAST)
    assert pacing.captured(0) == began
    clock.advance(5 * SECOND)
    assert pacing.captured(3 * SECOND) == began.shifted(3 * SECOND)


def test_a_given_start_keeps_utc_and_boot_time_as_far_apart_as_the_clock_has_them(clock: FakeClock) -> None:
    starts_at_ns = clock.utc_ns() - 7200 * SECOND
    captured = Pacing(clock, Pace.FAST, starts_at_ns, starts_at_error_ns=5).captured(SECOND)
    assert captured.utc_ns == starts_at_ns + SECOND
    assert captured.utc_ns - captured.boot_ns == clock.utc_ns() - clock.boot_ns()
    assert captured.error_ns == 5


def test_fast_never_waits(clock: FakeClock) -> None:
    waits: list[float] = []
    pacing = Pacing(clock, Pace.FAST, pause=lambda seconds: waits.append(seconds) or False)
    assert pacing.wait_until(100 * SECOND)
    assert waits == []


def test_realtime_waits_for_what_is_left_and_no_longer(clock: FakeClock) -> None:
    waits: list[float] = []

    def pause(seconds: float) -> bool:
        waits.append(seconds)
        clock.advance(round(seconds * SECOND))
        return False

    pacing = Pacing(clock, Pace.REALTIME, clock.utc_ns() - 86_400 * SECOND, pause=pause)
    assert pacing.wait_until(2 * SECOND)
    clock.advance(SECOND // 2)
    assert pacing.wait_until(3 * SECOND)
    assert pacing.wait_until(3 * SECOND)
    assert waits == [2.0, 0.5]


def test_a_wait_that_ends_early_goes_on(clock: FakeClock) -> None:
    def pause(seconds: float) -> bool:
        clock.advance(round(seconds * SECOND / 2) + 1)
        return False

    began_ns = clock.boot_ns()
    assert Pacing(clock, Pace.REALTIME, pause=pause).wait_until(SECOND)
    assert clock.boot_ns() - began_ns >= SECOND


def test_close_ends_a_wait_and_all_later_ones(clock: FakeClock) -> None:
    def pause(seconds: float) -> bool:
        pacing.close()
        return True

    pacing = Pacing(clock, Pace.REALTIME, pause=pause)
    assert not pacing.wait_until(3600 * SECOND)
    assert not pacing.wait_until(0)
    pacing.close()
    assert pacing.closed


def test_close_wakes_the_real_wait(clock: FakeClock) -> None:
    pacing = Pacing(clock, Pace.REALTIME)
    pacing.close()
    assert not pacing.wait_until(3600 * SECOND)
