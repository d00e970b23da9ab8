"""What a message is, by the words under which its bytes are counted, and how many of them it takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edge_agent.uplink.link import Outbound
from edge_wire import cose
from edge_wire.errors import WireError
from edge_wire.messages import (
    KINDS,
    Health,
    LossRecord,
    Media,
    Open,
    Part,
    PlateRead,
    Presence,
    ShotArrival,
    ShotClip,
    Statement,
)
from edge_wire.strict import load_strict

OVERHEAD, DOWN = "overhead", "down"
_WORDS: Mapping[type[Any], str] = {
    Open: "open",
    PlateRead: "plate-read",
    ShotArrival: "shot",
    ShotClip: "shot-clip",
    Statement: "statement",
    LossRecord: "loss",
    Health: "health",
    Presence: "presence",
}
_KIND, _PART = 0, 7

# TLS 1.3: five bytes of record header, one of type, sixteen of tag; and paho hands over a packet at a time.
TLS_RECORD_BYTES, _TLS_RECORD_ROOM = 22, 16_384
# Fixed header and remaining length (up to 5), length of the topic (2), packet number (2), length of the properties (1),
# correlation data with its type and length (3).
_PUBLISH_BYTES = 13


def word_for(envelope: bytes) -> str:
    """Return the word under which a message of ours is counted: its kind, or what a piece of a file shows.

    Only looked at, not decoded: it was made here, perhaps by another version. What nobody can read is ``other``; the
    collector will say what it thinks of it.
    """
    try:
        payload = load_strict(cose.parse(envelope).payload, max_bytes=cose.MAX_ENVELOPE_BYTES)
    except WireError:
        return "other"
    kind = KINDS.get(payload.get(_KIND))
    if kind is Media:
        return Part(payload[_PART]).name.lower()
    return "other" if kind is None else _WORDS.get(kind, kind.__name__.lower())


def sent_bytes(message: Outbound) -> int:
    """Return what publishing ``message`` puts on the wire: MQTT and TLS, without TCP/IP headers."""
    packet = len(message.payload) + len(message.topic) + len(message.correlation) + _PUBLISH_BYTES
    return packet + TLS_RECORD_BYTES * -(-packet // _TLS_RECORD_ROOM)
