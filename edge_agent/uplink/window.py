"""Which rows may be published now, and which again. Pure: no I/O, the time is passed in.

At most ``size`` rows are published and unacked, a share of them kept for live rows. A row is sent again when

-   a row of its stream that was published later was acked more than 2 s ago (it was overtaken: it or its ack is lost),
-   or its own back-off has passed: 2 s after the first time, doubling to 10 min.

With no ack for 10 s while rows waited, only one row, the one that waits longest, is sent again, on its own back-off: a
collector that is down must not fill the broker. A new connection begins with an empty window.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from edge_agent.sending import Identity
from edge_wire.messages import Stream

OVERTAKEN_AFTER_NS = 2_000_000_000
FIRST_BACKOFF_NS = 2_000_000_000
LONGEST_BACKOFF_NS = 600_000_000_000
SILENT_AFTER_NS = 10_000_000_000


class Room(NamedTuple):
    """How many more rows may be published, and how many of those may be of no live urgency."""

    rows: int
    ordinary: int


@dataclass(slots=True)
class _Sent:
    live: bool
    order: int
    sent_ns: int
    backoff_ns: int


class Window:
    """The rows of one connection that are published and unacked.

    Args:
        size: how many at most.
        live_share: the share of ``size`` that only live rows may use.
        now_ns: boot time of the connection.
    """

    def __init__(self, size: int, live_share: float, now_ns: int) -> None:
        self._size = size
        self._ordinary_size = size - round(size * live_share)
        self._sent: dict[Identity, _Sent] = {}
        self._ordinary = 0
        self._order = 0
        self._waiting_since_ns = now_ns
        self._overtaken: dict[Stream, int] = {}
        self._recent: dict[Stream, deque[tuple[int, int]]] = {stream: deque() for stream in Stream}

    def __len__(self) -> int:
        return len(self._sent)

    def room(self) -> Room:
        """How much may be published now."""
        rows = self._size - len(self._sent)
        return Room(rows, max(0, min(rows, self._ordinary_size - self._ordinary)))

    def published(self, identity: Identity, *, live: bool, now_ns: int) -> None:
        """Note the first publication of a row on this connection."""
        if not self._sent:  # after an hour with nothing to say nobody is silent yet
            self._waiting_since_ns = now_ns
        self._order += 1
        self._sent[identity] = _Sent(live, self._order, now_ns, FIRST_BACKOFF_NS)
        self._ordinary += not live

    def published_again(self, identity: Identity, now_ns: int) -> None:
        """Note that a row that was due was sent again."""
        sent = self._sent[identity]
        self._order += 1
        sent.order, sent.sent_ns = self._order, now_ns
        sent.backoff_ns = min(2 * sent.backoff_ns, LONGEST_BACKOFF_NS)

    def acked(self, identities: Iterable[Identity], now_ns: int) -> None:
        """Note a verified ack and the rows that it settled."""
        self._waiting_since_ns = now_ns
        for identity in identities:
            order = self.dropped(identity)
            if order is not None:
                self._recent[identity.stream].append((now_ns, order))

    def dropped(self, identity: Identity) -> int | None:
        """Forget a row that left the outbox otherwise; returns the order of its last publication, if it was here."""
        sent = self._sent.pop(identity, None)
        if sent is None:
            return None
        self._ordinary -= not sent.live
        return sent.order

    def waiting_since_ns(self) -> int | None:
        """Since when rows have waited without any ack, a boot time; None while none wait."""
        return self._waiting_since_ns if self._sent else None

    def silent(self, now_ns: int) -> bool:
        """Whether rows have waited for 10 s without any ack."""
        return bool(self._sent) and now_ns - self._waiting_since_ns >= SILENT_AFTER_NS

    def due(self, now_ns: int) -> list[Identity]:
        """Return the rows to send again now."""
        self._fold(now_ns)
        if self.silent(now_ns):
            probe = next(iter(self._sent))
            return [probe] if self._backed_off(probe, now_ns) else []
        return [
            identity
            for identity, sent in self._sent.items()
            if sent.order < self._overtaken.get(identity.stream, 0) or self._backed_off(identity, now_ns)
        ]

    def next_due_ns(self, now_ns: int) -> int | None:
        """Return the boot time at which ``due`` may have something unless an ack comes; None while nothing waits."""
        if not self._sent:
            return None
        if self.silent(now_ns):
            probe = next(iter(self._sent.values()))
            return probe.sent_ns + probe.backoff_ns
        backed_off = min(sent.sent_ns + sent.backoff_ns for sent in self._sent.values())
        overtaken = [recent[0][0] + OVERTAKEN_AFTER_NS + 1 for recent in self._recent.values() if recent]
        return min([backed_off, *overtaken])

    def _backed_off(self, identity: Identity, now_ns: int) -> bool:
        sent = self._sent[identity]
        return now_ns - sent.sent_ns >= sent.backoff_ns

    def _fold(self, now_ns: int) -> None:
        for stream, recent in self._recent.items():
            while recent and now_ns - recent[0][0] > OVERTAKEN_AFTER_NS:
                self._overtaken[stream] = max(self._overtaken.get(stream, 0), recent.popleft()[1])
