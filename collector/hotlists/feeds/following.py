"""Asks one feed's source on its schedule, judges what it delivers, and puts it in force or before a person.

Invariants:
    - What cannot be fetched or read changes nothing; it is noted, and the source is asked again with back-off.
    - A doubtful delivery (``judging``) changes nothing until somebody approves exactly these bytes. Its bytes lie in
      the snapshot folder meanwhile; where they do not, because another collector fetched them, they are fetched again
      and recognised by their hash.
    - Bytes that somebody refused are not asked about again; approved ones that cannot be put in force wait again.
    - A newer delivery of the same bytes confirms the list: its age starts anew.

One at a time may ask a source, so this runs under a lease; how a feed stands is in the store, and is read anew each
time. Owned by one task for each feed.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import structlog

from collector.config import HotlistFeed
from collector.errors import ConfigurationError, StoreError, StoreRefusedError
from collector.hotlists.feeds.records import Delivery, FeedError, Source
from collector.hotlists.feeds.schedule import next_ns
from collector.hotlists.feeds.snapshot_folder import SnapshotFolder
from collector.hotlists.judging import Limits, shrinking, standing_of
from collector.hotlists.room import NoRoomError
from collector.store import feeds
from collector.store.database import Transaction
from collector.store.feeds import FeedStanding, Snapshot, SnapshotState
from collector.store.following import Followed
from edge_wire.clock import Clock

_log = structlog.get_logger(__name__)
# Somebody approves, or wants it asked now: by another process, whose commits wake nobody here.
_LOOK_S = 2.0
_LEAST_PAUSE_S = 0.02
# Of a store that cannot be reached or is full: a million entries are not fetched and written every two seconds.
_LONGEST_PAUSE_S = 300.0
_File = TypeVar("_File")


class Lists(Protocol[_File]):
    """Reads files and makes them lists."""

    def read(self, path: Path, name: str, feed: HotlistFeed) -> tuple[_File, int]:
        """Return what a file holds, and how many entries that is; blocks for as long as that takes.

        Raises:
            ConfigurationError: it is no such file as the feed is said to have.
        """
        ...

    async def put_in_force(
        self,
        file: _File,
        path: Path,
        name: str,
        feed: HotlistFeed,
        at_ns: int,
        written_at_ns: int | None,
        despite: Sequence[str],
    ) -> int:
        """Make it the feed's list; return the list's version.

        Args:
            file: what ``read`` returned.
            path: of the file.
            name: the file's name, for the record.
            feed: whose list.
            at_ns: UTC.
            written_at_ns: UTC, how old the file is by what its source says; None where it does not.
            despite: what somebody has approved it for.

        Raises:
            NoRoomError: the disk has no room for it; nothing has changed.
            StoreError: nothing has changed.
        """
        ...


class FeedFollower(Generic[_File]):
    """Follows one feed.

    Args:
        store: where lists and feeds are.
        feed: its settings.
        source: where its deliveries come from.
        lists: reads them and puts them in force.
        folder: where the bytes of deliveries lie that wait; this feed's alone.
        clock: our clocks.
    """

    def __init__(
        self,
        store: Followed,
        feed: HotlistFeed,
        source: Source,
        lists: Lists[_File],
        folder: SnapshotFolder,
        clock: Clock,
    ) -> None:
        self._store = store
        self._feed = feed
        self._source = source
        self._lists = lists
        self._folder = folder
        self._clock = clock
        self._limits = Limits(feed.shrink_percent, feed.shrink_days)
        self._failures = 0
        self._breakdowns = 0

    async def follow(self) -> None:
        """Follow it until cancelled."""
        while True:
            pause_s = _LOOK_S
            try:
                standing, approved = await self._standing()
                if approved:
                    await self._take_approved(approved, standing)
                now_ns, due_ns = self._clock.utc_ns(), next_ns(self._feed, standing.tried_at_ns, self._failures)
                # A clock that was set back is no reason to wait for hours.
                if now_ns >= due_ns or (standing.tried_at_ns or 0) > now_ns:
                    await self.ask()
                else:
                    pause_s = min(_LOOK_S, max(_LEAST_PAUSE_S, (due_ns - now_ns) / 1e9))
                self._breakdowns = 0
            except (StoreError, OSError) as error:
                pause_s = min(_LONGEST_PAUSE_S, _LOOK_S * 2.0 ** min(self._breakdowns, 20))
                self._breakdowns += 1
                _log.error("feed_not_followed", feed=self._feed.name, error=str(error), again_in_s=pause_s)
            await asyncio.sleep(pause_s)

    async def ask(self) -> None:
        """Ask the source now, and take what it has.

        Raises:
            StoreError: the store cannot be reached or is full; asked again.
        """
        standing, _ = await self._standing()
        name, problem = self._feed.name, ""
        try:
            delivery = await self._source.fetch(standing.modified, self._folder, self._feed.most_bytes)
            if delivery is not None:
                delivery = _made_by(delivery, self._clock.utc_ns())
                await self._take(delivery, standing)
        except (FeedError, ConfigurationError, StoreRefusedError, NoRoomError) as error:
            problem = str(error)
        except (StoreError, OSError):
            raise
        except Exception as error:  # noqa: BLE001 - whatever a delivery provokes, the lists that are here stay looked after
            _log.exception("feed_broke", feed=name)
            problem = f"our error, not the source's: {error!r}"
        self._failures = self._failures + 1 if problem else 0
        if problem:
            _log.warning("feed_failed", feed=name, problem=problem, tries=self._failures)
        if problem or delivery is None:
            async with self._store.write() as tx:
                await feeds.note_tried(tx, name, self._clock.utc_ns(), problem)
        await self._clear()

    async def _standing(self) -> tuple[FeedStanding, list[Snapshot]]:
        async with self._store.read() as tx:
            standing = (await feeds.standings(tx)).get(self._feed.name)
            approved = await feeds.snapshots(tx, [SnapshotState.APPROVED], self._feed.name)
        if standing is None:
            now_ns = self._clock.utc_ns()
            async with self._store.write() as tx:
                await feeds.know(tx, [self._feed.name], now_ns)
            standing = FeedStanding(self._feed.name, now_ns)
        return standing, approved

    async def _take(self, delivery: Delivery, standing: FeedStanding) -> None:
        async with self._store.read() as tx:
            decided = await feeds.last_decided(tx, self._feed.name, delivery.sha256)
            before = await standing_of(tx, self._feed.list, self._limits, self._clock.utc_ns())
        if decided is not None and decided.state in (SnapshotState.WAITING, SnapshotState.REFUSED):
            await self._note(delivery, standing, taken=False)
            return
        approved = decided if decided is not None and decided.state is SnapshotState.APPROVED else None
        newer = None in (delivery.made_at_ns, standing.made_at_ns) or delivery.made_at_ns != standing.made_at_ns
        if delivery.sha256 == standing.sha256 and not newer:
            await self._note(delivery, standing, taken=False)
            return
        file, rows = await asyncio.to_thread(self._lists.read, delivery.path, delivery.name, self._feed)
        why = [*_age(delivery, standing), *shrinking(rows, before, self._limits)]
        if why and approved is None:
            await self._hold(delivery, standing, rows, "; ".join(why))
            return
        at_ns = self._clock.utc_ns()
        version = await self._lists.put_in_force(
            file, delivery.path, self._named(delivery.name), self._feed, at_ns, delivery.made_at_ns, why
        )
        await self._note(delivery, standing, taken=True, approved=approved)
        _log.info("feed_delivered", feed=self._feed.name, list=self._feed.list, version=version, entries=rows)

    async def _take_approved(self, approved: list[Snapshot], standing: FeedStanding) -> None:
        *earlier, last = approved
        path = self._folder.path_of(last.sha256)
        if not path.is_file():
            # Whoever fetched it has it: ask the source again, and know it by its hash.
            if standing.modified:
                async with self._store.write() as tx:
                    await feeds.forget(tx, self._feed.name)
            return
        at_ns, named = self._clock.utc_ns(), self._named(last.source)
        try:
            file, _ = await asyncio.to_thread(self._lists.read, path, last.source, self._feed)
            # Whatever came after it has superseded it: it is the last delivery, whose age is known.
            version = await self._lists.put_in_force(
                file, path, named, self._feed, at_ns, standing.made_at_ns, [last.why]
            )
        except (ConfigurationError, StoreRefusedError, NoRoomError) as error:
            await self._give_back(last, str(error))
            return
        except (StoreError, OSError):
            raise
        except Exception as error:  # noqa: BLE001 - as above: one delivery must not end the upkeep of all lists
            _log.exception("feed_broke", feed=self._feed.name)
            await self._give_back(last, f"our error, not the source's: {error!r}")
            return
        async with self._store.write() as tx:
            for one in earlier:
                await feeds.decide(tx, one.id, SnapshotState.APPROVED, SnapshotState.SUPERSEDED, None, at_ns)
            await feeds.decide(tx, last.id, SnapshotState.APPROVED, SnapshotState.IMPORTED, None, at_ns)
            await feeds.note_in_force(tx, self._feed.name, last.sha256)
        _log.info("feed_approved_delivery", feed=self._feed.name, snapshot=last.id, version=version)
        await self._clear()

    async def _give_back(self, one: Snapshot, why: str) -> None:
        """Let an approved delivery wait again: trying again would end in the same way."""
        async with self._store.write() as tx:
            await feeds.give_back(tx, one, why)
        _log.error("feed_approved_delivery_waits_again", feed=self._feed.name, snapshot=one.id, why=why)

    async def _hold(self, delivery: Delivery, standing: FeedStanding, rows: int, why: str) -> None:
        at_ns = self._clock.utc_ns()
        async with self._store.write() as tx:
            number = await feeds.hold(
                tx,
                feed=self._feed.name,
                name=self._feed.list,
                source=delivery.name,
                sha256=delivery.sha256,
                rows=rows,
                why=why,
                at_ns=at_ns,
            )
            await self._note_in(tx, delivery, standing, taken=False, at_ns=at_ns)
        _log.warning("feed_delivery_waits", feed=self._feed.name, list=self._feed.list, snapshot=number, why=why)

    async def _note(
        self, delivery: Delivery, standing: FeedStanding, *, taken: bool, approved: Snapshot | None = None
    ) -> None:
        at_ns = self._clock.utc_ns()
        async with self._store.write() as tx:
            if approved is not None:
                await feeds.decide(tx, approved.id, SnapshotState.APPROVED, SnapshotState.IMPORTED, None, at_ns)
            if taken:
                # What was held back before is older than what is in force now.
                await feeds.supersede(tx, self._feed.name, at_ns)
            await self._note_in(tx, delivery, standing, taken=taken, at_ns=at_ns)

    async def _note_in(
        self, tx: Transaction, delivery: Delivery, standing: FeedStanding, *, taken: bool, at_ns: int
    ) -> None:
        made = [one for one in (delivery.made_at_ns, standing.made_at_ns) if one is not None]
        await feeds.note_delivered(
            tx,
            self._feed.name,
            at_ns,
            modified=delivery.modified,
            # An older delivery that came after a newer one makes nothing newer.
            made_at_ns=max(made, default=None),
            sha256=delivery.sha256 if taken else None,
        )

    async def _clear(self) -> None:
        async with self._store.read() as tx:
            held = await feeds.snapshots(tx, [SnapshotState.WAITING, SnapshotState.APPROVED], self._feed.name)
        await asyncio.to_thread(self._folder.clear, [one.sha256 for one in held])

    def _named(self, name: str) -> str:
        return f"{self._source.where} ({name})"


def _age(delivery: Delivery, standing: FeedStanding) -> list[str]:
    if delivery.made_at_ns is None or standing.made_at_ns is None or delivery.made_at_ns > standing.made_at_ns:
        return []
    return ["it is not newer than the last delivery, by what the source says of both"]


def _made_by(delivery: Delivery, now_ns: int) -> Delivery:
    """Return the delivery, made now if it claims to be made later: all that come after it would look old."""
    if delivery.made_at_ns is None or delivery.made_at_ns <= now_ns:
        return delivery
    return dataclasses.replace(delivery, made_at_ns=now_ns)
