import pytest

from edge_agent.gunshots.bursts import Bursts


def fires(*at_s: float) -> list[str]:
    bursts = Bursts()
    return [bursts.add(at).fire for at in at_s]


def test_rounds_are_counted_within_their_burst() -> None:
    bursts = Bursts()
    places = [bursts.add(at_s) for at_s in (1.0, 2.0, 6.9, 12.0)]
    assert [(place.burst, place.round) for place in places] == [(1, 1), (1, 2), (1, 3), (2, 1)]


@pytest.mark.parametrize("gap_s", [0.05, 0.1, 0.14])
def test_short_regular_gaps_are_automatic_fire(gap_s: float) -> None:
    assert fires(*(1 + gap_s * i for i in range(4))) == ["single", "burst", "automatic", "automatic"]


def test_a_burst_stays_automatic_when_a_single_round_follows() -> None:
    assert fires(1.0, 1.1, 1.2, 2.5)[-1] == "automatic"


@pytest.mark.parametrize("at_s", [(1.0, 1.25, 1.5, 1.75), (1.0, 1.05, 1.19, 1.24), (1.0, 2.0, 3.0)])
def test_slow_or_irregular_gaps_are_not(at_s: tuple[float, ...]) -> None:
    assert "automatic" not in fires(*at_s)


def test_another_scene_is_another_burst() -> None:
    bursts = Bursts()
    bursts.add(1.0)
    bursts.end()
    assert (bursts.add(1.2).burst, bursts.add(1.4).round) == (2, 2)
