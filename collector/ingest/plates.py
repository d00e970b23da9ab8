"""Plate reads and their revisions, within a batch's transaction: one read a track, its alerts, its age.

Invariant 5 (PROTOCOL): a read is matched with the hotlists in force when it is stored, or noted to be matched again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace

from collector.ingest.ages import Elapsed
from collector.ingest.captures import Captures
from collector.ports import Passed, Raiser
from collector.store import hotlists, media, reads
from collector.store.database import Transaction
from collector.store.feed import FeedKind
from collector.store.media import Missing
from collector.store.places import Point, place_of
from collector.store.reads import ReadMessage, ReadRow, seen_of
from edge_wire.messages import PlateRead

Track = tuple[str, int, int]
"""Device, epoch and track."""


@dataclass(slots=True)
class PlateChanges:
    """What keeping them came to: what the feed is to tell, and pictures of alerts that are wanted now."""

    feed: list[tuple[FeedKind, str | int]] = field(default_factory=list)
    asked: list[Missing] = field(default_factory=list)


class PlateIntake:
    """Keeps plate reads. Owned by the ingest task.

    Args:
        captures: tells ages.
        raising: gives the ``Raiser`` that is current.
        utc_ns: our wall clock.
    """

    def __init__(self, captures: Captures, raising: Callable[[], Raiser], utc_ns: Callable[[], int]) -> None:
        self._captures = captures
        self._raising = raising
        self._utc_ns = utc_ns

    async def keep(self, tx: Transaction, messages: Sequence[ReadMessage]) -> PlateChanges:
        """Keep what came, in whatever order revisions come."""
        changes = PlateChanges()
        if not messages:
            return changes
        raiser = self._raising()
        by_track: dict[Track, list[ReadMessage]] = {}
        for message in messages:
            by_track.setdefault(message.track, []).append(message)
        for some in by_track.values():
            if len(some) > 1:
                some.sort(key=lambda one: one.body.revision)
        await self._captures.learn(tx, {(device, epoch) for device, epoch, _ in by_track})
        here = await reads.rows_of_tracks(tx, by_track)
        ids, newer = await self._store(tx, by_track, here, raiser.generation)
        passed = [self._passed(ids[track], some, here.get(track) if here else None) for track, some in by_track.items()]
        alerted = await raiser.raise_and_revise(tx, passed, self._utc_ns())
        if await hotlists.generation(tx) != raiser.generation:
            # A newer hotlist has come while this batch was under way.
            await reads.await_match(tx, {one.read_id: one.age for one in passed}, self._utc_ns())
        changes.feed += [(FeedKind.READ, one.read_id) for one in passed]
        changes.feed += [(FeedKind.ALERT, one) for one in alerted.changed]
        changes.asked += await _wanted(tx, here.values(), newer, alerted.hits)
        return changes

    async def _store(
        self,
        tx: Transaction,
        by_track: Mapping[Track, list[ReadMessage]],
        here: Mapping[Track, ReadRow],
        generation: int,
    ) -> tuple[dict[Track, int], set[int]]:
        """Insert and update; return the ids of all tracks, and of the reads that have got a later revision."""
        new = [some[-1] for track, some in by_track.items() if track not in here]
        new_ids = await reads.insert_reads(tx, new, [self._passed_at_ns(one) for one in new], generation)
        ids = {one.track: read_id for one, read_id in zip(new, new_ids, strict=True)}
        ids.update((track, row.id) for track, row in here.items())
        newer = [
            (row.id, by_track[track][-1])
            for track, row in here.items()
            if by_track[track][-1].body.revision > row.revision
        ]
        await reads.update_reads(tx, newer, generation)
        await reads.keep_revisions(tx, [(ids[track], one) for track, some in by_track.items() for one in some])
        return ids, {read_id for read_id, _ in newer}

    def _passed(self, read_id: int, some: Sequence[ReadMessage], row: ReadRow | None) -> Passed:
        latest = some[-1]
        body, elapsed = latest.body, self._elapsed(latest)
        revision = -1 if row is None else row.revision
        return Passed(
            read_id=read_id,
            before=None if row is None else row.seen,
            revisions=tuple([seen_of(one.body) for one in some if one.body.revision > revision]),
            late=tuple([seen_of(one.body) for one in some if one.body.revision <= revision]),
            revision=max(revision, body.revision),
            age=self._captures.judge(elapsed, latest.header, latest.received_at_ns),
            camera=f"{latest.device}/{body.camera}",
            site=latest.site if row is None else row.site,
            passed_at_ns=self._passed_at_ns(some[-1]) if row is None else row.passed_at_ns,
            direction=body.direction,
            position=_position(body),
        )

    def _passed_at_ns(self, one: ReadMessage) -> int:
        return self._captures.at_ns(self._elapsed(one), one.header, one.received_at_ns) + one.body.first_readable_ns

    def _elapsed(self, one: ReadMessage) -> Elapsed | None:
        return self._captures.elapsed(one.device, one.header, one.received_at_ns, one.received_boot_ns)


def _position(body: PlateRead) -> Point | None:
    """Where a device was that said so of this read, because it was moving."""
    place = place_of(body.position, None)
    return None if place is None else (place.latitude, place.longitude)


async def _wanted(tx: Transaction, here: Collection[ReadRow], newer: set[int], hits: Set[int]) -> list[Missing]:
    revised = {row.id: row.files for row in here}
    found = []
    for missing in await media.missing_of_reads(tx, hits | newer):
        # What the read named before was asked for then.
        read_id = missing.read_id
        known = set() if read_id is None or read_id in hits else revised.get(read_id, set())
        wanted = tuple((part, sha256) for part, sha256 in missing.wanted if sha256 not in known)
        if wanted:
            found.append(replace(missing, wanted=wanted))
    return found
