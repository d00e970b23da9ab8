"""Puts reads of one site together into passages. Pure: reads as they are in, groups as they shall be out.

A passage is two or more reads of one site, every two of which

- could first read the plate within so many seconds of each other,
- show the same plate likelier than not (``likeness``), and
- are of different cameras; or of one camera that lost the vehicle and found it again: then their texts are equal, and
  the second begins after the first was last captured. Two plates side by side in one picture are two vehicles.

Because every two have to fit, no third read ever bridges two vehicles that unlike plates tell apart.

Only what has changed is looked at, so an established passage never falls apart because of its neighbours. A read that
no longer fits (a revision reads another text) leaves its passage and is looked at as if it had just come; so is the
last read that is left behind in one. Looking again changes nothing, and in which order reads come does not matter as
long as their plates are told apart.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

from collector.match.plates import fold, normalise
from collector.passages.likeness import LIKELY, Plate, same_plate


@dataclass(frozen=True, slots=True)
class NearRead:
    """A read, as far as passages go by it.

    Attributes:
        id: the collector's number.
        camera: device and camera.
        passed_at_ns: when the plate was first readable, UTC.
        until_ns: when it was captured, as far as is known the last moment at which it was in view.
        text: the likeliest reading.
        plate: what it saw; may be empty where there is no read of another camera to compare with.
        passage_id: the passage that it is part of.
    """

    id: int
    camera: tuple[str, str]
    passed_at_ns: int
    until_ns: int
    text: str
    plate: Plate
    passage_id: int | None


@dataclass(frozen=True, slots=True)
class Grouped:
    """A passage that is to be kept as it is here.

    Attributes:
        passage_id: which; None for a new one.
        read_ids: its reads; none if they have all left.
    """

    passage_id: int | None
    read_ids: tuple[int, ...]


@dataclass(slots=True, eq=False)
class _Group:
    passage_id: int | None
    members: dict[int, NearRead] = field(default_factory=dict)


_passed = attrgetter("passed_at_ns")


def group(reads: Iterable[NearRead], changed: Iterable[int], within_ns: int) -> list[Grouped]:
    """Return the passages that are to be kept differently, or whose reads have changed.

    Args:
        reads: of one site: the changed ones, and everything within three times ``within_ns`` of them.
        changed: ids of reads that are new or have been revised; ids that are not among ``reads`` are passed over.
        within_ns: how far apart the reads of a passage may be.
    """
    return _Site(reads, within_ns).settle(changed)


class _Site:
    def __init__(self, reads: Iterable[NearRead], within_ns: int) -> None:
        self._within_ns = within_ns
        self._reads = {read.id: read for read in sorted(reads, key=lambda read: (read.passed_at_ns, read.id))}
        self._by_camera: defaultdict[tuple[str, str], list[NearRead]] = defaultdict(list)
        self._by_text: defaultdict[tuple[tuple[str, str], str], list[NearRead]] = defaultdict(list)
        self._group_of: dict[int, _Group] = {}
        groups: dict[int, _Group] = {}
        for read in self._reads.values():
            self._by_camera[read.camera].append(read)
            self._by_text[read.camera, _spelling(read)].append(read)
            if read.passage_id is not None:
                self._put(read, groups.setdefault(read.passage_id, _Group(read.passage_id)))
        self._touched: list[_Group] = []

    def settle(self, changed: Iterable[int]) -> list[Grouped]:
        wanted = set(changed)
        waiting = deque(read for read in self._reads.values() if read.id in wanted)
        left_behind: set[int] = set()
        while waiting:
            read = waiting.popleft()
            lone = self._leave_unless_it_fits(read)
            if lone is not None and lone.id not in left_behind:
                # Once each: whoever is left behind twice stays alone until it changes itself.
                left_behind.add(lone.id)
                waiting.append(lone)
            own = self._group_of.get(read.id) or self._join(read)
            if own is not None:
                self._touch(own)
                self._take_in(read, own)
        return [
            Grouped(one.passage_id, tuple(one.members))
            for one in self._touched
            if one.members or one.passage_id is not None
        ]

    def _leave_unless_it_fits(self, read: NearRead) -> NearRead | None:
        """Let a read go that does not fit its passage; return the one that is then left alone in it."""
        own = self._group_of.get(read.id)
        if own is None:
            return None
        others = [one for one in own.members.values() if one is not read]
        if others and self._fit(read, others) > 0:
            return None
        self._drop(read, own)
        self._touch(own)
        if len(others) == 1:
            self._drop(others[0], own)
            return others[0]
        if others:
            # Whoever only the one that has left kept out.
            self._take_in(others[0], own)
        return None

    def _join(self, read: NearRead) -> _Group | None:
        """Put a read that stands alone where it fits best; return the passage, None if it stays alone."""
        best: tuple[float, int, int] | None = None
        joined: _Group | NearRead | None = None
        seen: set[int] = set()
        for near in self._near(read):
            own = self._group_of.get(near.id)
            if own is not None and id(own) in seen:
                continue
            seen.add(id(own))
            fit = self._fit(read, [near] if own is None else list(own.members.values()))
            rank = (fit, 0 if own is None else len(own.members), -near.id)
            if fit > 0 and (best is None or rank > best):
                best, joined = rank, own or near
        if joined is None:
            return None
        if isinstance(joined, NearRead):
            first, joined = joined, _Group(None)
            self._put(first, joined)
        self._put(read, joined)
        return joined

    def _take_in(self, read: NearRead, own: _Group) -> None:
        """Let reads that stand alone near ``read`` join its passage where they fit all of it."""
        for near in list(self._near(read)):
            if near.id not in self._group_of and self._fit(near, list(own.members.values())) > 0:
                self._put(near, own)

    def _near(self, read: NearRead) -> Iterator[NearRead]:
        """Yield the other reads near in time that may be of the same vehicle."""
        for camera, of_camera in self._by_camera.items():
            some = self._by_text.get((camera, _spelling(read)), []) if camera == read.camera else of_camera
            begin = bisect_left(some, read.passed_at_ns - self._within_ns, key=_passed)
            end = bisect_right(some, read.passed_at_ns + self._within_ns, key=_passed)
            for near in some[begin:end]:
                if near is not read:
                    yield near

    def _fit(self, read: NearRead, others: Sequence[NearRead]) -> float:
        """Return how well a read fits the one of ``others`` that it fits least; 0 if it does not belong to them."""
        least = 1.0
        for other in others:
            least = min(least, self._likeness(read, other))
            if least < LIKELY:
                return 0.0
        return least

    def _likeness(self, a: NearRead, b: NearRead) -> float:
        if abs(a.passed_at_ns - b.passed_at_ns) > self._within_ns:
            return 0.0
        if a.camera != b.camera:
            return same_plate(a.plate, b.plate)
        first, second = sorted((a, b), key=lambda read: (read.passed_at_ns, read.id))
        again = _spelling(a) == _spelling(b) != "" and first.until_ns < second.passed_at_ns
        return 1.0 if again else 0.0

    def _put(self, read: NearRead, into: _Group) -> None:
        into.members[read.id] = read
        self._group_of[read.id] = into

    def _drop(self, read: NearRead, out_of: _Group) -> None:
        del out_of.members[read.id]
        del self._group_of[read.id]

    def _touch(self, one: _Group) -> None:
        if one not in self._touched:
            self._touched.append(one)


def _spelling(read: NearRead) -> str:
    return fold(normalise(read.text))
