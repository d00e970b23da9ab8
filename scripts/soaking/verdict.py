"""What was captured against what is stored.

    captured    detections whose put returned, and those that were killed in the middle of it and reached the outbox
    stored      captured ones that the store holds under their identity with the same content
    named       the others that a loss record names, or that lie inside a bound which the device stated (a corrupt
                outbox says what its sequences had been reserved up to: "unknown, at most n"), or that were stored,
                went with a restore from a backup that lacks them, and are called missing, by sequence, in the
                collector's ledger: what a device no longer holds by then cannot come back, and is told
    lost        captured - stored - named
    duplicates  detections stored under more than one identity, or alerted more than once

``unknown_bound`` is the sum of those bounds less what is stored or named in them: how many the device says it cannot
speak for. Crops are counted for stored reads: how many there should be, and how many are not complete; those that a
full disk evicted are among the messages of media that loss records name. Pure.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from edge_wire.messages import Stream
from soaking.captures import Capture

Identity = tuple[str, int, int, int]
"""Device, epoch, stream, sequence."""


@dataclass(frozen=True, slots=True)
class StoredDetection:
    """One detection of the store: which identity it has, and what it says."""

    identity: Identity
    token: str
    digest: str


@dataclass(frozen=True, slots=True)
class Loss:
    """A run of sequences that a loss record names."""

    device: str
    epoch: int
    stream: int
    first: int
    last: int
    reason: str


@dataclass(frozen=True, slots=True)
class Bound:
    """What an Open says of the corrupt epoch before it: its sequences went up to ``last`` at most."""

    device: str
    epoch: int
    stream: int
    last: int


@dataclass(frozen=True, slots=True)
class Missing:
    """A run of sequences that the collector's ledger calls missing, by name."""

    device: str
    epoch: int
    stream: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Holdings:
    """What the store says, as the driver's own SQL found it.

    Attributes:
        detections: of every trailer.
        losses: every run that a loss record names.
        bounds: every bound that an Open states.
        crops: SHA-256 in hex of the files that are complete and lie in the collector's folder unchanged.
        alerted_twice: how many reads have more than one alert of one entry.
        unalerted: how many reads of a listed plate have no alert.
        misdated: how many alerts are called historical although they were raised within a minute.
        unknown_age: how many alerts say that nobody knows how old they are.
        redelivered: how many messages came again.
        taken: what was stored when a restore began, was not in the backup, and had not come back when last looked at.
        missing: what the collector's ledger calls missing.
    """

    detections: Sequence[StoredDetection]
    losses: Sequence[Loss]
    bounds: Sequence[Bound]
    crops: frozenset[str]
    alerted_twice: int
    unalerted: int
    misdated: int
    redelivered: int
    unknown_age: int = 0
    taken: frozenset[Identity] = frozenset()
    missing: Sequence[Missing] = ()


@dataclass(slots=True)
class Verdict:
    """The numbers of the last line, and the identities behind what is wrong."""

    captured: int = 0
    stored: int = 0
    named: int = 0
    named_by_bound: int = 0
    named_missing_after_restore: int = 0
    lost: int = 0
    duplicates: int = 0
    redelivered: int = 0
    unknown_bound: int = 0
    uncommitted: int = 0
    unalerted: int = 0
    misdated: int = 0
    unknown_age: int = 0
    crops: int = 0
    crops_missing: int = 0
    media_named: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)
    lost_identities: list[str] = field(default_factory=list)
    duplicate_tokens: list[str] = field(default_factory=list)


def judge(captures: Mapping[str, Iterable[Capture]], holdings: Holdings) -> Verdict:
    """Compare.

    Args:
        captures: the logs, by device; a clone's are its device's too.
        holdings: the store.
    """
    verdict = Verdict(
        redelivered=holdings.redelivered,
        unalerted=holdings.unalerted,
        misdated=holdings.misdated,
        unknown_age=holdings.unknown_age,
    )
    stored = {one.identity: one for one in holdings.detections}
    of_token = Counter(one.token for one in holdings.detections)
    found = {one.token: one for one in holdings.detections}
    lost_runs: defaultdict[tuple[str, int, int], list[Loss]] = defaultdict(list)
    for loss in holdings.losses:
        lost_runs[loss.device, loss.epoch, loss.stream].append(loss)
    bounds = {(one.device, one.epoch, one.stream): one.last for one in holdings.bounds}
    reasons: Counter[str] = Counter()
    known_tokens = set()
    for device, log in captures.items():
        for capture in log:
            known_tokens.add(capture.token)
            identity = capture.identity
            if identity is None:
                here = found.get(capture.token)
                if here is None or here.digest != capture.digest:
                    verdict.uncommitted += 1
                    continue
                identity = here.identity[1:]
            verdict.captured += 1
            epoch, stream, sequence = identity
            here = stored.get((device, *identity))
            if here is not None and (here.token, here.digest) == (capture.token, capture.digest):
                verdict.stored += 1
                verdict.crops += bool(capture.crop)
                verdict.crops_missing += bool(capture.crop) and capture.crop not in holdings.crops
                continue
            naming = [one for one in lost_runs[device, epoch, stream] if one.first <= sequence <= one.last]
            if naming:
                verdict.named += 1
                reasons[naming[0].reason] += 1
            elif sequence <= bounds.get((device, epoch, stream), 0):
                verdict.named += 1
                verdict.named_by_bound += 1
            elif (device, *identity) in holdings.taken and _is_missing((device, *identity), holdings.missing):
                verdict.named += 1
                verdict.named_missing_after_restore += 1
            else:
                verdict.lost_identities.append(f"{device} {epoch}/{stream}/{sequence} {capture.token}")
    verdict.lost = verdict.captured - verdict.stored - verdict.named
    verdict.duplicate_tokens = [token for token, times in of_token.items() if times > 1]
    verdict.duplicates = len(verdict.duplicate_tokens) + holdings.alerted_twice
    verdict.unknown_bound = sum(_unknown(one, holdings.detections, lost_runs) for one in holdings.bounds)
    verdict.media_named = sum(one.last - one.first + 1 for one in holdings.losses if one.stream == Stream.MEDIA)
    verdict.reasons = dict(reasons)
    return verdict


def _is_missing(identity: Identity, missing: Iterable[Missing]) -> bool:
    *of, sequence = identity
    return any(of == [one.device, one.epoch, one.stream] and one.first <= sequence <= one.last for one in missing)


def _unknown(
    bound: Bound, detections: Sequence[StoredDetection], lost_runs: Mapping[tuple[str, int, int], Sequence[Loss]]
) -> int:
    key = (bound.device, bound.epoch, bound.stream)
    here = {one.identity[3] for one in detections if one.identity[:3] == key}
    for loss in lost_runs.get(key, ()):
        here.update(range(loss.first, loss.last + 1))
    return max(0, bound.last - len(here))
