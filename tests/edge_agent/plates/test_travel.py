import pytest

from edge_agent.plates.travel import Way
from edge_agent.records import Box, Travel

MS = 1_000_000


def went(places) -> Way:
    """``places``: left edge, top and width of the plate, every 66 ms."""
    way = Way()
    for i, (x, y, width) in enumerate(places):
        way.follow(Box(x, y, x + width, y + width // 3), i * 66 * MS)
    return way


@pytest.mark.parametrize(
    ("step_x", "step_y", "growth", "expected"),
    [
        (0, 6, 1.06, Travel.APPROACHING),
        (-20, 6, 1.06, Travel.APPROACHING),  # the next lane but one: it also moves sideways
        (0, -4, 1 / 1.05, Travel.RECEDING),
        (40, 0, 1.0, Travel.RIGHT),
        (-40, 2, 1.01, Travel.LEFT),
    ],
)
def test_which_way_it_went(step_x: int, step_y: int, growth: float, expected: Travel) -> None:
    places = [(400 + step_x * i, 300 + step_y * i, round(80 * growth**i)) for i in range(12)]
    assert went(places).travel is expected


def test_too_little_says_nothing() -> None:
    assert went([(40 * i, 0, 80) for i in range(3)]).travel is None
    assert Way().travel is None


def test_what_trembles_stands_after_a_while() -> None:
    places = [(100 + i % 3, 50 - i % 2, 80 + i % 4) for i in range(20)]
    assert went(places[:10]).travel is None
    assert went(places).travel is Travel.STANDING


def test_unread_frames_count_for_standing() -> None:
    way = went([(100, 50, 80)] * 4)
    assert way.travel is None
    way.stays(2_000 * MS)
    assert way.travel is Travel.STANDING


def test_a_car_that_stops_came() -> None:
    came = [(400, 300 + 6 * i, round(80 * 1.06**i)) for i in range(12)]
    assert went(came + [came[-1]] * 500).travel is Travel.APPROACHING


def test_whether_it_stood() -> None:
    assert went([(100 + i % 3, 50, 80) for i in range(5)]).stood
    assert not went([(100, 50, 80)] * 2).stood
    assert not went([(100 + 30 * i, 50, 80) for i in range(5)]).stood
