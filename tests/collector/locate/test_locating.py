"""Locating on made geometries, where the truth is known."""

import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector.locate.air import air_of, travel_s
from collector.locate.locating import locate
from collector.locate.records import Arrival, Incident, Sensor, Weather

CALM = Weather(15.0)
RING = [
    Sensor(
        f"ring-{n}", 400.0 * math.sin(n * math.pi / 4) + 20.0 * n, 380.0 * math.cos(n * math.pi / 4), audible_m=500.0
    )
    for n in range(8)
]
FEW = settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def heard(
    sensors: Sequence[Sensor],
    shot: tuple[float, float],
    at_s: Sequence[float] = (100.0,),
    weather: Weather = CALM,
    spread_s: float = 0.0,
    rng: random.Random | None = None,
) -> list[Arrival]:
    """What sensors hear of rounds at one place; each way has its own delay, the same for all rounds."""
    rng = rng or random.Random(1)
    places = np.array([(one.x_m, one.y_m, one.z_m) for one in sensors])
    way_s = travel_s(air_of(weather), np.array([(*shot, 0.0)]), places)[0]
    late_s = [rng.gauss(0.0, spread_s) for _ in sensors]
    return [
        Arrival(one.id, moment + float(way_s[n]) + late_s[n], key=f"{one.id}/{moment}")
        for moment in at_s
        for n, one in enumerate(sensors)
    ]


def only(found: Sequence[Incident]) -> Incident:
    (incident,) = found
    return incident


def off_m(incident: Incident, shot: tuple[float, float]) -> float:
    assert incident.x_m is not None
    assert incident.y_m is not None
    return math.dist((incident.x_m, incident.y_m), shot)


def test_two_places_that_clatter_for_long_take_each_arrival_once() -> None:
    two = RING[:2]
    rng = random.Random(5)
    arrivals = [
        Arrival(one.id, rng.uniform(0.0, 20.0), score=0.8, key=f"{one.id}/{n}") for one in two for n in range(200)
    ]
    told = Counter(arrival.key for one in locate(two, arrivals, CALM) for arrival in one.arrivals)
    assert set(told.values()) == {1}
    assert len(told) == len(arrivals)


def test_a_shot_is_found_where_and_when_it_was_fired() -> None:
    incident = only(locate(RING, heard(RING, (120.0, -60.0)), CALM))
    assert off_m(incident, (120.0, -60.0)) < 0.5
    assert incident.time_s == pytest.approx(100.0, abs=0.005)
    assert incident.confidence == "high"
    assert incident.twin is None
    assert incident.sensors_used == tuple(sorted(one.id for one in RING))
    assert incident.rejected == ()


def test_nothing_heard_is_no_incident() -> None:
    assert locate(RING, [], CALM) == []
    assert locate([], [], None) == []


@FEW
@given(
    x_m=st.floats(-300, 300),
    y_m=st.floats(-300, 300),
    seed=st.integers(0, 10_000),
    missing=st.integers(0, 2),
    false=st.integers(0, 3),
)
def test_missing_and_false_arrivals_do_not_move_a_shot_out_of_reach(
    x_m: float, y_m: float, seed: int, missing: int, false: int
) -> None:
    rng = random.Random(seed)
    arrivals = heard(RING, (x_m, y_m), spread_s=0.008, rng=rng)
    rng.shuffle(arrivals)
    arrivals = arrivals[missing:]
    arrivals += [Arrival(one.id, rng.uniform(92.0, 108.0)) for one in RING for _ in range(false)]
    best = max(locate(RING, arrivals, CALM), key=lambda one: len(one.used))
    assert off_m(best, (x_m, y_m)) < 30.0


@FEW
@given(seed=st.integers(0, 10_000))
def test_the_order_of_sensors_and_arrivals_does_not_matter(seed: int) -> None:
    rng = random.Random(seed)
    arrivals = heard(RING, (50.0, 80.0), (100.0, 100.6), spread_s=0.01, rng=rng)
    arrivals += [Arrival(one.id, rng.uniform(95.0, 105.0)) for one in RING]
    expected = locate(RING, arrivals, CALM)
    sensors = list(RING)
    rng.shuffle(sensors)
    rng.shuffle(arrivals)
    assert locate(sensors, arrivals, CALM) == expected


