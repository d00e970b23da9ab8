import pytest

from edge_agent.plates.tracking import PlateTrack, assign, iou, similarity
from edge_agent.records import Box

MS = 1_000_000


def pair(tracks, candidates, at_ns) -> dict[int, int]:
    return dict(assign(tracks, candidates, [c.reading.text for c in candidates], at_ns))


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [("ABC123", "ABC123", 1), ("ABC123", "ABC12", 5 / 6), ("ABC123", "ABD123", 5 / 6), ("", "", 1), ("AB", "", 0)],
)
def test_similarity_counts_edits(a: str, b: str, expected: float) -> None:
    assert similarity(a, b) == pytest.approx(expected)


def test_iou() -> None:
    assert iou(Box(0, 0, 10, 10), Box(5, 0, 15, 10)) == pytest.approx(1 / 3)
    assert iou(Box(0, 0, 10, 10), Box(10, 0, 20, 10)) == 0


def test_a_moving_plate_is_followed(candidate) -> None:
    track = PlateTrack(candidate("ABC123", x=0).box, 0, "")
    for i in range(1, 6):
        moved = candidate("", x=30 * i)
        assert pair([track], [moved], i * 66 * MS) == {0: 0}
        track.follow(moved.box, i * 66 * MS, "")
    assert track.expected(6 * 66 * MS).x1 == pytest.approx(180, abs=8)


def test_two_plates_side_by_side_keep_their_tracks(candidate) -> None:
    left, right = candidate("ABC123", x=40), candidate("XYZ789", x=95)
    tracks = [PlateTrack(left.box, 0, "ABC123"), PlateTrack(right.box, 0, "XYZ789")]
    assert pair(tracks, [candidate("XYZ789", x=100), candidate("ABC123", x=45)], 66 * MS) == {0: 1, 1: 0}
    # Neither is readable in this frame: position decides.
    assert pair(tracks, [candidate("", x=100), candidate("", x=45)], 66 * MS) == {0: 1, 1: 0}


def test_the_next_car_in_the_lane_gets_a_track_of_its_own(candidate) -> None:
    """pains-01: the next car's picture is not attached to this one."""
    track = PlateTrack(candidate("ABC123").box, 0, "ABC123")
    assert pair([track], [candidate("XYZ789")], 900 * MS) == {}


def test_one_garbled_frame_does_not_tear_a_pass_apart(candidate) -> None:
    track = PlateTrack(candidate("ABC123").box, 0, "ABC123")
    assert pair([track], [candidate("QQ7", x=44)], 66 * MS) == {0: 0}


def test_the_same_text_is_the_same_plate_wherever_it_stands(candidate) -> None:
    track = PlateTrack(candidate("ABC123", x=0).box, 0, "ABC123")
    assert pair([track], [candidate("ABC123", x=350, width=20)], 500 * MS) == {0: 0}


def test_short_texts_are_equal_by_chance(candidate) -> None:
    track = PlateTrack(candidate("11", x=0).box, 0, "11")
    assert pair([track], [candidate("11", x=350)], 500 * MS) == {}


def test_a_plate_of_another_size_is_another_plate(candidate) -> None:
    track = PlateTrack(candidate("", width=20).box, 0, "")
    assert pair([track], [candidate("", width=80)], 400 * MS) == {}
