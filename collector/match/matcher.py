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
from dataclasses import dataclass, field

from collector.domain import Rule
from collector.match import states, wording
from collector.match.alignment import align, codes_of
from collector.match.exclusions import Exclusion, Exclusions
from collector.match.index import Index
from collector.match.parameters import Parameters, packaged_parameters
from collector.match.patterns import Patterns
from collector.match.plates import normalise
from collector.match.policy import ListRule, Policy
from collector.match.posterior import LEAST, Posterior, Spelled, shown
from collector.match.records import MATCHER_VERSION, Hit, ListedPlate, ListState, Place, Seen

__all__ = ["EVERYTHING", "LEAST_HIT", "NOTHING", "Hit", "ListedPlate", "Matcher", "Seen"]

NOTHING = Index()
LEAST_HIT = 0.001
"""What ``all_hits`` goes down to."""
EVERYTHING = Policy(ListRule(threshold=LEAST_HIT))
"""Lets every hit through."""
_BY_DEFAULT = Policy()
_OTHERWISE = 5
# Ways to spell a plate are looked up down to this part of the lowest threshold: so many would have to come together.
_WAYS = 20
# The state that a region-required list wants has to be likelier than all others together.
_REGION_SHOWN = 0.5
# Calibrations that devices ship; everything else is nobody's probability.
_CALIBRATED = "t1-"


