from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.ledger.judging import judge_device, known_end, unexplained
from collector.ledger.records import Account, Closing, Lost, Stated, StreamFacts, Word
from collector.ledger.runs import difference, union
from edge_wire.messages import Stream

DETECTION, REPORT = int(Stream.DETECTION), int(Stream.REPORT)


def facts(here: Any = (), *, stream: int = DETECTION, **more: Any) -> StreamFacts:
    """Facts of a stream of which the runs ``here`` are stored."""
    runs = union(here)
    made = StreamFacts("lpr-1", 7, stream, stored=sum(b - a + 1 for a, b in runs), **more)
    made = replace(made, first=runs[0][0] if runs else None, last=runs[-1][1] if runs else None)
    end = known_end(made.stated, made.closing, made.last, made.lost)
    return replace(made, gaps=difference([(1, end)], runs))


def stated(next_sequence: int, pending: int = 0, lowest: int = 0, **more: Any) -> Stated:
    return Stated(next_sequence, pending, lowest, 1, **more)


def judge(one: StreamFacts) -> Account:
    return judge_device([one])[0]


def test_complete_is_everything_that_the_device_says_there_is() -> None:
    """PROTOCOL invariant 4: every committed row ends stored, dead-lettered, lost and named, or in a stated bound."""
    account = judge(facts([(1, 5), (8, 9)], stated=stated(10), lost=(Lost(6, 7, "evicted"),)))
    assert (account.word, account.lost_by_reason) == (Word.COMPLETE, {"evicted": 2})


def test_what_is_lost_and_here_nevertheless_is_not_counted_as_lost() -> None:
    account = judge(facts([(1, 6)], stated=stated(8), lost=(Lost(5, 7, "evicted"),)))
    assert (account.word, account.lost_by_reason) == (Word.COMPLETE, {"evicted": 1})


def test_nothing_is_complete_by_guess() -> None:
    assert judge(facts([(1, 5)])).word is Word.IN_FLIGHT
    assert judge(facts()).word is Word.IN_FLIGHT
    later = judge(facts([(1, 5)], stated=stated(4)))
    assert (later.word, later.beyond_statement) == (Word.IN_FLIGHT, 2)


def test_what_waits_on_the_device_is_in_flight() -> None:
    account = judge(facts([(1, 5)], stated=stated(10, pending=4, lowest=6)))
    assert (account.word, account.in_flight, account.missing) == (Word.IN_FLIGHT, 4, ())


def test_what_the_device_no_longer_has_waiting_is_missing_by_name() -> None:
    account = judge(facts([(1, 2), (5, 5)], stated=stated(10, pending=4, lowest=6)))
    assert (account.word, account.missing, account.in_flight) == (Word.MISSING, ((3, 4),), 4)
    assert account.wrong


def test_more_absent_than_waiting_means_that_some_of_them_are_missing() -> None:
    account = judge(facts([(1, 5)], stated=stated(10, pending=1, lowest=6)))
    assert (account.word, account.missing, account.missing_among) == (Word.MISSING, (), ((6, 9),))
    assert (account.missing_at_least, account.in_flight) == (3, 1)


def test_while_a_report_is_under_way_it_may_be_the_loss_record() -> None:
    detections = facts([(1, 2)], stated=stated(4))
    reports = facts([(1, 3)], stream=REPORT, stated=stated(5, pending=1, lowest=4))
    assert [one.word for one in judge_device([detections, reports])] == [Word.IN_FLIGHT, Word.IN_FLIGHT]
    reports = facts([(1, 4)], stream=REPORT, stated=stated(5))
    assert [one.word for one in judge_device([detections, reports])] == [Word.MISSING, Word.COMPLETE]


def test_the_next_epoch_s_open_says_how_far_this_one_went() -> None:
    assert judge(facts([(1, 5)], closing=Closing(last=5))).word is Word.COMPLETE
    assert judge(facts(closing=Closing(last=0))).word is Word.COMPLETE
    assert judge(facts([(1, 5)], closing=Closing(last=7))).word is Word.IN_FLIGHT
    waiting = judge(facts([(1, 5)], stated=stated(7, pending=1, lowest=6), closing=Closing(last=8, stated_since=True)))
    assert (waiting.word, waiting.in_flight) == (Word.IN_FLIGHT, 3)


