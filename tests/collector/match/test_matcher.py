import itertools
import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.domain import Rule
from collector.match.alignment import codes_of
from collector.match.exclusions import Exclusion
from collector.match.index import Index
from collector.match.matcher import EVERYTHING, LEAST_HIT, Hit, Matcher
from collector.match.parameters import packaged_parameters
from collector.match.patterns import PatternError, parse
from collector.match.policy import ListRule, Policy, Setting
from collector.match.posterior import Posterior, shown
from collector.match.records import ListedPlate, ListState, Seen

HOUR_NS = 3_600_000_000_000
NOW_NS = 1_000 * HOUR_NS
STATES = {"stolen": ListState(3, NOW_NS - 2 * HOUR_NS), "gate": ListState(5, 0)}
PLATES = st.text(alphabet="0O8BDA1", min_size=2, max_size=4)


def seen(text: str, *regions: tuple[str, float], p: float = 0.995, calibration: str | None = "t1-x") -> Seen:
    other = {"8": "B", "B": "8", "0": "D", "O": "D"}
    slots = tuple(((character, p), (other.get(character, "7"), 1 - p)) for character in text)
    return Seen(text, slots, regions, calibration)


def listed(at: int, plate: str, region: str | None = None, **more: object) -> ListedPlate:
    return ListedPlate(at, "stolen", plate, region)._replace(**more)


def matcher(*entries: ListedPlate, policy: Policy = EVERYTHING, exclusions: Sequence[Exclusion] = ()) -> Matcher:
    return Matcher(Index.build([entries], STATES), policy, exclusions)


def one(found: Sequence[Hit]) -> Hit:
    (hit,) = found
    return hit


def test_what_was_read_surely_is_a_hit_and_says_why() -> None:
    hit = one(matcher(listed(1, "7ABC120", "US-TX")).match(seen("7ABC12O", ("US-TX", 0.9)), at_ns=NOW_NS))
    assert (hit.rule, hit.listed.plate, hit.list_version, hit.list_age_ns) == (Rule.EXACT, "7ABC120", 3, 2 * HOUR_NS)
    assert 0.8 < hit.probability < 0.9
    assert hit.calibrated
    assert hit.why == (
        "Read as 7ABC12O, as listed.",
        hit.why[1],
        "Listed for US-TX, and the plate looks like US-TX at 90%.",
        hit.why[3],
        "List stolen, version 3, last confirmed 2 h ago.",
    )
    assert hit.why[3].startswith("The likeliest reading is the entry: 8")


def test_a_likely_other_reading_is_a_hit_and_says_which_character_decides() -> None:
    hit = one(matcher(listed(1, "7AB8")).match(seen("7ABB", p=0.7), at_ns=NOW_NS))
    assert hit.rule is Rule.LIKELY
    assert 0.001 < hit.probability < 0.9
    assert hit.why[0] == "Read as 7ABB, listed as 7AB8."
    assert hit.why[1].startswith("Character 4 decides: read as B (")
    assert [(place.read, place.entry, place.step) for place in hit.alignment][-1] == ("B", "8", "other")
    assert hit.otherwise[0][0] in ("7ABB", "7A8B", "7A88")
    assert all(text != "7AB8" for text, _ in hit.otherwise)


def test_hits_come_best_first_and_no_hit_is_certain() -> None:
    hits = matcher(listed(1, "7A8"), listed(2, "7AB")).match(seen("7AB", p=0.8), at_ns=NOW_NS)
    assert len(hits) == 2
    assert 1 > hits[0].probability > hits[1].probability >= LEAST_HIT


def test_an_empty_read_matches_nothing_and_neither_does_an_empty_list() -> None:
    assert matcher(listed(1, "AB")).match(Seen("", (), ()), at_ns=0) == ()
    assert Matcher().match(seen("ABC"), at_ns=0) == ()
    assert matcher(listed(1, "AB")).match_many([], 0) == []


