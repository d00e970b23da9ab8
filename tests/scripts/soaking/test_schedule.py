"""The schedule of faults."""

from __future__ import annotations

from itertools import islice

from soaking.schedule import appointments

KINDS = ["cut", "killed", "locked"]


def test_one_seed_is_one_schedule_and_another_seed_another() -> None:
    first, again, other = (list(islice(appointments(KINDS, seed, 5.0), 30)) for seed in ("7", "7", "8"))
    assert first == again
    assert first != other


def test_every_kind_comes_before_any_comes_again() -> None:
    drawn = [one.kind for one in islice(appointments(KINDS, "7", 5.0), 30)]
    assert all(sorted(drawn[at : at + 3]) == KINDS for at in range(0, 30, 3))


def test_gaps_are_as_asked_for_at_the_mean_and_times_ascend() -> None:
    times_s = [one.at_s for one in islice(appointments(KINDS, "7", 5.0), 1_000)]
    assert times_s == sorted(times_s)
    assert 4.8 < times_s[-1] / 1_000 < 5.2
