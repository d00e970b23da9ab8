"""Shot arrivals, and what devices say of the sound that they keep, within a batch's transaction.

An arrival is placed in time as far as the clocks tell. Where the boot clocks refute the time that its device claims, or
the device itself is not sure of it to ``edge_wire.timing``'s limit, it says what was heard and not where from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from collector.ingest.captures import Captures
from collector.ingest.verdicts import Accepted
from collector.store import shots, sounds
from collector.store.database import Transaction
from collector.store.feed import FeedKind
from collector.store.media import Missing
from collector.store.shots import ClipMessage, ShotMessage
from edge_wire.messages import ShotArrival, ShotClip
from edge_wire.timing import TIMING_LIMIT_NS, timing_error_ns


@dataclass(frozen=True, slots=True)
class HeardHere:
    """A verified message about a shot that had not come before: whose, and the row of its bytes."""

    accepted: Accepted
    agency: str
    message_id: int


@dataclass(slots=True)
class ShotChanges:
    """What keeping them came to: what the feed is to tell, and sound of alerted incidents that is wanted now."""

    feed: list[tuple[FeedKind, str | int]] = field(default_factory=list)
    asked: list[Missing] = field(default_factory=list)


class ShotIntake:
    """Keeps arrivals and clips. Owned by the ingest task.

    Args:
        captures: tells ages.
    """

    def __init__(self, captures: Captures) -> None:
        self._captures = captures

    async def keep(self, tx: Transaction, heard: Sequence[HeardHere]) -> ShotChanges:
        """Keep what came, arrivals first: a clip of the same batch then finds them."""
        changes = ShotChanges()
        if not heard:
            return changes
        epochs = {(one.accepted.identity.device, one.accepted.identity.epoch) for one in heard}
        await self._captures.learn(tx, epochs)
        arrivals: list[ShotMessage] = []
        clips: list[ClipMessage] = []
        for one in heard:
            identity, body = one.accepted.identity, one.accepted.message.body
            if isinstance(body, ShotArrival):
                arrivals.append(self._arrival(one, body))
            elif isinstance(body, ShotClip):
                clips.append(ClipMessage(identity.device, identity.epoch, one.message_id, body))
        changes.feed += [(FeedKind.SHOT, shot_id) for shot_id in await shots.keep_shots(tx, arrivals)]
        told = await shots.keep_clips(tx, clips)
        changes.feed += [(FeedKind.SHOT, shot_id) for shot_id, _ in told]
        incidents = sorted({incident_id for _, incident_id in told if incident_id is not None})
        changes.feed += [(FeedKind.INCIDENT, incident_id) for incident_id in incidents]
        hashes = {one.body.clip_sha256 for one in clips} | {one.body.recording_sha256 for one in clips}
        for missing in await sounds.missing_of_incidents(tx, incidents):
            # What was known before was asked for then.
            if any(sha256 in hashes for _, sha256 in missing.wanted):
                changes.asked.append(missing)
        return changes

    def _arrival(self, one: HeardHere, body: ShotArrival) -> ShotMessage:
        header, received = one.accepted.message.header, one.accepted.received
        elapsed = self._captures.elapsed(
            one.accepted.identity.device, header, received.received_at_ns, received.received_boot_ns
        )
        heard_at_ns = self._captures.at_ns(elapsed, header, received.received_at_ns)
        return ShotMessage(
            identity=one.accepted.identity,
            agency=one.agency,
            message_id=one.message_id,
            header=header,
            body=body,
            received_at_ns=received.received_at_ns,
            heard_at_ns=heard_at_ns,
            timed=heard_at_ns == header.captured_at_ns and timing_error_ns(header, body) <= TIMING_LIMIT_NS,
            age=self._captures.judge(elapsed, header, received.received_at_ns),
        )
