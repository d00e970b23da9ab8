import sys

import pytest

from edge_agent.plates.plausibility import HOUR_NS, LANE_PER_HOUR, MAX_LANES, MAX_PASSES, Plausibility
from edge_agent.records import Box


def plate(i: int) -> str:
    return f"{i:06d}X"


def an_hour(count: int, agreed_in_100: int, *, stood: bool = False, text=plate, step_x: int = 40) -> Plausibility:
    seen = Plausibility()
    for i in range(count):
        box = Box(i * step_x, 100, i * step_x + 40, 120)
        seen.note(i * HOUR_NS // count, text(i), box, agreed=i % 100 < agreed_in_100, stood=stood)
    seen.reckon(HOUR_NS - 1)
    return seen


def test_a_cobweb_is_doubted() -> None:
    """pains-14: 2,500 reads in a night are said to be none, with figures."""
    doubt = an_hour(2512, 3).doubt
    assert "2,512 passes in an hour, 3 in 100 read the same twice" in doubt
    assert "cobweb" in doubt


@pytest.mark.parametrize("count", [10, 300, LANE_PER_HOUR, 2 * LANE_PER_HOUR])
def test_traffic_is_believed(count: int) -> None:
    assert an_hour(count, 85).doubt == ""


def test_fast_traffic_of_which_few_are_seen_twice_is_believed() -> None:
    assert an_hour(1500, 30).doubt == ""


def test_more_than_the_road_carries_is_doubted_however_well_it_reads() -> None:
    assert "more than 4 full lanes" in an_hour(MAX_LANES * LANE_PER_HOUR + 100, 99).doubt


def test_a_sign_is_doubted_by_its_text() -> None:
    """pains-14: a sign behind swaying leaves reads the same each time."""
    assert an_hour(40, 95, text=lambda i: "LIMIT35" if i % 4 else plate(i)).doubt.startswith("LIMIT35 passed 30 times")


def test_one_spot_that_never_moves_is_doubted() -> None:
    """pains-14: a parked car that flickers behind leaves, misread in other ways each time."""
    assert "one spot" in an_hour(60, 60, stood=True, step_x=0).doubt
    # Cars that stop at the same line came there and leave again.
    assert an_hour(600, 90, stood=False, step_x=0).doubt == ""


def test_few_passes_say_nothing_and_an_hour_later_all_is_forgiven() -> None:
    assert an_hour(20, 0).doubt == ""
    seen = an_hour(2512, 3)
    seen.reckon(2 * HOUR_NS)
    assert seen.doubt == ""


def test_the_share_that_was_read_twice() -> None:
    assert Plausibility().agreed_share == 1
    assert an_hour(1000, 3).agreed_share == pytest.approx(0.03, abs=0.002)


def test_memory_is_bounded() -> None:
    """pains-18"""
    seen = Plausibility()
    for i in range(MAX_PASSES + 5000):
        seen.note(i, plate(i), Box(0, 0, 40, 20), agreed=True, stood=False)
    assert len(seen._passes) == MAX_PASSES
    assert sys.getsizeof(seen._passes) < 200_000