def test_an_epoch_that_a_later_statement_is_silent_about_has_nothing_waiting() -> None:
    silent = facts([(1, 5)], closing=Closing(last=7, stated_since=True))
    assert judge(silent).missing == ((6, 7),)
    before = stated(8, pending=2, lowest=6, is_latest=False)
    assert judge(replace(silent, stated=before)).missing == ((6, 7),)


def test_a_corrupt_outbox_leaves_a_bound() -> None:
    lost_tail = Closing(reserved_to=100, outbox_lost=True)
    account = judge(facts([(1, 60), (62, 62)], stated=stated(61), closing=lost_tail))
    assert (account.word, account.unknown_at_most, account.verdict) == (Word.UNKNOWN, 39, "unknown, at most 39")
    surely = judge(facts([(1, 50)], stated=stated(61, pending=5, lowest=56), closing=lost_tail))
    assert (surely.word, surely.missing, surely.unknown_at_most) == (Word.MISSING, ((51, 55),), 45)
    assert judge(facts([(1, 100)], closing=lost_tail)).word is Word.COMPLETE
    reports = facts([(1, 3)], stream=REPORT, stated=stated(5, pending=1, lowest=4))
    maybe, _ = judge_device([surely.facts, reports])
    assert (maybe.word, maybe.in_flight, maybe.unknown_at_most) == (Word.IN_FLIGHT, 5, 45)


def test_rows_of_epochs_before_the_corrupt_one_may_have_been_in_it() -> None:
    account = judge(facts([(1, 5)], stated=stated(9, pending=2, lowest=7), closing=Closing(last=8, outbox_lost=True)))
    assert (account.missing, account.unknown_at_most) == (((6, 6),), 2)


def test_a_torn_tail_bounds_what_lies_behind_the_rows_that_were_kept() -> None:
    torn = Closing(reserved_to=20)
    account = judge(facts([(1, 9)], stated=stated(11, pending=1, lowest=10), closing=torn))
    assert (account.word, account.in_flight, account.unknown_at_most) == (Word.IN_FLIGHT, 1, 10)
    assert judge(facts([(1, 10)], stated=stated(11), closing=torn)).verdict == "unknown, at most 10"


def test_a_contradiction_is_wrong_whatever_the_verdict() -> None:
    good = facts([(1, 5)], stated=stated(6))
    assert not judge(good).wrong
    assert judge(replace(good, conflicts=1)).wrong
    assert judge(replace(good, cloned_or_restored=True)).wrong


@pytest.mark.parametrize(
    ("word", "asked"),
    [
        (stated(10), ((3, 4), (6, 9))),
        (stated(10, pending=4, lowest=6), ((3, 4),)),
        (stated(10, pending=2, lowest=6), ((3, 4), (6, 9))),
        (stated(10, pending=6, lowest=3), ()),
    ],
)
def test_what_is_asked_for_again_is_what_cannot_all_be_waiting(word: Stated, asked: Any) -> None:
    assert unexplained(facts([(1, 2), (5, 5)], stated=word)) == asked


@given(
    st.sets(st.integers(1, 30)), st.sets(st.integers(1, 30)), st.sets(st.integers(1, 30)), st.integers(1, 31), st.data()
)
def test_every_sequence_ends_somewhere(
    stored: set[int], lost: set[int], waiting: set[int], following: int, data: st.DataObject
) -> None:
    """PROTOCOL invariant 4, against a device that we see through: no verdict claims more than is so."""
    given_out = set(range(1, following))
    stored, lost = stored & given_out, lost & given_out
    waiting = (waiting & given_out) - lost
    gone = given_out - stored - lost - waiting
    word = stated(following, len(waiting), min(waiting, default=0))
    account = judge(
        facts([(one, one) for one in stored], stated=word, lost=tuple(Lost(one, one, "evicted") for one in lost))
    )
    named = {number for first, last in account.missing for number in range(first, last + 1)}
    assert named <= gone
    assert len(named) + account.missing_at_least <= len(gone)
    if account.word is Word.COMPLETE:
        assert stored | lost == given_out
    if account.word is not Word.MISSING:
        assert len(given_out - stored - lost) <= len(waiting)
