"""How fast rows are handed over: a cap in kilobits a second, and how much the broker may have unconfirmed.

Both keep the way free. What lies in a socket's buffer cannot be overtaken any more: behind a window full of other
media a hit's crop would wait for half a minute at 1 Mbit/s. So what nobody waits for is handed over only while little
of anything is unconfirmed, what was asked for up to twice as much, and shots and live reads at once.

The cap is a bucket that fills at ``max_kbps``. What nobody waits for takes only what is in it; live rows may overdraw
it by as much as it holds, and the others wait until that is paid back. What has to flow (PUBACKs, pings, presence,
health) is never held up, but taken off. Over a minute no more goes out than the cap allows, give or take one bucket.

Pure: no I/O, the time is passed in.
"""

from __future__ import annotations

from edge_agent.sending import Urgency

IN_HAND_BYTES = 64 * 1024
# A piece of a file is the largest message, 24 KiB and its envelope: a bucket that cannot hold one would never send it.
_SMALLEST_BUCKET_BYTES = 32 * 1024
_LONGEST_FILL_S = 1.0


class Pace:
    """What may be handed over now, over one connection.

    Args:
        max_kbps: the cap in kilobits a second; None for none.
        now_ns: boot time of the connection.
        in_hand_bytes: how much may be unconfirmed when something is handed over that nobody waits for.
    """

    def __init__(self, max_kbps: int | None, now_ns: int, in_hand_bytes: int = IN_HAND_BYTES) -> None:
        self._bytes_per_s = None if max_kbps is None else max_kbps * 125
        self._in_hand_room_bytes = in_hand_bytes
        self._room_bytes = max((self._bytes_per_s or 0) * _LONGEST_FILL_S, _SMALLEST_BUCKET_BYTES)
        self._level_bytes = float(self._room_bytes)
        self._filled_ns = now_ns
        self._in_hand_bytes = 0
        self._charged_bytes = 0

    @property
    def in_hand_bytes(self) -> int:
        """How many bytes were handed over and not confirmed."""
        return self._in_hand_bytes

    def room_bytes(self, urgency: Urgency) -> int:
        """How many more bytes of this urgency may be unconfirmed; 0 or less: none."""
        return self._limit_bytes(urgency) - self._in_hand_bytes

    def allows(self, urgency: Urgency, size_bytes: int, now_ns: int) -> bool:
        """Whether a message of this size may be handed over now."""
        return self._fits_in_hand(urgency, size_bytes) and self.wait_s(urgency, size_bytes, now_ns) == 0

    def wait_s(self, urgency: Urgency, size_bytes: int, now_ns: int) -> float:
        """How long the cap holds it back from now on."""
        if self._bytes_per_s is None:
            return 0.0
        self._fill(now_ns)
        lowest_bytes = -self._room_bytes if urgency.live else 0.0
        needed_bytes = lowest_bytes + min(size_bytes, self._room_bytes)
        return max(0.0, (needed_bytes - self._level_bytes) / self._bytes_per_s)

    def handed_over(self, size_bytes: int) -> None:
        """Note that so many bytes were handed over; ``confirmed`` takes them back."""
        self._in_hand_bytes += size_bytes
        self.spent(size_bytes)

    def spent(self, size_bytes: int) -> None:
        """Note that so many bytes went out that nothing will confirm."""
        self._charged_bytes += size_bytes
        self._level_bytes -= size_bytes

    def measured(self, up_bytes: int) -> None:
        """Take off what went out beyond what was noted: ``up_bytes`` is what the connection really sent so far."""
        self.spent(max(0, up_bytes - self._charged_bytes))

    def confirmed(self, size_bytes: int) -> None:
        """Note that the broker has so many bytes."""
        self._in_hand_bytes -= size_bytes

    def _limit_bytes(self, urgency: Urgency) -> int:
        return self._in_hand_room_bytes * (2 if urgency is Urgency.ASKED_MEDIA else 1)

    def _fits_in_hand(self, urgency: Urgency, size_bytes: int) -> bool:
        if urgency < Urgency.ASKED_MEDIA or not self._in_hand_bytes:
            return True
        return self._in_hand_bytes + size_bytes <= self._limit_bytes(urgency)

    def _fill(self, now_ns: int) -> None:
        assert self._bytes_per_s is not None
        gained_bytes = self._bytes_per_s * max(0, now_ns - self._filled_ns) / 1e9
        self._level_bytes = min(float(self._room_bytes), self._level_bytes + gained_bytes)
        self._filled_ns = now_ns
