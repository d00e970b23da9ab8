"""The verdict on each stream of a device, as PROTOCOL has it, and never "complete" by guess.

    complete    stored, dead-lettered and lost are together everything that the device says there is
    in flight   what is absent may still be waiting on the device, or be named by a loss record that is
    missing     the device says that it waits no longer, and it is neither here nor named: which
    unknown     the outbox that held it was corrupt: at most so many

Nothing covers a stream but the device's own word: a Statement, or the Open of the next epoch, which names the last
sequences of the one before. A stream without either, or with rows past it, is in flight. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from collector.ledger.records import Account, Closing, Lost, Stated, StreamFacts, Word
from collector.ledger.runs import Runs, count, difference, intersection
from edge_wire.messages import Stream


def known_end(stated: Stated | None, closing: Closing | None, last: int | None, lost: Iterable[Lost]) -> int:
    """Return the highest sequence that is known to have been given; 0 if none is."""
    ends = [last or 0, *(one.last for one in lost)]
    if stated is not None:
        ends.append(stated.next_sequence - 1)
    if closing is not None and closing.last is not None:
        ends.append(closing.last)
    return max(ends)


def judge_device(streams: Sequence[StreamFacts]) -> list[Account]:
    """Return the account of every stream of one device, in the order of ``streams``.

    A loss record is a report: while a report of the device may be under way, it may be the one that names what is
    absent elsewhere, and nothing is called missing.
    """
    alone = [_judge(one, reports_under_way=False) for one in streams]
    under_way = any(one.in_flight for one in alone if one.facts.stream == Stream.REPORT)
    return [_judge(one, reports_under_way=True) for one in streams] if under_way else alone


def unexplained(facts: StreamFacts) -> Runs:
    """Return what is absent and should be asked for again: surely not waiting, or too much to be all waiting."""
    missing, ahead, surplus = _missing(facts, _absent(facts))
    return (*missing, *ahead) if surplus else missing


def _judge(facts: StreamFacts, *, reports_under_way: bool) -> Account:
    absent = _absent(facts)
    end = known_end(facts.stated, facts.closing, facts.last, facts.lost)
    reserved_to = 0 if facts.closing is None else facts.closing.reserved_to or 0
    beyond = max(0, end - max(_covered_to(facts), reserved_to))
    missing, ahead, surplus = _missing(facts, absent)
    waiting = count(absent) - count(missing) - surplus
    unknown = _tail(facts, end)
    if facts.closing is not None and facts.closing.outbox_lost:
        unknown += waiting + surplus
        waiting = surplus = 0
    if reports_under_way and (missing or surplus):
        waiting += count(missing) + surplus
        missing, surplus = (), 0
    if missing or surplus:
        word = Word.MISSING
    elif waiting or not _is_covered(facts) or (beyond and not unknown):
        word = Word.IN_FLIGHT
    elif unknown:
        word = Word.UNKNOWN
    else:
        word = Word.COMPLETE
    return Account(
        facts=facts,
        word=word,
        missing=missing,
        missing_among=ahead if surplus else (),
        missing_at_least=surplus,
        in_flight=waiting,
        unknown_at_most=unknown,
        lost_by_reason=_lost_by_reason(facts),
        beyond_statement=beyond,
    )


def _tail(facts: StreamFacts, end: int) -> int:
    """Return how many sequences past ``end`` were reserved, where nobody can tell whether they were used."""
    closing = facts.closing
    if closing is None or closing.last is not None or closing.reserved_to is None:
        return 0
    return max(0, closing.reserved_to - end)


def _missing(facts: StreamFacts, absent: Runs) -> tuple[Runs, Runs, int]:
    """Return what surely waits no longer, what may wait by the device's last word, and by how much that is too much."""
    word = _waiting(facts)
    if word is None:
        return (), (), 0
    from_here = word.lowest_pending if word.pending else word.next_sequence
    missing = intersection(absent, [(1, from_here - 1)])
    ahead = intersection(absent, [(from_here, word.next_sequence - 1)])
    return missing, ahead, max(0, count(ahead) - word.pending)


def _waiting(facts: StreamFacts) -> Stated | None:
    """Return the device's last word on what waits; None where it has not said."""
    closing, stated = facts.closing, facts.stated
    if closing is None or closing.outbox_lost or (stated is not None and stated.is_latest):
        return stated
    if stated is not None or closing.stated_since:
        # A later Statement no longer names it: nothing of it waits.
        return Stated(_covered_to(facts) + 1, 0, 0, 0)
    return None


def _covered_to(facts: StreamFacts) -> int:
    ends = [0]
    if facts.stated is not None:
        ends.append(facts.stated.next_sequence - 1)
    if facts.closing is not None:
        ends.append(facts.closing.last or 0)
    return max(ends)


def _is_covered(facts: StreamFacts) -> bool:
    return facts.stated is not None or facts.closing is not None


def _absent(facts: StreamFacts) -> Runs:
    return difference(facts.gaps, [(one.first, one.last) for one in facts.lost])


def _lost_by_reason(facts: StreamFacts) -> Mapping[str, int]:
    by_reason: dict[str, int] = {}
    left = facts.gaps
    for reason in sorted({one.reason for one in facts.lost}):
        runs = [(one.first, one.last) for one in facts.lost if one.reason == reason]
        named = count(intersection(left, runs))
        if named:
            by_reason[reason] = named
        left = difference(left, runs)
    return by_reason
