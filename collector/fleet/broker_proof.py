"""What a device could do at the broker, judged by what was delivered.

Purpose: rights are configured far from here, and one line too much (a plain ``acl_file``, a copied role) lets a stolen
trailer read or swallow everybody's detections while nothing looks wrong. So a collector tries it at start with the
``PROBE``, a device like any other, and does not run where the probe could do more than a device should.

Invariants:
    * Answers of the broker prove nothing: mosquitto grants a subscription and filters its delivery, or the reverse.
      Only what arrives counts.
    * Silence proves something only if what is allowed did arrive, and was sent after what is forbidden.
    * Trials of two collectors at one time do not see each other's canaries: each has an agency of its own in the topic.

Everything here is pure; ``broker_probing`` talks to the broker. Any thread may call it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from collector.fleet.broker_access import CONTROL_TOPIC, RESERVED, RESPONSE_TOPIC, SHARE_GROUP
from edge_wire.topics import PREFIX, Channel, Direction

NOBODY: Final = f"{RESERVED}nobody"
"""A device that does not exist: whatever is sent to it, and whatever comes from it, is a canary or forged."""

SHARED_CANARIES: Final = 8
"""Sent in a group of which the probe tries to be a member: brokers give them in turn or by chance, so that one who is
gets none of eight once in 256 starts."""

_PROOF, _LAST = "proof", "last"  # no channels of the protocol: no collector's ingest is subscribed to them
_UPS: Final = tuple(channel for channel in Channel if channel.direction is Direction.UP)
_DOWNS: Final = tuple(channel for channel in Channel if channel.direction is Direction.DOWN)


@dataclass(frozen=True, slots=True)
class Seen:
    """One message as it was delivered.

    Attributes:
        topic: its topic.
        payload: its bytes.
        through: the filters by which it came, where the broker says so.
    """

    topic: str
    payload: bytes
    through: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Trial:
    """What is tried.

    Attributes:
        probe: the probe's device id.
        token: random, of this trial alone; 1 to 30 of a-z, 0-9 and hyphen.
    """

    probe: str
    token: str

    @property
    def canary(self) -> bytes:
        """The payload of everything that is sent in this trial, but for the numbered ones."""
        return self.token.encode()

    @property
    def own_down(self) -> str:
        """Where the probe hears the collector: what arrives here says that it could hear."""
        return f"{PREFIX}/{self.token}/{self.probe}/down/{Channel.ACK}"

    @property
    def own_up(self) -> str:
        """Where the probe sends what the collector shares with nobody, or so it should be."""
        return f"{PREFIX}/{self.token}/{self.probe}/up/{_PROOF}"

    @property
    def last_up(self) -> str:
        """Where the probe sends after everything else: what arrives here says that the collector could hear."""
        return f"{PREFIX}/{self.token}/{self.probe}/up/{_LAST}"

    @property
    def others_down(self) -> tuple[str, ...]:
        """Where the collector sends what the probe must not hear."""
        return tuple(f"{PREFIX}/{self.token}/{NOBODY}/down/{channel}" for channel in _DOWNS)

    @property
    def allowed(self) -> str:
        """The only filter that brings a device something."""
        return f"{PREFIX}/+/{self.probe}/down/#"

    @property
    def shared(self) -> str:
        """A shared subscription that the collector holds and the probe tries to join."""
        return f"$share/{SHARE_GROUP}/{self.own_up}"

    @property
    def forbidden_filters(self) -> tuple[str, ...]:
        """What the probe tries to subscribe to."""
        ups, downs = f"{PREFIX}/+/+/up/#", f"{PREFIX}/+/+/down/#"
        return (
            "#",
            "+/+/+/+/+/+",
            ups,
            downs,
            f"{PREFIX}/+/{NOBODY}/down/#",
            *self.others_down,
            self.own_up,
            f"$share/x/{ups}",
            f"$share/{SHARE_GROUP}/{ups}",
            *(f"$share/{SHARE_GROUP}/{PREFIX}/+/+/up/{channel}" for channel in _UPS),
            self.shared,
            f"$share/x/{downs}",
            "$share/x/#",
            "$SYS/#",
            "$CONTROL/#",
            RESPONSE_TOPIC,
        )

    @property
    def collectors_filters(self) -> tuple[str, ...]:
        """What the collector listens to: what the probe forges in another's name, and what it sends in its own."""
        return (f"{PREFIX}/{self.token}/{NOBODY}/up/#", self.shared, self.last_up)

    @property
    def forgeries(self) -> tuple[tuple[str, bytes], ...]:
        """What the probe tries to publish: topic and payload."""
        reading = json.dumps({"commands": [{"command": "listClients", "correlationData": self.token}]}).encode()
        forged = [(f"{PREFIX}/{self.token}/{NOBODY}/up/{channel}", self.canary) for channel in _UPS]
        return (*forged, (self._forged_down, self.canary), (CONTROL_TOPIC, reading))

    @property
    def _forged_down(self) -> str:
        return f"{PREFIX}/{self.token}/{self.probe}/down/{Channel.COMMAND}"

    def numbered(self, number: int) -> bytes:
        """The payload of one of the ``SHARED_CANARIES``."""
        return f"{self.token} {number}".encode()


