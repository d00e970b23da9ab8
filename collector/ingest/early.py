"""Presence and health that came before the Open of their epoch: kept a while, to be judged again behind it.

Nobody has signed for any of it yet, so there is little room: the latest message of each channel of each device, for ten
minutes, the oldest making room for the newest. Owned by the ingest task.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import replace

from collector.ingest.received import Received
from edge_wire import topics
from edge_wire.topics import Channel

LASTS_NS = 600 * 1_000_000_000
_CAPACITY_BYTES = 4 << 20
_CHANNELS = (Channel.PRESENCE, Channel.HEALTH)


class Early:
    """Publishes by device and channel.

    Args:
        capacity_bytes: how many bytes they may have together.
    """

    def __init__(self, capacity_bytes: int = _CAPACITY_BYTES) -> None:
        self._capacity_bytes = capacity_bytes
        self._size_bytes = 0
        self._waiting: OrderedDict[tuple[str, Channel], Received] = OrderedDict()

    def __len__(self) -> int:
        return len(self._waiting)

    def keep(self, received: Received) -> None:
        """Keep one publish on a topic of ours, in the place of the one before it.

        Its ticket is dropped: it has been confirmed to the broker, which may give the number to another by then.
        """
        topic = topics.parse(received.topic)
        key = (topic.device, topic.channel)
        self._drop(key)
        self._waiting[key] = replace(received, ticket=None)
        self._size_bytes += len(received.payload)
        while self._size_bytes > self._capacity_bytes:
            self._drop(next(iter(self._waiting)))

    def take(self, devices: Iterable[str], our_boot_ns: int) -> list[Received]:
        """Give up and return what waits for these devices and came less than ten minutes before ``our_boot_ns``."""
        for key, one in list(self._waiting.items()):
            if our_boot_ns - one.received_boot_ns <= LASTS_NS:
                break
            self._drop(key)
        given = [self._drop((device, channel)) for device in sorted(devices) for channel in _CHANNELS]
        return [one for one in given if one is not None]

    def _drop(self, key: tuple[str, Channel]) -> Received | None:
        one = self._waiting.pop(key, None)
        if one is not None:
            self._size_bytes -= len(one.payload)
        return one
