"""Why a hit is one, in sentences that an operator understands. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from collector.domain import Rule
from collector.match.records import ListState, Place, Seen
from edge_wire.regions import countries_of, named_region

_SURE = 0.995
_HOUR_NS = 3_600_000_000_000


def characters(text: str, plate: str, alignment: Sequence[Place]) -> tuple[str, ...]:
    """Say what was read, what is listed, and which character decides between them.

    Args:
        text: the likeliest reading, normalised.
        plate: as listed, normalised.
        alignment: of the two.
    """
    changed = [place for place in alignment if place.step != "same"]
    if not alignment:
        return (f"Read as {text or 'nothing'}, listed as {plate}.",)
    if not changed:
        return (f"Read as {text}, as listed.", _least_sure(alignment))
    decides = min(changed, key=lambda place: place.entry_p)
    at = 1 + sum(bool(place.read) for place in alignment[: alignment.index(decides)])
    if decides.step == "extra":
        sentence = (
            f"Character {at} was read as {decides.read} ({percent(decides.read_p)}); that the plate has none there is "
            f"{percent(decides.entry_p)} likely."
        )
    elif decides.step == "missing":
        sentence = (
            f"No character was read where the list has {decides.entry} (none at {percent(decides.read_p)}, "
            f"{decides.entry} at {percent(decides.entry_p)})."
        )
    else:
        sentence = (
            f"Character {at} decides: read as {decides.read} ({percent(decides.read_p)}), listed as {decides.entry} "
            f"({percent(decides.entry_p)})."
        )
    more = f" {len(changed) - 1} more differ." if len(changed) > 1 else ""
    return (f"Read as {text}, listed as {plate}.", sentence + more)


def pattern(text: str, plate: str, probability: float, likeliest: str) -> tuple[str, ...]:
    """Say how likely a pattern holds, and which plate is the likeliest that it fits."""
    said = f"Read as {text or 'nothing'}; {percent(probability)} of what the plate may be is like {plate}"
    return (f"{said}, likeliest {likeliest}." if likeliest else f"{said}.",)


def state(seen: Seen, region: str | None) -> str:
    """Say what the picture says of the state."""
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


def age(name: str, known: ListState, age_ns: int | None) -> str:
    """Say how old the list is."""
    if age_ns is None:
        return f"List {name}, version {known.version}; no source has confirmed it."
    return f"List {name}, version {known.version}, last confirmed {duration(age_ns)} ago."


def rule(by: Rule, probability: float, threshold: float, calibrated: bool) -> str:
    """Say what let the hit through."""
    what = {
        Rule.EXACT: "The likeliest reading is the entry",
        Rule.LIKELY: "The entry is likely enough",
        Rule.PATTERN: "The pattern is likely enough",
    }[by]
    said = f"{what}: {percent(probability)}, and {percent(threshold)} lets it through."
    return said if calibrated else f"{said} The read is not calibrated, so this is a rank and no probability."


def percent(p: float) -> str:
    """Return a probability for people: never 0 % nor 100 %, which nothing is."""
    if p > _SURE:
        return "over 99%"
    if p >= 0.1:
        return f"{p:.0%}"
    return f"{p:.1%}" if p >= 0.001 else "under 0.1%"


def duration(ns: int) -> str:
    """Return a length of time for people, in hours or days."""
    hours = ns / _HOUR_NS
    if hours < 1:
        return "less than an hour"
    return f"{hours:.0f} h" if hours < 72 else f"{hours / 24:.0f} days"


def _least_sure(alignment: Sequence[Place]) -> str:
    least = min(alignment, key=lambda place: place.read_p)
    if least.read_p >= _SURE:
        return "The camera is sure of every character."
    at = 1 + sum(bool(place.read) for place in alignment[: alignment.index(least)])
    return f"Least sure is character {at}: {least.read} at {percent(least.read_p)}."


def _share(regions: tuple[tuple[str, float], ...], region: str) -> str:
    """Return how likely ``region`` is; a state that is not told by itself is a part of its country's rest."""
    told, country = dict(regions), region.partition("-")[0]
    if region == country:
        return f"{countries_of(regions).get(country, 0.0):.0%}"
    if region not in told and country in told:
        return f"at most {told[country]:.0%}"
    return f"{told.get(region, 0.0):.0%}"
