"""Finds what a plate read matches, and says why in sentences.

A ``Matcher`` holds one generation of all hotlists and never changes; a new generation is a new one, so readers swap it
in one assignment. Same read and same generation give the same hits in the same order.

The state that the image suggests is shown beside a hit and never excludes one: it has not been calibrated for that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from collector.domain import Rule
from collector.match.plates import compare, fold, normalise
from edge_wire.regions import countries_of, named_region

_SURE = 0.995
# What a slot has for "no character".
_EMPTY = "_"


class ListedPlate(NamedTuple):
    """What matching needs of a hotlist entry. A tuple, for there are millions of them.

    Attributes:
        entry_id: the store's number of the entry.
        list: the hotlist's name.
        plate: normalised.
        region: ISO 3166 code; None for any.
    """

    entry_id: int
    list: str
    plate: str
    region: str | None


@dataclass(frozen=True, slots=True)
class Seen:
    """What the camera saw, as one revision of a read has it.

    Attributes:
        text: the likeliest reading.
        slots: for each character slot the likely characters with probability, likeliest first.
        regions: ISO 3166 codes with probability, likeliest first; empty when there is no evidence.
    """

    text: str
    slots: tuple[tuple[tuple[str, float], ...], ...]
    regions: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Hit:
    """The matcher's claim that what was seen is an entry.

    Attributes:
        listed: the entry.
        rule: how it matched.
        why: the reasons, one sentence each.
        list_version: the version of the entry's list.
    """

    listed: ListedPlate
    rule: Rule
    why: tuple[str, ...]
    list_version: int


class Matcher:
    """One generation of all hotlists.

    Args:
        plates: the entries in force.
        versions: the version of each list by name.

    Attributes:
        generation: the highest version of any list, 0 without lists.
    """

    def __init__(self, plates: Iterable[ListedPlate] = (), versions: Mapping[str, int] | None = None) -> None:
        self._versions = dict(versions or {})
        self.generation = max(self._versions.values(), default=0)
        self._size = 0
        # Nearly all plates are listed once: those stand bare, which saves a tuple each.
        self._by_fold: dict[str, ListedPlate | list[ListedPlate]] = {}
        for listed in plates:
            self._size += 1
            folded = fold(listed.plate)
            # One string instead of two equal ones wherever folding changes nothing.
            key = listed.plate if folded == listed.plate else folded
            others = self._by_fold.setdefault(key, listed)
            if others is listed:
                continue
            self._by_fold[key] = [*others, listed] if isinstance(others, list) else [others, listed]

    def __len__(self) -> int:
        return self._size

    def match(self, seen: Seen) -> tuple[Hit, ...]:
        """Return the hits of one read: exact ones first, then by entry."""
        text = normalise(seen.text)
        found = self._by_fold.get(fold(text), ())
        candidates = found if isinstance(found, list) else [found] if found else []
        hits = []
        for listed in candidates:
            rule = compare(text, listed.plate)
            if rule is not None:
                hits.append(Hit(listed, rule, explain(seen, listed.plate, listed.region), self._versions[listed.list]))
        return tuple(sorted(hits, key=lambda hit: (hit.rule is not Rule.EXACT, hit.listed.entry_id)))


def explain(seen: Seen, plate: str, region: str | None) -> tuple[str, ...]:
    """Return why ``seen`` matches the listed ``plate``, one sentence each."""
    return tuple(
        sentence
        for sentence in (_characters(normalise(seen.text), plate), _weakest(seen), _state(seen, region))
        if sentence
    )


def _characters(text: str, plate: str) -> str:
    mixed = [
        f"character {at} is read as {a} and listed as {b}"
        for at, (a, b) in enumerate(zip(text, plate, strict=True), start=1)
        if a != b
    ]
    if not mixed:
        return f"Read as {text}, exactly as listed."
    return f"Read as {text}, listed as {plate}: {', '.join(mixed)}; 0 and O, 1 and I are taken for one another."


def _weakest(seen: Seen) -> str:
    slots = [slot for slot in seen.slots if slot]
    # An empty slot counts, too: it may be a character that the text lacks.
    at = min(range(len(slots)), key=lambda at: slots[at][0][1], default=0)
    characters = sum(slot[0][0] != _EMPTY for slot in slots[: at + 1])
    if not any(slot[0][0] != _EMPTY for slot in slots):
        return ""
    (best, p), *others = slots[at]
    if p >= _SURE:
        return "The camera is sure of every character."
    other = f", else {others[0][0]} at {others[0][1]:.0%}" if others else ""
    if best == _EMPTY:
        place = f"behind character {characters}" if characters else "before character 1"
        return f"Least sure is whether there is one more {place}: none at {p:.0%}{other}."
    return f"Least sure is character {characters}: {best} at {p:.0%}{other}."


def _state(seen: Seen, region: str | None) -> str:
    if region is None:
        return "The list does not say which state."
    if not seen.regions:
        return f"Listed for {region}; the picture does not say which state."
    likeliest, p = seen.regions[0]
    listed = _share(seen.regions, region)
    named = named_region(seen.regions)
    if named is None:
        return f"Listed for {region} ({listed}); the picture does not say which state, at most {likeliest} at {p:.0%}."
    if region in (named, named.partition("-")[0]):
        return f"Listed for {region}, and the plate looks like {likeliest} at {p:.0%}."
    if named == region.partition("-")[0]:
        return f"Listed for {region} ({listed}); the plate looks like {named}, but not surely like one state."
    looks = likeliest if likeliest == named else f"{named}, likeliest {likeliest}"
    return f"Caution: listed for {region} ({listed}), but the plate looks like {looks} at {p:.0%}."


def _share(regions: tuple[tuple[str, float], ...], region: str) -> str:
    """Return how likely ``region`` is; a state that is not told by itself is a part of its country's rest."""
    told, country = dict(regions), region.partition("-")[0]
    if region == country:
        return f"{countries_of(regions).get(country, 0.0):.0%}"
    if region not in told and country in told:
        return f"at most {told[country]:.0%}"
    return f"{told.get(region, 0.0):.0%}"
