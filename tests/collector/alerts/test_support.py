from dataclasses import replace

from collector.alerts.support import is_supporting, match_of, revised
from collector.domain import Aligned, Rule, Standing, Support
from collector.match.records import Hit, ListedPlate, Place

LISTED = ListedPlate(1, "stolen", "7ABC120", "US-TX")


def hit(probability: float, rule: Rule = Rule.LIKELY) -> Hit:
    alignment = (Place("O", 0.6, "0", 0.38, "other"),)
    return Hit(LISTED, rule, probability, True, 0.3, alignment, (("7ABC12O", 0.6),), ("Why.",), 4, 60, "m2")


RAISED = Standing(Rule.LIKELY, Support.RAISED, ("Read as it was.",), 0, match_of(hit(0.4)))


def test_what_the_matcher_said_is_kept_whole() -> None:
    match = match_of(hit(0.4))
    assert (match.probability, match.threshold, match.list_version, match.list_age_ns) == (0.4, 0.3, 4, 60)
    assert (match.alignment, match.otherwise) == ((Aligned("O", 0.6, "0", 0.38, "other"),), (("7ABC12O", 0.6),))


def test_a_probability_that_reaches_the_threshold_supports() -> None:
    assert is_supporting(hit(0.3))
    assert not is_supporting(hit(0.29))


def test_a_surer_revision_strengthens_and_one_that_is_a_little_surer_only_counts() -> None:
    now = revised(RAISED, hit(0.9), "7ABC120", 1, others=0)
    assert (now.support, now.why, now.revision) == (Support.STRENGTHENED, ("Why.",), 1)
    assert now.match == match_of(hit(0.9))
    assert revised(RAISED, hit(0.405), "7ABC12O", 1, others=0).support is Support.RAISED


def test_an_exact_reading_after_a_likely_one_strengthens() -> None:
    assert revised(RAISED, hit(0.4, Rule.EXACT), "7ABC120", 1, others=0).support is Support.STRENGTHENED


def test_another_reading_withdraws_the_support_once_and_never_the_alert() -> None:
    now = revised(RAISED, hit(0.01), "7ABC128", 1, others=0)
    assert (now.support, now.match) == (Support.UNSUPPORTED, match_of(hit(0.01)))
    assert now.why == ("Read as it was.", "No longer supported: a later revision reads 7ABC128.")
    again = revised(now, hit(0.0), "", 2, others=0)
    assert again == replace(now, revision=2, match=match_of(hit(0.0)))


def test_support_comes_back_with_the_reading() -> None:
    gone = revised(RAISED, hit(0.01), "7ABC128", 1, others=0)
    assert revised(gone, hit(0.35), "7ABC12O", 2, others=0).support is Support.RAISED


def test_what_other_reads_support_stays_supported_and_says_so() -> None:
    now = revised(RAISED, hit(0.01), "7ABC128", 1, others=2)
    assert now.support is Support.RAISED
    assert now.why[-1] == "A later revision of the first read reads 7ABC128; 2 other reads still support it."


def test_an_alert_of_an_earlier_version_has_nothing_to_be_surer_than() -> None:
    old = Standing(Rule.EXACT, Support.RAISED, ("Exact.",))
    assert revised(old, hit(0.9, Rule.EXACT), "7ABC120", 1, others=0).support is Support.RAISED
