"""What ``doctor`` measures of the way to the collector, when no agent is running.

The broker lets in one client per device id: a second one throws the first off. So while an agent holds the outbox
(``edge_agent.outbox.is_held``), ``doctor`` reads ``UplinkSettings.status_path`` with ``read_status`` instead, which
says where the running agent's connection stands, how old its last ack is and how long it took. Otherwise it calls
``check_broker``, then opens the outbox (an ordinary opening: a new epoch) and calls ``check_ack_round_trip`` with it.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from edge_agent.sending import Outgoing
from edge_agent.uplink.files import tls_context
from edge_agent.uplink.link import Connect, LinkError, connecting_to, open_link
from edge_agent.uplink.settings import UplinkSettings
from edge_agent.uplink.status import Fault
from edge_agent.uplink.uplink import Uplink
from edge_wire.clock import Clock


@dataclass(frozen=True, slots=True)
class BrokerCheck:
    """How long each step took, and until when the broker's certificate holds.

    Attributes:
        dns_ms: resolving the name.
        tcp_ms: connecting.
        tls_ms: the handshake.
        mqtt_ms: a whole MQTT connection with the device's certificate, name resolution and handshake included, up to
            the right to listen to its own ``down`` channels.
        tls_version: such as ``TLSv1.3``.
        certificate_until: when the broker's certificate expires.
    """

    dns_ms: float
    tcp_ms: float
    tls_ms: float
    mqtt_ms: float
    tls_version: str
    certificate_until: datetime


async def check_broker(settings: UplinkSettings, connect: Connect = open_link) -> BrokerCheck:
    """Connect to the broker step by step and disconnect. Only while no agent runs: see the module's docstring.

    Raises:
        LinkError: with the step that failed.
        ConfigurationError: a certificate or key cannot be loaded.
    """
    reached = await asyncio.to_thread(_reach, settings)
    began_s = time.monotonic()
    link = await connect(settings, None)
    mqtt_ms = (time.monotonic() - began_s) * 1e3
    await link.close()
    return BrokerCheck(*reached[:3], mqtt_ms, *reached[3:])


async def check_ack_round_trip(
    settings: UplinkSettings, outgoing: Outgoing, clock: Clock, timeout_s: float = 10.0, connect: Connect = open_link
) -> float:
    """Publish the outbox's Open and wait for the collector's verified ack; return the milliseconds that it took.

    Raises:
        LinkError: no ack came in time; the text says how far the link got.
        ConfigurationError: a certificate or key cannot be loaded.
    """
    uplink = Uplink(settings, outgoing, clock, connect=connect)
    running = asyncio.create_task(uplink.run(), name="uplink-check")
    working = asyncio.create_task(uplink.wait_until_working(), name="uplink-check-working")
    try:
        await asyncio.wait((running, working), timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        status = uplink.status
    finally:
        working.cancel()
        uplink.stop()
        await running
    if status.ack_round_trip_ms is None:
        raise LinkError(status.fault or Fault.LOST, f"no ack within {timeout_s:g} s: {status.reason}")
    return status.ack_round_trip_ms


def _reach(settings: UplinkSettings) -> tuple[float, float, float, str, datetime]:
    context = tls_context(settings)
    began_s = time.monotonic()
    with connecting_to(settings):
        address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0][4]
        resolved_s = time.monotonic()
        with socket.create_connection((str(address[0]), settings.port), settings.connect_timeout_s) as plain:
            connected_s = time.monotonic()
            with context.wrap_socket(plain, server_hostname=settings.host) as secure:
                shaken_s = time.monotonic()
                version, certificate = secure.version() or "", secure.getpeercert() or {}
    until = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate["notAfter"])), UTC)
    steps_ms = (resolved_s - began_s, connected_s - resolved_s, shaken_s - connected_s)
    dns_ms, tcp_ms, tls_ms = (1e3 * step for step in steps_ms)
    return dns_ms, tcp_ms, tls_ms, version, until
