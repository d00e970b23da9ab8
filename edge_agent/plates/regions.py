"""Which region a plate comes from: the names of an OCR's region head, its answer weighed by the serial's format.

Codes are ISO 3166: "US-TX", "CA-ON", "RO"; "US" when only the country is known. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from edge_agent.errors import ModelError
from edge_agent.plates.format_model import FormatModel
from edge_agent.records import PlateMark, Reading
from edge_wire.regions import countries_of, named_region

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

# What head and formats count, as exponents. Fitted and measured in folds over us-crops by bench/regions.py;
# docs/plates.md has the figures.
HEAD_EXPONENT = 0.5
FORMAT_EXPONENT = 0.4
# A head's softmax may underflow to 0, which no evidence could lift.
_LEAST = 1e-7
# Less probability than this is not worth carrying; a read's smallest is 0.002.
_NEGLIGIBLE = 0.002


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


class RegionPosterior:
    """P(region | looks, serial), from what an OCR's region head says and from the formats that the reading fits.

    The head sees colours, names and slogans, and has learned something of serials too; so both count by exponents that
    were fitted together (docs/plates.md). A head that names countries only gets its country's states from the formats.

    Args:
        codes: what the head's outputs stand for, as ``region_codes`` returns them.
        formats: the serial formats, bound to the OCR's alphabet.
        head_exponent: what the head counts.
        format_exponent: what the serial counts; 0 leaves the head's answer.
    """

    def __init__(
        self,
        codes: Sequence[str | None],
        formats: FormatModel,
        head_exponent: float = HEAD_EXPONENT,
        format_exponent: float = FORMAT_EXPONENT,
    ) -> None:
        self._formats = formats
        self._exponents = head_exponent, format_exponent
        members: list[list[str | None]] = [
            [region for region in formats.regions if code in (region, region.partition("-")[0])] or [code]
            for code in codes
        ]
        self._leaves = tuple(dict.fromkeys(leaf for several in members for leaf in several))
        # (outputs, leaves): how an output goes to its leaves.
        self._spread = np.zeros((len(codes), len(self._leaves)))
        for at, several in enumerate(members):
            for leaf in several:
                self._spread[at, self._leaves.index(leaf)] = 1 / len(several)
        # Where a leaf has no formats, no region speaks for it nor against it.
        self._known = np.array([leaf in formats.regions for leaf in self._leaves], bool)
        self._at = [formats.regions.index(leaf) for leaf in self._leaves if leaf in formats.regions]

    def of(self, head: NDArray[np.float32], slots: NDArray[np.float32]) -> dict[str, float]:
        """Return the probability of each region, likeliest first; what is missing of 1 is elsewhere or unlikely.

        Args:
            head: (outputs,) in the order of the codes; empty without a head, and then no region is known.
            slots: (slots, alphabet), rows sum to 1: the same plate's reading, before formats weighed it.
        """
        return self.weigh(head, self._formats.evidence(slots)) if len(head) else {}

    def weigh(self, head: NDArray[np.float32], evidence: NDArray[np.float64]) -> dict[str, float]:
        """Return the same from the serial's evidence, (regions,) as the formats have it."""
        looks = np.maximum(head.astype(np.float64), _LEAST) ** self._exponents[0]
        spoken = evidence ** self._exponents[1]
        serial = np.full(len(self._leaves), spoken.mean())
        serial[self._known] = spoken[self._at]
        mass = (looks / looks.sum()) @ self._spread * serial
        mass /= mass.sum()
        return {
            leaf: float(mass[at])
            for at in np.argsort(-mass)
            for leaf in [self._leaves[at]]
            if leaf is not None and mass[at] >= _NEGLIGIBLE
        }


def likeliest_region(reading: Reading, marks: Collection[PlateMark] = ()) -> str | None:
    """Return the region that a reading may be said to come from, as ``named_region`` has it. None in infrared."""
    if PlateMark.INFRARED in marks:
        return None
    return named_region(reading.regions.items())


def told(regions: Mapping[str, float], most: int = 3) -> tuple[tuple[str, float], ...]:
    """Return ``regions`` as a read carries them: few entries that exclude each other.

    The likeliest stand for themselves; of the others, the country that has most stands under its own code ("US" when
    only the country is known), so a country that is sure stays so however many its states are.

    Args:
        regions: probability by code.
        most: at most so many entries.

    Returns:
        Codes with probabilities, likeliest first.
    """
    ranked = sorted(regions.items(), key=lambda item: -item[1])
    kept, others = dict(ranked[: most - 1]), dict(ranked[most - 1 :])
    for country, probability in sorted(countries_of(others.items()).items(), key=lambda item: -item[1])[:1]:
        members = [code for code in others if code.partition("-")[0] == country]
        code = members[0] if len(members) == 1 else country
        kept[code] = kept.get(code, 0.0) + probability
    return tuple(sorted(kept.items(), key=lambda item: -item[1]))
