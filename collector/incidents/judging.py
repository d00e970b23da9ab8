"""What is known of shots that belong together: where, how many, by whom, and how likely gunfire. Pure.

Who listened within earshot and heard nothing speaks against a shot, but not before its arrival would have been here:
sound needs seconds, and a device is told of a shot a second after it. Until then an incident is not settled, and what
is known of it counts only those who have had their time. ``Judged.at_worst`` counts the others as silent, too.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from collector.incidents.records import Known, Listener
from collector.incidents.rules import Rules
from collector.incidents.solving import SLOW_SOUND_MPS, Found, Microphone
from collector.locate.fusion import gunshot_probability
from collector.locate.hearing import chance_to_hear
from collector.locate.records import Ellipse, Incident, Round, Sensor

# Who is not likelier than this to hear a shot says nothing by hearing none.
_HARDLY = 0.2
_NAMED = 8
_WITNESSES = 3
_S = 1_000_000_000
_FIRES = ("automatic", "burst", "single")


@dataclass(frozen=True, slots=True)
class Judged:
    """What is known of shots that belong together.

    Attributes:
        known: for the store and the people.
        at_worst: the probability of gunfire if nobody else tells of it; None if nobody says what it heard.
        devices: how many heard it.
        settles_at_ns: until when somebody could still tell; None if nobody can.
        notes: what to tell people of its age.
    """

    known: Known
    at_worst: float | None
    devices: int
    settles_at_ns: int | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Quiet:
    """A device that listened and has told of nothing (yet)."""

    listener: Listener
    sensor: Sensor
    distance_m: float
    expected: float
    due_ns: int


def judge(found: Found, listening: Iterable[Listener], now_ns: int, rules: Rules) -> Judged:
    """Return what is known of these shots.

    Args:
        found: the shots, and what the locator says of them.
        listening: who listened then.
        now_ns: UTC.
        rules: by what to judge.
    """
    historical = all(shot.historical for shot in found.shots)
    quiet = [one for one in _quiet(found, listening, rules) if one.expected >= _HARDLY]
    silent = [one for one in quiet if historical or one.due_ns <= now_ns]
    waiting = [one.due_ns for one in quiet if not historical and one.due_ns > now_ns]
    evidence = _with_all_that_was_heard(found)
    # Who heard it and is not used is no silent one: it is left out here, and what it heard is in the evidence.
    probability = gunshot_probability(evidence, [one.sensor for one in silent])
    at_worst = gunshot_probability(evidence, [one.sensor for one in quiet]) if waiting else probability
    solution = found.solution
    has_point = found.placed and solution.x_m is not None and solution.y_m is not None
    latitude, longitude = _degrees(found, solution.x_m or 0.0, solution.y_m or 0.0) if has_point else (None, None)
    ellipses = (solution.ellipse50, solution.ellipse95) if has_point else (None, None)
    known = Known(
        at_ns=found.base_ns + round(solution.time_s * 1e6) * 1_000,
        rounds=len(solution.rounds),
        fire=_fire(found),
        probability=None if probability is None else round(probability, 4),
        probability_why=_why(found, silent),
        confidence=_confidence(found),
        latitude=latitude,
        longitude=longitude,
        ellipses=None if None in ellipses else [_numbers(one) for one in ellipses if one is not None],
        twin=None if solution.twin is None or not has_point else _degrees(found, solution.twin.x_m, solution.twin.y_m),
        region=_region(found),
        sensors=_sensors(found, has_point=has_point),
        silent=[
            {
                "device": one.listener.device,
                "latitude": round(one.listener.place.latitude, 7),
                "longitude": round(one.listener.place.longitude, 7),
                "expected": round(one.expected, 3),
            }
            for one in silent
        ],
        historical=historical,
    )
    devices = len({one.device for one in found.microphones.values()})
    notes = tuple(sorted({shot.age_note for shot in found.shots if shot.age_note is not None}))
    return Judged(known, at_worst, devices, max(waiting, default=None), notes)


def _quiet(found: Found, listening: Iterable[Listener], rules: Rules) -> list[_Quiet]:
    """Return those who listened and told of nothing, the likeliest to have heard it first."""
    if not found.placed:
        return []
    heard = {one.device for one in found.microphones.values()}
    solution = found.solution
    first = min((one for one in found.shots if one.place is not None), key=lambda one: one.heard_at_ns)
    near = next(one.sensor for one in found.microphones.values() if one.place == first.place)
    from_m = (near.x_m, near.y_m) if solution.x_m is None or solution.y_m is None else (solution.x_m, solution.y_m)
    # Without a point it is taken to have been fired next to who heard it first: nobody then has less time.
    from_ns = first.heard_at_ns if solution.x_m is None else found.base_ns + round(solution.time_s * _S)
    quiet: list[_Quiet] = []
    for one in listening:
        if one.device in heard:
            continue
        x_m, y_m = found.frame.to_local(one.place.latitude, one.place.longitude)
        distance_m = math.dist(from_m, (x_m, y_m))
        if not math.isfinite(distance_m):
            # On the other side of the earth, which the plane does not show.
            continue
        sensor = Sensor(one.device, x_m, y_m, one.place.up_m or 0.0, one.place.error_m, rules.audible_m)
        due_ns = from_ns + round((distance_m / SLOW_SOUND_MPS + rules.settle_s) * _S)
        quiet.append(_Quiet(one, sensor, distance_m, _expected(solution, sensor), due_ns))
    return sorted(quiet, key=lambda one: (-one.expected, one.listener.device))


def _expected(solution: Incident, sensor: Sensor) -> float:
    """How likely a sensor hears what was fired at the point; without one, on average over the region."""
    if solution.x_m is not None and solution.y_m is not None:
        places = np.array([(solution.x_m, solution.y_m)])
    else:
        outline = np.array(solution.region.outline)
        places = np.concatenate([outline, outline.mean(axis=0, keepdims=True)])
    away_m = np.hypot(*(places - (sensor.x_m, sensor.y_m)).T)
    return float(chance_to_hear(away_m, np.array(sensor.audible_m)).mean())


def _with_all_that_was_heard(found: Found) -> Incident:
    """Return the solution with all arrivals as of devices: also what it does not rest on says what was heard.

    The microphones of one device are one witness, however many it says it has.
    """
    by_place = {(one.device, one.microphone, one.place): one for one in found.microphones.values()}
    arrivals = tuple(
        replace(by_place[shot.device, shot.microphone, shot.place].arrival(shot, found.base_ns), sensor=shot.device)
        for shot in found.shots
    )
    return replace(found.solution, rounds=(Round(found.solution.time_s, 0.0, arrivals),))


def _confidence(found: Found) -> str | None:
    """How far to trust the location: no more than a little if it rests on the word of fewer than three devices."""
    if not found.placed:
        return None
    devices = {found.microphones[name].device for name in found.solution.sensors_used}
    return found.solution.confidence if len(devices) >= _WITNESSES else "low"


def _fire(found: Found) -> str:
    """Return how the rounds followed each other, as most of the microphones had it when they heard the last."""
    last: dict[tuple[str, str], tuple[int, str]] = {}
    for shot in found.shots:
        if shot.fire is not None:
            said = (shot.rounds or 0, shot.fire)
            last[shot.device, shot.microphone] = max(said, last.get((shot.device, shot.microphone), said))
    words = Counter(fire for _, fire in last.values() if fire in _FIRES)
    if not words:
        return "single" if len(found.solution.rounds) == 1 else "unknown"
    return min(_FIRES, key=lambda fire: (-words[fire], _FIRES.index(fire)))


def _why(found: Found, silent: Sequence[_Quiet]) -> list[str]:
    best: dict[str, float] = {}
    for shot in found.shots:
        name = f"{shot.device}/{shot.microphone}"
        best[name] = max(best.get(name, 0.0), shot.probability)
    named = sorted(best, key=lambda name: (-best[name], name))
    said = ", ".join(f"{name} {best[name]:.2f}" for name in named[:_NAMED])
    more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    sentences = [f"Heard as a gunshot by {said}{more}."]
    sentences += [
        f"{one.listener.device}, {one.distance_m:.0f} m away, listened and heard nothing (expected with "
        f"{one.expected:.2f})."
        for one in silent[:_NAMED]
    ]
    return sentences


def _sensors(found: Found, *, has_point: bool) -> list[dict[str, Any]]:
    """Return those that heard it, nearest first; without a point those that heard it first."""
    solution = found.solution
    residual_s = {one.sensor: one.residual_s for one in solution.used}
    shown: list[tuple[tuple[float, str, str], dict[str, Any]]] = []
    for name, one in found.microphones.items():
        shots = [shot for shot in found.shots if (shot.device, shot.microphone, shot.place) == one.key]
        shots.sort(key=lambda shot: (shot.heard_at_ns, shot.id))
        distance_m = _distance_m(one, solution) if has_point and one.place is not None else None
        order = shots[0].heard_at_ns / _S if distance_m is None else distance_m
        why = found.others.get(name)
        sensor = {
            "device": one.device,
            "microphone": one.microphone,
            "latitude": None if one.place is None else round(one.place.latitude, 7),
            "longitude": None if one.place is None else round(one.place.longitude, 7),
            "used": why is None and name in residual_s,
            "why": why,
            "residual_ms": round(1e3 * residual_s[name], 2)
            if has_point and why is None and name in residual_s
            else None,
            "arrivals": [shot.id for shot in shots],
            "distance_m": None if distance_m is None else round(distance_m, 1),
        }
        shown.append(((order, one.device, one.microphone), sensor))
    return [sensor for _, sensor in sorted(shown, key=lambda one: one[0])]


def _distance_m(one: Microphone, solution: Incident) -> float:
    return math.hypot(one.sensor.x_m - (solution.x_m or 0.0), one.sensor.y_m - (solution.y_m or 0.0))


def _region(found: Found) -> dict[str, Any] | None:
    if not found.placed:
        return None
    region = found.solution.region
    outline = [[round(degree, 6) for degree in found.frame.to_geographic(*point)] for point in region.outline]
    return {"kind": region.kind, "outline": outline}


def _degrees(found: Found, x_m: float, y_m: float) -> list[float]:
    return [round(degree, 7) for degree in found.frame.to_geographic(x_m, y_m)]


def _numbers(one: Ellipse) -> list[float]:
    return [round(one.semi_major_m, 2), round(one.semi_minor_m, 2), round(one.azimuth_deg, 1)]
