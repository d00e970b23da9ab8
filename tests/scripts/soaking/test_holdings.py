"""What the ledger names, and what was live, as the verdict is told."""

from __future__ import annotations

import pytest
from soaking.holdings import missing_in, was_live
from soaking.verdict import Missing
from support import FakeClock

S = 1_000_000_000


def an_account(word: str, missing: list[list[int]], stream: str = "detection") -> dict[str, object]:
    return {
        "device": "trailer-1",
        "epoch": "18446744073709551615",
        "stream": stream,
        "word": word,
        "missing": missing,
        "missing_among": [[20, 30]],
        "missing_at_least": 3,
    }


def test_only_what_is_missing_by_name_counts() -> None:
    said = [an_account("missing", [[2, 2], [5, 9]]), an_account("in flight", [[1, 4]])]
    epoch = 18446744073709551615
    assert list(missing_in(said)) == [Missing("trailer-1", epoch, 1, 2, 2), Missing("trailer-1", epoch, 1, 5, 9)]


def test_streams_are_told_apart() -> None:
    [media] = missing_in([an_account("missing", [[1, 1]], "media")])
    assert media.stream == 2


@pytest.mark.parametrize(("after_s", "live"), [(0, True), (59, True), (61, False), (600, False)])
def test_an_alert_was_live_if_it_was_raised_within_a_minute_of_the_capture(after_s: int, live: bool) -> None:
    clock = FakeClock()
    captured_boot_ns, raised_at_ns = clock.boot_ns(), clock.utc_ns() + after_s * S
    clock.advance(900 * S)
    assert was_live(captured_boot_ns, raised_at_ns, clock) is live
