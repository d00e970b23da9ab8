"""Looks entries up, for people: what a list holds and held, and who may see which of it.

A covert entry is shown to the users it names and to nobody else, and every time it is shown stands in the audit log
before it is. Whoever is not named is not told that there is one.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collector.config import HotlistRules
from collector.domain.hotlists import Entry
from collector.errors import ConfigurationError, NotFoundError
from collector.hotlists.comparing import difference
from collector.hotlists.importing import digests_at
from collector.match import patterns
from collector.match.plates import normalise
from collector.store import audit, hotlist_history
from collector.store.database import Store, Transaction
from collector.store.hotlist_history import Found, Standing

_NS_PER_H = 3_600 * 1_000_000_000
_WILD = frozenset("?*[")
# Either may be on the vehicle, whatever the list writes.
_SAME = re.compile("[0O]")
_SAME_CHARACTERS = 6
_PLACE = re.compile(r"\[(?:[A-Z]-[A-Z]|[0-9]-[0-9]|[A-Z0-9])+\]|[A-Z0-9?* -]")


def may_see(entry: Entry, person: str) -> bool:
    """Whether ``person`` may see the entry."""
    return entry.covert_to is None or person in entry.covert_to


async def note_look(store: Store, entries: Iterable[Entry], *, who: str, how: str, at_ns: int) -> None:
    """Put into the audit log which covert entries somebody is about to be shown.

    Args:
        store: where to; nothing is written when none of them is covert.
        entries: what is to be shown.
        who: as the audit log has it.
        how: the command.
        at_ns: UTC.

    Raises:
        StoreError: it cannot be written; then do not show them.
    """
    covert: dict[str, list[int]] = {}
    for one in entries:
        if one.covert_to is not None:
            covert.setdefault(one.list, []).append(one.id)
    if not covert:
        return
    async with store.write() as tx:
        for name, numbers in covert.items():
            detail = {"how": how, "entries": sorted(numbers)}
            await audit.record(tx, who=who, action="hotlist.look", subject=name, detail=detail, at_ns=at_ns)


def age_h(standing: Standing, now_ns: int) -> float | None:
    """Return how many hours ago a list's source confirmed it; None if none ever has (a list made by hand)."""
    return None if standing.confirmed_at_ns == 0 else max(now_ns - standing.confirmed_at_ns, 0) / _NS_PER_H


def age_word(age: float | None, rules: HotlistRules) -> str:
    """Say how an age in hours stands to what the configuration allows: current, old, expired, or made by hand."""
    if age is None:
        return "made by hand"
    if rules.hard_age_h is not None and age >= rules.hard_age_h:
        return "expired"
    return "old" if rules.soft_age_h is not None and age >= rules.soft_age_h else "current"


async def standing_of(tx: Transaction, name: str) -> Standing:
    """Return how a list stands.

    Raises:
        NotFoundError: there is no such list.
    """
    found = await hotlist_history.standing(tx, name)
    if not found:
        raise NotFoundError(f"hotlist {name}: there is no such list (collector hotlist list)")
    return found[0]


@dataclass(frozen=True, slots=True)
class Changed:
    """What differs between two versions of a list.

    Attributes:
        older: the entry as it was; None for one that was not there.
        newer: the entry as it is; None for one that is no longer there.
    """

    older: Entry | None
    newer: Entry | None


@dataclass(frozen=True, slots=True)
class Compared:
    """Two versions of a list, compared.

    Attributes:
        older: the number of the earlier one.
        newer: the number of the later one.
        added: how many entries only the later one has.
        changed: how many of the same plate, state and reference differ.
        removed: how many only the earlier one has.
        unchanged: how many are the same.
        differences: the first of them: added, changed, removed.
    """

    older: int
    newer: int
    added: int
    changed: int
    removed: int
    unchanged: int
    differences: tuple[Changed, ...]


async def compare(tx: Transaction, name: str, older: int | None, newer: int | None, limit: int) -> Compared:
    """Compare two versions of a list.

    Args:
        tx: a reading transaction.
        name: the list.
        older: the one; None for the one before ``newer``.
        newer: the other; None for what is in force.
        limit: so many differences are returned at most.

    Raises:
        NotFoundError: there is no such list or version.
    """
    known = [one.number for one in await hotlist_history.versions(tx, name)]
    current = (await standing_of(tx, name)).version
    newer = current if newer is None else newer
    if older is None:
        older = next((one for one in known if one < newer), 0)
    for one in (older, newer):
        if one not in (0, current, *known):
            raise NotFoundError(f"hotlist {name}: it never had version {one} (collector hotlist show {name})")
    before_ids, before = await digests_at(tx, name, older)
    after_ids, after = await digests_at(tx, name, newer)
    differs = difference(before, after, np.ones(len(after), bool))
    changed_before, changed_after = differs.pairs[:, 0], differs.pairs[:, 1]
    begin, end = differs.begin, differs.end
    begin[changed_after], end[changed_before] = False, False
    added = await _entries(tx, after_ids[begin][:limit])
    limit -= len(added)
    was = await _entries(tx, before_ids[changed_before[:limit]])
    became = await _entries(tx, after_ids[changed_after[:limit]])
    limit -= len(was)
    removed = await _entries(tx, before_ids[end][:limit])
    return Compared(
        older=older,
        newer=newer,
        added=differs.added,
        changed=differs.changed,
        removed=differs.removed,
        unchanged=differs.unchanged,
        differences=(
            *(Changed(None, one) for one in added),
            *(Changed(one, other) for one, other in zip(was, became, strict=True)),
            *(Changed(one, None) for one in removed),
        ),
    )


