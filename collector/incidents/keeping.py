"""From what is found now and what is kept to what is to be kept. Pure.

What is found takes the number of the kept incident that it has most shots in common with, of one that has alerted
before any other. A kept one all of whose shots went elsewhere stays, empty, and says where to.

An incident alerts once. It does as soon as two devices agree and it is likely enough even if nobody else tells of it;
otherwise when nobody can tell any more, and it is likely enough then. A doubtful one waits for those who could still
speak against it, a few seconds, and a sure one for nobody. What comes later strengthens the alert or says that it is no
longer supported; it never takes it back.

Links are seconds apart, and until the last has caught up one shooting may look like several incidents. So beside one
that has alerted, another that may prove to be the same waits for that, too: its shots join the first, or it alerts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from collector.domain import Support
from collector.incidents.judging import Judged, judge
from collector.incidents.records import Change, Heard, KeptIncident, Known, Listener, Neighbourhood, Standing
from collector.incidents.rules import Rules
from collector.incidents.solving import Found, may_be_one, solve

# Two devices that agree on the time of a sound are seldom both wrong about it.
_AGREE = 2
# So long after it was heard, and after the first word of it, the links of its sensors have usually caught up.
_CAUGHT_UP_NS = 20_000_000_000
# What a sensor within so many times its earshot hears or not belongs to what was known of an incident.
_AROUND = 3
# What is computed around another origin differs by a little; in degrees 0.1 m, in everything else 0.05 of its unit.
_ALIKE_DEG = 1e-6
_ALIKE = 0.05
_ALIKE_NS = 20_000
_ALIKE_PROBABILITY = 0.0005
_IN_DEGREES = frozenset({"latitude", "longitude", "twin", "outline"})
_PROBABILITIES = frozenset({"probability", "expected"})


def changes(near: Neighbourhood, now_ns: int, rules: Rules) -> list[Change]:
    """Return the incidents of a neighbourhood that are to be kept differently, or that are settled now.

    Args:
        near: shots and incidents as they are.
        now_ns: UTC.
        rules: by what to judge.
    """
    found = solve(near.shots, lambda shots: _who_listened(shots, near), now_ns, rules)
    numbers = _numbers(found)
    for_whom = _match(found, near.kept)
    befores = [near.kept.get(for_whom.get(at, 0)) for at in range(len(found))]
    by_place: dict[int, Change] = {}
    alerting: list[Found] = []
    for at in sorted(range(len(found)), key=lambda at: _first_to_alert(found[at], befores[at])):
        one, before = found[at], befores[at]
        listening = _listening(one, near.listeners, rules) if before is None else before.listening
        judged = judge(one, listening, now_ns, rules)
        if _standing(before) is None and any(may_be_one(one, other, rules) for other in alerting):
            judged = _until_links_have_caught_up(judged, one, before, now_ns)
        change = _change(numbers[at], before, judged, listening, rules)
        if change is not None:
            by_place[at] = change
        standing = _standing(before) if change is None else change.alert
        if standing is not None and standing.support is not Support.UNSUPPORTED:
            alerting.append(one)
    new = [by_place[at] for at in sorted(by_place)]
    taken = set(for_whom.values())
    for incident_id in sorted(near.kept.keys() - taken):
        gone = _gone(near.kept[incident_id], near, found, for_whom)
        if gone is not None:
            new.append(gone)
    return new


def _standing(before: KeptIncident | None) -> Standing | None:
    return None if before is None else before.alert


def _first_to_alert(one: Found, before: KeptIncident | None) -> tuple[bool, bool, int, int]:
    """Order incidents by who alerts, if only one of them does: what people know of, then what is known best."""
    return _standing(before) is None, not one.is_placed_well, -len(one.microphones), one.first_ns


def _until_links_have_caught_up(judged: Judged, found: Found, before: KeptIncident | None, now_ns: int) -> Judged:
    """Return what is known as of an incident that is not settled before the links have caught up."""
    since_told_ns = now_ns + _CAUGHT_UP_NS if before is None else before.settles_at_ns or 0
    caught_up_ns = max(found.first_ns + _CAUGHT_UP_NS, since_told_ns)
    if judged.known.historical or caught_up_ns <= now_ns:
        return judged
    return replace(judged, at_worst=None, settles_at_ns=max(caught_up_ns, judged.settles_at_ns or 0))


def _who_listened(shots: Iterable[Heard], near: Neighbourhood) -> tuple[Listener, ...]:
    """Who listened when the incidents of these shots were made; who does now, if they are in none."""
    inside = sorted({shot.incident_id for shot in shots if shot.incident_id is not None} & near.kept.keys())
    kept = {one.device: one for incident_id in inside for one in near.kept[incident_id].listening}
    return tuple(kept.values()) if inside else near.listeners


def _numbers(found: Sequence[Found]) -> list[tuple[int, ...]]:
    return [tuple(sorted(shot.id for shot in one.shots)) for one in found]


def _match(found: Sequence[Found], kept: Mapping[int, KeptIncident]) -> dict[int, int]:
    """Return which kept incident each of ``found`` is, by its index: those with most shots in common first.

    Before all others those that have alerted: people already have their numbers.
    """
    common = Counter(
        (at, shot.incident_id)
        for at, one in enumerate(found)
        for shot in one.shots
        if shot.incident_id is not None and shot.incident_id in kept
    )
    matched: dict[int, int] = {}
    taken: set[int] = set()

    def rank(item: tuple[tuple[int, int], int]) -> tuple[bool, int, int, int]:
        (at, incident_id), shots = item
        return kept[incident_id].alert is None, -shots, incident_id, at

    for (at, incident_id), _ in sorted(common.items(), key=rank):
        if at not in matched and incident_id not in taken:
            matched[at] = incident_id
            taken.add(incident_id)
    return matched


def _listening(found: Found, listeners: Iterable[Listener], rules: Rules) -> tuple[Listener, ...]:
    """Return who listens around an incident that is new; nobody knows who did around one that is historical."""
    if not found.placed or all(shot.historical for shot in found.shots):
        return ()
    sensors = [one.sensor for one in found.microphones.values() if one.place is not None]
    around_m = _AROUND * rules.audible_m
    around: list[Listener] = []
    for one in listeners:
        x_m, y_m = found.frame.to_local(one.place.latitude, one.place.longitude)
        if any(abs(x_m - sensor.x_m) <= around_m and abs(y_m - sensor.y_m) <= around_m for sensor in sensors):
            around.append(one)
    return tuple(around)


def _change(
    shot_ids: tuple[int, ...],
    before: KeptIncident | None,
    judged: Judged,
    listening: tuple[Listener, ...],
    rules: Rules,
) -> Change | None:
    """Return how an incident is to be kept; None if it is kept so already."""
    alert_from = rules.alert_from if before is None else before.alert_from
    known, differs = judged.known, True
    if before is not None and before.merged_into is None and alike(before.known, known):
        known, differs = before.known, False
    standing = _standing(before)
    alert = _stand(standing, None if before is None else before.known, replace(judged, known=known), alert_from)
    changed = differs or alert != standing
    if not changed and before is not None and before.settles_at_ns == judged.settles_at_ns:
        return None
    return Change(
        incident_id=None if before is None else before.id,
        shot_ids=shot_ids,
        known=known,
        alert_from=alert_from,
        listening=listening,
        settles_at_ns=judged.settles_at_ns,
        alert=alert,
        changed=changed,
    )


def _stand(standing: Standing | None, before: Known | None, judged: Judged, alert_from: float) -> Standing | None:
    """Return how an incident's alert stands; None while it has none."""
    known = judged.known
    reasons = (*why(known, alert_from), *judged.notes)
    likely = known.probability is not None and known.probability >= alert_from
    if standing is None:
        sure = judged.at_worst is not None and judged.at_worst >= alert_from and judged.devices >= _AGREE
        settled = judged.settles_at_ns is None and likely
        return Standing(Support.RAISED, reasons) if sure or settled else None
    if not likely:
        if standing.support is Support.UNSUPPORTED:
            return standing
        sentence = f"No longer supported: gunfire with {_said(known.probability)} now; alerts from {alert_from:.2f}."
        return replace(standing, support=Support.UNSUPPORTED, why=(*standing.why, sentence))
    if before is None or before is known:
        return standing
    if _stronger(before, known):
        return replace(standing, support=Support.STRENGTHENED, why=reasons)
    support = Support.RAISED if standing.support is Support.UNSUPPORTED else standing.support
    return replace(standing, support=support, why=reasons)


