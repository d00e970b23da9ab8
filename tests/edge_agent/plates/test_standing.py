from edge_agent.plates.standing import FORGET_NS, MAX_REMEMBERED, StandingPlates
from edge_agent.records import Box

HERE, NEAR, ELSEWHERE = Box(100, 100, 160, 130), Box(104, 101, 165, 131), Box(300, 100, 360, 130)


def test_what_stood_is_known_by_place_and_text() -> None:
    """pains-11, pains-14: a parked plate has no second read."""
    standing = StandingPlates()
    standing.remember(HERE, "ABC1234", 0)
    assert standing.recognise(NEAR, "ABC1234", 10)
    assert standing.recognise(NEAR, "A8C1234", 10)
    assert standing.recognise(NEAR, "", 10)
    assert not standing.recognise(NEAR, "XYZ789", 10)
    assert not standing.recognise(ELSEWHERE, "ABC1234", 10)


def test_a_place_that_was_left_is_free() -> None:
    standing = StandingPlates()
    standing.remember(HERE, "ABC1234", 0)
    assert standing.recognise(HERE, "", FORGET_NS)
    assert standing.recognise(HERE, "", 2 * FORGET_NS)
    assert not standing.recognise(HERE, "ABC1234", 3 * FORGET_NS + 1)
    assert len(standing) == 0


def test_memory_is_bounded_and_the_oldest_gives_way() -> None:
    """pains-18"""
    standing = StandingPlates()
    for i in range(MAX_REMEMBERED + 1):
        standing.remember(Box(100 * i, 0, 100 * i + 60, 30), "ABC1234", i)
    assert len(standing) == MAX_REMEMBERED
    assert not standing.recognise(Box(0, 0, 60, 30), "ABC1234", 300)
    assert standing.recognise(Box(100, 0, 160, 30), "ABC1234", 300)
