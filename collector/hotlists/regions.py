"""What hotlists write for a state, as ISO 3166 codes.

Lists write bare letters. Which country is meant follows from them: no US state shares its letters with a Canadian
province. Letters that are neither are refused rather than guessed, and so is a state that its country does not have.
"""

from __future__ import annotations

import re

EXPECTED = "a US state or Canadian province such as TX or ON, a code such as US-TX or MX-CHH, US, or nothing for any"
"""What may stand in the column, for whoever has to mend it."""

_ANY = ("", "ANY", "*")
_COUNTRY = "US"
_LETTERS = {
    # The 50 states, the District of Columbia, and the territories that issue plates.
    "US": "AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK "
    "OR PA RI SC SD TN TX UT VT VA WA WV WI WY DC AS GU MP PR VI",
    "CA": "AB BC MB NB NL NS NT NU ON PE QC SK YT",
}
_STATES = {country: frozenset(letters.split()) for country, letters in _LETTERS.items()}
_FULL = re.compile(r"([A-Z]{2})-([A-Z0-9]{1,3})")


def region_code(text: str) -> str | None:
    """Return the ISO 3166 code that is meant; None for any state.

    Raises:
        LookupError: there is no such state.
    """
    text = text.strip().upper()
    if text in _ANY:
        return None
    if text == _COUNTRY:
        return text
    for country, states in _STATES.items():
        if text in states:
            return f"{country}-{text}"
    full = _FULL.fullmatch(text)
    if full is None or full[2] not in _STATES.get(full[1], (full[2],)):
        raise LookupError(text)
    return text
