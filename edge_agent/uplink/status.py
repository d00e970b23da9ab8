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


class UplinkState(StrEnum):
    """How far up the link is. Connected is never taken for working."""

    DISCONNECTED = "disconnected"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    """The broker has us, but no ack came on this connection, or rows wait and none came for 10 s."""
    WORKING = "working"


class Fault(StrEnum):
    """Where a connection failed."""

    DNS = "dns"
    TCP = "tcp"
    TLS = "tls"
    AUTH = "auth"
    ACL = "acl"
    LOST = "lost"
    OUTBOX = "outbox"


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


def write_status(path: Path, status: UplinkStatus) -> None:
    """Replace the file at ``path``. Blocking.

    Raises:
        OSError: it cannot be written.
    """
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(asdict(status)), encoding="utf-8")
    partial.replace(path)


def read_status(path: Path) -> UplinkStatus:
    """Read what a running agent wrote; ``at_utc_ns`` says how old it is. Blocking.

    Raises:
        UplinkError: there is no such file, or it is not one of these.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=UplinkStatus)
    except OSError as error:
        raise UplinkError(f"{path}: status of the uplink: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise UplinkError(f"{path}: status of the uplink: {error}") from error
