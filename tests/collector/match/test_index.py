from collections.abc import Sequence

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.match import columns, packing
from collector.match.index import Index
from collector.match.records import ListedPlate, ListState

# Few different ones, so that they meet.
PLATES = st.text("0OAB", min_size=1, max_size=3) | st.sampled_from(["ÄB", "0" * 14, "O" * 14, "7ABC123"])
TIMES = st.none() | st.integers(0, 2**62)


@st.composite
def entries(draw: st.DrawFn, first_id: int = 1) -> list[ListedPlate]:
    drawn = draw(
        st.lists(
            st.tuples(
                st.sampled_from(["stolen", "wanted"]),
                PLATES,
                st.sampled_from([None, "US-TX", "US-CA"]),
                TIMES,
                TIMES,
                st.sampled_from(["other", "stolen-vehicle"]),
                st.sampled_from(["", "", "NIC 1", "Ä2"]),
            ),
            max_size=12,
        )
    )
    step = draw(st.sampled_from([1, 2**31]))
    return [
        ListedPlate(first_id + number * step, list_, plate, region, False, begins, ends, category, reference)
        for number, (list_, plate, region, begins, ends, category, reference) in enumerate(drawn)
    ]


def found(index: Index, plates: Sequence[str]) -> list[tuple[str, ListedPlate]]:
    which, rows = index.find(packing.pack(plates))
    return [(plates[at], index.listed(row)) for at, row in zip(which.tolist(), rows.tolist(), strict=True)]


def expected(listed: Sequence[ListedPlate], plates: Sequence[str]) -> list[tuple[str, ListedPlate]]:
    by_plate: dict[str, list[ListedPlate]] = {}
    for one in sorted(listed):
        by_plate.setdefault(one.plate.replace("O", "0"), []).append(one)
    return [(plate, one) for plate in plates for one in by_plate.get(plate.replace("O", "0"), [])]


STATES = {"stolen": ListState(3, 5), "wanted": ListState(7, 6)}


@settings(deadline=None)
@given(entries(), st.lists(PLATES), st.integers(1, 5), st.randoms())
def test_it_finds_what_a_dict_finds_whatever_order_entries_come_in(
    listed: list[ListedPlate], plates: list[str], portions: int, random: object
) -> None:
    shuffled = list(listed)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # Hypothesis gives a Random
    index = Index.build([shuffled[at::portions] for at in range(portions)], STATES)
    assert found(index, plates) == expected(listed, plates)
    assert len(index) == len(listed)
    assert index.generation == 7
    assert index.versions == STATES


@settings(deadline=None)
@given(st.data(), st.lists(PLATES))
def test_a_changed_index_finds_what_one_built_anew_does(data: st.DataObject, plates: list[str]) -> None:
    listed = data.draw(entries())
    index = Index.build([listed], STATES)
    merging: tuple[Index, columns.Run] | None = None
    for step in range(data.draw(st.integers(0, 5))):
        added = data.draw(entries(1 + (step + 1) * 2**36))
        gone = set(data.draw(st.lists(st.sampled_from(listed)))) if listed else set()
        before, was = index, list(listed)
        index = index.changed(added, [one.entry_id for one in gone], STATES)
        listed = [one for one in listed if one not in gone] + added
        # Whoever reads the old one goes on with it.
        assert found(before, plates) == expected(was, plates)
        what = data.draw(st.sampled_from(["", "begin to merge", "end merging"]))
        if what == "begin to merge":
            merging = index, index.merged()
        elif what == "end merging" and merging is not None:
            index = index.with_merged(merging[1], merging[0])
            merging = None
        assert found(index, plates) == expected(listed, plates)
        assert len(index) == len(listed)


def test_many_single_additions_do_not_pile_up() -> None:
    index = Index.build([[ListedPlate(1, "stolen", "A1", None)]], STATES)
    for number in range(2, 60):
        index = index.changed([ListedPlate(number, "stolen", f"A{number}", None)], [], STATES)
    assert not index.crowded
    assert len(index) == 59
    assert found(index, ["A59"]) == [("A59", ListedPlate(59, "stolen", "A59", None))]


def test_it_is_crowded_when_much_has_ended_and_no_longer_when_that_is_merged() -> None:
    listed = [ListedPlate(number, "stolen", f"A{number}", None) for number in range(1, 101)]
    index = Index.build([listed], STATES).changed([], range(1, 51), STATES)
    assert index.crowded
    merged = index.with_merged(index.merged(), index)
    assert not merged.crowded
    assert len(merged) == 50
    assert found(merged, ["A50", "A51"]) == [("A51", listed[50])]


def test_patterns_stand_beside_what_is_found_by_key() -> None:
    listed = [ListedPlate(1, "stolen", "7AB", None), ListedPlate(2, "stolen", "7AB*", "US-TX", is_pattern=True)]
    index = Index.build([listed], STATES)
    assert (len(index), [one.plate for one in index.patterns.entries]) == (2, ["7AB*"])
    assert found(index, ["7AB*", "7AB"]) == [("7AB", listed[0])]
    more = ListedPlate(3, "stolen", "*42X", None, is_pattern=True)
    index = index.changed([more], [2], STATES)
    assert (len(index), index.patterns.entries) == (2, (more,))
    assert len(index.changed([], [3, 1], STATES)) == 0


def test_an_empty_one_finds_nothing() -> None:
    index = Index()
    assert (len(index), index.generation, index.crowded) == (0, 0, False)
    assert found(index, ["A", ""]) == []
    assert found(Index.build([], {}), ["A"]) == []


def test_what_every_entry_costs_is_bounded() -> None:
    # 100,000 of them, each with a time and a reference of its own.
    listed = [
        ListedPlate(number, "stolen", f"P{number}", f"US-{number % 50}", False, None, number, "other", f"NIC{number}")
        for number in range(100_000)
    ]
    assert Index.build([listed], STATES).nbytes <= 60 * len(listed)
    plain = [one._replace(expires_ns=None, reference="") for one in listed]
    index = Index.build([plain], STATES)
    assert index.nbytes <= 25 * len(listed)
    assert found(index, ["P77777"]) == [("P77777", plain[77_777])]
    assert np.array_equal(index.ids(index.find(packing.pack(["P5", "P3"]))[1]), [5, 3])