def _stronger(before: Known, now: Known) -> bool:
    located = (now.latitude is not None) - (before.latitude is not None)
    likelier = (now.probability or 0.0) - (before.probability or 0.0)
    heard = len(now.sensors) - len(before.sensors)
    return located > 0 or (located == 0 and likelier >= 0 and (heard > 0 or likelier >= 0.01))


def _gone(
    kept: KeptIncident, near: Neighbourhood, found: Sequence[Found], for_whom: Mapping[int, int]
) -> Change | None:
    """Return how a kept incident is to be kept all of whose shots are in others now."""
    if kept.merged_into is not None:
        return None
    own = {shot.id for shot in near.shots if shot.incident_id == kept.id}
    most = max(range(len(found)), key=lambda at: (sum(shot.id in own for shot in found[at].shots), -at))
    # What has a shot in common with a kept one that nothing took is itself one that is kept.
    into = for_whom[most]
    alert = kept.alert
    if alert is not None and alert.support is not Support.UNSUPPORTED:
        sentence = f"No longer supported: its shots belong to incident {into}."
        alert = replace(alert, support=Support.UNSUPPORTED, why=(*alert.why, sentence))
    known = replace(kept.known, rounds=0, sensors=[], silent=[])
    return Change(
        incident_id=kept.id,
        shot_ids=(),
        known=known,
        alert_from=kept.alert_from,
        listening=kept.listening,
        settles_at_ns=None,
        alert=alert,
        changed=True,
        into=into,
    )


