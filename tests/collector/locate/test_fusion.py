import math

import pytest

from collector.locate.fusion import gunshot_probability
from collector.locate.locating import locate
from collector.locate.records import Arrival, Incident, Sensor, Weather

PLACES = {"a": (0.0, 300.0), "b": (300.0, 0.0), "c": (0.0, -300.0), "d": (-300.0, 20.0)}
SENSORS = [Sensor(name, *place) for name, place in PLACES.items()]


def incident(scores: dict[str, float | None]) -> Incident:
    """A shot amid the sensors, heard by those that have a score."""
    arrivals = [Arrival(name, math.dist(PLACES[name], (10.0, 20.0)) / 340.3, score=scores[name]) for name in scores]
    (found,) = locate(SENSORS, arrivals, Weather(15.0))
    return found


def test_without_scores_nothing_is_said() -> None:
    assert gunshot_probability(incident(dict.fromkeys(PLACES)), SENSORS) is None


def test_sensors_that_agree_are_surer_than_one_but_not_as_if_they_were_independent() -> None:
    agreed = gunshot_probability(incident(dict.fromkeys(PLACES, 0.8)), SENSORS)
    assert agreed is not None
    assert 0.8 < agreed < 0.8**4 / (0.8**4 + 0.2**4)


def test_one_sensor_that_heard_what_four_should_have_is_believed_less() -> None:
    alone = incident({"a": 0.9})
    believed = gunshot_probability(alone, SENSORS[:1])
    doubted = gunshot_probability(alone, SENSORS)
    assert believed == pytest.approx(0.9)
    assert doubted is not None
    assert doubted < 0.75


def test_sensors_out_of_earshot_do_not_count_against_it() -> None:
    heard = incident(dict.fromkeys(PLACES, 0.8))
    far = Sensor("far", 5000.0, 0.0)
    assert gunshot_probability(heard, [*SENSORS, far]) == gunshot_probability(heard, SENSORS)


def test_what_is_not_a_gunshot_everywhere_stays_none() -> None:
    fused = gunshot_probability(incident(dict.fromkeys(PLACES, 0.2)), SENSORS)
    assert fused is not None
    assert fused < 0.2


def test_which_sensors_come_first_does_not_matter() -> None:
    heard = incident({"a": 0.9, "b": 0.7, "c": 0.4})
    assert gunshot_probability(heard, SENSORS) == gunshot_probability(heard, SENSORS[::-1])