async def search(tx: Transaction, wanted: str, *, ended: bool) -> AsyncIterator[list[Found]]:
    """Yield the entries of all lists that a plate or a pattern finds, in portions.

    O and 0 are the same, as in matching. A plate also finds the patterns that it fits; a pattern also finds those that
    are written so, itself among them. It may fit as much as it likes, unlike one that every read is compared with.

    Args:
        tx: a reading transaction.
        wanted: a plate, or a pattern such as ``7AB?1*``.
        ended: also entries that are no longer in force.

    Raises:
        ConfigurationError: it is neither.
    """
    if _WILD.isdisjoint(wanted):
        plate = normalise(wanted)
        if not plate:
            raise ConfigurationError(f"got {wanted!r}, expected a plate, or a pattern such as 7AB?1*")
        async for portion in hotlist_history.find(tx, plates=_spellings(plate), ended=ended):
            yield portion
        async for portion in hotlist_history.find(tx, patterns=True, ended=ended):
            fits = [one for one in portion if patterns.parse(one.entry.plate).matches(plate)]
            if fits:
                yield fits
        return
    places = _places(wanted)
    text, fitting = "".join(places), _expression(places)
    async for portion in hotlist_history.find(tx, plates=[text], ended=ended):
        # Itself, which it need not fit: of a class it would have to fit the brackets.
        yield [one for one in portion if one.entry.is_pattern]
    async for portion in hotlist_history.find(tx, like=_like(text), ended=ended):
        fits = [one for one in portion if one.entry.plate != text and fitting.fullmatch(one.entry.plate)]
        if fits:
            yield fits


def _places(pattern: str) -> list[str]:
    """Return a pattern's characters and classes, without separators, and runs of ``*`` as one, as it would be kept.

    Raises:
        ConfigurationError: it is none.
    """
    upper = pattern.upper()
    found = _PLACE.findall(upper)
    if len(pattern) > patterns.LONGEST or "".join(found) != upper:
        raise ConfigurationError(
            f"got {pattern!r}, expected at most {patterns.LONGEST} of letters A-Z, digits, ?, * and classes such as "
            "[AB8] or [0-9]"
        )
    places = [one for one in found if one not in " -"]
    return [one for at, one in enumerate(places) if one != "*" or places[at - 1 : at] != ["*"]]


def _expression(places: Sequence[str]) -> re.Pattern[str]:
    """Return what fits a pattern.

    Raises:
        ConfigurationError: a range in it does not ascend.
    """
    written = []
    for one in places:
        if not one.startswith("["):
            written.append({"*": ".*", "?": "."}.get(one) or ("[0O]" if one in "0O" else one))
            continue
        try:
            either = "0O" if any(re.fullmatch(one, each) for each in "0O") else ""
        except re.error as error:
            raise ConfigurationError(f"got {one}, expected a range that ascends, such as [A-F] or [0-9]") from error
        written.append(f"{one[:-1]}{either}]")
    return re.compile("".join(written))


def _spellings(plate: str) -> Sequence[str]:
    places = [found.start() for found in _SAME.finditer(plate)][:_SAME_CHARACTERS]
    spelled = [plate]
    for at in places:
        spelled = [f"{one[:at]}{character}{one[at + 1 :]}" for one in spelled for character in "0O"]
    return spelled


def _like(pattern: str) -> str:
    """Return what SQL can sort out beforehand: patterns of people hold neither % nor _."""
    without_classes = re.sub(r"\[[^\]]*\]", "_", pattern)
    return _SAME.sub("_", without_classes).replace("?", "_").replace("*", "%")


async def _entries(tx: Transaction, numbers: NDArray[np.int64]) -> list[Entry]:
    """Return entries by id, in the order of the ids that are asked for."""
    found = {one.id: one for one in await hotlist_history.by_ids(tx, numbers.tolist())}
    return [found[number] for number in numbers.tolist()]