@dataclass(frozen=True, slots=True)
class _Batch:
    """Reads and what they may be.

    Attributes:
        reads: each with its camera.
        posterior: of all of them.
        spelled: down to ``least``.
        least: the least probability of a way to spell a plate.
        plate_p: of each read and plate that was asked for; a list may have a plate thousands of times.
        shown: what a hit shows of a read and a plate, likewise.
    """

    reads: Sequence[tuple[Seen, str]]
    posterior: Posterior
    spelled: Spelled
    least: float
    plate_p: dict[tuple[int, str], float] = field(default_factory=dict)
    shown: dict[tuple[int, str], tuple[tuple[Place, ...], tuple[tuple[str, float], ...]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Found:
    """An entry that a read may be."""

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
        return self._hits(reads, self._policy, at_ns)

    def all_hits(self, reads: Sequence[Seen], at_ns: int) -> list[tuple[Hit, ...]]:
        """Return every hit of each read from ``LEAST_HIT`` on, whatever the policy."""
        return self._hits([(seen, "") for seen in reads], EVERYTHING, at_ns)

    def judge(self, seen: Seen, listed: ListedPlate, *, camera: str = "", at_ns: int) -> Hit:
        """Return how likely ``seen`` is ``listed``, whatever the thresholds and whether or not it is still listed."""
        batch = self._batch([(seen, camera)], LEAST)
        plate_p = self._pattern_p(batch, listed) if listed.is_pattern else _plate_p(batch, 0, listed.plate)
        found = _Found(listed, plate_p, _with_state(plate_p, seen, listed))
        return self._hit(batch, 0, found, self._rule(self._policy, listed.list, camera), at_ns)

    def _batch(self, reads: Sequence[tuple[Seen, str]], least: float) -> _Batch:
        posterior = Posterior.of(shown([seen.slots for seen, _ in reads]), self._known)
        return _Batch(reads, posterior, posterior.spelled(least), least)

    def _hits(self, reads: Sequence[tuple[Seen, str]], policy: Policy, at_ns: int) -> list[tuple[Hit, ...]]:
        if not reads or not len(self._index):
            return [()] * len(reads)
        # What a pattern fits may be many strings, each of them unlikely.
        batch = self._batch(reads, LEAST if len(self._index.patterns) else max(LEAST, policy.lowest / _WAYS))
        # Nearly no read has one.
        hits: dict[int, list[Hit]] = {}
        for read, found in self._found(batch):
            camera = reads[read][1]
            rule = self._rule(policy, found.listed.list, camera)
            if self._lets_through(batch, read, found, rule, policy, at_ns):
                hits.setdefault(read, []).append(self._hit(batch, read, found, rule, at_ns))
        for some in hits.values():
            some.sort(key=lambda hit: (-hit.probability, hit.listed.list, hit.listed.entry_id))
        return [tuple(hits.get(read, ())) for read in range(len(reads))]

    def _found(self, batch: _Batch) -> Iterator[tuple[int, _Found]]:
        """Yield the entries that reads may be, each once a read."""
        spelled = batch.spelled
        which, rows = self._index.find(spelled.key)
        pairs = sorted(set(zip(spelled.read[which].tolist(), rows.tolist(), strict=True)))
        for read, row in pairs:
            listed = self._index.listed(row)
            # Every way to spell it, not only those that were likely enough to look for.
            plate_p = _plate_p(batch, read, listed.plate)
            yield read, _Found(listed, plate_p, _with_state(plate_p, batch.reads[read][0], listed))
        patterns = self._index.patterns
        if not len(patterns):
            return
        which, entries = patterns.matching(spelled.key)
        totals: dict[tuple[int, int], float] = {}
        for read, entry, p in zip(
            spelled.read[which].tolist(), entries.tolist(), spelled.p[which].tolist(), strict=True
        ):
            totals[read, entry] = totals.get((read, entry), 0.0) + p
        for (read, entry), total in sorted(totals.items()):
            listed = patterns.entries[entry]
            yield read, _Found(listed, total, _with_state(total, batch.reads[read][0], listed))

    def _rule(self, policy: Policy, name: str, camera: str) -> ListRule:
        if policy is not self._policy:
            return policy.of(name, camera)
        # The settings are few and asked for at every hit.
        known = self._rules.get((name, camera))
        if known is None:
            known = self._rules.setdefault((name, camera), policy.of(name, camera))
        return known

    def _lets_through(
        self, batch: _Batch, read: int, found: _Found, rule: ListRule, policy: Policy, at_ns: int
    ) -> bool:
        listed, seen = found.listed, batch.reads[read][0]
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
        if expires_after_ns is not None and (_age_ns(self._state(listed), at_ns) or 0) >= expires_after_ns:
            return False
        # A known look-alike gives way only where the read favours it.
        return all(
            _plate_p(batch, read, true_plate) <= found.plate_p
            for true_plate in self._exclusions.true_plates(listed, at_ns)
        )

    def _hit(self, batch: _Batch, read: int, found: _Found, rule: ListRule, at_ns: int) -> Hit:
        listed, (seen, _) = found.listed, batch.reads[read]
        text, known = normalise(seen.text), self._state(listed)
        by, age_ns = _rule_of(seen, listed), _age_ns(known, at_ns)
        calibrated = seen.calibration is not None and seen.calibration.startswith(_CALIBRATED)
        alignment, otherwise = _shown(batch, read, listed)
        if listed.is_pattern:
            why = wording.pattern(text, listed.plate, found.plate_p)
        else:
            why = wording.characters(text, listed.plate, alignment)
        return Hit(
            listed=listed,
            rule=by,
            probability=found.probability,
            calibrated=calibrated,
            threshold=rule.threshold,
            alignment=alignment,
            otherwise=otherwise,
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

    def _pattern_p(self, batch: _Batch, listed: ListedPlate) -> float:
        spelled = batch.spelled
        which, _ = Patterns([listed]).matching(spelled.key)
        return float(spelled.p[which].sum())


def _plate_p(batch: _Batch, read: int, plate: str) -> float:
    known = batch.plate_p.get((read, plate))
    if known is None:
        codes = codes_of(plate)
        known = batch.posterior.probability(read, codes) if codes else 0.0
        batch.plate_p[read, plate] = known
    return known


def _shown(batch: _Batch, read: int, listed: ListedPlate) -> tuple[tuple[Place, ...], tuple[tuple[str, float], ...]]:
    """Return the alignment with an entry, of a pattern none, and what would have been read otherwise."""
    if listed.is_pattern:
        return (), _otherwise(batch, read, listed)
    found = batch.shown.get((read, listed.plate))
    if found is None:
        alignment = align(batch.posterior, read, batch.reads[read][0].slots, listed.plate)
        found = batch.shown[read, listed.plate] = alignment, _otherwise(batch, read, listed)
    return found


def _with_state(plate_p: float, seen: Seen, listed: ListedPlate) -> float:
    chance = states.chance(seen.regions, listed.region)
    return plate_p if chance is None else plate_p * chance


def _rule_of(seen: Seen, listed: ListedPlate) -> Rule:
    if listed.is_pattern:
        return Rule.PATTERN
    same = normalise(seen.text).replace("O", "0") == listed.plate.replace("O", "0")
    return Rule.EXACT if same else Rule.LIKELY


def _otherwise(batch: _Batch, read: int, listed: ListedPlate) -> tuple[tuple[str, float], ...]:
    fine = batch.least <= LEAST
    spelled, at = (batch.spelled, read) if fine else (batch.posterior.one(read).spelled(), 0)
    others = spelled.likeliest(at, _OTHERWISE + 1)
    plate = listed.plate.replace("O", "0")
    return tuple((text, round(p, 4)) for text, p in others if text != plate)[:_OTHERWISE]


def _age_ns(known: ListState, at_ns: int) -> int | None:
    # A list that people made by hand has no source that could confirm it.
    return max(0, at_ns - known.confirmed_at_ns) if known.confirmed_at_ns else None
