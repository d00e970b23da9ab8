"""How many alerts one read may raise by records of one plate on one list. Pure.

A list may have a plate under many references: a few of them are as many reasons to look, a thousand are a mistake of
its source, and a thousand alerts of one vehicle would bury all others. So at most ``MOST`` of them raise alerts, and
each of these says how many records there are and where the others are found; those stay on their list, and one of them
takes the place of another that ends. Of each category, severity and person who entered one, one is chosen before any
further one, for other routes and other people want to hear of it; then the oldest. Covert records are counted apart, by
whom they are for: nobody is told of a record by the alert of another.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from collector.match.records import Hit
from collector.store.cases import Audience

MOST = 10
_NAMED = 5


class Group(NamedTuple):
    """Records that are one to whoever sees their alerts."""

    list: str
    plate: str
    region: str | None
    covert_to: tuple[str, ...] | None


def thinned(hits: Iterable[Hit], audiences: Mapping[int, Audience]) -> tuple[tuple[Hit, ...], dict[int, str]]:
    """Return the hits that alert, in their order, and for those of a crowd by their entry what is said of it.

    Args:
        hits: of one read.
        audiences: of the entries that are in force; hits of others do not alert.
    """
    found = [one for one in hits if one.listed.entry_id in audiences]
    if len(found) <= MOST:
        return tuple(found), {}
    groups: defaultdict[Group, list[Hit]] = defaultdict(list)
    for one in found:
        listed = one.listed
        groups[Group(listed.list, listed.plate, listed.region, audiences[listed.entry_id].covert_to)].append(one)
    said: dict[int, str] = {}
    silent: set[int] = set()
    for group, some in groups.items():
        if len(some) > MOST:
            chosen, others = _chosen(some, audiences)
            silent |= {one.listed.entry_id for one in others}
            said |= dict.fromkeys((one.listed.entry_id for one in chosen), _said(group, others))
    return tuple(one for one in found if one.listed.entry_id not in silent), said


def _chosen(some: Iterable[Hit], audiences: Mapping[int, Audience]) -> tuple[list[Hit], list[Hit]]:
    by_age = sorted(some, key=lambda one: one.listed.entry_id)
    first: dict[Audience, int] = {}
    for one in by_age:
        first.setdefault(audiences[one.listed.entry_id], one.listed.entry_id)
    firsts = set(first.values())
    by_age.sort(key=lambda one: one.listed.entry_id not in firsts)
    return by_age[:MOST], by_age[MOST:]


def _said(group: Group, others: list[Hit]) -> str:
    references = [" ".join(one.listed.reference.split()) or f"entry {one.listed.entry_id}" for one in others[:_NAMED]]
    more = f" and {len(others) - _NAMED:,} more" if len(others) > _NAMED else ""
    return (
        f"The list has {MOST + len(others):,} records of this plate, of which {MOST} alert; the others: "
        f"{', '.join(references)}{more} (collector hotlist search)."
    )
