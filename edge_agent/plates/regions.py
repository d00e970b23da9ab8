"""What an OCR's region head calls a country or state, as the ISO 3166 code that reads carry."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from edge_agent.errors import ModelError
from edge_agent.records import PlateMark, Reading

# English short names as region heads write them; ISO 3166-1 alpha-2.
_COUNTRIES = {
    "Albania": "AL",
    "Andorra": "AD",
    "Argentina": "AR",
    "Armenia": "AM",
    "Australia": "AU",
    "Austria": "AT",
    "Azerbaijan": "AZ",
    "Bahrain": "BH",
    "Belarus": "BY",
    "Belgium": "BE",
    "Bosnia and Herzegovina": "BA",
    "Brazil": "BR",
    "Bulgaria": "BG",
    "Cambodia": "KH",
    "Canada": "CA",
    "Croatia": "HR",
    "Cyprus": "CY",
    "Czech Republic": "CZ",
    "Denmark": "DK",
    "Estonia": "EE",
    "Finland": "FI",
    "France": "FR",
    "Georgia": "GE",
    "Germany": "DE",
    "Gibraltar": "GI",
    "Greece": "GR",
    "Guernsey": "GG",
    "Hungary": "HU",
    "Iceland": "IS",
    "Indonesia": "ID",
    "Ireland": "IE",
    "Israel": "IL",
    "Italy": "IT",
    "Latvia": "LV",
    "Liechtenstein": "LI",
    "Lithuania": "LT",
    "Luxembourg": "LU",
    "Malaysia": "MY",
    "Malta": "MT",
    "Mexico": "MX",
    "Moldova": "MD",
    "Monaco": "MC",
    "Montenegro": "ME",
    "Netherlands": "NL",
    "New Zealand": "NZ",
    "North Macedonia": "MK",
    "Norway": "NO",
    "Poland": "PL",
    "Portugal": "PT",
    "Qatar": "QA",
    "Romania": "RO",
    "San Marino": "SM",
    "Serbia": "RS",
    "Singapore": "SG",
    "Slovakia": "SK",
    "Slovenia": "SI",
    "Spain": "ES",
    "Sweden": "SE",
    "Switzerland": "CH",
    "Thailand": "TH",
    "Turkey": "TR",
    "Ukraine": "UA",
    "United Kingdom": "GB",
    "United States": "US",
    "Vietnam": "VN",
}
_ELSEWHERE = {"Unknown", "Other"}
_CODE = re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,3})?")


def region_codes(names: Sequence[str], where: str) -> tuple[str | None, ...]:
    """Translate a region head's names into ISO 3166 codes, keeping their order.

    Args:
        names: as the model's configuration lists them; what already is a code ("US-TX") stays.
        where: the configuration, for the error.

    Returns:
        One code a name; None for names that say no region ("Unknown", "Other").

    Raises:
        ModelError: a name has no known code.
    """
    unknown = [n for n in names if n not in _COUNTRIES and n not in _ELSEWHERE and not _CODE.fullmatch(n)]
    if unknown:
        raise ModelError(
            f"{where}: plate_regions: got {unknown[0]!r}, expected a country's English name or an ISO 3166 code "
            'such as "US-TX".'
        )
    return tuple(None if n in _ELSEWHERE else _COUNTRIES.get(n, n) for n in names)


def likeliest_region(reading: Reading, marks: Collection[PlateMark] = ()) -> str | None:
    """Return the region's code if it is likelier than everything else together, else None.

    The head's probabilities are not calibrated; naming no region is better than naming a wrong one. On infrared, where
    plates have no colours and no head was measured, none is named.
    """
    code, probability = max(reading.regions.items(), key=lambda item: item[1], default=(None, 0.0))
    return code if probability >= 0.5 and PlateMark.INFRARED not in marks else None