def test_state_evidence_multiplies_in_where_there_is_any() -> None:
    read = "7ABC123"
    plain = one(matcher(listed(1, read)).match(seen(read), at_ns=0)).probability
    with_state = matcher(listed(1, read, "US-TX"))
    assert one(with_state.match(seen(read), at_ns=0)).probability == plain
    assert one(with_state.match(seen(read, ("US-TX", 0.7)), at_ns=0)).probability == pytest.approx(
        0.7 * plain, rel=0.01
    )
    other = one(with_state.match(seen(read, ("US-CA", 0.9), ("US-TX", 0.05)), at_ns=0))
    assert other.probability == pytest.approx(0.05 * plain, rel=0.05)
    assert other.why[2] == "Caution: listed for US-TX (5%), but the plate looks like US-CA at 90%."
    # The country alone says nothing of its states.
    country = one(with_state.match(seen(read, ("US", 0.9)), at_ns=0))
    assert country.probability == pytest.approx(0.9 * plain)


def test_which_others_are_listed_does_not_matter() -> None:
    alone = one(matcher(listed(1, "7AB8")).match(seen("7ABB", p=0.7), at_ns=0))
    among = matcher(listed(1, "7AB8"), listed(2, "7ABB"), listed(3, "7A8B")).match(seen("7ABB", p=0.7), at_ns=0)
    assert alone in among


def test_pains_12_a_list_for_one_camera_only() -> None:
    """PAINS row 12: no per-camera plate lists. A list may alert at one camera, and be surer at another."""
    policy = Policy(
        ListRule(0.5),
        (
            Setting(list="gate", on=False),
            Setting(list="gate", camera="north/lane1", on=True),
            Setting(camera="south", threshold=0.999),
        ),
    )
    of = matcher(listed(1, "7ABC123", list="gate"), listed(2, "7ABC123"), policy=policy)

    def lists(camera: str) -> list[str]:
        return [hit.listed.list for hit in of.match(seen("7ABC123"), camera=camera, at_ns=0)]

    assert lists("north/lane1") == ["gate", "stolen"]
    assert lists("north/lane2") == ["stolen"]
    assert lists("south/lane1") == []


@pytest.mark.parametrize("written", ["7abc123", "7 ABC-123", "７ＡＢＣ１２３"])
def test_pains_13_letter_case_of_a_read_does_not_count(written: str) -> None:
    """PAINS row 13: a watched plate missed for letter case."""
    slots = tuple(((character, 0.995),) for character in "7abc123")
    hit = one(matcher(listed(1, "7ABC123")).match(Seen(written, slots, ()), at_ns=0))
    assert (hit.rule, hit.probability > 0.9) == (Rule.EXACT, True)


def test_a_policy_may_want_exact_readings_or_the_state() -> None:
    likely, read = listed(1, "7AB8"), seen("7ABB", p=0.6)
    assert matcher(likely, policy=Policy(ListRule(0.001))).match(read, at_ns=0)
    assert not matcher(likely, policy=Policy(ListRule(0.001, exact_only=True))).match(read, at_ns=0)
    wants = Policy(ListRule(0.001, region_required=True))
    with_state = listed(1, "7ABC", "US-TX")
    assert not matcher(with_state, policy=wants).match(seen("7ABC"), at_ns=0)
    assert not matcher(listed(1, "7ABC"), policy=wants).match(seen("7ABC", ("US-TX", 0.9)), at_ns=0)
    assert matcher(with_state, policy=wants).match(seen("7ABC", ("US-TX", 0.9)), at_ns=0)


def test_what_is_not_in_force_does_not_alert() -> None:
    read = seen("7ABC")
    times = matcher(listed(1, "7ABC", effective_ns=10, expires_ns=20))
    assert [bool(times.match(read, at_ns=at_ns)) for at_ns in (9, 10, 19, 20)] == [False, True, True, False]
    off = Policy(ListRule(0.001), categories_off=frozenset({"gang"}))
    assert not matcher(listed(1, "7ABC", category="gang"), policy=off).match(read, at_ns=0)
    old = Policy(ListRule(0.001), expire_after_ns={"stolen": 2 * HOUR_NS, "gate": 1})
    assert not matcher(listed(1, "7ABC"), policy=old).match(read, at_ns=NOW_NS)
    assert matcher(listed(1, "7ABC"), policy=old).match(read, at_ns=NOW_NS - 1)
    # Nobody could have confirmed a list that people made by hand.
    assert matcher(listed(1, "7ABC", list="gate"), policy=old).match(read, at_ns=NOW_NS)


