"""Putting shots together: what locates, what only says what was heard, and what is somewhere else."""

import math
from dataclasses import replace
from typing import Any

import pytest

from collector.incidents.records import Heard, Listener, Place
from collector.incidents.rules import Rules
from collector.incidents.solving import may_be_one, solve
from collector.locate.projection import LocalFrame

S = 1_000_000_000
FRAME = LocalFrame(40.7, -74.0)
CORNERS = {"a": (-150.0, -120.0), "b": (140.0, -130.0), "c": (150.0, 125.0), "d": (-145.0, 140.0), "e": (0.0, 210.0)}
SHOT = (20.0, 30.0)
NOW_NS = 100 * S


def place(x_m: float, y_m: float, up_m: float | None = 6.0) -> Place:
    return Place(*FRAME.to_geographic(x_m, y_m), up_m, 0.5)


def heard(number: int, device: str, at_s: float = 0.0, fired: tuple[float, float] = SHOT, **changes: Any) -> Heard:
    x_m, y_m = CORNERS[device]
    made = Heard(
        id=number,
        device=device,
        microphone="mast",
        heard_at_ns=round((at_s + math.dist(fired, (x_m, y_m)) / 340.3) * S),
        error_ns=1_000_000,
        timed=True,
        place=place(x_m, y_m),
        probability=0.9,
        snr_db=20.0,
        rounds=1,
        fire="single",
        historical=False,
        age_note=None,
        incident_id=None,
    )
    return replace(made, **changes)


def solved(shots: list[Heard], listening: tuple[Listener, ...] = ()) -> list[Any]:
    return solve(shots, lambda _: listening, NOW_NS, Rules())


def ids(found: Any) -> list[int]:
    return sorted(shot.id for shot in found.shots)


def test_every_shot_is_in_one_incident() -> None:
    shots = [heard(at, device) for at, device in enumerate(CORNERS, start=1)]
    shots += [heard(10 + at, device, at_s=30, fired=(-40.0, -60.0)) for at, device in enumerate(CORNERS)]
    first, second = solved(shots)
    assert (ids(first), ids(second)) == ([1, 2, 3, 4, 5], [10, 11, 12, 13, 14])
    assert math.dist((first.solution.x_m, first.solution.y_m), FRAME.to_local(*first.frame.origin)) < 300


@pytest.mark.parametrize("late_s", [-0.8, 0.35, 1.6])
def test_a_wrong_clock_is_named_and_makes_no_incident_of_its_own(late_s: float) -> None:
    shots = [heard(at, device) for at, device in enumerate(CORNERS, start=1)]
    wrong = shots[4]
    shots[4] = replace(wrong, heard_at_ns=wrong.heard_at_ns + round(late_s * S))
    (found,) = solved(shots)
    assert ids(found) == [1, 2, 3, 4, 5]
    assert "e/mast" not in found.solution.sensors_used
    assert found.others["e/mast"]


def test_an_echo_at_a_sensor_that_heard_the_shot_is_of_it() -> None:
    shots = [heard(at, device) for at, device in enumerate(CORNERS, start=1)]
    shots.append(replace(shots[1], id=9, heard_at_ns=shots[1].heard_at_ns + 1_100_000_000, probability=0.4))
    (found,) = solved(shots)
    assert ids(found) == [1, 2, 3, 4, 5, 9]
    assert len(found.solution.rounds) == 1


def test_what_is_not_timed_joins_whom_it_could_have_heard_and_else_stands_alone() -> None:
    shots = [heard(at, device) for at, device in enumerate(("a", "b", "c", "d"), start=1)]
    near = heard(5, "e", timed=False, error_ns=60_000_000, at_s=0.1)
    far = heard(6, "e", timed=False, error_ns=60_000_000, at_s=40)
    first, second = solved([*shots, near, far])
    assert (ids(first), ids(second)) == ([1, 2, 3, 4, 5], [6])
    assert first.solution.sensors_used == ("a/mast", "b/mast", "c/mast", "d/mast")
    assert "clock" in first.others["e/mast"]
    assert (second.solution.x_m, second.solution.region.kind) == (None, "zone")
    assert "clock" in second.others["e/mast"]


def test_several_that_are_not_timed_make_one_incident_in_the_zone_of_the_surest() -> None:
    shots = [heard(at, device, timed=False, at_s=0.2 * at) for at, device in enumerate(CORNERS, start=1)]
    shots[2] = replace(shots[2], probability=0.97)
    (found,) = solved(shots)
    assert ids(found) == [1, 2, 3, 4, 5]
    assert found.solution.sensors_used == ("c/mast",)


def test_who_cannot_have_heard_the_same_is_kept_apart() -> None:
    shots = [heard(at, device) for at, device in enumerate(("a", "b", "c"), start=1)]
    away = replace(heard(4, "d"), place=place(9_000.0, 0.0))
    other_side = replace(heard(5, "e"), place=Place(-40.7, 106.0, 6.0, 0.5))
    assert sorted(ids(one) for one in solved([*shots, away, other_side])) == [[1, 2, 3], [4], [5]]


