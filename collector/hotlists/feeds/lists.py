"""Reads what feeds deliver as ``collector hotlist import`` would, and makes it their lists."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from collector.config import HotlistFeed, Hotlists
from collector.errors import ConfigurationError
from collector.hotlists.defaults import defaults_of
from collector.hotlists.importing import import_hotlist
from collector.hotlists.mapping import PRESETS, Layout, load_mapping
from collector.hotlists.reading import HotlistFile, read
from collector.hotlists.unpacking import delivered
from collector.store import back_searches
from collector.store.database import Store, Transaction


def layout_of(feed: HotlistFeed) -> Layout:
    """Return how a feed's files are written.

    Raises:
        ConfigurationError: there is no such preset.
        ConfigError: the mapping's file cannot be read, or a setting in it is wrong.
    """
    if feed.mapping is not None:
        return load_mapping(feed.mapping)
    preset = feed.preset or "generic"
    if preset not in PRESETS:
        raise ConfigurationError(
            f"hotlists.feeds: {feed.name}: preset: got {preset!r}, expected one of {', '.join(PRESETS)}"
        )
    return PRESETS[preset]


@dataclasses.dataclass(frozen=True, slots=True)
class FeedLists:
    """The ``Lists`` of one feed over a store.

    Attributes:
        store: where the lists are; it is written in many short transactions, of which only the last one counts.
        settings: of hotlists.
        layout: how the feed's files are written.
    """

    store: Store
    settings: Hotlists
    layout: Layout

    def read(self, path: Path, name: str, feed: HotlistFeed) -> tuple[HotlistFile, int]:
        """Return what a file holds, and how many entries that is, as ``Lists.read``."""
        defaults = defaults_of(self.settings, feed.list)
        with delivered(path, max_bytes=self.settings.max_bytes) as opened:
            # What lies under its hash goes by the name that its source gave it.
            named = dataclasses.replace(opened, name=name)
            file = read(named, self.layout, defaults, may_be_empty=True)
        return file, file.size

    async def put_in_force(
        self,
        file: HotlistFile,
        path: Path,
        name: str,
        feed: HotlistFeed,
        at_ns: int,
        written_at_ns: int | None,
        despite: Sequence[str],
    ) -> int:
        """Make it the feed's list, and have earlier reads searched for what it adds, as ``Lists.put_in_force``."""
        who, entries = f"feed:{feed.name}", self.settings.entries

        async def also(tx: Transaction, version: int) -> None:
            if entries.back_search_days > 0:
                await back_searches.ask_for_added(
                    tx,
                    name=feed.list,
                    version=version,
                    days=entries.back_search_days,
                    most=entries.back_search_most,
                    by=who,
                    at_ns=at_ns,
                )

        changes = await import_hotlist(
            self.store,
            file,
            name=feed.list,
            source=name,
            who=who,
            at_ns=at_ns,
            written_at_ns=written_at_ns,
            criminal_justice=self.settings.rules(feed.list).criminal_justice or None,
            despite=despite,
            also=also,
        )
        return changes.version
