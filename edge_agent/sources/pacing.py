"""When the samples and frames of a file count as captured, and how fast a file is played.

A file says only how far into it a frame or sample stands (its *media time*). ``Pacing`` adds the moment at which the
file is taken to have begun: ``captured = starts_at + media time``. In pace ``realtime`` it also holds the source back
until that media time has really passed since the start, so that a recording behaves like the device it came from; in
pace ``fast`` it never waits, and with ``starts_at`` now the capture times run ahead of the clock.

Invariants: media time 0 is pinned to the clock once, at the first use; UTC and boot time of every capture time differ
by the same amount as the clock's did at that moment, so an age worked out from either is the same (a file that is said
to have begun before the device booted gets negative boot times).

One thread asks; ``close`` may come from any other and ends a wait at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from enum import StrEnum

from edge_agent.records import CaptureTime
from edge_wire.clock import Clock


class Pace(StrEnum):
    """How fast a file source hands over what it holds."""

    REALTIME = "realtime"
    FAST = "fast"


class Pacing:
    """Turns media time into capture time, and waits for it in pace ``realtime``.

    Args:
        clock: where "now" comes from.
        pace: whether ``wait_until`` waits.
        starts_at_utc_ns: UTC nanoseconds of media time 0; None: the moment of the first use.
        starts_at_error_ns: how far a given ``starts_at_utc_ns`` may be off; the clock's own error counts when the
            start is "now" and not when it is given, because the clock then plays no part in the capture time.
        pause: waits that many seconds and returns whether the source was closed meanwhile; tests pass one that moves
            a fake clock instead.
    """

    def __init__(
        self,
        clock: Clock,
        pace: Pace,
        starts_at_utc_ns: int | None = None,
        starts_at_error_ns: int = 0,
        pause: Callable[[float], bool] | None = None,
    ) -> None:
        self._clock = clock
        self._pace = pace
        self._starts_at_utc_ns = starts_at_utc_ns
        self._starts_at_error_ns = starts_at_error_ns
        self._closed = threading.Event()
        self._pause = pause if pause is not None else self._closed.wait
        self._start: CaptureTime | None = None
        self._played_from_boot_ns = 0

    def captured(self, media_ns: int) -> CaptureTime:
        """Return the capture time of what stands ``media_ns`` nanoseconds into the file; pins the start if unpinned."""
        return self._pinned().shifted(media_ns)

    def wait_until(self, media_ns: int) -> bool:
        """Wait until media time ``media_ns`` has been played; at once in pace ``fast``.

        A live block exists only when its last sample has been recorded, so audio waits for a block's end and video
        for the frame's own time.

        Returns:
            False when the source was closed before that, and nothing more should be yielded.
        """
        self._pinned()
        if self._pace is Pace.REALTIME:
            while (left_ns := self._played_from_boot_ns + media_ns - self._clock.boot_ns()) > 0:
                if self._pause(left_ns / 1e9):
                    break
        return not self._closed.is_set()

    def close(self) -> None:
        """End a wait in progress and all later ones; safe to call twice and from any thread."""
        self._closed.set()

    @property
    def closed(self) -> bool:
        """Whether ``close`` was called."""
        return self._closed.is_set()

    def _pinned(self) -> CaptureTime:
        if self._start is None:
            now_utc_ns, now_boot_ns = self._clock.utc_ns(), self._clock.boot_ns()
            self._played_from_boot_ns = now_boot_ns
            if self._starts_at_utc_ns is None:
                self._start = CaptureTime(now_utc_ns, now_boot_ns, self._clock.error_ns())
            else:
                boot_ns = now_boot_ns - (now_utc_ns - self._starts_at_utc_ns)
                self._start = CaptureTime(self._starts_at_utc_ns, boot_ns, self._starts_at_error_ns)
        return self._start