@FEW
@given(seed=st.integers(0, 10_000), score=st.sampled_from([None, 0.9]))
def test_every_arrival_is_used_once_at_most(seed: int, score: float | None) -> None:
    rng = random.Random(seed)
    arrivals = heard(RING, (50.0, 80.0), (100.0, 100.6), spread_s=0.01, rng=rng)
    arrivals += heard(RING, (-200.0, -90.0), (100.3,), spread_s=0.01, rng=rng)
    arrivals += [Arrival(rng.choice(RING).id, rng.uniform(85.0, 115.0), key=n) for n in range(12)]
    arrivals = [replace(one, score=score) for one in arrivals]
    used = Counter(one.key for incident in locate(RING, arrivals, CALM) for one in incident.arrivals)
    assert max(used.values()) == 1
    assert set(used) <= {one.key for one in arrivals}


@FEW
@given(east_m=st.floats(-20_000, 20_000), north_m=st.floats(-20_000, 20_000), turn=st.floats(0, 2 * math.pi))
def test_moving_and_turning_the_map_moves_and_turns_the_shot(east_m: float, north_m: float, turn: float) -> None:
    def moved(x_m: float, y_m: float) -> tuple[float, float]:
        return (
            x_m * math.cos(turn) - y_m * math.sin(turn) + east_m,
            x_m * math.sin(turn) + y_m * math.cos(turn) + north_m,
        )

    arrivals = heard(RING, (120.0, -60.0), spread_s=0.010)
    here = only(locate(RING, arrivals, CALM))
    there_sensors = [replace(one, x_m=x_m, y_m=y_m) for one in RING for x_m, y_m in [moved(one.x_m, one.y_m)]]
    there = only(locate(there_sensors, arrivals, CALM))
    assert here.x_m is not None
    assert here.y_m is not None
    assert off_m(there, moved(here.x_m, here.y_m)) < 0.5
    assert here.ellipse95 is not None
    assert there.ellipse95 is not None
    assert there.ellipse95.semi_major_m == pytest.approx(here.ellipse95.semi_major_m, rel=0.01)


def test_a_series_is_one_incident_and_what_follows_a_longer_pause_another() -> None:
    arrivals = heard(RING, (0.0, 0.0), (100.0, 100.2, 104.9, 112.0))
    first, second = locate(RING, arrivals, CALM)
    assert [round(one.time_s, 1) for one in first.rounds] == [100.0, 100.2, 104.9]
    assert [round(one.time_s, 1) for one in second.rounds] == [112.0]


def test_rounds_of_automatic_fire_are_told_apart() -> None:
    moments = [100.0 + 0.1 * n for n in range(10)]
    incident = only(locate(RING, heard(RING, (60.0, 30.0), moments, spread_s=0.008), CALM))
    assert len(incident.rounds) == 10


def test_two_shooters_at_the_same_time_are_two_incidents() -> None:
    arrivals = heard(RING, (-150.0, 0.0), (100.0,)) + heard(RING, (200.0, 50.0), (100.4,))
    west, east = locate(RING, arrivals, CALM)
    assert off_m(west, (-150.0, 0.0)) < 5.0
    assert off_m(east, (200.0, 50.0)) < 5.0


def test_a_sound_reported_twice_is_one_round() -> None:
    arrivals = heard(RING, (0.0, 0.0))
    twice = [replace(one, time_s=one.time_s + 0.002, key="again") for one in arrivals]
    incident = only(locate(RING, arrivals + twice, CALM))
    assert len(incident.rounds) == 1
    assert "again" not in {one.key for one in incident.arrivals}


def test_an_echo_loses_against_the_sound_before_it() -> None:
    arrivals = heard(RING, (0.0, 0.0))
    echo = replace(arrivals[0], time_s=arrivals[0].time_s + 0.035, key="echo")
    incident = only(locate(RING, [*arrivals, echo], CALM))
    assert "echo" not in {one.key for one in incident.arrivals}


