"""Puts the shots of one agency together and places them. Pure: ``collector.locate`` does the geometry.

Shots of sensors that are too far apart to hear one another's are kept apart. Those that are timed well enough go to the
locator; the others, and those of sensors that the locator rejects, only say what was heard: each goes to the series
that it could have heard, and what could have heard none of them makes an incident without a point. So every shot is in
one incident, and a sensor whose clock is wrong makes no second one of the same shots.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from collector.incidents.records import Heard, Listener, Place
from collector.incidents.rules import Rules
from collector.locate.locating import locate
from collector.locate.projection import LocalFrame
from collector.locate.records import Arrival, Incident, Region, Round, Sensor, Used

_NOT_TIMED = "its clock is not good enough to locate with"
_LEFT_OVER = "it heard this at another time than the others"
# Rounds of a series are at most so far apart (issue and docs/locating.md).
_GAP_S = 5.0
# How far off a round an arrival that no location rests on may be and still be of its series: by three sigma of its time
# and what the way through a city adds; as an echo, if its sensor heard the series; if the locator rejects its sensor,
# whose clock is then wrong, by as much as the locator looks for.
_SLACK_S = 0.5
_ECHO_S = 2.0
_WRONG_CLOCK_S = 5.0
# What began no farther apart may be one shooting of which not all has been told.
_BEGUN_S = 30.0
_CORNERS = 24
# What a good satellite receiver is off by from one fix to the next.
_STILL_M = 15.0
# Microphones of a device, and where it was moved to in between.
_MOST_PLACES = 8
_SOUND_MPS = 340.0
SLOW_SOUND_MPS = 312.0
"""The slowest that sound gets in weather that people go out in: at -30 C."""
_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Microphone:
    """A microphone at one place: what the locator calls by ``sensor.id``."""

    device: str
    microphone: str
    place: Place | None
    sensor: Sensor

    @property
    def key(self) -> tuple[str, str, Place | None]:
        """What its shots have in common."""
        return self.device, self.microphone, self.place

    def arrival(self, shot: Heard, base_ns: int) -> Arrival:
        """One of its shots, as the locator has it."""
        return Arrival(
            sensor=self.sensor.id,
            time_s=(shot.heard_at_ns - base_ns) / _S,
            error_s=shot.error_ns / _S,
            score=shot.probability,
            snr_db=shot.snr_db,
            key=shot.id,
        )


@dataclass(slots=True)
class Found:
    """Shots that belong together.

    Attributes:
        frame: the plane that the solution's metres are of.
        base_ns: what the solution's seconds count from.
        solution: what the locator says.
        placed: whether the place of any of its sensors is known; otherwise the solution says nothing of where.
        shots: all of them.
        microphones: those that heard it, by the id of their sensor.
        others: those of them that the location does not rest on, with the reason.
    """

    frame: LocalFrame
    base_ns: int
    solution: Incident
    placed: bool
    shots: list[Heard]
    microphones: dict[str, Microphone]
    others: dict[str, str] = field(default_factory=dict)

    @property
    def first_ns(self) -> int:
        """When it was first heard."""
        return min(shot.heard_at_ns for shot in self.shots)

    def heard_ns(self, microphone: Microphone) -> list[int]:
        """Return when one of its microphones heard it."""
        return [shot.heard_at_ns for shot in self.shots if (shot.device, shot.microphone, shot.place) == microphone.key]

    @property
    def is_placed_well(self) -> bool:
        """Whether it is known where it was: on the word of three sites there is always some place."""
        return self.placed and self.solution.x_m is not None and self.solution.confidence != "low"


def solve(
    shots: Iterable[Heard], listening: Callable[[Sequence[Heard]], Iterable[Listener]], now_ns: int, rules: Rules
) -> list[Found]:
    """Return the incidents that these shots make, in order of time; each shot is in one.

    Args:
        shots: of one agency.
        listening: who listened about some of these shots, whether it told of anything or not.
        now_ns: UTC; who could still tell at that time is not silent.
        rules: from how far a microphone hears, and in which air.
    """
    found: list[Found] = []
    for near in _components(_standing_still(shots), 2 * rules.audible_m):
        found += _Area(near, listening(near), now_ns, rules).solve()
    return sorted(found, key=lambda one: (one.first_ns, min(shot.id for shot in one.shots)))


def may_be_one(one: Found, other: Found, rules: Rules) -> bool:
    """Whether two that were found together may prove to be one, once all that was heard of them has been told.

    Of rounds and their echoes that only some sensors have told of, several incidents are found. Two that are placed
    well are two. Others may be one if they began within seconds, and a sound of the one may have followed a sound of
    the other: as the rounds of one shooting do, at sensors that may hear the same.
    """
    well = one.is_placed_well and other.is_placed_well
    if one.frame is not other.frame or well or abs(one.first_ns - other.first_ns) > _BEGUN_S * _S:
        return False
    return any(
        _may_follow(a, b, one, other, rules) for a in one.microphones.values() for b in other.microphones.values()
    )


def _may_follow(a: Microphone, b: Microphone, one: Found, other: Found, rules: Rules) -> bool:
    away_m = math.hypot(a.sensor.x_m - b.sensor.x_m, a.sensor.y_m - b.sensor.y_m)
    longest_ns = (_GAP_S + away_m / _SOUND_MPS) * _S
    return away_m <= 2 * rules.audible_m and bool(
        np.abs(np.subtract.outer(one.heard_ns(a), other.heard_ns(b))).min() <= longest_ns
    )


class _Area:
    """Shots of sensors that may have heard the same."""

    def __init__(self, shots: Sequence[Heard], listening: Iterable[Listener], now_ns: int, rules: Rules) -> None:
        places = {shot.place for shot in shots if shot.place is not None}
        self._placed = bool(places)
        self._frame = LocalFrame.around((one.latitude, one.longitude) for one in sorted(places, key=_key) or [_NOWHERE])
        # Heights are of one ground where they are given; who does not give one stands among the others.
        heights = [one.up_m for one in places if one.up_m is not None]
        self._up_m = statistics.median(heights) if heights else 0.0
        self._audible_m = rules.audible_m
        self._weather = rules.weather
        self._base_ns = min(shot.heard_at_ns for shot in shots)
        self._shots = shots
        self._microphones: dict[tuple[str, str, Place | None], Microphone] = {}
        for shot in sorted(shots, key=lambda one: (one.device, one.microphone, _key(one.place))):
            key = (shot.device, shot.microphone, shot.place)
            if key not in self._microphones:
                self._microphones[key] = self._microphone(*key)
        self._silent = list(self._who_was_silent(listening, now_ns - round(rules.settle_s * _S)))

    def solve(self) -> list[Found]:
        timed = [shot for shot in self._shots if shot.timed and shot.place is not None]
        found = [self._found(one, timed) for one in self._located(timed)]
        found, alone = self._set_apart(found)
        inside = {shot.id for one in found for shot in one.shots}
        left = [shot for shot in self._shots if shot.id not in inside]
        still_left: list[Heard] = []
        for shot in left:
            home = self._home(shot, found)
            if home is None:
                still_left.append(shot)
                continue
            self._attach(home, shot, alone)
        return [*found, *self._unplaceable(still_left)]

    def _located(self, timed: Sequence[Heard]) -> list[Incident]:
        if not timed:
            return []
        sensors = {self._of(shot).sensor.id: self._of(shot).sensor for shot in timed}
        return locate([*sensors.values(), *self._silent], [self._arrival(shot) for shot in timed], self._weather)

    def _who_was_silent(self, listening: Iterable[Listener], told_by_ns: int) -> Iterator[Sensor]:
        """Yield the devices of the area that told of nothing, and would have by now: silence is evidence of place."""
        heard = {one.device for one in self._microphones.values()}
        first = min(
            (one for one in self._shots if one.place is not None), key=lambda one: one.heard_at_ns, default=None
        )
        if first is None or all(shot.historical for shot in self._shots):
            return
        near = self._of(first).sensor
        for one in listening:
            if one.device in heard:
                continue
            x_m, y_m = self._frame.to_local(one.place.latitude, one.place.longitude)
            away_m = math.hypot(x_m - near.x_m, y_m - near.y_m)
            due_ns = first.heard_at_ns + (away_m / SLOW_SOUND_MPS) * _S
            if away_m <= 2 * self._audible_m and due_ns <= told_by_ns:
                up_m = self._up_m if one.place.up_m is None else one.place.up_m
                yield Sensor(one.device, x_m, y_m, up_m, one.place.error_m, self._audible_m)

    def _found(self, solution: Incident, among: Iterable[Heard]) -> Found:
        by_id = {shot.id: shot for shot in among}
        shots = [by_id[int(arrival.key)] for arrival in solution.arrivals if arrival.key is not None]
        microphones = {self._of(shot).sensor.id: self._of(shot) for shot in shots}
        return Found(self._frame, self._base_ns, solution, self._placed, shots, microphones)

    def _set_apart(self, found: Sequence[Found]) -> tuple[list[Found], dict[str, str]]:
        """Take incidents apart that one sensor makes by itself, if a series that others heard rejects it."""
        rejected = {one.sensor: one.why for each in found for one in each.solution.rejected}
        kept = [one for one in found if len(one.microphones) > 1 or not rejected.keys() & one.microphones.keys()]
        return kept, rejected

    def _home(self, shot: Heard, found: Iterable[Found]) -> Found | None:
        """Return the series that a shot fits that no location rests on; None if it could have heard none of them."""
        best: tuple[float, int] | None = None
        home: Found | None = None
        sensor = self._of(shot).sensor
        for at, one in enumerate(found):
            off_s = self._off_s(shot, sensor, one)
            if off_s <= _slack_s(shot, sensor, one.solution) and (best is None or (off_s, at) < best):
                best, home = (off_s, at), one
        return home

    def _off_s(self, shot: Heard, sensor: Sensor, found: Found) -> float:
        """How far in time a shot is from the round of a series that it fits best."""
        solution, at_s = found.solution, (shot.heard_at_ns - self._base_ns) / _S
        if solution.x_m is not None and solution.y_m is not None and shot.place is not None:
            travel_s = math.hypot(sensor.x_m - solution.x_m, sensor.y_m - solution.y_m) / _SOUND_MPS
            return min(abs(at_s - one.time_s - travel_s) for one in solution.rounds)
        # Without a point it may have been fired anywhere that the one hears and the other.
        reach_s = 2 * self._audible_m / _SOUND_MPS
        heard_s = [arrival.time_s for arrival in solution.arrivals]
        return max(0.0, min(abs(at_s - one) for one in heard_s) - reach_s)

    def _attach(self, home: Found, shot: Heard, rejected: Mapping[str, str]) -> None:
        microphone = self._of(shot)
        home.shots.append(shot)
        home.microphones[microphone.sensor.id] = microphone
        if microphone.sensor.id not in home.solution.sensors_used:
            why = rejected.get(microphone.sensor.id) or (_LEFT_OVER if shot.timed else _NOT_TIMED)
            home.others.setdefault(microphone.sensor.id, why)

    def _unplaceable(self, shots: Sequence[Heard]) -> Iterator[Found]:
        """Make incidents of shots that nothing can be located with: series by series, in the zone of the surest."""
        reach_s = _GAP_S + 2 * self._audible_m / _SOUND_MPS
        for series in _series(shots, reach_s):
            heard: defaultdict[str, list[Heard]] = defaultdict(list)
            for shot in series:
                heard[self._of(shot).sensor.id].append(shot)
            surest = max(heard, key=lambda one: (max(shot.probability for shot in heard[one]), len(heard[one]), one))
            alone = heard[surest]
            solution = _zone(self._of(alone[0]).sensor, [self._arrival(shot) for shot in alone])
            found = self._found(solution, alone)
            for shot in series:
                if shot not in found.shots:
                    self._attach(found, shot, {})
            if not all(shot.timed for shot in alone):
                found.others.setdefault(surest, _NOT_TIMED)
            yield found

    def _microphone(self, device: str, microphone: str, place: Place | None) -> Microphone:
        same = sum((one.device, one.microphone) == (device, microphone) for one in self._microphones.values())
        # A device's id has no # in it, whatever its microphones are called.
        name = f"{device}#{same + 1}/{microphone}" if same else f"{device}/{microphone}"
        x_m, y_m = (0.0, 0.0) if place is None else self._frame.to_local(place.latitude, place.longitude)
        up_m = self._up_m if place is None or place.up_m is None else place.up_m
        error_m = 0.0 if place is None else place.error_m
        return Microphone(device, microphone, place, Sensor(name, x_m, y_m, up_m, error_m, self._audible_m))

    def _of(self, shot: Heard) -> Microphone:
        return self._microphones[shot.device, shot.microphone, shot.place]

    def _arrival(self, shot: Heard) -> Arrival:
        return self._of(shot).arrival(shot, self._base_ns)


_NOWHERE = Place(0.0, 0.0, None, 0.0)


def _key(place: Place | None) -> tuple[float, ...]:
    return () if place is None else (place.latitude, place.longitude, place.up_m or 0.0, place.error_m)


def _standing_still(shots: Iterable[Heard]) -> list[Heard]:
    """Return the shots with one place for each microphone that stands still.

    A position that is measured is never the same twice, and a sensor that seems to be many would hear each round alone.
    A device that says that it was at more places than it can have been is not believed where.
    """
    places: defaultdict[tuple[str, str], list[Place]] = defaultdict(list)
    of_device: Counter[str] = Counter()
    still: list[Heard] = []
    for shot in sorted(shots, key=lambda one: (one.heard_at_ns, one.id)):
        if shot.place is None:
            still.append(shot)
            continue
        known = places[shot.device, shot.microphone]
        same = next((one for one in known if _near(one, shot.place, _STILL_M)), None)
        if same is None and of_device[shot.device] >= _MOST_PLACES:
            still.append(replace(shot, place=None))
            continue
        if same is None:
            known.append(shot.place)
            of_device[shot.device] += 1
        still.append(shot if same is None or same == shot.place else replace(shot, place=same))
    return still


def _components(shots: Iterable[Heard], reach_m: float) -> list[list[Heard]]:
    """Return the shots in groups whose sensors are joined by steps of at most ``reach_m``.

    Whoever's place is not known is only together with itself.
    """
    by_place: defaultdict[tuple[Place | None, str], list[Heard]] = defaultdict(list)
    for shot in shots:
        by_place[shot.place, "" if shot.place is not None else shot.device].append(shot)
    waiting = dict(by_place)
    groups: list[list[Heard]] = []
    while waiting:
        key = next(iter(waiting))
        group, edge = waiting.pop(key), [key[0]]
        while edge:
            place = edge.pop()
            near = [
                one for one in waiting if place is not None and one[0] is not None and _near(place, one[0], reach_m)
            ]
            for one in near:
                group = group + waiting.pop(one)
                edge.append(one[0])
        groups.append(sorted(group, key=lambda shot: (shot.heard_at_ns, shot.id)))
    return groups


def _near(a: Place, b: Place, reach_m: float) -> bool:
    north_m = 111_320 * (a.latitude - b.latitude)
    around_deg = (a.longitude - b.longitude + 180) % 360 - 180
    east_m = 111_320 * math.cos(math.radians(a.latitude)) * around_deg
    return math.hypot(east_m, north_m) <= reach_m


def _series(shots: Sequence[Heard], gap_s: float) -> Iterator[list[Heard]]:
    """Yield shots in runs, no two neighbours of which are more than ``gap_s`` apart."""
    run: list[Heard] = []
    for shot in sorted(shots, key=lambda one: (one.heard_at_ns, one.id)):
        if run and shot.heard_at_ns - run[-1].heard_at_ns > gap_s * _S:
            yield run
            run = []
        run.append(shot)
    if run:
        yield run


def _slack_s(shot: Heard, sensor: Sensor, solution: Incident) -> float:
    if any(one.sensor == sensor.id for one in solution.rejected):
        return _WRONG_CLOCK_S
    own_s = min(_WRONG_CLOCK_S, _SLACK_S + 3 * shot.error_ns / _S)
    return max(own_s, _ECHO_S) if sensor.id in solution.sensors_used else own_s


def _zone(sensor: Sensor, arrivals: Sequence[Arrival]) -> Incident:
    """Return what one sensor heard: it may have been fired anywhere within its earshot."""
    turns = (2 * math.pi * at / _CORNERS for at in range(_CORNERS))
    outline = tuple(
        (sensor.x_m + sensor.audible_m * math.sin(turn), sensor.y_m + sensor.audible_m * math.cos(turn))
        for turn in turns
    )
    return Incident(
        time_s=arrivals[0].time_s,
        x_m=None,
        y_m=None,
        covariance_m2=None,
        ellipse50=None,
        ellipse95=None,
        rounds=tuple(Round(one.time_s, one.error_s or 0.0, (one,)) for one in arrivals),
        used=(Used(sensor.id, 0.0, len(arrivals)),),
        rejected=(),
        confidence="low",
        twin=None,
        region=Region("zone", outline),
    )
