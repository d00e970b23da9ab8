"""Counts a report. Pure.

Alerts are counted in the period in which they were raised, with what has become of them by the time of the report.
Canary entries, which are there to try the way of an alert, count nowhere but in their own line.

Precision is the share of confirmed ones among those on which somebody gave a verdict of substance (confirmed, misread,
wrong state, stale entry); `no-action` says nothing about the machine or the list. The plate was right also where the
entry was stale. Intervals are Wilson's, of 95 % (E. B. Wilson, JASA 22, 1927), which are honest for a handful, too.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import TypeVar

from collector.domain import Disposition, Outcome, RecordStatus, Rule
from collector.reports.records import Attached, Cell, CountedAlert, Facts, Sheet

_Z = 1.959963984540054  # the normal distribution's 97.5th percentile
_JUDGED = (Disposition.CONFIRMED, Disposition.MISREAD, Disposition.WRONG_STATE, Disposition.STALE_ENTRY)
_NON_CORRELATING = (Disposition.MISREAD, Disposition.WRONG_STATE, Disposition.STALE_ENTRY)
_BANDS = (0.0, 0.5, 0.8, 0.9, 0.95, 0.99, 1.0)
_PRECISION = ("precision", "precision_low", "precision_high", "plate_right", "plate_right_low", "plate_right_high")
_VERDICTS = tuple(one.value.replace("-", "_") for one in Disposition)
_COUNTS = ("hits", "suppressed", "alerts", *_VERDICTS, "open", *_PRECISION)
_MILLE = 1_000
_Key = TypeVar("_Key", bound=tuple[Cell, ...])


def wilson(successes: int, of: int) -> tuple[float, float] | None:
    """Return the 95 % interval of a share; None of nothing."""
    if of == 0:
        return None
    share, square = successes / of, _Z * _Z
    middle = (share + square / (2 * of)) / (1 + square / of)
    half = _Z / (1 + square / of) * math.sqrt(share * (1 - share) / of + square / (4 * of * of))
    # Exact at the ends, where rounding would leave a trace.
    return (middle - half if successes else 0.0), (middle + half if successes < of else 1.0)


def percentile(values: Sequence[float], share: float) -> float | None:
    """Return the smallest of ``values`` that at least ``share`` of them do not exceed; None of nothing."""
    if not values:
        return None
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def count(facts: Facts, time_of: Callable[[int], str]) -> tuple[Sheet, ...]:
    """Return the tables of a report.

    Args:
        facts: what they are counted from.
        time_of: UTC nanoseconds as people read them.
    """
    alerts = [one for one in facts.alerts if not one.canary]
    return (
        _totals(facts, alerts),
        _statute(facts, alerts),
        _cameras(facts, alerts),
        _grouped("lists", "By list", facts, alerts, ("list",), lambda one: (one.list,)),
        _grouped("categories", "By category", facts, alerts, ("category",), lambda one: (one.category,)),
        _grouped("rules", "By what let it through", facts, alerts, ("rule",), lambda one: (one.rule,)),
        _grouped("probabilities", "By the probability that was shown", facts, alerts, ("from", "to"), _band),
        _misreads(alerts),
        _look_alikes(facts, time_of),
    )


def _totals(facts: Facts, alerts: Sequence[CountedAlert]) -> Sheet:
    waits_s = [
        (one.acknowledged_at_ns - one.raised_at_ns) / 1e9
        for one in alerts
        if one.acknowledged_at_ns is not None and not one.historical
    ]
    live = [one for one in alerts if not one.historical]
    attached = [facts.attached.get(one.id, Attached()) for one in alerts]
    verdicts = Counter(one.disposition for one in alerts)
    records = Counter(one.record for one in alerts)
    outcomes = Counter(one.outcome for one in alerts)
    rows: list[tuple[Cell, ...]] = [
        ("scans", sum(one.reads for one in facts.scans)),
        ("cameras that read", len(facts.scans)),
        ("hits", len(alerts) + sum(one.suppressed + one.trail for one in attached)),
        ("hits suppressed", sum(one.suppressed for one in attached)),
        ("hits on a trail", sum(one.trail for one in attached)),
        ("alerts", len(alerts)),
        ("alerts historical", len(alerts) - len(live)),
        ("alerts taken back by a later revision", sum(one.unsupported for one in alerts)),
        ("alerts recalled", sum(one.recalled for one in alerts)),
        ("alerts of canary entries, left out everywhere else", len(facts.alerts) - len(alerts)),
        *((f"closed {one.value}", verdicts[one.value]) for one in Disposition),
        ("still open", verdicts[None]),
        ("acknowledged, live alerts", len(waits_s)),
        ("not acknowledged, live alerts", len(live) - len(waits_s)),
        ("seconds to acknowledge, half within", _rounded(percentile(waits_s, 0.5), 1)),
        ("seconds to acknowledge, 95 % within", _rounded(percentile(waits_s, 0.95), 1)),
        *((f"record {one.value}", records[one.value]) for one in RecordStatus),
        *((f"field {one.value}", outcomes[one.value]) for one in Outcome),
    ]
    return Sheet(
        "totals",
        "Totals",
        "A scan is one pass of one vehicle. A hit is a scan that matched an entry: it raised an alert, was suppressed "
        "as a repetition at the same site, or extended an alert's trail. Alerts count in the period in which they were "
        "raised.",
        ("what", "count"),
        tuple(rows),
    )


def _statute(facts: Facts, alerts: Sequence[CountedAlert]) -> Sheet:
    reads = sum(one.reads for one in facts.scans)
    by_list: defaultdict[str, list[CountedAlert]] = defaultdict(list)
    for alert in alerts:
        by_list[alert.list].append(alert)
    rows: list[tuple[Cell, ...]] = []
    for one in facts.lists:
        rows.append((one.name, one.entries, one.versions, reads, *_correlated(by_list.pop(one.name, []))))
    rows += [(name, None, None, reads, *_correlated(some)) for name, some in sorted(by_list.items())]
    rows.append(("all lists", sum(one.entries for one in facts.lists), None, reads, *_correlated(alerts)))
    return Sheet(
        "statute",
        "What statutes ask for",
        "Every plate that was read is checked against every list in force. Confirmed: closed as confirmed. "
        "Non-correlating: upon further investigation it did not correlate (misread, wrong state, stale entry). "
        "Undecided: open, or closed with no action. Arrests are those that people recorded as the field outcome of an "
        "alert; prosecutions are not known here.",
        (
            "list",
            "entries",
            "versions",
            "plates_read",
            "alerts",
            "confirmed",
            "non_correlating",
            "undecided",
            "arrests",
        ),
        tuple(rows),
    )


def _correlated(alerts: Sequence[CountedAlert]) -> tuple[int, int, int, int, int]:
    verdicts = Counter(one.disposition for one in alerts)
    confirmed, not_so = verdicts[Disposition.CONFIRMED], sum(verdicts[one] for one in _NON_CORRELATING)
    arrests = sum(one.outcome == Outcome.ARREST for one in alerts)
    return len(alerts), confirmed, not_so, len(alerts) - confirmed - not_so, arrests


def _cameras(facts: Facts, alerts: Sequence[CountedAlert]) -> Sheet:
    scans = {(one.agency, one.device, one.camera): one.reads for one in facts.scans}
    grouped = _groups(alerts, lambda one: (one.agency, one.device, one.camera))
    rows = [
        (
            *key,
            scans.get(key, 0),
            *_counts(facts, grouped.get(key, [])),
            _per_mille(grouped.get(key, []), scans.get(key)),
        )
        for key in sorted({*scans, *grouped})
    ]
    return Sheet(
        "cameras",
        "By camera",
        "Precision as above, with Wilson's interval of 95 %. Alerts raised per 1,000 scans.",
        ("agency", "device", "camera", "scans", *_COUNTS, "alerts_per_1000_scans"),
        tuple(rows),
    )


def _per_mille(alerts: Sequence[CountedAlert], scans: int | None) -> float | None:
    return None if not scans else round(len(alerts) * _MILLE / scans, 3)


def _grouped(
    name: str,
    title: str,
    facts: Facts,
    alerts: Sequence[CountedAlert],
    columns: tuple[str, ...],
    key: Callable[[CountedAlert], tuple[Cell, ...]],
) -> Sheet:
    grouped = _groups(alerts, key)
    known: dict[str, Iterable[tuple[Cell, ...]]] = {
        "lists": ((one.name,) for one in facts.lists),
        "rules": ((one.value,) for one in Rule),
    }
    keys = sorted({*grouped, *known.get(name, ())}, key=lambda one: tuple((each is None, each) for each in one))
    rows = [(*one, *_counts(facts, grouped.get(one, []))) for one in keys]
    note = (
        "Precision: confirmed among confirmed, misread, wrong state and stale entry. Plate right: confirmed and stale "
        "entry among those. Both with Wilson's interval of 95 %."
    )
    return Sheet(name, title, note, (*columns, *_COUNTS), tuple(rows))


def _groups(alerts: Iterable[CountedAlert], key: Callable[[CountedAlert], _Key]) -> dict[_Key, list[CountedAlert]]:
    found: defaultdict[_Key, list[CountedAlert]] = defaultdict(list)
    for one in alerts:
        found[key(one)].append(one)
    return dict(found)


def _counts(facts: Facts, alerts: Sequence[CountedAlert]) -> tuple[Cell, ...]:
    attached = [facts.attached.get(one.id, Attached()) for one in alerts]
    suppressed = sum(one.suppressed for one in attached)
    hits = len(alerts) + suppressed + sum(one.trail for one in attached)
    verdicts = Counter(one.disposition for one in alerts)
    judged = sum(verdicts[one] for one in _JUDGED)
    confirmed = verdicts[Disposition.CONFIRMED]
    right = confirmed + verdicts[Disposition.STALE_ENTRY]
    return (
        hits,
        suppressed,
        len(alerts),
        *(verdicts[one] for one in Disposition),
        verdicts[None],
        *_share(confirmed, judged),
        *_share(right, judged),
    )


def _share(successes: int, of: int) -> tuple[float | None, float | None, float | None]:
    interval = wilson(successes, of)
    if interval is None:
        return None, None, None
    return round(successes / of, 4), round(interval[0], 4), round(interval[1], 4)


def _band(one: CountedAlert) -> tuple[Cell, ...]:
    if one.probability is None:
        return None, None
    for low, high in pairwise(_BANDS):
        if one.probability < high:
            return low, high
    return _BANDS[-2], _BANDS[-1]


def _misreads(alerts: Sequence[CountedAlert]) -> Sheet:
    rows = [
        (one.id, one.disposition, one.agency, one.device, one.camera, one.list, one.rule, _rounded(one.probability, 4))
        for one in alerts
        if one.disposition in (Disposition.MISREAD, Disposition.WRONG_STATE) and not one.covert
    ]
    return Sheet(
        "misreads",
        "Misreads",
        "Alerts whose plate or state was read wrongly, by their numbers; the plates are on the operators' page. Those "
        "of covert entries are counted above and not named here.",
        ("alert", "disposition", "agency", "device", "camera", "list", "rule", "probability"),
        tuple(rows),
    )


def _look_alikes(facts: Facts, time_of: Callable[[int], str]) -> Sheet:
    rows = [
        (
            one.id,
            one.list,
            one.author,
            one.alert_id,
            time_of(one.created_at_ns),
            time_of(one.until_ns),
            one.ended_by,
            one.passes,
            one.demoted,
        )
        for one in facts.look_alikes
    ]
    return Sheet(
        "look_alikes",
        "Known look-alikes",
        "Exclusions that were made or in force in the period: a plate that is truly there and is not the entry. They "
        "demote only reads that favour the true plate. Passes: how often the true plate was read while they stood. "
        "Demoted: how many reads had a hit that the exclusion held back, counted when they were matched.",
        ("exclusion", "list", "author", "alert", "made_at", "until", "ended_by", "passes", "demoted"),
        tuple(rows),
    )


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
