"""How the uplink stands, for health, for ``edge-agent status`` and for ``doctor``.

A second client with the device's id would throw the running agent off the broker. So ``doctor`` asks a running agent
by reading the small JSON file that it keeps (``UplinkSettings.status_path``), and connects by itself only when no agent
runs; see ``checks``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path

import msgspec

from edge_agent.errors import UplinkError

STATUS_NAME = "uplink.json"
"""The file's name in the agent's ``data_dir``."""


class UplinkState(StrEnum):
    """How far up the link is. Connected is never taken for working."""

    DISCONNECTED = "disconnected"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    """The broker has us; no ack came on this connection yet."""
    UNACKED = "unacked"
    """The broker has us, rows wait, and the collector has not acked for ``unacked_after_s``: nothing is stored."""
    WORKING = "working"
    """The collector acks."""


class Fault(StrEnum):
    """Where a connection failed."""

    DNS = "dns"
    TCP = "tcp"
    TLS = "tls"
    AUTH = "auth"
    ACL = "acl"
    LOST = "lost"
    OUTBOX = "outbox"


class PlanLevel(StrEnum):
    """How much of the data plan is used."""

    NONE = "none"
    """There is no plan."""
    OK = "ok"
    NEAR = "near"
    """80 % or more."""
    OVER = "over"
    """All of it."""


@dataclass(frozen=True, slots=True)
class DataUse:
    """What the link carried in this billing month, both directions, TLS and TCP/IP headers included.

    Attributes:
        used_bytes: so far.
        monthly_bytes: what the plan has room for; None where there is none.
        forecast_bytes: what the month will come to if it goes on like the last seven days; None in the first hour.
        level: how much of the plan that is.
        period_from: first day of the billing month, ISO.
        period_until: first day of the next one.
        by_kind: bytes by what they carried; ``overhead`` is what goes out beside messages (handshakes, pings,
            PUBACKs, TCP/IP headers, retransmissions), ``down`` all that comes in.
    """

    used_bytes: int
    monthly_bytes: int | None
    forecast_bytes: int | None
    level: PlanLevel
    period_from: str
    period_until: str
    by_kind: Mapping[str, int] = field(default_factory=dict)

    @property
    def alarm(self) -> bool:
        """Whether 80 % of the plan is used."""
        return self.level in (PlanLevel.NEAR, PlanLevel.OVER)


@dataclass(frozen=True, slots=True)
class UplinkStatus:
    """A snapshot.

    Attributes:
        state: how far up the link is.
        reason: one sentence for a person.
        fault: where the last connection failed, None while connected.
        epoch: the outbox's epoch.
        connection: number of the current or last connection within it; 0 before the first.
        at_utc_ns: when this was true.
        last_ack_age_s: seconds since the last verified ack, over all connections of this process.
        ack_round_trip_ms: publication to ack of the row that was acked last.
        under_way: rows published and unacked.
        counts: published, resent, acked, pubacks by failure, ignored messages by reason, and so on.
        unacked_s: for how long rows have waited without any ack; None while nothing waits.
        data_use: this billing month's bytes; None where nobody counts them.
        bytes_by_kind: bytes since this agent started, by the same words as ``DataUse.by_kind``.
        conditions: what is wrong now, a sentence each.
        at_boot_ns: when this was true by the boot clock, which no correction of the time moves.
    """

    state: UplinkState
    reason: str
    fault: Fault | None
    epoch: int
    connection: int
    at_utc_ns: int
    last_ack_age_s: float | None = None
    ack_round_trip_ms: float | None = None
    under_way: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)
    unacked_s: float | None = None
    data_use: DataUse | None = None
    bytes_by_kind: Mapping[str, int] = field(default_factory=dict)
    conditions: tuple[str, ...] = ()
    at_boot_ns: int = 0


def write_status(path: Path, status: UplinkStatus) -> None:
    """Replace the file at ``path``. Blocking.

    Raises:
        OSError: it cannot be written.
    """
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(asdict(status)), encoding="utf-8")
    partial.replace(path)


def read_status(path: Path) -> UplinkStatus:
    """Read what a running agent wrote; ``at_boot_ns`` says how old it is. Blocking.

    Raises:
        UplinkError: there is no such file, or it is not one of these.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=UplinkStatus)
    except OSError as error:
        raise UplinkError(f"{path}: status of the uplink: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise UplinkError(f"{path}: status of the uplink: {error}") from error
