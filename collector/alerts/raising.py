"""Raises and revises the alerts of reads, in the transaction that stores or rematches them.

A read belongs to an alert of an entry once: matching may be repeated, with the same hotlists or newer ones, and raises
and attaches nothing twice. What of several collectors' reads belongs to one alert is decided in their entries' turn
(``collector.store.cases``), which only a transaction takes that has a hit, or a read that had one before
(docs/adr/0022-alerts-and-suppression.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from collector.alerts import crowds
from collector.alerts.book import Attached, Book, Case
from collector.alerts.rules import Rules
from collector.match.matcher import Matcher
from collector.match.records import Hit
from collector.ports import Alerted, Passed
from collector.store import alert_changes, cases, look_alikes, places
from collector.store.alert_changes import Step
from collector.store.cases import AttachedRow, CaseRow, EntryKey, NewCase, NewRead
from collector.store.database import Transaction
from collector.store.places import Point

_Hits = list[tuple[Hit, ...]]


@dataclass(frozen=True, slots=True)
class Raising:
    """The ``Raiser`` over one generation of the hotlists."""

    matcher: Matcher
    rules: Rules = field(default_factory=Rules)

    @property
    def generation(self) -> int:
        """The hotlists' highest version that it knows."""
        return self.matcher.generation

    async def raise_and_revise(self, tx: Transaction, passed: Sequence[Passed], at_ns: int) -> Alerted:
        """Match what is new and bring the alerts of these reads to where they stand now.

        Args:
            tx: the transaction that stores the reads.
            passed: what is new, by read.
            at_ns: UTC, when alerts are raised.
        """
        found, said = await self._alerting(tx, await self._match(tx, passed, at_ns))
        # Of nearly all reads there is nothing to tell: they match nothing, and are all that has come of their track.
        revised = [one.read_id for one in passed if one.before is not None]
        keys = {cases.key_of(hit.listed) for hits in found for some in hits for hit in some}
        if revised:
            keys |= await cases.keys_of_reads(tx, revised)
        if not keys:
            return Alerted()
        await cases.take_turn(tx, keys)
        concerned = [
            (one, hits) for one, hits in zip(passed, found, strict=True) if one.before is not None or any(hits)
        ]
        book = await self._open(tx, [one for one, _ in concerned], keys, said, at_ns)
        for one, hits in sorted(concerned, key=lambda both: (both[0].passed_at_ns, both[0].read_id)):
            book.follow(one, hits)
        return await self._keep(tx, book, at_ns)

    async def _match(self, tx: Transaction, passed: Sequence[Passed], at_ns: int) -> list[_Hits]:
        """Return the hits of each read's revisions, then of its late ones; keep which others exclusions held back."""
        revisions = [(one, seen) for one in passed for seen in (*one.revisions, *one.late)]
        matched = self.matcher.matched([(seen, one.camera) for one, seen in revisions], at_ns)
        demoted = {
            (exclusion, one.read_id)
            for (one, _), of in zip(revisions, matched, strict=True)
            for exclusion in of.demoted_by
        }
        await look_alikes.keep_demotions(tx, demoted, at_ns)
        left = iter(matched)
        return [[next(left).hits for _ in range(len(one.revisions) + len(one.late))] for one in passed]

    async def _alerting(self, tx: Transaction, found: Sequence[_Hits]) -> tuple[list[_Hits], dict[int, str]]:
        """Return the hits that alert, and what is said of some of their entries.

        An entry that has ended since the matcher was made does not: whoever ended it has recalled the alerts that there
        were. If it was changed and not withdrawn, the read is matched again with what it is now.
        """
        audiences = await cases.in_force(tx, {hit.listed.entry_id for hits in found for some in hits for hit in some})
        said: dict[int, str] = {}
        alerting: list[_Hits] = []
        for hits in found:
            thinned = [crowds.thinned(some, audiences) for some in hits]
            alerting.append([some for some, _ in thinned])
            for _, words in thinned:
                said |= words
        return alerting, said

    async def _open(
        self, tx: Transaction, passed: Sequence[Passed], keys: set[EntryKey], said: Mapping[int, str], at_ns: int
    ) -> Book:
        attached = await cases.attached(tx, [one.read_id for one in passed])
        times_ns = [one.passed_at_ns for one in passed]
        reach_ns = max(self.rules.suppress_within_ns, self.rules.trail_within_ns)
        near = await cases.open_cases(tx, keys, from_ns=min(times_ns) - reach_ns, to_ns=max(times_ns) + reach_ns)
        rows = await cases.cases(tx, {*near, *(one.alert_id for one in attached)})
        return Book(self.matcher, self.rules, rows, attached, await cases.muted(tx, keys), said, at_ns)

    async def _keep(self, tx: Transaction, book: Book, at_ns: int) -> Alerted:
        raising = [(case, case.raised_by) for case in book.cases if case.raised_by is not None]
        ids = await cases.raise_cases(tx, [self._new(case, one, at_ns) for case, one in raising])
        for (case, _), alert_id in zip(raising, ids, strict=True):
            case.id = alert_id
        changed = [case for case in book.cases if case.is_changed and case.raised_by is None]
        await cases.change_cases(tx, [_row(case) for case in changed])
        fresh = [(one, one.new) for one in book.attached if one.new is not None]
        points = await places.points(tx, {one.device for _, one in fresh}) if fresh else {}
        await cases.attach(tx, [_read(one, new, points.get(new.device), at_ns) for one, new in fresh])
        judged = [one for one in book.attached if one.is_changed and one.new is None]
        await cases.judge_attached(
            tx, [AttachedRow(_id(one.case), one.read_id, one.part, one.probability, one.supports) for one in judged]
        )
        if moved := [_id(case) for case in book.cases if case.is_retraced]:
            await cases.retrace(tx, moved)
        steps = [Step(_id(case), action, detail=detail) for case in book.cases for action, detail in case.steps]
        await alert_changes.keep(tx, steps, at_ns)
        return Alerted(
            raised=tuple((one.read_id, alert_id) for (_, one), alert_id in zip(raising, ids, strict=True)),
            changed=(*(_id(case) for case in changed), *ids),
            hits=frozenset(one.read_id for one, _ in fresh),
        )

    def _new(self, case: Case, raised_by: Passed, at_ns: int) -> NewCase:
        escalate_at_ns = at_ns + self.rules.escalate_after_ns(case.listed.list)
        return NewCase(
            read_id=raised_by.read_id,
            entry_id=case.listed.entry_id,
            list_version=case.list_version,
            standing=case.standing,
            historical=case.historical,
            site=case.site,
            passed_at_ns=case.passed_at_ns,
            soundings=case.soundings,
            raised_at_ns=at_ns,
            # Nobody chases a vehicle that passed forty minutes ago.
            escalate_at_ns=None if case.historical else escalate_at_ns,
        )


def _row(case: Case) -> CaseRow:
    return CaseRow(
        id=_id(case),
        listed=case.listed,
        historical=case.historical,
        takes_reads=case.takes_reads,
        site=case.site,
        passed_at_ns=case.passed_at_ns,
        soundings=case.soundings,
        standing=case.standing,
        supporting=case.supporting,
        surest=case.surest,
        text=case.text,
        looked_at=case.looked_at,
    )


def _read(one: Attached, new: Passed, point: Point | None, at_ns: int) -> NewRead:
    point = new.position or point
    return NewRead(
        alert_id=_id(one.case),
        read_id=one.read_id,
        part=one.part,
        site=new.site,
        passed_at_ns=new.passed_at_ns,
        probability=one.probability,
        supports=one.supports,
        latitude=None if point is None else point[0],
        longitude=None if point is None else point[1],
        direction=new.direction,
        attached_at_ns=at_ns,
    )


def _id(case: Case) -> int:
    assert case.id is not None, "raised before anything names it"
    return case.id
