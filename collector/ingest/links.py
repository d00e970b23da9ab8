"""Follows who is connected, within a batch's transaction. What counts is decided in ``presence``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from collector.ingest.ages import BootClocks
from collector.ingest.captures import EpochBoots
from collector.ingest.presence import after_health, after_presence, after_rows
from collector.ingest.received import Received
from collector.ingest.verdicts import Accepted, Live
from collector.store import facts, links
from collector.store.database import Transaction
from collector.store.links import LinkRow
from edge_wire.messages import Health, Presence
from edge_wire.topics import Topic


@dataclass(frozen=True, slots=True)
class Birth:
    """A connection that is up, as its signed birth says: where, and epoch and number.

    ``retained``: the birth was said before this collector came, which the device has not heard from yet.
    """

    topic: Topic
    epoch: int
    connection: int
    retained: bool = False


@dataclass(slots=True)
class LinkChanges:
    """What following a batch came to.

    Attributes:
        devices: whose link or health is shown differently now.
        early: presence and health of epochs that are not open yet.
        births: connections that are up, as their births (also the retained ones) have just said.
        opened: whose epoch is open, be it by another collector: what came before its Open need not wait any more.
    """

    devices: list[str] = field(default_factory=list)
    early: list[Received] = field(default_factory=list)
    births: list[Birth] = field(default_factory=list)
    opened: set[str] = field(default_factory=set)


class LinkIntake:
    """Brings links up to date. Owned by the ingest task.

    Args:
        clocks: told of health.
        boots: which epoch belongs to which boot.
    """

    def __init__(self, clocks: BootClocks, boots: EpochBoots) -> None:
        self._clocks = clocks
        self._boots = boots

    async def follow(self, tx: Transaction, accepted: Sequence[Accepted], live: Sequence[Live]) -> LinkChanges:
        """Take in a batch: rows that had not come before, and presence and health of enrolled devices."""
        changes = LinkChanges()
        before = await links.links(tx, {one.topic.device for one in accepted} | {one.topic.device for one in live})
        now = dict(before)
        # Of many rows over one connection the last tells as much as all of them.
        last = {(one.topic.device, one.received.correlation): one for one in accepted}
        for one in last.values():
            link = after_rows(now.get(one.topic.device), one.received.connection, one.received.received_at_ns)
            if link is not None:
                now[one.topic.device] = link
        boots = await self._boots.of(tx, {(word.topic.device, word.header.epoch) for word in live})
        for word in live:
            boot_id = boots.get((word.topic.device, word.header.epoch))
            if boot_id is None:
                changes.early.append(word.received)
                continue
            changes.opened.add(word.topic.device)
            if isinstance(word.body, Health) and word.received.retained:
                # No device asks a broker to keep its health: whenever this was said, it was not now.
                continue
            held = now.get(word.topic.device)
            now[word.topic.device] = link = await self._after(tx, held, word)
            # Of all that devices say only health is never kept by the broker (QoS 0): a birth may have waited there.
            if isinstance(word.body, Health) and link is not held and link.online:
                self._clocks.heard(
                    word.topic.device, boot_id, word.header.captured_boot_ns, word.received.received_boot_ns
                )
            if isinstance(word.body, Presence) and link.online and _is_of(link, word):
                changes.births.append(Birth(word.topic, link.epoch, link.connection, word.received.retained))
        changed = {device: link for device, link in now.items() if link != before.get(device)}
        await links.keep_links(tx, changed, changed.keys() - before.keys())
        changes.devices += [
            device for device in sorted(changed) if _shown(changed[device]) != _shown(before.get(device))
        ]
        return changes

    async def _after(self, tx: Transaction, held: LinkRow | None, word: Live) -> LinkRow:
        header, at_ns = word.header, word.received.received_at_ns
        newer = (
            held is not None
            and header.epoch != held.epoch
            and await facts.follows(tx, word.topic.device, header.epoch, held.epoch)
        )
        if isinstance(word.body, Presence):
            return after_presence(held, newer_epoch=newer, header=header, body=word.body, at_ns=at_ns)
        return after_health(held, newer_epoch=newer, header=header, body=word.body, at_ns=at_ns)


def _is_of(link: LinkRow, word: Live) -> bool:
    return (link.epoch, link.connection) == (word.header.epoch, word.body.connection)


def _shown(link: LinkRow | None) -> tuple[object, ...] | None:
    return None if link is None else (link.online, link.epoch, link.connection, link.health)
