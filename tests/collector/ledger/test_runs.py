from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from collector.ledger.runs import count, difference, intersection, union

sequences = st.integers(1, 60)
runs = st.lists(st.tuples(sequences, sequences), max_size=8)


def expanded(some: object) -> set[int]:
    return {number for first, last in some for number in range(first, last + 1)}  # type: ignore[attr-defined]


@given(runs, runs)
def test_runs_are_sets(a: list[tuple[int, int]], b: list[tuple[int, int]]) -> None:
    for made, expected in (
        (union(a, b), expanded(a) | expanded(b)),
        (difference(a, b), expanded(a) - expanded(b)),
        (intersection(a, b), expanded(a) & expanded(b)),
    ):
        assert expanded(made) == expected
        assert count(made) == len(expected)
        assert all(last + 1 < first for (_, last), (first, _) in pairwise(made))
