"""The only room that imports paho: keeps one connection to the broker and empties the outbox through it.

PUBACK only says that the broker has a message. What counts is the collector's signed ack: until it comes, a row stays
in the outbox and is sent again by the rules of ``window``. A connection that is up is not yet a link that works; the
two are different states here, in health, in ``edge-agent status`` and in ``doctor``, and so is a connection over which
rows go out and no ack comes back.

What goes out goes at a pace (``pace``): little of what nobody waits for is ever unconfirmed, so that a shot or the crop
of a hit has a free way, and no more than ``max_kbps`` where that is set. Every byte is counted under what it was for,
as the kernel's sockets carried it (``carried``, ``traffic``), and held against the data plan (``data_use``).

Invariants:

-   Broker sessions carry no promise: a new paho client for each connection, clean start.
-   Nothing of an epoch but its Open is published before that Open is acked: no reads, no presence, no health.
-   Only what a pinned collector key signed, for this device, on this channel and for this very connection, changes
    anything (PROTOCOL, invariant 6). Everything else is ignored, counted by reason, and logged.

Ownership: one asyncio task runs ``Uplink.run``. paho's network thread only hands over what it received.
"""

from edge_agent.uplink.checks import BrokerCheck, check_ack_round_trip, check_broker
from edge_agent.uplink.files import check_files
from edge_agent.uplink.link import LinkError
from edge_agent.uplink.settings import UplinkSettings
from edge_agent.uplink.status import DataUse, Fault, PlanLevel, UplinkState, UplinkStatus, read_status
from edge_agent.uplink.uplink import Uplink

__all__ = [
    "BrokerCheck",
    "DataUse",
    "Fault",
    "LinkError",
    "PlanLevel",
    "Uplink",
    "UplinkSettings",
    "UplinkState",
    "UplinkStatus",
    "check_ack_round_trip",
    "check_broker",
    "check_files",
    "read_status",
]