def test_a_known_look_alike_gives_way_only_where_the_read_favours_it() -> None:
    excluded = [Exclusion("7ABB", "stolen", "7AB8", None, expires_ns=100)]
    of = matcher(listed(1, "7AB8"), exclusions=excluded)
    assert of.match(seen("7ABB", p=0.8), at_ns=0) == ()
    assert of.match(seen("7AB8", p=0.8), at_ns=0)
    assert of.match(seen("7ABB", p=0.8), at_ns=100)


def test_which_look_alikes_held_a_hit_back_is_told() -> None:
    excluded = [
        Exclusion("7ABB", "stolen", "7AB8", None, expires_ns=100, id=4),
        Exclusion("7A8B", "stolen", "7AB8", None, id=5),
        Exclusion("7ABB", "stolen", "7AB8", None, id=3),
        Exclusion("7ABB", "stolen", "7AB[8]", None, id=6),
    ]
    of = matcher(listed(1, "7AB8"), listed(2, "7AB[8]", is_pattern=True), listed(3, "7ABB"), exclusions=excluded)
    reads = [(seen("7ABB", p=0.8), ""), (seen("7AB8", p=0.8), ""), (seen("XYZ1", p=0.8), "")]
    favouring, listed_one, neither = of.matched(reads, 0)
    assert favouring.demoted_by == (3, 4, 6)
    assert [hit.listed.entry_id for hit in favouring.hits] == [3]
    assert listed_one.demoted_by == ()
    assert neither == ((), ())
    assert of.match_many(reads, 0) == [favouring.hits, listed_one.hits, ()]
    assert of.matched(reads, 100)[0].demoted_by == (3, 6)


def test_what_is_let_through_nowhere_is_held_back_by_nobody() -> None:
    excluded = [Exclusion("7ABB", "stolen", "7AB8", None, id=1)]
    strict = matcher(listed(1, "7AB8"), policy=Policy(ListRule(0.9)), exclusions=excluded)
    assert strict.matched([(seen("7ABB", p=0.8), "")], 0)[0].demoted_by == ()


def test_a_pattern_shows_the_likeliest_plate_that_it_fits() -> None:
    hit = one(matcher(listed(1, "7A[8B]?*", is_pattern=True)).match(seen("7ABO1", p=0.9), at_ns=0))
    assert hit.why[0].startswith("Read as 7ABO1; ")
    assert hit.why[0].endswith(" of what the plate may be is like 7A[8B]?*, likeliest 7AB01.")
    assert [(place.read, place.entry, place.step) for place in hit.alignment] == [
        ("7", "7", "same"),
        ("A", "A", "same"),
        ("B", "B", "same"),
        ("O", "0", "same"),
        ("1", "1", "same"),
    ]
    assert all(text != "7AB01" for text, _ in hit.otherwise)
    nothing = Matcher().judge(seen("7AB"), listed(1, "7A[", is_pattern=True), at_ns=0)
    assert (nothing.probability, nothing.alignment) == (0.0, ())


def test_an_uncalibrated_read_is_said_to_be_one() -> None:
    for calibration in (None, "raw-12345678"):
        hit = one(matcher(listed(1, "7ABC")).match(seen("7ABC", calibration=calibration), at_ns=0))
        assert not hit.calibrated
        assert hit.why[-2].endswith("The read is not calibrated, so this is a rank and no probability.")


def test_judging_is_what_matching_says_whatever_the_thresholds() -> None:
    entry, read = listed(1, "7AB8"), seen("7ABB", p=0.7)
    hit = one(matcher(entry).match(read, at_ns=NOW_NS))
    strict = matcher(entry, policy=Policy(ListRule(1.0)))
    assert strict.match(read, at_ns=NOW_NS) == ()
    judged = strict.judge(read, entry, at_ns=NOW_NS)
    assert (judged.probability, judged.threshold) == (hit.probability, 1.0)
    assert strict.judge(read, listed(9, "XYZ9999"), at_ns=NOW_NS).probability < 1e-6


def test_a_pattern_is_as_likely_as_all_that_it_fits() -> None:
    entry = listed(1, parse("7A?8").text, is_pattern=True)
    of = matcher(entry, listed(2, "7AB8"))
    pattern, plate = sorted(of.match(seen("7AB8", p=0.9), at_ns=0), key=lambda hit: hit.rule is not Rule.PATTERN)
    assert pattern.rule is Rule.PATTERN
    assert pattern.probability > plate.probability
    judged = of.judge(seen("7AB8", p=0.9), entry, at_ns=0)
    assert judged == pattern


