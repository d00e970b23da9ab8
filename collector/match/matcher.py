"""Finds what a plate read may be among all hotlist entries, says how likely each is, and why.

A ``Matcher`` holds one generation of all hotlists and never changes; a new generation is a new one, so readers swap it
in one assignment. Same read, same generation, same matcher version: the same hits in the same order, whether a read
comes by itself or in a batch, and however the entries came.

What a hit's probability is made of: the image's posterior of the plate (``posterior``), times the chance that it is
from the entry's state where both sides say something of it (``states``). Neither which entries are listed nor what the
vehicle looks like has any part in it. Pure: no I/O, no clock; safe on any thread.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from collector.domain import Rule
from collector.match import states, wording
from collector.match.alignment import codes_of
from collector.match.exclusions import Exclusion, Exclusions
from collector.match.fitting import Patterns
from collector.match.index import Index
from collector.match.parameters import Parameters, packaged_parameters
from collector.match.plates import normalise
from collector.match.policy import ListRule, Policy
from collector.match.posterior import LEAST, Posterior, shown
from collector.match.records import MATCHER_VERSION, Hit, ListedPlate, ListState, Matched, Seen
from collector.match.showing import View, Views

NOTHING = Index()
LEAST_HIT = 0.001
"""What ``all_hits`` goes down to."""
EVERYTHING = Policy(ListRule(threshold=LEAST_HIT))
"""Lets every hit through."""
_BY_DEFAULT = Policy()
_NOTHING_MATCHED = Matched((), ())
# Ways to spell a plate are looked up down to this part of the lowest threshold: so many would have to come together.
_WAYS = 20
# The state that a region-required list wants has to be likelier than all others together.
_REGION_SHOWN = 0.5
# Calibrations that devices ship; everything else is nobody's probability.
_CALIBRATED = "t1-"


class _Batch:
    """Reads and what they may be.

    Attributes:
        reads: what each saw.
        posterior: of all of them.
    """

    def __init__(self, reads: Sequence[Seen], known: Parameters) -> None:
        self.reads = reads
        self.posterior = Posterior.of(shown([seen.slots for seen in reads]), known)
        # A list may have a plate thousands of times.
        self._plate_p: dict[tuple[int, str], float] = {}

    def plate_p(self, read: int, plate: str) -> float:
        """Return P(the plate is this one)."""
        known = self._plate_p.get((read, plate))
        if known is None:
            codes = codes_of(plate)
            known = self._plate_p[read, plate] = self.posterior.probability(read, codes) if codes else 0.0
        return known

    def found(self, read: int, listed: ListedPlate, plate_p: float) -> _Found:
        """Return what comes of an entry with the state that the picture shows."""
        chance = states.chance(self.reads[read].regions, listed.region)
        return _Found(read, listed, plate_p, plate_p if chance is None else plate_p * chance)


class _Found(NamedTuple):
    """An entry that a read may be.

    Attributes:
        read: which of the batch.
        listed: the entry.
        plate_p: P(the plate is the entry's, or one that its pattern fits).
        probability: the same with what the picture says of the state.
    """

    read: int
    listed: ListedPlate
    plate_p: float
    probability: float


class Matcher:
    """One generation of all hotlists.

    Args:
        index: the entries in force.
        policy: which hits are let through.
        exclusions: known look-alikes.
        parameters: how plates are misread; None takes what came with this installation.

    Attributes:
        generation: the highest version of any list, 0 without lists.
        version: the matcher's own: rules and parameters.
    """

    def __init__(
        self,
        index: Index = NOTHING,
        policy: Policy = _BY_DEFAULT,
        exclusions: Sequence[Exclusion] = (),
        parameters: Parameters | None = None,
    ) -> None:
        self._index = index
        self._policy = policy
        self._exclusions = Exclusions(exclusions)
        self._known = packaged_parameters() if parameters is None else parameters
        self.generation = index.generation
        self.version = f"{MATCHER_VERSION}-{self._known.id}"
        self._rules: dict[tuple[str, str], ListRule] = {}

    def __len__(self) -> int:
        return len(self._index)

    def match(self, seen: Seen, *, camera: str = "", at_ns: int) -> tuple[Hit, ...]:
        """Return the hits of one read that the policy lets through, best first.

        Args:
            seen: what the camera saw.
            camera: "device/camera".
            at_ns: UTC, now.
        """
        return self.match_many([(seen, camera)], at_ns)[0]

    def match_many(self, reads: Sequence[tuple[Seen, str]], at_ns: int) -> list[tuple[Hit, ...]]:
        """Return the hits of each read, given with its camera, as ``match`` does, but much faster."""
        return [one.hits for one in self.matched(reads, at_ns)]

    def matched(self, reads: Sequence[tuple[Seen, str]], at_ns: int) -> list[Matched]:
        """Return the hits of each read, and which known look-alikes held back others."""
        return self._matched(reads, self._policy, at_ns)

    def all_hits(self, reads: Sequence[Seen], at_ns: int) -> list[tuple[Hit, ...]]:
        """Return every hit of each read from ``LEAST_HIT`` on, whatever the policy."""
        return [one.hits for one in self._matched([(seen, "") for seen in reads], EVERYTHING, at_ns)]

    def judge(self, seen: Seen, listed: ListedPlate, *, camera: str = "", at_ns: int) -> Hit:
        """Return how likely ``seen`` is ``listed``, whatever the thresholds and whether or not it is still listed."""
        batch = _Batch([seen], self._known)
        if listed.is_pattern:
            plate_p = float(Patterns([listed]).likely(batch.posterior, 0.0).p.sum())
        else:
            plate_p = batch.plate_p(0, listed.plate)
        found, rule = batch.found(0, listed, plate_p), self._rule(self._policy, listed.list, camera)
        return self._hit(seen, found, rule, Views(batch.posterior, [seen], [0]).of(0, listed), at_ns)

    def _matched(self, reads: Sequence[tuple[Seen, str]], policy: Policy, at_ns: int) -> list[Matched]:
        if not reads or not len(self._index):
            return [_NOTHING_MATCHED] * len(reads)
        batch = _Batch([seen for seen, _ in reads], self._known)
        standing: list[tuple[_Found, ListRule]] = []
        demoted: dict[int, set[int]] = {}
        for found in self._found(batch, policy.lowest):
            seen, camera = reads[found.read]
            rule = self._rule(policy, found.listed.list, camera)
            if not self._lets_through(seen, found, rule, policy, at_ns):
                continue
            # A known look-alike gives way only where the read favours it.
            look_alikes = {
                one.id
                for one in self._exclusions.of(found.listed, at_ns)
                if batch.plate_p(found.read, one.true_plate) > found.plate_p
            }
            if look_alikes:
                demoted.setdefault(found.read, set()).update(look_alikes)
            else:
                standing.append((found, rule))
        # Nearly no read has one.
        hits: dict[int, list[Hit]] = {found.read: [] for found, _ in standing}
        views = Views(batch.posterior, batch.reads, list(hits))
        for found, rule in standing:
            view = views.of(found.read, found.listed)
            hits[found.read].append(self._hit(batch.reads[found.read], found, rule, view, at_ns))
        told = [_NOTHING_MATCHED] * len(reads)
        for read in {*hits, *demoted}:
            some = sorted(hits.get(read, ()), key=lambda hit: (-hit.probability, hit.listed.list, hit.listed.entry_id))
            told[read] = Matched(tuple(some), tuple(sorted(demoted.get(read, ()))))
        return told

    def _found(self, batch: _Batch, least: float) -> Iterator[_Found]:
        """Yield the entries that reads may be, each once a read; those under ``least`` may be left out."""
        spelled = batch.posterior.spelled(max(LEAST, least / _WAYS))
        which, rows = self._index.find(spelled.key)
        pairs = sorted(set(zip(spelled.read[which].tolist(), rows.tolist(), strict=True)))
        for read, row in pairs:
            listed = self._index.listed(row)
            # Every way to spell it, not only those that were likely enough to look for.
            yield batch.found(read, listed, batch.plate_p(read, listed.plate))
        patterns = self._index.patterns
        if len(patterns):
            likely = patterns.likely(batch.posterior, max(LEAST, least))
            for read, number, p in zip(*(each.tolist() for each in likely), strict=True):
                yield batch.found(read, patterns.entries[number], p)

    def _rule(self, policy: Policy, name: str, camera: str) -> ListRule:
        if policy is not self._policy:
            return policy.of(name, camera)
        # The settings are few and asked for at every hit.
        known = self._rules.get((name, camera))
        if known is None:
            known = self._rules.setdefault((name, camera), policy.of(name, camera))
        return known

    def _lets_through(self, seen: Seen, found: _Found, rule: ListRule, policy: Policy, at_ns: int) -> bool:
        listed = found.listed
        if found.probability < rule.threshold or not rule.on or listed.category in policy.categories_off:
            return False
        if listed.effective_ns is not None and at_ns < listed.effective_ns:
            return False
        if listed.expires_ns is not None and at_ns >= listed.expires_ns:
            return False
        if rule.exact_only and _rule_of(seen, listed) is not Rule.EXACT:
            return False
        if rule.region_required and (states.chance(seen.regions, listed.region) or 0.0) <= _REGION_SHOWN:
            return False
        expires_after_ns = policy.expire_after_ns.get(listed.list)
        return expires_after_ns is None or (_age_ns(self._state(listed), at_ns) or 0) < expires_after_ns

    def _hit(self, seen: Seen, found: _Found, rule: ListRule, view: View, at_ns: int) -> Hit:
        listed = found.listed
        text, known = normalise(seen.text), self._state(listed)
        by, age_ns = _rule_of(seen, listed), _age_ns(known, at_ns)
        calibrated = seen.calibration is not None and seen.calibration.startswith(_CALIBRATED)
        if listed.is_pattern:
            why = wording.pattern(text, listed.plate, found.plate_p, view.plate)
        else:
            why = wording.characters(text, listed.plate, view.alignment)
        return Hit(
            listed=listed,
            rule=by,
            probability=found.probability,
            calibrated=calibrated,
            threshold=rule.threshold,
            alignment=view.alignment,
            otherwise=view.otherwise,
            why=(
                *why,
                wording.state(seen, listed.region),
                wording.rule(by, found.probability, rule.threshold, calibrated),
                wording.age(listed.list, known, age_ns),
            ),
            list_version=known.version,
            list_age_ns=age_ns,
            matcher=self.version,
        )

    def _state(self, listed: ListedPlate) -> ListState:
        return self._index.versions.get(listed.list, ListState(0, 0))


def _rule_of(seen: Seen, listed: ListedPlate) -> Rule:
    if listed.is_pattern:
        return Rule.PATTERN
    same = normalise(seen.text).replace("O", "0") == listed.plate.replace("O", "0")
    return Rule.EXACT if same else Rule.LIKELY


def _age_ns(known: ListState, at_ns: int) -> int | None:
    # A list that people made by hand has no source that could confirm it.
    return max(0, at_ns - known.confirmed_at_ns) if known.confirmed_at_ns else None