def test_two_late_sensors_are_left_out_and_named() -> None:
    late = {"ring-1": 0.12, "ring-6": 0.31}
    arrivals = [replace(one, time_s=one.time_s + late.get(one.sensor, 0.0)) for one in heard(RING, (80.0, 40.0))]
    incident = only(locate(RING, arrivals, CALM))
    assert off_m(incident, (80.0, 40.0)) < 1.0
    assert [one.sensor for one in incident.rejected] == ["ring-1", "ring-6"]
    assert "0.120 s late" in incident.rejected[0].why
    assert not set(late) & set(incident.sensors_used)


@pytest.mark.parametrize("moments", [(100.0,), (100.0, 101.0, 102.0)])
def test_a_clock_that_is_a_second_wrong_is_named_even_where_rounds_are_a_second_apart(moments: Sequence[float]) -> None:
    arrivals = [
        replace(one, time_s=one.time_s + (one.sensor == "ring-3")) for one in heard(RING, (80.0, 40.0), moments)
    ]
    incident = only(locate(RING, arrivals, CALM))
    assert [one.sensor for one in incident.rejected] == ["ring-3"]
    assert "1.000 s late" in incident.rejected[0].why
    assert "clock" in incident.rejected[0].why
    assert len(incident.rounds) == len(moments)


def test_a_sensor_in_time_by_chance_is_left_out_if_it_heard_something_much_louder() -> None:
    arrivals = [replace(one, snr_db=20.0) for one in heard(RING, (80.0, 40.0))]
    victim = arrivals[2]
    arrivals[2] = replace(victim, time_s=victim.time_s + 1.0)
    arrivals.append(replace(victim, snr_db=4.0))
    assert victim.sensor not in only(locate(RING, arrivals, CALM)).sensors_used


def test_temperature_and_wind_are_allowed_for() -> None:
    gale = Weather(-10.0, wind_mps=12.0, wind_from_deg=270.0)
    arrivals = heard(RING, (150.0, 100.0), weather=gale)
    assert off_m(only(locate(RING, arrivals, gale)), (150.0, 100.0)) < 0.5
    assert off_m(only(locate(RING, arrivals, CALM)), (150.0, 100.0)) > 2.0


def test_wind_comes_from_where_it_is_said_to() -> None:
    north = Weather(15.0, wind_mps=10.0, wind_from_deg=0.0)
    there = np.array([[0.0, 0.0, 0.0]])
    upwind, downwind = travel_s(air_of(north), there, np.array([[0.0, 340.0, 0.0], [0.0, -340.0, 0.0]]))[0]
    assert upwind == pytest.approx(340.0 / (340.3 - 10.0), rel=1e-3)
    assert downwind == pytest.approx(340.0 / (340.3 + 10.0), rel=1e-3)


def test_without_weather_a_position_is_less_certain() -> None:
    arrivals = heard(RING, (150.0, 100.0))
    with_it, without = only(locate(RING, arrivals, CALM)), only(locate(RING, arrivals))
    assert with_it.ellipse95 is not None
    assert without.ellipse95 is not None
    assert without.ellipse95.semi_major_m > with_it.ellipse95.semi_major_m


def test_more_rounds_hardly_make_a_place_surer_because_they_come_the_same_way() -> None:
    one = only(locate(RING, heard(RING, (50.0, 0.0), (100.0,)), CALM))
    ten = only(locate(RING, heard(RING, (50.0, 0.0), [100.0 + n / 2 for n in range(10)]), CALM))
    assert one.ellipse95 is not None
    assert ten.ellipse95 is not None
    assert 0.9 < ten.ellipse95.semi_major_m / one.ellipse95.semi_major_m <= 1.0


def test_ellipses_hold_the_shot_as_often_as_they_say() -> None:
    inside = Counter[str]()
    rng = random.Random(5)
    for _ in range(30):
        shot = (rng.uniform(-200, 200), rng.uniform(-200, 200))
        incident = only(locate(RING, heard(RING, shot, spread_s=0.013, rng=rng), CALM))
        away = np.array(shot) - (incident.x_m, incident.y_m)
        square = float(away @ np.linalg.solve(np.array(incident.covariance_m2), away))
        inside["50"] += square <= 2 * math.log(2)
        inside["95"] += square <= -2 * math.log(0.05)
    assert inside["95"] >= 26
    assert 10 <= inside["50"] <= 28


