"""What the state that the picture shows says of an entry. Pure.

State evidence multiplies in when both sides have some: the read shows a state, and the entry names one. No evidence is
not evidence: the factor is then 1. Neither is a country told alone against one of its states.
"""

from __future__ import annotations

from collections.abc import Sequence

from edge_wire.regions import countries_of

Regions = Sequence[tuple[str, float]]

# What is told of a country or of the world, but of none of its states, goes evenly to so many.
_OTHERS = 50
# No picture proves that a plate is not from a state.
_LEAST = 0.001


def chance(regions: Regions, region: str | None) -> float | None:
    """Return P(the plate is from ``region``); None where nothing is known of it.

    Args:
        regions: what the read shows, ISO 3166 codes with probability; "US" beside "US-TX" is the rest of the country.
        region: what the entry says; None for any.
    """
    if region is None or not regions:
        return None
    told = dict(regions)
    country = region.partition("-")[0]
    untold = max(0.0, 1.0 - sum(told.values()))
    if region == country:
        found = countries_of(regions).get(country, 0.0) + untold / _OTHERS
    elif any(code != country and code.partition("-")[0] == country for code in told):
        found = told.get(region, 0.0) + (told.get(country, 0.0) + untold) / _OTHERS
    else:
        # Which state of the country it is, nothing says.
        found = told.get(country, untold / _OTHERS)
    return min(1.0, max(_LEAST, found))
