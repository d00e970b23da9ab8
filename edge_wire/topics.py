"""Topics: ``nightjar/v1/{agency}/{device}/up|down/{channel}``; built and parsed here and nowhere else."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from edge_wire.errors import TopicError

PREFIX = "nightjar/v1"
_NAME = re.compile(r"[a-z0-9-]{1,40}\Z")


class Direction(StrEnum):
    """Which way a message goes, as it stands in the topic and in the signature's external data."""

    UP = "up"
    DOWN = "down"


class Channel(StrEnum):
    """The last part of a topic."""

    DETECTION = "detection"
    MEDIA = "media"
    REPORT = "report"
    HEALTH = "health"
    PRESENCE = "presence"
    ACK = "ack"
    COMMAND = "command"

    @property
    def direction(self) -> Direction:
        """Every channel goes one way only."""
        return Direction.DOWN if self in (Channel.ACK, Channel.COMMAND) else Direction.UP


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic, taken apart."""

    agency: str
    device: str
    channel: Channel

    def __str__(self) -> str:
        return f"{PREFIX}/{self.agency}/{self.device}/{self.channel.direction}/{self.channel}"


def check_name(name: str, what: str) -> str:
    """Return ``name`` if it may stand in a topic.

    Args:
        name: a device id or an agency.
        what: how to call it in the error.

    Raises:
        TopicError: it is not 1 to 40 of a-z, 0-9 and hyphen.
    """
    if not _NAME.match(name):
        raise TopicError("bad_name", f"{what}: got {name!r}, expected 1 to 40 of a-z, 0-9 and '-'")
    return name


def parse(topic: str) -> Topic:
    """Take a topic apart.

    Raises:
        TopicError: it is not one of ours.
    """
    parts = topic.split("/")
    if len(parts) != 6 or "/".join(parts[:2]) != PREFIX:
        raise TopicError("bad_topic", f"topic: got {topic!r}, expected {PREFIX}/AGENCY/DEVICE/up|down/CHANNEL")
    agency, device, direction, channel = parts[2:]
    if channel not in Channel.__members__.values() or Channel(channel).direction != direction:
        raise TopicError("bad_topic", f"topic: got {topic!r}, there is no channel {direction}/{channel}")
    return Topic(check_name(agency, "agency"), check_name(device, "device"), Channel(channel))


def subscription(channel: Channel, *, device: str = "+", agency: str = "+", share: str | None = None) -> str:
    """Return the filter for one channel of every device, or of one; ``share`` names an MQTT 5 shared group."""
    topic = f"{PREFIX}/{agency}/{device}/{channel.direction}/{channel}"
    return topic if share is None else f"$share/{share}/{topic}"
