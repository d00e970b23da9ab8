"""Which reads become one passage, without a store."""

import itertools
from collections.abc import Iterable
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from collector.passages.grouping import NearRead, group
from collector.passages.likeness import prepare

S = 1_000_000_000
WITHIN_NS = 10 * S
LPR, OVERVIEW, REAR = ("trailer-1", "lpr"), ("trailer-1", "colour"), ("trailer-2", "rear")


def read(
    number: int,
    text: str = "7ABC123",
    at_s: float = 0,
    camera: tuple[str, str] = LPR,
    *,
    lasts_s: float = 0.4,
    p: float = 0.98,
    passage: int | None = None,
) -> NearRead:
    at_ns = round(at_s * S)
    plate = prepare([[(character, p), ("8", (1 - p) / 2)] for character in text])
    return NearRead(number, camera, at_ns, at_ns + round(lasts_s * S), text, plate, passage)


def together(reads: Iterable[NearRead], changed: Iterable[int] | None = None) -> set[tuple[int, ...]]:
    reads = list(reads)
    grouped = group(reads, {one.id for one in reads} if changed is None else changed, WITHIN_NS)
    return {tuple(sorted(one.read_ids)) for one in grouped}


def follow(arrivals: Iterable[NearRead]) -> set[frozenset[int]]:
    """The passages after reads have come one by one; a later one with the same id is its revision."""
    stored: dict[int, NearRead] = {}
    numbers = itertools.count(1)
    for arrival in arrivals:
        before = stored.get(arrival.id)
        stored[arrival.id] = replace(arrival, passage_id=before.passage_id if before else None)
        near = [one for one in stored.values() if abs(one.passed_at_ns - arrival.passed_at_ns) <= 3 * WITHIN_NS]
        for grouped in group(near, [arrival.id], WITHIN_NS):
            passage_id = grouped.passage_id or next(numbers)
            for one in list(stored.values()):
                if one.passage_id == passage_id or one.id in grouped.read_ids:
                    stored[one.id] = replace(one, passage_id=passage_id if one.id in grouped.read_ids else None)
    passages: dict[int, set[int]] = {}
    for one in stored.values():
        if one.passage_id is not None:
            passages.setdefault(one.passage_id, set()).add(one.id)
    return {frozenset(some) for some in passages.values()}


def test_an_lpr_camera_its_overview_and_another_lpr_camera_make_one_passage() -> None:
    reads = [read(1), read(2, at_s=0.2, camera=OVERVIEW), read(3, at_s=4, camera=REAR)]
    assert together(reads) == {(1, 2, 3)}


def test_one_camera_alone_makes_no_passage() -> None:
    assert together([read(1)]) == set()


def test_the_same_plate_later_is_another_passage() -> None:
    assert together([read(1), read(2, at_s=10.1, camera=REAR)]) == set()
    assert together([read(1), read(2, at_s=9.9, camera=REAR)]) == {(1, 2)}


def test_cars_that_follow_each_other_keep_apart_also_with_plates_one_character_off() -> None:
    cars = [read(1, "7ABC123"), read(2, "7ABC124", at_s=1)]
    behind = [read(3, "7ABC123", at_s=3, camera=REAR), read(4, "7ABC124", at_s=4, camera=REAR)]
    assert together([*cars, *behind]) == {(1, 3), (2, 4)}


def test_no_unsure_read_bridges_two_cars() -> None:
    between = NearRead(3, REAR, 2 * S, 2 * S, "7ABC12?", prepare([
        *([(character, 0.98)] for character in "7ABC12"), [("3", 0.5), ("4", 0.48)]
    ]), None)  # fmt: skip
    assert together([read(1, "7ABC123"), read(2, "7ABC124", at_s=1), between]) in ({(1, 3)}, {(2, 3)})


def test_two_plates_side_by_side_in_one_picture_are_two_vehicles() -> None:
    assert together([read(1, lasts_s=2), read(2, at_s=1)]) == set()


def test_a_camera_that_lost_a_vehicle_and_found_it_again_saw_it_once() -> None:
    assert together([read(1), read(2, at_s=3)]) == {(1, 2)}
    assert together([read(1, "7ABC123"), read(2, "7ABC12Z", at_s=3, p=0.5)]) == set()


def test_side_by_side_one_vehicle_is_joined_to_the_other_camera_and_the_other_is_not() -> None:
    reads = [read(1, lasts_s=2), read(2, at_s=1), read(3, at_s=1, camera=REAR)]
    assert len(together(reads)) == 1
    assert {3} < set(*together(reads)) < {1, 2, 3}


