"""Areas: whether a place lies in a polygon."""

import math
from itertools import pairwise

from hypothesis import assume, given
from hypothesis import strategies as st

from collector.alerts.sending.areas import Area

SQUARE = Area.of([(39.0, -90.0), (40.0, -90.0), (40.0, -89.0), (39.0, -89.0)])
latitudes = st.floats(-80, 80)
longitudes = st.floats(-180, 180)
places = st.tuples(latitudes, st.floats(-60, 60))
polygons = st.lists(places, min_size=3, max_size=9)


def test_a_place_is_inside_or_not() -> None:
    assert SQUARE.holds(39.8, -89.65)
    assert not SQUARE.holds(39.8, -88.9)
    assert not SQUARE.holds(38.9, -89.65)
    assert not SQUARE.holds(39.8, 90.35)


def test_a_notch_is_outside() -> None:
    notched = Area.of([(0, 0), (10, 0), (10, 10), (6, 10), (6, 4), (4, 4), (4, 10), (0, 10)])
    assert notched.holds(2, 8)
    assert notched.holds(8, 8)
    assert not notched.holds(5, 8)
    assert notched.holds(5, 2)


def test_an_area_may_cross_the_180th_meridian() -> None:
    fiji = Area.of([(-20, 176), (-15, 176), (-15, -178), (-20, -178)])
    assert fiji.holds(-17.8, 178.4)
    assert fiji.holds(-17.8, -179.5)
    assert not fiji.holds(-17.8, 175.0)
    assert not fiji.holds(-17.8, 0.0)
    assert not fiji.holds(-17.8, -177.0)


@given(polygons, places, st.integers(0, 8))
def test_neither_the_first_corner_nor_the_direction_counts(
    corners: list[tuple[float, float]], place: tuple[float, float], first: int
) -> None:
    assume(_clear_of_edges(corners, place))
    held = Area.of(corners).holds(*place)
    turned = corners[first % len(corners) :] + corners[: first % len(corners)]
    assert Area.of(turned).holds(*place) is held
    assert Area.of(corners[::-1]).holds(*place) is held


@given(polygons, places)
def test_it_is_inside_if_it_is_in_an_odd_number_of_triangles(
    corners: list[tuple[float, float]], place: tuple[float, float]
) -> None:
    # Of the fan from any corner, whatever the shape: an independent reckoning of the even-odd rule.
    fan = [(corners[0], a, b) for a, b in pairwise(corners[1:])]
    assume(all(_clear_of_edges(list(one), place) for one in fan))
    odd = sum(_in_triangle(one, place) for one in fan) % 2 == 1
    assert Area.of(corners).holds(*place) is odd


@given(latitudes, longitudes, st.floats(0.01, 5), st.floats(-180, 180))
def test_where_on_earth_it_lies_does_not_count(latitude: float, longitude: float, size: float, shift: float) -> None:
    around = [(latitude - size, longitude - size), (latitude + size, longitude), (latitude - size, longitude + size)]
    shifted = [(y, (x + shift + 180) % 360 - 180) for y, x in around]
    inside, outside = (latitude - size / 2, longitude), (latitude + size / 2, longitude + size)
    for area, by in ((around, 0.0), (shifted, shift)):
        held = Area.of(area)
        assert held.holds(inside[0], (inside[1] + by + 180) % 360 - 180)
        assert not held.holds(outside[0], (outside[1] + by + 180) % 360 - 180)


def _cross(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _in_triangle(
    corners: tuple[tuple[float, float], tuple[float, float], tuple[float, float]], place: tuple[float, float]
) -> bool:
    a, b, c = corners
    sides = {_cross(a, b, place) > 0, _cross(b, c, place) > 0, _cross(c, a, place) > 0}
    return len(sides) == 1


def _clear_of_edges(corners: list[tuple[float, float]], place: tuple[float, float]) -> bool:
    """Whether a place is so far from every edge that rounding does not decide."""
    for a, b in pairwise([*corners, corners[0]]):
        length = math.dist(a, b)
        if length < 1e-6:
            return False
        along = ((place[0] - a[0]) * (b[0] - a[0]) + (place[1] - a[1]) * (b[1] - a[1])) / length**2
        foot = tuple(p + min(1.0, max(0.0, along)) * (q - p) for p, q in zip(a, b, strict=True))
        if math.dist(foot, place) < 1e-6:
            return False
    return all(abs(corner[0] - place[0]) > 1e-6 for corner in corners)
