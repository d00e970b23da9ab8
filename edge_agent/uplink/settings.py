"""What can be set about the uplink."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


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
