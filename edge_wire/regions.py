"""Which region a read is said to come from. Pure; shared, so that device, matcher and page name the same one.

"Wrong state" sends officers after the wrong car: a state has to be surer than a country, and what is not sure enough is
not named. The read's probabilities stay beside it, as evidence.
"""

from __future__ import annotations

from collections.abc import Iterable

# Measured on plates whose state is known (bench/regions.py; docs/plates.md has the curve).
STATE_THRESHOLD = 0.8
COUNTRY_THRESHOLD = 0.5


def named_region(regions: Iterable[tuple[str, float]]) -> str | None:
    """Return a state that is likelier than its threshold, else such a country with all of its states, else None.

    Args:
        regions: ISO 3166 codes with probability; "US" beside "US-TX" is the rest of the country.
    """
    given = list(regions)
    code, probability = max(given, key=lambda item: item[1], default=("", 0.0))
    if "-" in code and probability >= STATE_THRESHOLD:
        return code
    countries = countries_of(given)
    country, probability = max(countries.items(), key=lambda item: item[1], default=("", 0.0))
    return country if probability >= COUNTRY_THRESHOLD else None


def countries_of(regions: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Return the countries of ``regions`` with the probability of all of their states together."""
    totals: dict[str, float] = {}
    for code, probability in regions:
        country = code.partition("-")[0]
        totals[country] = totals.get(country, 0.0) + probability
    return totals