def why(known: Known, alert_from: float) -> tuple[str, ...]:
    """Return why an incident alerts, one sentence each."""
    devices = len({one["device"] for one in known.sensors})
    rounds = f"{known.rounds} round" + ("s" if known.rounds != 1 else "")
    fire = f", {known.fire} fire" if known.fire in ("burst", "automatic") else ""
    sentences = [
        f"{devices} device{'s' if devices != 1 else ''} heard {rounds}{fire}.",
        f"Gunfire with {_said(known.probability)} from all sensors together; alerts from {alert_from:.2f}.",
        _where(known),
    ]
    if known.twin is not None:
        sentences.append("The sensors stand so that it may have been at a second place just as well.")
    if known.silent:
        names = ", ".join(one["device"] for one in known.silent)
        sentences.append(f"Within earshot, and heard nothing: {names}.")
    return tuple(sentences)


def _where(known: Known) -> str:
    if known.latitude is not None and known.ellipses is not None:
        return f"Located to {known.ellipses[1][0]:.0f} m (95 %), confidence {known.confidence}."
    if known.region is None:
        return "Nobody knows where its sensors stand."
    if known.region["kind"] == "band":
        return "Two sites heard it in time: it was somewhere along a band."
    return "Fewer than two sites heard it in time: it may have been anywhere within earshot."


def _said(probability: float | None) -> str:
    return "no probability" if probability is None else f"{probability:.2f}"


def alike(a: Known, b: Known) -> bool:
    """Whether two say the same but for the last digits."""
    return all(_alike(value, getattr(b, name), name) for name, value in asdict(a).items())


def _alike(a: Any, b: Any, name: str) -> bool:
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(_alike(a[key], b[key], key) for key in a)
    if isinstance(a, list) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(_alike(one, other, name) for one, other in zip(a, b, strict=True))
    if isinstance(a, bool) or isinstance(b, bool) or not (isinstance(a, (int, float)) and isinstance(b, (int, float))):
        return bool(a == b)
    if name == "at_ns":
        return abs(a - b) <= _ALIKE_NS
    if isinstance(a, int) and isinstance(b, int):
        return a == b
    if name in _IN_DEGREES:
        return abs(a - b) <= _ALIKE_DEG
    return abs(a - b) <= (_ALIKE_PROBABILITY if name in _PROBABILITIES else _ALIKE)