def too_wide(trial: Trial, probe_saw: Iterable[Seen], collector_saw: Iterable[Seen]) -> tuple[str, ...]:
    """Return each right that is too wide, in words; none for a broker as it should be.

    Args:
        trial: what was tried.
        probe_saw: everything that was delivered to the probe.
        collector_saw: everything that was delivered to the collector through ``collectors_filters``.
    """
    found: dict[str, None] = {}
    for one in probe_saw:
        if one.topic == trial._forged_down:
            found[f"it may publish to its own down ({one.topic}), and so answer itself in the collector's name"] = None
        elif one.topic == RESPONSE_TOPIC:
            found[f"it may publish to {CONTROL_TOPIC}, and so give itself every right"] = None
        elif not _is_down_of(one.topic, trial.probe):
            through = " or ".join(repr(name) for name in one.through) or "one of its subscriptions"
            found[f"it may receive {_shown(one.topic)}, which is not its own, through {through}"] = None
    heard = set()
    for one in collector_saw:
        if f"/{NOBODY}/up/" in one.topic:
            found[f"it may publish to {one.topic}, in another device's name"] = None
        elif one.topic == trial.own_up:
            heard.add(one.payload)
    missing = sum(trial.numbered(number) not in heard for number in range(SHARED_CANARIES))
    if missing:
        found[
            f"it may join {trial.shared!r}: {missing} of {SHARED_CANARIES} messages went to it instead of the collector"
        ] = None
    return tuple(found)


def refusal(where: str, probe: str, rights: Iterable[str]) -> str:
    """Return what to tell whoever starts a collector beside such a broker."""
    return "\n".join(
        [
            f"broker {where}: a device can do what none may, tried as {probe}:",
            *(f"  - {right}" for right in rights),
            f"  expected: publish to {PREFIX}/+/{probe}/up/# only, subscribe to and receive "
            f"{PREFIX}/+/{probe}/down/# only, and nothing of $share",
            "  fix: mosquitto's dynamic-security plugin, everything denied by default, one role a device, and no "
            "acl_file beside it (configs/mosquitto/README.md); then start the collector again",
        ]
    )


def _is_down_of(topic: str, probe: str) -> bool:
    parts = topic.split("/")
    return "/".join(parts[:2]) == PREFIX and parts[3:5] == [probe, "down"]


def _shown(topic: str) -> str:
    # Topics of real devices are no secret to whoever runs the collector; their number would fill the screen.
    parts = topic.split("/")
    if "/".join(parts[:2]) == PREFIX and len(parts) == 6 and parts[3] != NOBODY:
        return f"{PREFIX}/+/+/{parts[4]}/{parts[5]}"
    return topic
