"""All that lists need while a collector runs and that one collector does for all.

Feeds, expiry, searches of earlier reads, reminders, and clearing up after imports that were killed.

Runs under one lease; ends only by an error, or when it is cancelled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from collector.config import HotlistFeed, Hotlists
from collector.hotlists import attention, expiring, leftovers
from collector.hotlists.back_search import BackSearcher
from collector.hotlists.feeds.following import FeedFollower
from collector.hotlists.feeds.lists import FeedLists, layout_of
from collector.hotlists.feeds.snapshot_folder import SnapshotFolder
from collector.hotlists.feeds.sources import source_of
from collector.match.matcher import Matcher
from collector.match.policy import Policy
from collector.ports import Raiser
from collector.store.database import Store
from collector.store.following import Followed
from edge_wire.clock import Clock


@dataclass(frozen=True, slots=True)
class Upkeep:
    """What it takes.

    Attributes:
        settings: of hotlists.
        snapshots: the folder for deliveries that wait for a person.
        store: where imports of feeds are written: in many transactions, of which only the last one counts.
        policy: what is let through, as for every other read.
        raising: makes what raises the alerts of a matcher's hits.
        ask: asks a device for the pictures of its reads that have alerted.
        clock: our clocks.
    """

    settings: Hotlists
    snapshots: Path
    store: Store
    policy: Policy
    raising: Callable[[Matcher], Raiser]
    ask: Callable[[str], Awaitable[None]]
    clock: Clock

    def check(self) -> None:
        """See that the settings of the feeds can be used.

        Raises:
            ConfigurationError: one names a preset that there is not.
            ConfigError: a mapping cannot be used.
        """
        for one in self.settings.feeds:
            layout_of(one)

    async def follow(self, held: Followed) -> None:
        """Do all of it until cancelled.

        Args:
            held: the store as whoever holds the lease writes it.
        """
        clock = self.clock
        searcher = BackSearcher(held, self.policy, self.raising, self.ask, clock.utc_ns)
        work: list[Coroutine[Any, Any, None]] = [
            expiring.follow(held, clock.utc_ns),
            attention.follow(held, self.settings, clock.utc_ns),
            searcher.follow(),
            leftovers.follow(self.store),
            *(self._feed(held, one).follow() for one in self.settings.feeds),
        ]
        async with asyncio.TaskGroup() as group:
            for one in work:
                group.create_task(one)

    def _feed(self, held: Followed, feed: HotlistFeed) -> FeedFollower[Any]:
        lists = FeedLists(self.store, self.settings, layout_of(feed))
        # A folder for each: what one does not need any more, another may just have fetched.
        folder = SnapshotFolder(self.snapshots / feed.name)
        return FeedFollower(held, feed, source_of(feed), lists, folder, self.clock)
