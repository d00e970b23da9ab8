"""What can be set about the uplink."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

METERED_HEALTH_S = 300.0
METERED_KEEPALIVE_S = 120


@dataclass(frozen=True, slots=True)
class UplinkSettings:
    """Where the broker is, who we are, and how hard we try.

    Attributes:
        host: the broker's name or address, as its certificate has it.
        port: its TLS port.
        ca_path: PEM of the authority that signed the broker's certificate; no other is trusted.
        cert_path: PEM of this device's certificate chain, whose CN is ``device``.
        key_path: PEM of the certificate's key.
        device: device id: user name and client id too.
        agency: stands in the topic and nowhere else.
        collector_key_paths: PEM public keys that may ack and command.
        window: how many rows may be published and unacked.
        live_share: the share of the window that is kept for live rows.
        keepalive_s: MQTT keep-alive; a dead connection is noticed after one and a half of it.
        connect_timeout_s: for TCP, TLS and the broker's answer, each.
        reconnect_min_s: first wait after a failure; doubles.
        reconnect_max_s: longest wait.
        health_every_s: how often health goes out without a change.
        statement_every_s: how often a Statement is enqueued while connected.
        status_path: file in which ``doctor`` reads the running agent's status; None for none.
        unacked_after_s: rows that wait this long without any ack make the link ``UNACKED``.
        max_kbps: what may go out, in kilobits (1,000 bits) a second; None for as much as the link takes.
        monthly_bytes: what the data plan has room for, both directions; None where there is none.
        billing_day: the day of the month, in UTC, on which the plan begins anew; in a shorter month its last day.
        metered: every byte is paid for: health and pings go out seldom, and large files only when asked for.
        data_use_path: file in which the bytes are counted over restarts; None counts from each start.
    """

    host: str
    port: int
    ca_path: Path
    cert_path: Path
    key_path: Path
    device: str
    agency: str
    collector_key_paths: tuple[Path, ...]
    window: int = 200
    live_share: float = 0.2
    keepalive_s: int = 30
    connect_timeout_s: float = 10.0
    reconnect_min_s: float = 1.0
    reconnect_max_s: float = 60.0
    health_every_s: float = 60.0
    statement_every_s: float = 3600.0
    status_path: Path | None = None
    unacked_after_s: float = 10.0
    max_kbps: int | None = None
    monthly_bytes: int | None = None
    billing_day: int = 1
    metered: bool = False
    data_use_path: Path | None = None

    @property
    def health_interval_s(self) -> float:
        """How often health goes out without a change; metered, how often at most, changes included."""
        return max(self.health_every_s, METERED_HEALTH_S) if self.metered else self.health_every_s

    @property
    def ping_after_s(self) -> int:
        """The keep-alive of the connection: metered, a ping every 30 s would alone cost 17 MB a month."""
        return max(self.keepalive_s, METERED_KEEPALIVE_S) if self.metered else self.keepalive_s
