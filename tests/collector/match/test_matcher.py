import itertools
import random

from hypothesis import given
from hypothesis import strategies as st

from collector.domain import Rule
from collector.match.matcher import ListedPlate, Matcher, Seen
from collector.match.plates import compare, normalise

PLATES = st.text(alphabet="0OI1AB", min_size=2, max_size=4)


def seen(text: str, *regions: tuple[str, float], p: float = 0.9) -> Seen:
    return Seen(text, tuple(((character, p), ("8", 1 - p)) for character in text), regions)


def matcher(*plates: str, region: str | None = None) -> Matcher:
    listed = [ListedPlate(at, "stolen", plate, region) for at, plate in enumerate(plates, start=1)]
    return Matcher(listed, {"stolen": 3, "wanted": 5})


def test_exact_hits_come_before_folded_ones() -> None:
    hits = matcher("AB0", "ABO").match(seen("abO"))
    assert [(hit.listed.plate, hit.rule) for hit in hits] == [("ABO", Rule.EXACT), ("AB0", Rule.FOLDED)]
    assert {hit.list_version for hit in hits} == {3}


def test_the_generation_is_the_highest_version() -> None:
    assert matcher().generation == 5
    assert Matcher().generation == 0
    assert Matcher().match(seen("ABC")) == ()


def test_an_empty_read_matches_nothing() -> None:
    assert matcher("AB").match(seen("")) == ()


def test_a_hit_says_which_characters_decided() -> None:
    slots = [((character, 0.9),) for character in "7ABC12"]
    (hit,) = matcher("7ABC120").match(Seen("7ABC12O", (*slots, (("O", 0.6), ("0", 0.38))), ()))
    assert hit.why[0] == (
        "Read as 7ABC12O, listed as 7ABC120: character 7 is read as O and listed as 0; "
        "0 and O, 1 and I are taken for one another."
    )
    assert hit.why[1] == "Least sure is character 7: O at 60%, else 0 at 38%."
    assert hit.why[2] == "The list does not say which state."


def test_another_state_is_told_and_does_not_exclude() -> None:
    (hit,) = matcher("AB", region="US-TX").match(seen("AB", ("US-CA", 0.8), ("US-TX", 0.1)))
    assert hit.why[-1] == "Caution: listed for US-TX (10%), but the plate looks like US-CA at 80%."
    (hit,) = matcher("AB", region="US-TX").match(seen("AB", ("US-TX", 0.8)))
    assert hit.why[-1] == "Listed for US-TX, and the plate looks like US-TX at 80%."
    (hit,) = matcher("AB", region="US-TX").match(seen("AB"))
    assert hit.why[-1] == "Listed for US-TX; the picture does not say which state."


@given(st.lists(PLATES, max_size=12), PLATES, st.randoms(use_true_random=False))
def test_the_matcher_agrees_with_comparing_every_entry_in_whatever_order(
    plates: list[str], text: str, order: random.Random
) -> None:
    listed = [ListedPlate(at, "stolen", plate, None) for at, plate in enumerate(plates, start=1)]
    expected = {(one.entry_id, rule) for one in listed if (rule := compare(normalise(text), one.plate))}
    first = Matcher(listed, {"stolen": 1}).match(seen(text))
    order.shuffle(listed)
    assert Matcher(listed, {"stolen": 1}).match(seen(text)) == first
    assert {(hit.listed.entry_id, hit.rule) for hit in first} == expected
    assert [hit.rule is Rule.EXACT for hit in first] == sorted((hit.rule is Rule.EXACT for hit in first), reverse=True)


def test_many_entries_are_all_found() -> None:
    plates = ["".join(some) for some in itertools.product("AB01", repeat=5)]
    built = matcher(*plates)
    assert len(built) == 1024
    assert built.match(seen("AB01A"))[0].listed.plate == "AB01A"