def test_a_revision_that_reads_another_plate_moves_the_read() -> None:
    reads = [
        read(1, "KGV5501", passage=5),
        read(2, at_s=1, camera=REAR, passage=5),
        read(3, at_s=2, camera=OVERVIEW, passage=5),
        read(4, "KGV5501", at_s=2, camera=REAR),
    ]
    assert together(reads, [1]) == {(2, 3), (1, 4)}


def test_whom_only_a_read_that_leaves_kept_out_joins() -> None:
    def doubtful(number: int, camera: tuple[str, str], passage: int) -> NearRead:
        slots = [*([(character, 0.98)] for character in "7ABC12"), [("3", 0.5), ("4", 0.48)]]
        return NearRead(number, camera, S, S, "7ABC123", prepare(slots), passage)

    reads = [doubtful(2, OVERVIEW, 5), doubtful(3, REAR, 5), read(4, "7ABC124", at_s=2, camera=("trailer-3", "side"))]
    assert together([read(1, passage=5), *reads], [1]) == {(1, 2, 3)}
    assert together([read(1, "KGV5501", passage=5), *reads], [1]) == {(2, 3, 4)}


def test_who_is_left_behind_alone_leaves_an_empty_passage() -> None:
    reads = [read(1, "KGV5501", passage=5), read(2, at_s=1, camera=REAR, passage=5)]
    (left,) = group(reads, [1], WITHIN_NS)
    assert (left.passage_id, left.read_ids) == (5, ())


def test_looking_again_changes_nothing() -> None:
    reads = [read(1, passage=5), read(2, at_s=1, camera=REAR, passage=5), read(3, "KGV5501", at_s=1)]
    (again,) = group(reads, [1, 2, 3], WITHIN_NS)
    assert (again.passage_id, set(again.read_ids)) == (5, {1, 2})


CARS = ("7ABC123", "7ABC124", "KGV5501", "TAF389")


@settings(max_examples=60, deadline=None)
@given(st.permutations([(car, camera) for car in range(len(CARS)) for camera in (LPR, OVERVIEW, REAR)]), st.data())
def test_in_which_order_reads_come_does_not_matter(
    order: list[tuple[int, tuple[str, str]]], data: st.DataObject
) -> None:
    delay_s = {LPR: 0.0, OVERVIEW: 0.3, REAR: 4.0}
    arrivals = []
    for car, camera in order:
        number = 10 * car + 1 + (LPR, OVERVIEW, REAR).index(camera)
        final = read(number, CARS[car], 1.5 * car + delay_s[camera], camera)
        if data.draw(st.booleans()):
            # What was misread at first, perhaps as the next car, ends where the last revision belongs.
            arrivals.append(replace(read(number, CARS[car - 1], final.passed_at_ns / S, camera), passage_id=None))
        arrivals.append(final)
    expected = {frozenset(10 * car + at for at in (1, 2, 3)) for car in range(len(CARS))}
    assert follow(arrivals) == expected


@st.composite
def _muddles(draw: st.DrawFn) -> list[NearRead]:
    """Reads of unlike, like and doubtful plates, close together, some of them revised, in any order."""
    numbers = draw(st.lists(st.integers(1, 12), min_size=2, max_size=20))
    places: dict[int, tuple[float, tuple[str, str]]] = {}
    arrivals = []
    for number in numbers:
        default = (
            draw(st.sampled_from([0.0, 2.0, 4.0, 9.0, 13.0, 18.0])),
            draw(st.sampled_from([LPR, OVERVIEW, REAR])),
        )
        at_s, camera = places.setdefault(number, default)
        text = draw(st.sampled_from(["7ABC123", "7ABC124", "7ABC128", "KGV5501", ""]))
        p, other = draw(st.sampled_from([0.98, 0.6])), draw(st.sampled_from("348"))
        plate = prepare([[(character, p), (other, (1 - p) * 0.9)] for character in text])
        at_ns = round(at_s * S)
        arrivals.append(NearRead(number, camera, at_ns, at_ns + S, text, plate, None))
    return arrivals


@settings(max_examples=200, deadline=None)
@given(_muddles())
def test_every_two_reads_of_a_passage_fit_and_looking_again_changes_nothing(arrivals: list[NearRead]) -> None:
    passages = follow(arrivals)
    last = {one.id: one for one in arrivals}
    members = [number for passage in passages for number in passage]
    assert len(members) == len(set(members))
    for passage in passages:
        assert len(passage) > 1
        for one, other in itertools.combinations(passage, 2):
            assert together([last[one], last[other]]) == {tuple(sorted((one, other)))}
    kept = [
        replace(one, passage_id=next((at for at, some in enumerate(passages, 1) if one.id in some), None))
        for one in last.values()
    ]
    assert {frozenset(some) for some in together(kept) if some} == passages