@given(st.lists(PLATES, max_size=8), st.lists(st.tuples(PLATES, st.sampled_from([0.5, 0.8, 0.99])), max_size=4))
@settings(max_examples=25, deadline=None)
def test_matching_is_judging_every_entry_in_whatever_order(plates: list[str], texts: list[tuple[str, float]]) -> None:
    """Against brute force: order of entries, duplicates and batches make no difference."""
    entries = [listed(at, plate) for at, plate in enumerate(plates, start=1)]
    reads = [seen(text, p=p) for text, p in texts]
    of = matcher(*entries)
    batch = of.match_many([(read, "") for read in reads], 0)
    shuffled = entries[:]
    random.Random(len(plates)).shuffle(shuffled)
    assert matcher(*shuffled).match_many([(read, "") for read in reads], 0) == batch
    for read, hits in zip(reads, batch, strict=True):
        assert of.match(read, at_ns=0) == hits
        of_read = Posterior.of(shown([read.slots]), packaged_parameters())
        expected = {one.entry_id: of_read.probability(0, codes_of(one.plate)) for one in entries}
        found = {hit.listed.entry_id: hit.probability for hit in hits}
        for entry_id, p in expected.items():
            if p >= 2 * LEAST_HIT:
                assert found[entry_id] == p
            if p < LEAST_HIT:
                assert entry_id not in found
        assert [hit.probability for hit in hits] == sorted((hit.probability for hit in hits), reverse=True)


@given(PLATES, st.lists(st.sampled_from("78AB?*"), min_size=3, max_size=4).map("".join), st.sampled_from([0.5, 0.9]))
@settings(max_examples=25, deadline=None)
def test_a_pattern_is_the_sum_of_what_it_fits(text: str, written: str, p: float) -> None:
    """Against what can be spelled, in whatever order patterns and plates are listed, and with the same pattern twice.

    ``test_fitting`` has the exact sum.
    """
    try:
        pattern = parse(written)
    except PatternError:
        return
    read = seen(text, p=p)
    strings = Posterior.of(shown([read.slots]), packaged_parameters()).spelled(1e-7).likeliest(10**6).get(0, [])
    expected = sum(q for string, q in strings if pattern.matches(string))
    entries = [listed(1, "ABAB"), *(listed(at, pattern.text, is_pattern=True) for at in (2, 3))]
    hits = matcher(*entries).match(read, at_ns=0)
    assert matcher(*reversed(entries)).match(read, at_ns=0) == hits
    found = [hit for hit in hits if hit.rule is Rule.PATTERN]
    if expected >= 1.1 * LEAST_HIT:
        assert [hit.probability for hit in found] == [pytest.approx(expected, rel=0.01)] * 2
    for hit in found:
        assert pattern.matches("".join(place.entry for place in hit.alignment))


def test_the_generation_and_the_version_name_what_matched() -> None:
    of = matcher(listed(1, "AB"))
    assert (of.generation, len(of)) == (5, 1)
    assert of.version == one(of.match(seen("AB"), at_ns=0)).matcher
    assert of.version.startswith("m3-")


def test_twins_of_one_plate_are_hits_of_their_own() -> None:
    entries = [listed(at, "7ABC", state) for at, state in enumerate((None, "US-TX", "US-CA"), start=1)]
    hits = matcher(*entries).match(seen("7ABC", ("US-TX", 0.9)), at_ns=0)
    assert [hit.listed.entry_id for hit in hits] == [1, 2, 3]
    assert len(set(itertools.chain.from_iterable(hit.why for hit in hits))) > 5


def test_a_plate_that_a_list_has_many_times_is_weighed_once() -> None:
    """A bad mapping can list one plate thousands of times: no read may hold up those behind it for seconds."""
    same = [listed(number, "7ABC123", reference=str(number)) for number in range(1, 51)]
    hits = matcher(*same).match(seen("7ABC123"), at_ns=NOW_NS)
    assert [hit.listed.entry_id for hit in hits] == list(range(1, 51))
    assert len({hit.probability for hit in hits}) == 1
    assert len({id(hit.alignment) for hit in hits}) == len({id(hit.otherwise) for hit in hits}) == 1
