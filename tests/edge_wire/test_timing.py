"""Whether an arrival is timed well enough to locate by."""

from __future__ import annotations

from dataclasses import replace

import pytest
from wire_samples import UP

from edge_wire.clock import KernelDiscipline, kernel_discipline
from edge_wire.messages import ShotArrival
from edge_wire.timing import TIMING_LIMIT_NS, clock_source, combined_ns, timing_error_ns

MS = 1_000_000


@pytest.mark.parametrize(
    ("clock_ms", "onset_ms", "fit_ms", "error_ms"), [(0, 0, 0, 0), (3, 4, 0, 5), (2, 3, 6, 7), (16_000, 1, 1, 16_000)]
)
def test_clock_onset_and_sample_clock_add_up_as_independent_errors(
    clock_ms: int, onset_ms: int, fit_ms: int, error_ms: int
) -> None:
    header, arrival = UP["shot_arrival_of_a_burst"]
    assert isinstance(arrival, ShotArrival)
    header = replace(header, clock_error_ns=clock_ms * MS)
    arrival = replace(arrival, onset_error_ns=onset_ms * MS, fit_error_ns=fit_ms * MS)
    assert timing_error_ns(header, arrival) == pytest.approx(error_ms * MS, abs=MS / 2)


def test_the_limit_is_twenty_milliseconds_of_one_sigma() -> None:
    assert combined_ns(12 * MS, 16 * MS) == TIMING_LIMIT_NS


def test_the_largest_errors_that_the_wire_carries_add_up() -> None:
    largest = (1 << 63) - 1
    assert combined_ns(largest, largest, largest) > largest


def test_what_disciplines_the_clock_is_what_the_kernel_says() -> None:
    synchronised = {True: "kernel", False: "unsynchronised"}
    discipline = kernel_discipline()
    assert isinstance(discipline, KernelDiscipline)
    assert clock_source() == synchronised[discipline.synchronised]
