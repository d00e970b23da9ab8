import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from collector.hotlists.comparing import Digests, difference, last_of_each

_LISTS = st.dictionaries(st.sampled_from("ABCDEFGH"), st.integers(0, 2))


def noted(rows: list[tuple[str, int]]) -> Digests:
    digests = Digests()
    for plate, content in rows:
        digests.note((plate, None, ""), (plate, content))
    return digests


@given(_LISTS, st.lists(st.tuples(st.sampled_from("ABCDEFGH"), st.integers(0, 2))))
def test_it_finds_what_a_dictionary_finds(before: dict[str, int], rows: list[tuple[str, int]]) -> None:
    older, newer = noted(list(before.items())), noted(rows)
    after = dict(rows)
    counts = last_of_each(newer)
    assert {rows[at] for at in np.flatnonzero(counts)} == set(after.items())
    assert np.count_nonzero(counts) == len(after)

    found = difference(older, newer, counts)
    begun = {rows[at] for at in np.flatnonzero(found.begin)}
    ended = {plate for plate, out in zip(before, found.end, strict=True) if out}
    assert begun == {(plate, content) for plate, content in after.items() if before.get(plate) != content}
    assert ended == {plate for plate, content in before.items() if after.get(plate) != content}
    assert (found.added, found.removed) == (len(after.keys() - before.keys()), len(before.keys() - after.keys()))
    same = sum(after.get(plate) == content for plate, content in before.items())
    assert (found.unchanged, found.changed) == (same, len(after.keys() & before.keys()) - same)
    pairs = {(list(before)[i], rows[j]) for i, j in found.pairs}
    assert pairs == {(p, (p, after[p])) for p in after.keys() & before.keys() if after[p] != before[p]}
