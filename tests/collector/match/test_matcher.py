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


def test_a_doubt_whether_there_is_a_further_character_is_told() -> None:
    """An OCR read by CTC has slots between the characters: the text may lack one."""
    a, b, behind = (("A", 0.999),), (("B", 0.998),), (("_", 0.6), ("7", 0.4))
    for slots, place in (((behind, a, b), "before character 1"), ((a, behind, b), "behind character 1")):
        (hit,) = matcher("AB").match(Seen("AB", slots, ()))
        assert hit.why[1] == f"Least sure is whether there is one more {place}: none at 60%, else 7 at 40%."
    (hit,) = matcher("AB").match(Seen("AB", (a, (("_", 0.9),), (("B", 0.7),)), ()))
    assert hit.why[1] == "Least sure is character 2: B at 70%."
    (hit,) = matcher("AB").match(Seen("AB", (a, b, (("_", 0.999),)), ()))
    assert hit.why[1] == "The camera is sure of every character."


def test_another_state_is_told_and_does_not_exclude() -> None:
    (hit,) = matcher("AB", region="US-TX").match(seen("AB", ("US-CA", 0.8), ("US-TX", 0.1)))
    assert hit.why[-1] == "Caution: listed for US-TX (10%), but the plate looks like US-CA at 80%."
    (hit,) = matcher("AB", region="US-TX").match(seen("AB", ("US-TX", 0.8)))
    assert hit.why[-1] == "Listed for US-TX, and the plate looks like US-TX at 80%."
    (hit,) = matcher("AB", region="US-TX").match(seen("AB", ("DE", 0.7), ("US-TX", 0.1)))
    assert hit.why[-1] == "Caution: listed for US-TX (10%), but the plate looks like DE at 70%."
    (hit,) = matcher("AB", region="US-TX").match(seen("AB"))
    assert hit.why[-1] == "Listed for US-TX; the picture does not say which state."


def test_a_list_that_names_a_country_means_all_of_its_states() -> None:
    (hit,) = matcher("AB", region="US").match(seen("AB", ("US-TX", 0.9), ("US", 0.05)))
    assert hit.why[-1] == "Listed for US, and the plate looks like US-TX at 90%."
    (hit,) = matcher("AB", region="US").match(seen("AB", ("DE", 0.6), ("US-TX", 0.2), ("US", 0.1)))
    assert hit.why[-1] == "Caution: listed for US (30%), but the plate looks like DE at 60%."


def test_a_state_that_is_not_told_by_itself_is_in_the_rest_of_its_country() -> None:
    (hit,) = matcher("AB", region="US-VT").match(seen("AB", ("US-OK", 0.5), ("US", 0.4)))
    assert hit.why[-1] == "Listed for US-VT (at most 40%); the plate looks like US, but not surely like one state."


def test_a_doubtful_state_is_no_caution() -> None:
    """pains-06: VT or OK, who knows: nobody is told that the car is from the wrong state."""
    (hit,) = matcher("AB", region="US-VT").match(seen("AB", ("US-OK", 0.5), ("US-VT", 0.4)))
    assert hit.why[-1] == "Listed for US-VT (40%); the plate looks like US, but not surely like one state."
    (hit,) = matcher("AB", region="US-VT").match(seen("AB", ("US-OK", 0.4), ("DE", 0.2)))
    assert hit.why[-1] == ("Listed for US-VT (0%); the picture does not say which state, at most US-OK at 40%.")


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
