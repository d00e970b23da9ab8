from dataclasses import replace

import pytest

from edge_agent.plates.tracking import PlateTrack, assign, iou, is_piece, is_second_find, is_torn_off, similarity
from edge_agent.records import Box, PlateMark

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
        track.follow(moved, i * 66 * MS)
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


def test_the_next_car_does_not_carry_on_a_pass_before_it_can_be_read(candidate) -> None:
    """pains-01: what cannot be read yet, a second later at the other end of the lane, is not the car that left."""
    track = PlateTrack(candidate("ABC123", y=10).box, 0, "ABC123")
    for i in range(1, 6):
        track.follow(candidate("ABC123", y=10 + 12 * i), i * 66 * MS)
    assert pair([track], [candidate("", y=10, width=36)], 1300 * MS) == {}


def test_what_stood_is_found_again_where_it_stood(candidate) -> None:
    """pains-11, pains-14: a parked car hidden for minutes is the same, and whoever stops elsewhere is not."""
    track = PlateTrack(candidate("ABC123").box, 0, "ABC123")
    for i in range(50):
        track.follow(candidate("ABC123", x=40 + i % 2), i * 100 * MS)
    assert track.standing
    later = 300_000 * MS
    assert pair([track], [candidate("A8C123", x=42)], later) == {0: 0}
    assert pair([track], [candidate("", x=42)], later) == {0: 0}
    assert pair([track], [candidate("A8C123", x=90)], later) == {}
    assert pair([track], [candidate("XYZ789", x=42)], later) == {}
    assert pair([track], [candidate("ABC123", x=200)], later) == {0: 0}


def test_a_moving_plate_does_not_stand(candidate) -> None:
    track = PlateTrack(candidate("ABC123").box, 0, "ABC123")
    for i in range(1, 60):
        track.follow(candidate("ABC123", x=40 + 3 * i), i * 100 * MS)
    assert not track.standing
    track.follow(candidate("ABC123", x=217), 6_100 * MS)
    track.stays(10_000 * MS)
    assert track.standing


def followed(candidate, texts_and_places) -> PlateTrack:
    """``(text, x, width)`` every 83 ms."""
    first = candidate(texts_and_places[0][0], x=texts_and_places[0][1], width=texts_and_places[0][2])
    track = PlateTrack(first.box, 0)
    for i, (text, x, width) in enumerate(texts_and_places):
        track.follow(candidate(text, x=x, width=width), i * 83 * MS)
        track.text, track.sure = text, i >= 2
    return track


def test_pieces_of_a_plate_behind_a_pole_are_not_other_plates(candidate) -> None:
    track = followed(candidate, [("8812044", 10 + 20 * i, 48) for i in range(4)])
    left, right = candidate("B81", x=94, width=20), candidate("2044", x=118, width=22)
    paired = pair([track], [left, right], 4 * 83 * MS)
    assert list(paired.values()) == [0]
    other = (left, right)[1 - next(iter(paired))]
    assert is_second_find(track, other.box, other.reading.text, 4 * 83 * MS)
    # A box around the whole bumper is the same plate once more; another text in it is not.
    assert is_second_find(track, candidate("", x=50, y=50, width=100).box, "8812044", 4 * 83 * MS)
    assert not is_second_find(track, candidate("", x=50, y=50, width=100).box, "XYZ789", 4 * 83 * MS)
    assert is_piece(track, left.box, "B81")
    assert not is_piece(track, candidate("8812044", width=48).box, "8812044")
    assert not is_piece(track, left.box, "XYZ")
    assert not is_piece(track, candidate("", width=46).box, "881204")  # as wide as the whole: misread, not hidden
    assert not is_second_find(track, candidate("", x=300, width=20).box, "2044", 4 * 83 * MS)


def test_two_sure_and_different_texts_at_one_spot_are_two_plates(candidate) -> None:
    """pains-11: the moving car's look does not go to the parked car that it hides."""
    parked = followed(candidate, [("PARKED1", 40, 48)] * 4)
    hiding = candidate("ABC123", x=44, width=48, sure=0.99)
    assert pair([parked], [hiding], 4 * 83 * MS) == {}
    garbled = candidate("QQ7", x=44, width=48, sure=0.8)
    assert pair([parked], [garbled], 4 * 83 * MS) == {0: 0}
    # Half a plate at the picture's edge reads as anything.
    leaving = replace(hiding, marks=frozenset({PlateMark.CUT_OFF}))
    assert pair([parked], [leaving], 4 * 83 * MS) == {0: 0}


def test_a_track_torn_off_by_a_garbled_look_is_found_out(candidate) -> None:
    elder = followed(candidate, [("ABC1234", 10 + 5 * i, 48) for i in range(4)])
    later = followed(candidate, [("QQ7", 60, 40), ("ABC1234", 66, 48), ("ABC1234", 71, 48)])
    later.seen_ns += 900 * MS
    began = candidate("", x=60, width=40).box
    assert is_torn_off(elder, later, began, 900 * MS, sure=True)
    later.text = "XYZ789"
    assert not is_torn_off(elder, later, began, 900 * MS, sure=True)
    later.text = "ABC1234"
    assert not is_torn_off(elder, later, candidate("", x=390, width=8).box, 300 * MS, sure=True)
    assert not is_torn_off(elder, later, began, 5000 * MS, sure=True)
