"""What more than one room's tests import: a clock moved by hand, and waiting for what another thread does."""

import time
from collections.abc import Callable


class FakeClock:
    """The ``Clock`` port, moved by hand."""

    def __init__(self) -> None:
        self.now_utc_ns = 1_795_256_000_000_000_000
        self.now_boot_ns = 1_000_000_000_000
        self.now_error_ns = 1_000_000

    def utc_ns(self) -> int:
        return self.now_utc_ns

    def boot_ns(self) -> int:
        return self.now_boot_ns

    def error_ns(self) -> int:
        return self.now_error_ns

    def advance(self, by_ns: int) -> None:
        self.now_utc_ns += by_ns
        self.now_boot_ns += by_ns


def eventually(met: Callable[[], bool], within_s: float = 15.0) -> None:
    """Return as soon as ``met``; fail after ``within_s``. For what other threads and programs do in their own time."""
    deadline_s = time.monotonic() + within_s
    while not met():
        assert time.monotonic() < deadline_s, f"not within {within_s} s"
        time.sleep(0.01)
