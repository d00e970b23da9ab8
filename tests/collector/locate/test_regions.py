import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.locate.ellipse import ellipse_of, outline_of
from collector.locate.regions import band, zone


def holds(outline: tuple[tuple[float, float], ...], x: float, y: float) -> bool:
    inside = False
    for (ax, ay), (bx, by) in zip(outline, (*outline[1:], outline[0]), strict=True):
        if (ay > y) != (by > y) and x < (bx - ax) * (y - ay) / (by - ay) + ax:
            inside = not inside
    return inside


@given(x_m=st.floats(-150, 150), y_m=st.floats(20, 300), turn=st.floats(0, 6.3))
def test_a_band_holds_the_places_with_that_difference_of_distances(x_m: float, y_m: float, turn: float) -> None:
    def turned(x: float, y: float) -> tuple[float, float]:
        return x * math.cos(turn) - y * math.sin(turn), x * math.sin(turn) + y * math.cos(turn)

    first, second, shot = turned(-200, 0), turned(200, 0), turned(x_m, y_m)
    region = band(first, second, math.dist(shot, second) - math.dist(shot, first), error_m=6.0, audible_m=800.0)
    assert region.kind == "band"
    assert holds(region.outline, *shot)
    assert not holds(region.outline, *turned(x_m + (120.0 if x_m < 0 else -120.0), y_m))


def test_a_zone_is_as_wide_as_a_shot_is_heard() -> None:
    region = zone(10.0, 20.0, 500.0)
    assert region.kind == "zone"
    assert all(math.dist(corner, (10.0, 20.0)) == pytest.approx(500.0) for corner in region.outline)


def test_an_ellipse_points_where_the_position_is_worst() -> None:
    ellipse = ellipse_of(np.array([[100.0, 0.0], [0.0, 4.0]]), 0.95)
    assert (ellipse.semi_major_m, ellipse.semi_minor_m) == pytest.approx((24.48, 4.90), abs=0.01)
    assert ellipse.azimuth_deg == pytest.approx(90.0)
    assert outline_of(0.0, 0.0, ellipse)[0] == pytest.approx((24.48, 0.0), abs=0.01)