def test_sensors_about_the_meridian_of_the_date_are_near_each_other() -> None:
    shots = [heard(at, device) for at, device in enumerate(("a", "b", "c"), start=1)]
    frame = LocalFrame(-16.8, 180.0)
    moved = [replace(shot, place=Place(*frame.to_geographic(*CORNERS[shot.device]), 6.0, 0.5)) for shot in shots]
    (found,) = solved(moved)
    assert ids(found) == [1, 2, 3]
    assert found.solution.x_m is not None


def test_who_gives_no_height_stands_among_the_others() -> None:
    shots = [heard(at, device) for at, device in enumerate(CORNERS, start=1)]
    high = [replace(shot, place=place(*CORNERS[shot.device], 260.0)) for shot in shots]
    high[2] = replace(high[2], place=place(*CORNERS["c"], None))
    (found,) = solved(high)
    assert len(found.solution.sensors_used) == 5
    assert {one.sensor.z_m for one in found.microphones.values()} == {260.0}


def test_a_microphone_that_was_moved_in_between_is_two_sensors() -> None:
    moved = replace(heard(2, "a", at_s=1), place=place(400.0, 0.0))
    found = solved([heard(1, "a"), moved])
    assert sorted(name for one in found for name in one.microphones) == ["a#2/mast", "a/mast"]


def test_a_position_that_is_measured_anew_each_time_is_of_one_sensor() -> None:
    fixes = [place(x_m + 2.0 * at, y_m - at) for at in range(3) for x_m, y_m in [CORNERS["a"]]]
    shots = [replace(heard(1 + at, "a", at_s=at), place=fix) for at, fix in enumerate(fixes)]
    (found,) = solved(shots)
    assert list(found.microphones) == ["a/mast"]
    assert len(found.solution.rounds) == 3


def test_a_device_that_claims_to_be_everywhere_is_not_believed_where() -> None:
    claimed = [replace(heard(1 + at, "a", at_s=0.05 * at), place=place(1_500.0 * at, 1_500.0 * at)) for at in range(40)]
    honest = [heard(100 + at, device) for at, device in enumerate(("b", "c", "d"))]
    found = solved([*claimed, *honest])
    assert sorted(shot for one in found for shot in ids(one)) == [*range(1, 41), 100, 101, 102]
    assert len({one.place for each in found for one in each.microphones.values() if one.device == "a"} - {None}) == 8
    assert any({"b/mast", "c/mast", "d/mast"} <= set(one.solution.sensors_used) for one in found)


def test_shots_of_nobody_knows_where_stay_with_their_device() -> None:
    shots = [replace(heard(at, device), place=None) for at, device in enumerate(("a", "b", "a"), start=1)]
    assert sorted(ids(one) for one in solved(shots)) == [[1, 3], [2]]
    assert not any(one.placed for one in solved(shots))


def test_who_listened_and_was_silent_is_given_to_the_locator_once_it_could_have_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given: list[list[str]] = []

    def locate(sensors: Any, arrivals: Any, weather: Any) -> list[Any]:
        given.append(sorted(one.id for one in sensors))
        return []

    monkeypatch.setattr("collector.incidents.solving.locate", locate)
    shots = [heard(at, device) for at, device in enumerate(("a", "b"), start=1)]
    listening = (Listener("a", place(*CORNERS["a"])), Listener("e", place(*CORNERS["e"])))
    solve(shots, lambda _: listening, S, Rules())
    solve(shots, lambda _: listening, NOW_NS, Rules())
    solve([replace(shot, historical=True) for shot in shots], lambda _: listening, NOW_NS, Rules())
    assert given == [["a/mast", "b/mast"], ["a/mast", "b/mast", "e"], ["a/mast", "b/mast"]]


def test_two_that_are_placed_well_are_two_and_others_may_be_one_if_they_began_together_within_earshot() -> None:
    here = [heard(at, device) for at, device in enumerate(CORNERS, start=1)]
    there = [heard(10 + at, device, at_s=4, fired=(-40.0, -60.0)) for at, device in enumerate(CORNERS)]
    first, second = solved([*here, *there])
    assert first.is_placed_well
    assert second.is_placed_well
    assert not may_be_one(first, second, Rules())
    whole, part = solved([*here, *there[:2]])
    assert (whole.is_placed_well, part.is_placed_well) == (True, False)
    assert may_be_one(whole, part, Rules())
    assert may_be_one(part, whole, Rules())
    for after_s in (11, 31):
        later = [heard(10 + at, device, at_s=after_s) for at, device in enumerate(("a", "b"))]
        assert not may_be_one(*solved([*here, *later]), Rules())
    far = [replace(one, id=20 + one.id, device=f"far-{one.device}", place=place(5_000, 5_000)) for one in here[:2]]
    assert not may_be_one(*solved([*here, *far]), Rules())
