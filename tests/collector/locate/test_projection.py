import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.locate.projection import LocalFrame


@given(lat=st.floats(-85, 85), lon=st.floats(-180, 180), x_m=st.floats(-20_000, 20_000), y_m=st.floats(-20_000, 20_000))
def test_there_and_back_is_the_same_place(lat: float, lon: float, x_m: float, y_m: float) -> None:
    frame = LocalFrame(lat, lon)
    assert frame.to_local(*frame.to_geographic(x_m, y_m)) == pytest.approx((x_m, y_m), abs=1e-3)


def test_north_is_up_and_a_minute_of_latitude_a_nautical_mile() -> None:
    x_m, y_m = LocalFrame(40.44, -79.99).to_local(40.44 + 1 / 60, -79.99)
    assert x_m == pytest.approx(0.0, abs=1e-6)
    assert y_m == pytest.approx(1851.0, abs=2.0)


def test_a_frame_around_places_is_amid_them_on_both_sides_of_the_date_line() -> None:
    frame = LocalFrame.around([(10.0, 179.99), (10.0, -179.99)])
    assert math.dist(frame.to_local(10.0, 179.99), frame.to_local(10.0, -179.99)) == pytest.approx(2193.0, abs=5.0)


def test_no_place_on_earth_is_refused() -> None:
    with pytest.raises(ValueError, match="latitude 91"):
        LocalFrame(91.0, 0.0)
