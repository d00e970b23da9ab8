"""The alerts of some reads, as they stand while one transaction follows those reads. Pure.

What becomes of a read that hits an entry, by the alerts of that entry that are open, not recalled and supported:

    - it passed the site of an alert's latest read within the time of suppression: it is attached, without a sound,
      unless people have looked at what was likely only and this is exact and much surer;
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
from collector.domain import Part, Rule, Standing, Support
from collector.match.matcher import Matcher
from collector.match.plates import normalise
from collector.match.records import Hit, ListedPlate, Seen
from collector.match.wording import percent
from collector.ports import Passed
from collector.store.alert_changes import supported_as
from collector.store.cases import AttachedRow, CaseRow, EntryKey, key_of

# A further read that is so much surer than all before it is said.
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
    surest: float | None
    text: str
    looked_at: bool = False
    id: int | None = None
    raised_by: Passed | None = None
    list_version: int = 0
    is_changed: bool = False
    is_retraced: bool = False
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
        said: what is to be said beside the reasons of a hit of some entries, by their numbers.
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
        said: Mapping[int, str],
        at_ns: int,
    ) -> None:
        self._matcher = matcher
        self._rules = rules
        self._muted = muted
        self._said = said
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
                surest=one.surest,
                text=one.text,
                looked_at=one.looked_at,
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
            surest=hit.probability,
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
        if _is_much_surer(case, hit):
            # At another site it has just called.
            case.soundings += part is not Part.TRAIL and _settles(case, hit)
            case.standing = _surer(case.standing, hit, passed.read_id)
            case.steps.append((supported_as(case.standing.support), {"read": passed.read_id}))
        case.surest = max(case.surest or 0.0, hit.probability)

    def _judge(self, one: Attached, seen: Seen, passed: Passed) -> None:
        """Bring a read's alert, and the read's part in it, to what a later revision says."""
        case = one.case
        hit = self._matcher.judge(seen, case.listed, camera=passed.camera, at_ns=self._at_ns)
        supports = is_supporting(hit)
        others = case.supporting - one.supports
        case.supporting = others + supports
        calls = supports and (_settles(case, hit) or _comes_back(case))
        if (one.probability, one.supports) != (hit.probability, supports):
            lost = one.supports and not supports
            case.is_retraced |= one.supports is not supports
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
        elif supports and _is_much_surer(case, hit):
            case.standing = _surer(before, hit, one.read_id)
        if case.standing != before:
            case.is_changed = True
        if case.standing.support is not before.support or calls:
            case.steps.append((supported_as(case.standing.support), {"read": one.read_id}))
        case.soundings += calls
        if supports:
            case.surest = max(case.surest or 0.0, hit.probability)

    def _why(self, hit: Hit, passed: Passed) -> tuple[str, ...]:
        """Return the reasons, with what is to be said of the entry, of the age of its list and of the read."""
        old = self._rules.ages_of.get(hit.listed.list, _FRESH).said(hit.list_age_ns)
        return (*hit.why, *(one for one in (self._said.get(hit.listed.entry_id), old, passed.age.note) if one))


def _is_much_surer(case: Case, hit: Hit) -> bool:
    """Whether a further read is so much surer than all before it that it is said."""
    return case.surest is not None and hit.probability >= case.surest + _MUCH_SURER


def _settles(case: Case, hit: Hit) -> bool:
    """Whether people have looked at what was likely only, and this reads the entry: they have seen less than this."""
    likely = case.standing.rule is Rule.LIKELY and hit.rule is Rule.EXACT
    return likely and case.looked_at and not case.historical and _is_much_surer(case, hit)


def _comes_back(case: Case) -> bool:
    """Whether people may have stood down from it: it was no longer supported, and they had looked."""
    return case.standing.support is Support.UNSUPPORTED and case.looked_at and not case.historical


def _surer(standing: Standing, hit: Hit, read_id: int) -> Standing:
    sentence = f"Read {read_id} of the same entry is surer: {percent(hit.probability)}."
    return replace(standing, support=Support.STRENGTHENED, why=(*standing.why, sentence))


def _alike(text: str, other: str) -> bool:
    return text.replace("O", "0") == other.replace("O", "0")
