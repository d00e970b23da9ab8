"""What the uplink knows about itself, over all its connections. Owned by the event loop."""

from __future__ import annotations

import asyncio
from collections import Counter

import structlog

from edge_agent.uplink.status import Fault, UplinkState, UplinkStatus
from edge_agent.uplink.window import Window
from edge_wire.clock import Clock

_log = structlog.get_logger(__name__)


class Record:
    """State, reason and counts; ``status`` is the snapshot that others see.

    Attributes:
        counts: what happened how often, by a short stable word.
        connection: number of the current or last connection.
        window: the current connection's window, None without one.
        changed: set at each change of state.
        worked: set once the collector has acked.
    """

    def __init__(self, epoch: int, clock: Clock) -> None:
        self._epoch = epoch
        self._clock = clock
        self._state = UplinkState.DISCONNECTED
        self._reason = "not started"
        self._fault: Fault | None = None
        self._last_ack_ns: int | None = None
        self._round_trip_ms: float | None = None
        self.counts: Counter[str] = Counter()
        self.connection = 0
        self.window: Window | None = None
        self.changed = asyncio.Event()
        self.worked = asyncio.Event()

    def show(self, state: UplinkState, reason: str, fault: Fault | None = None, *, failed: bool = False) -> None:
        """Note where the link stands, and log it when that is new: a failure as a warning.

        Args:
            state: how far up it is.
            reason: one sentence for a person.
            fault: where the connection failed, if it did.
            failed: the connection holds, and yet something is wrong.
        """
        if (state, reason) != (self._state, self._reason):
            log = _log.warning if failed or fault is not None else _log.info
            log("uplink", state=str(state), reason=reason, fault=fault and str(fault))
        self._state, self._reason, self._fault = state, reason, fault
        self.changed.set()

    def stopped(self) -> None:
        """Note the end; the reason of an earlier failure stays readable."""
        if self._state != UplinkState.DISCONNECTED:
            self.show(UplinkState.DISCONNECTED, "stopped")

    def acked(self, rows: int, published_ns: int | None) -> None:
        """Note a verified ack that settled ``rows`` rows, one of them published at ``published_ns``."""
        self._last_ack_ns = self._clock.boot_ns()
        if published_ns is not None:
            self._round_trip_ms = (self._last_ack_ns - published_ns) / 1e6
        self.counts["acks"] += 1
        self.counts["acked"] += rows
        self.worked.set()
        if self._state != UplinkState.WORKING:
            self.show(UplinkState.WORKING, "connected, the collector acks")

    @property
    def status(self) -> UplinkStatus:
        """How the uplink stands now."""
        now_ns = self._clock.boot_ns()
        state, reason = self._state, self._reason
        if state == UplinkState.WORKING and self.window is not None and self.window.silent(now_ns):
            state, reason = UplinkState.CONNECTED, "connected, but the collector has not acked for 10 s or more"
        return UplinkStatus(
            state=state,
            reason=reason,
            fault=self._fault,
            epoch=self._epoch,
            connection=self.connection,
            at_utc_ns=self._clock.utc_ns(),
            last_ack_age_s=None if self._last_ack_ns is None else (now_ns - self._last_ack_ns) / 1e9,
            ack_round_trip_ms=self._round_trip_ms,
            under_way=0 if self.window is None else len(self.window),
            counts=dict(self.counts),
        )
