"""What the uplink knows about itself, over all its connections. Owned by the event loop."""

from __future__ import annotations

import asyncio
from collections import Counter

import structlog

from edge_agent.sending import AckFinding
from edge_agent.uplink.data_use import DataMeter, plan_conditions
from edge_agent.uplink.status import Fault, UplinkState, UplinkStatus
from edge_agent.uplink.window import Window
from edge_wire.clock import Clock

_log = structlog.get_logger(__name__)
_FINDINGS = {
    AckFinding.BEYOND_COUNTER: "{} acks named sequences that this device never assigned",
    AckFinding.UNKNOWN_EPOCH: "{} acks named an epoch that this device does not hold",
    AckFinding.OPEN_REJECTED: "{} times the collector dead-lettered an Open: nothing of that epoch goes",
}


class Record:
    """State, reason and counts; ``status`` is the snapshot that others see.

    Args:
        epoch: the outbox's epoch.
        clock: the machine's clocks.
        unacked_after_s: rows that wait this long without any ack make the link ``UNACKED``.
        meter: counts the bytes; None where nobody does.

    Attributes:
        counts: what happened how often, by a short stable word.
        connection: number of the current or last connection.
        window: the current connection's window, None without one.
        changed: set at each change of state.
        worked: set once the collector has acked.
        health_sent_ns: boot time of the last health, None before the first.
    """

    def __init__(self, epoch: int, clock: Clock, unacked_after_s: float = 10.0, meter: DataMeter | None = None) -> None:
        self._epoch = epoch
        self._clock = clock
        self._unacked_after_ns = round(unacked_after_s * 1e9)
        self._meter = meter
        self._state = UplinkState.DISCONNECTED
        self._reason = "not started"
        self._fault: Fault | None = None
        self._failed = False
        self._unacked = False
        self._last_ack_ns: int | None = None
        self._round_trip_ms: float | None = None
        self.counts: Counter[str] = Counter()
        self.connection = 0
        self.window: Window | None = None
        self.health_sent_ns: int | None = None
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
        self._failed = failed or fault is not None
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

    def found(self, finding: AckFinding) -> None:
        """Note an ack that was verified and yet could not be followed."""
        self.counts[_word(finding)] += 1

    def look(self) -> bool:
        """Say so, once, when the collector has fallen silent or acks again; whether it just has."""
        unacked = self.unacked_due_ns is not None and self._clock.boot_ns() >= self.unacked_due_ns
        if unacked == self._unacked:
            return False
        self._unacked = unacked
        if unacked:
            state, reason = self._stand(self._clock.boot_ns())
            _log.warning("uplink", state=str(state), reason=reason, fault=None)
        elif self._state == UplinkState.WORKING:
            _log.info("uplink", state=str(self._state), reason="the collector acks again", fault=None)
        self.changed.set()
        return True

    @property
    def unacked_due_ns(self) -> int | None:
        """The boot time at which the link becomes ``UNACKED`` unless an ack comes; None while nothing waits."""
        since_ns = None if self.window is None else self.window.waiting_since_ns()
        return None if since_ns is None else since_ns + self._unacked_after_ns

    @property
    def status(self) -> UplinkStatus:
        """How the uplink stands now."""
        now_ns = self._clock.boot_ns()
        state, reason = self._stand(now_ns)
        use = None if self._meter is None else self._meter.use()
        return UplinkStatus(
            state=state,
            reason=reason,
            fault=self._fault,
            epoch=self._epoch,
            connection=self.connection,
            at_utc_ns=self._clock.utc_ns(),
            at_boot_ns=now_ns,
            last_ack_age_s=None if self._last_ack_ns is None else (now_ns - self._last_ack_ns) / 1e9,
            ack_round_trip_ms=self._round_trip_ms,
            under_way=0 if self.window is None else len(self.window),
            counts=dict(self.counts),
            unacked_s=self._unacked_s(now_ns),
            data_use=use,
            bytes_by_kind={} if self._meter is None else self._meter.since_start,
            conditions=(
                *self._link_conditions(state, reason),
                *(text.format(self.counts[_word(f)]) for f, text in _FINDINGS.items() if self.counts[_word(f)]),
                *([self._meter.trouble] if self._meter is not None and self._meter.trouble else []),
                *([] if use is None else plan_conditions(use)),
            ),
        )

    def _unacked_s(self, now_ns: int) -> float | None:
        since_ns = None if self.window is None else self.window.waiting_since_ns()
        return None if since_ns is None else (now_ns - since_ns) / 1e9

    def _stand(self, now_ns: int) -> tuple[UplinkState, str]:
        due_ns = self.unacked_due_ns
        if self._state not in (UplinkState.CONNECTED, UplinkState.WORKING) or due_ns is None or now_ns < due_ns:
            return self._state, self._reason
        silent = f"the collector has not acked for {self._unacked_s(now_ns):.0f} s"
        return UplinkState.UNACKED, f"{self._reason}; {silent}" if self._failed else f"connected, but {silent}"

    def _link_conditions(self, state: UplinkState, reason: str) -> list[str]:
        wrong = self._failed or state in (UplinkState.UNACKED, UplinkState.DISCONNECTED)
        return [reason] if wrong else []


def _word(finding: AckFinding) -> str:
    return f"finding_{finding.name.lower()}"
