"""The alerts of some reads, as they stand while one transaction follows those reads. Pure.

What becomes of a read that hits an entry, by the alerts of that entry that are open, not recalled and supported:

    - it passed the site of an alert's latest read within the time of suppression: it is attached, without a sound;
    - it passed another site within the time of a trail: it is attached, the alert calls again and has moved there;
    - otherwise it raises an alert of its own.

A pattern may be hit by many vehicles: there only reads that read the same (O and 0 being one) belong together. An entry
that has changed since raises an alert of its own: the other one shows what was said before, to whom it was said then.

Live reads and historical ones never belong to one alert: whoever looks at a live one must not be sent where the vehicle
was hours ago, and what is live must not disappear behind what nobody chases. So nothing historical calls again. A read
belongs to at most one alert of an entry, however often it is matched.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from collector.alerts.rules import Ages, Rules
from collector.alerts.support import is_supporting, match_of, revised
from collector.domain import Part, Standing, Support
from collector.match.matcher import Matcher
from collector.match.plates import normalise
from collector.match.records import Hit, ListedPlate, Seen
from collector.match.wording import percent
from collector.ports import Passed
from collector.store.alert_changes import supported_as
from collector.store.cases import AttachedRow, CaseRow, EntryKey, key_of

# A further read that is so much surer than the one that raised the alert is said.
_MUCH_SURER = 0.05
_FRESH = Ages()


@dataclass(slots=True, eq=False)
class Case:
    """An alert. One that is new has ``raised_by`` and no ``id`` yet; ``steps`` are the changes of it to be kept."""

    listed: ListedPlate
    historical: bool
    takes_reads: bool
    site: str
    passed_at_ns: int
    soundings: int
    standing: Standing
    supporting: int
    text: str
    id: int | None = None
    raised_by: Passed | None = None
    list_version: int = 0
    is_changed: bool = False
    steps: list[tuple[str, dict[str, Any]]] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Attached:
    """A read of an alert; ``new`` is the read as it passed, of one that did not belong to it before."""

    case: Case
    read_id: int
    part: Part
    probability: float | None
    supports: bool
    new: Passed | None = None
    is_changed: bool = False


class Book:
    """Follows reads, in the order in which they passed.

    Args:
        matcher: judges revisions.
        rules: how far alerts reach.
        cases: the alerts that may be concerned.
        attached: which of the reads belong to them already.
        muted: entries that do not alert, each with the list's version up to which.
        at_ns: UTC, now.

    Attributes:
        cases: all of them, the new ones last.
        attached: all of them, the new ones last.
    """

    def __init__(
        self,
        matcher: Matcher,
        rules: Rules,
        cases: Iterable[CaseRow],
        attached: Iterable[AttachedRow],
        muted: Mapping[EntryKey, int],
        at_ns: int,
    ) -> None:
        self._matcher = matcher
        self._rules = rules
        self._muted = muted
        self._at_ns = at_ns
        known = {
            one.id: Case(
                listed=one.listed,
                historical=one.historical,
                takes_reads=one.takes_reads,
                site=one.site,
                passed_at_ns=one.passed_at_ns,
                soundings=one.soundings,
                standing=one.standing,
                supporting=one.supporting,
                text=one.text,
                id=one.id,
            )
            for one in cases
        }
        self.cases: list[Case] = list(known.values())
        self.attached = [
            Attached(known[one.alert_id], one.read_id, one.part, one.probability, one.supports) for one in attached
        ]

    def follow(self, passed: Passed, hits: Sequence[Sequence[Hit]]) -> None:
        """Follow what is new of one read.

        Args:
            passed: what is new.
            hits: of each of its revisions, and then of each late one.
        """
        mine = {key_of(one.case.listed): one for one in self.attached if one.read_id == passed.read_id}
        latest = passed.before
        for seen, found in zip(passed.revisions, hits, strict=False):
            if latest is not None:
                for one in mine.values():
                    self._judge(one, seen, passed)
            self._add(mine, found, seen, passed)
            latest = seen
        for seen, found in zip(passed.late, hits[len(passed.revisions) :], strict=True):
            # It came after a later revision: whatever only it supports is told, and told to be no longer supported.
            for one in self._add(mine, found, seen, passed):
                self._judge(one, latest or seen, passed)

    def _add(self, mine: dict[EntryKey, Attached], hits: Iterable[Hit], seen: Seen, passed: Passed) -> list[Attached]:
        fresh = []
        for hit in hits:
            key = key_of(hit.listed)
            if key in mine or hit.list_version <= self._muted.get(key, -1):
                continue
            mine[key] = self._attach(hit, normalise(seen.text), passed)
            self.attached.append(mine[key])
            fresh.append(mine[key])
        return fresh

    def _attach(self, hit: Hit, text: str, passed: Passed) -> Attached:
        case, part = self._case_of(hit, text, passed)
        case.supporting += 1
        if part is not Part.RAISED:
            self._extend(case, part, hit, passed)
        return Attached(case, passed.read_id, part, hit.probability, supports=True, new=passed)

    def _case_of(self, hit: Hit, text: str, passed: Passed) -> tuple[Case, Part]:
        historical = passed.age.historical
        near = [
            case
            for case in self.cases
            if case.takes_reads
            and case.standing.support is not Support.UNSUPPORTED
            and case.historical is historical
            # Whoever is sent is to be told what is said now ("armed"), and that only to those who may know of it.
            and case.listed.entry_id == hit.listed.entry_id
            and (not hit.listed.is_pattern or _alike(case.text, text))
        ]
        near.sort(key=lambda case: case.passed_at_ns, reverse=True)
        for case in near:
            apart_ns = abs(passed.passed_at_ns - case.passed_at_ns)
            if case.site == passed.site and apart_ns <= self._rules.suppress_within_ns:
                return case, Part.SUPPRESSED
        for case in near:
            apart_ns = abs(passed.passed_at_ns - case.passed_at_ns)
            if case.site != passed.site and apart_ns <= self._rules.trail_within_ns:
                return case, Part.TRAIL
        standing = Standing(hit.rule, Support.RAISED, self._why(hit, passed), passed.revision, match_of(hit))
        case = Case(
            listed=hit.listed,
            historical=historical,
            takes_reads=True,
            site=passed.site,
            passed_at_ns=passed.passed_at_ns,
            soundings=1,
            standing=standing,
            supporting=0,
            text=text,
            raised_by=passed,
            list_version=hit.list_version,
        )
        case.steps.append(("raised", {"read": passed.read_id}))
        self.cases.append(case)
        return case, Part.RAISED

    def _extend(self, case: Case, part: Part, hit: Hit, passed: Passed) -> None:
        case.is_changed = True
        if passed.passed_at_ns >= case.passed_at_ns:
            case.site, case.passed_at_ns = passed.site, passed.passed_at_ns
        if part is Part.TRAIL:
            case.soundings += not case.historical
            case.steps.append(("trail", {"read": passed.read_id, "site": passed.site}))
        match = case.standing.match
        if (
            match is not None
            and case.standing.support is Support.RAISED
            and hit.probability >= match.probability + _MUCH_SURER
        ):
            sentence = f"Read {passed.read_id} of the same entry is surer: {percent(hit.probability)}."
            standing = replace(case.standing, support=Support.STRENGTHENED, why=(*case.standing.why, sentence))
            case.standing = standing
            case.steps.append(("strengthened", {"read": passed.read_id}))

    def _judge(self, one: Attached, seen: Seen, passed: Passed) -> None:
        """Bring a read's alert, and the read's part in it, to what a later revision says."""
        case = one.case
        hit = self._matcher.judge(seen, case.listed, camera=passed.camera, at_ns=self._at_ns)
        supports = is_supporting(hit)
        others = case.supporting - one.supports
        case.supporting = others + supports
        if (one.probability, one.supports) != (hit.probability, supports):
            lost = one.supports and not supports
            one.probability, one.supports, one.is_changed = hit.probability, supports, True
            case.is_changed = True
            if lost and others:
                case.steps.append(("read-unsupported", {"read": one.read_id}))
        before = case.standing
        if one.part is Part.RAISED:
            case.text = normalise(seen.text)
            case.standing = revised(before, hit, normalise(seen.text), passed.revision, others=others)
            if case.standing.why == hit.why:
                case.standing = replace(case.standing, why=self._why(hit, passed))
        elif not case.supporting and before.support is not Support.UNSUPPORTED:
            sentence = f"No longer supported: read {one.read_id} reads {normalise(seen.text) or 'nothing'} now, too."
            case.standing = replace(before, support=Support.UNSUPPORTED, why=(*before.why, sentence))
        elif supports and before.support is Support.UNSUPPORTED:
            sentence = f"Supported again by read {one.read_id}: {percent(hit.probability)}."
            case.standing = replace(before, support=Support.RAISED, why=(*before.why, sentence))
        if case.standing != before:
            case.is_changed = True
        if case.standing.support is not before.support:
            case.steps.append((supported_as(case.standing.support), {"read": one.read_id}))

    def _why(self, hit: Hit, passed: Passed) -> tuple[str, ...]:
        """Return the reasons, with what is to be said of the age of the list and of the read."""
        old = self._rules.ages_of.get(hit.listed.list, _FRESH).said(hit.list_age_ns)
        return (*hit.why, *(one for one in (old, passed.age.note) if one))


def _alike(text: str, other: str) -> bool:
    return text.replace("O", "0") == other.replace("O", "0")