def test_sensors_in_a_line_leave_the_mirrored_place_as_twin() -> None:
    line = [Sensor(f"line-{n}", 150.0 * n, 0.0) for n in range(6)]
    incident = only(locate(line, heard(line, (300.0, 200.0)), CALM))
    assert incident.twin is not None
    assert incident.x_m is not None
    assert incident.y_m is not None
    places = sorted([(incident.x_m, incident.y_m), (incident.twin.x_m, incident.twin.y_m)], key=lambda one: one[1])
    assert math.dist(places[0], (300.0, -200.0)) < 10.0
    assert math.dist(places[1], (300.0, 200.0)) < 10.0
    assert incident.confidence == "low"


def test_a_sensor_that_should_have_heard_it_but_did_not_decides_between_twins() -> None:
    line = [Sensor(f"line-{n}", 150.0 * n, 0.0) for n in range(6)]
    silent = [Sensor(f"silent-{n}", 150.0 * n, -600.0) for n in range(6)]
    incident = only(locate([*line, *silent], heard(line, (300.0, 200.0)), CALM))
    assert off_m(incident, (300.0, 200.0)) < 10.0
    assert incident.twin is None


def test_three_sites_give_a_point_of_low_confidence() -> None:
    three = RING[:5:2]
    incident = only(locate(three, heard(three, (200.0, 50.0)), CALM))
    assert incident.x_m is not None
    assert incident.confidence == "low"
    assert incident.region.kind == "ellipse"


@FEW
@given(
    x_m=st.floats(-300, 300), y_m=st.floats(-300, 300), apart_m=st.floats(0.0, 4.0), score=st.sampled_from([None, 0.9])
)
def test_fewer_than_three_sites_never_give_a_point(x_m: float, y_m: float, apart_m: float, score: float | None) -> None:
    sensors = [
        Sensor("a", -200.0, 0.0), Sensor("a-too", -200.0 + apart_m, 0.0),
        Sensor("b", 200.0, 0.0), Sensor("b-too", 200.0, apart_m),
    ]  # fmt: skip
    arrivals = [replace(one, score=score) for one in heard(sensors, (x_m, y_m), (100.0, 101.0), spread_s=0.001)]
    found = locate(sensors, arrivals, CALM)
    assert found
    for incident in found:
        assert incident.x_m is None
        assert incident.y_m is None
        assert incident.ellipse95 is None
        assert incident.confidence == "low"
        assert incident.region.kind in ("band", "zone")


def test_late_arrivals_revise_an_incident_that_shares_arrivals() -> None:
    arrivals = heard(RING, (80.0, 40.0), spread_s=0.01)
    before = only(locate(RING, arrivals[:4], CALM))
    after = only(locate(RING, arrivals, CALM))
    assert {one.key for one in before.arrivals} <= {one.key for one in after.arrivals}
    assert before.ellipse95 is not None
    assert after.ellipse95 is not None
    assert after.ellipse95.semi_major_m < before.ellipse95.semi_major_m


@pytest.mark.parametrize(
    ("sensors", "arrivals", "named"),
    [
        ([Sensor("a", 0, 0), Sensor("a", 1, 1)], [], "'a': given twice"),
        ([Sensor("a", math.nan, 0)], [], "'a'"),
        ([Sensor("a", 0, 0, audible_m=0.0)], [], "audible_m"),
        ([Sensor("a", 0, 0)], [Arrival("b", 1.0)], "'b'"),
        ([Sensor("a", 0, 0)], [Arrival("a", math.inf)], "time_s"),
        ([Sensor("a", 0, 0)], [Arrival("a", 1.0, error_s=-1.0)], "error_s"),
        ([Sensor("a", 0, 0)], [Arrival("a", 1.0, score=1.5)], "score"),
    ],
)
def test_what_cannot_be_located_from_is_refused(sensors: list[Sensor], arrivals: list[Arrival], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        locate(sensors, arrivals)


@FEW
@given(seed=st.integers(0, 10_000), each=st.integers(1, 6))
def test_arrivals_that_have_nothing_to_do_with_each_other_are_never_more_than_low(seed: int, each: int) -> None:
    rng = random.Random(seed)
    arrivals = [Arrival(one.id, rng.uniform(0.0, 15.0)) for one in RING for _ in range(each)]
    assert {one.confidence for one in locate(RING, arrivals, CALM)} <= {"low"}
