"""The machine's clocks, as far as a test can hold them to anything."""

import time

from edge_wire.clock import UNSYNCHRONISED_ERROR_NS, SystemClock, boot_id, kernel_discipline


def test_the_boot_clock_does_not_run_backwards() -> None:
    clock = SystemClock()
    times = [clock.boot_ns() for _ in range(100)]
    assert times == sorted(times)


def test_utc_is_the_systems() -> None:
    before = time.time_ns()
    assert before <= SystemClock().utc_ns() <= time.time_ns()


def test_an_undisciplined_clock_never_claims_to_be_good() -> None:
    discipline = kernel_discipline()
    assert discipline.max_error_ns > 0
    if not discipline.synchronised:
        assert discipline.max_error_ns >= UNSYNCHRONISED_ERROR_NS
    assert SystemClock().error_ns() > 0


def test_a_boot_has_one_id() -> None:
    assert len(boot_id()) == 16
    assert boot_id() == boot_id()
