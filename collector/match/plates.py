"""Plates as texts to compare: one spelling for each, and what counts as the same."""

import unicodedata

from collector.domain import Rule

_FOLD = str.maketrans("OI", "01")


def normalise(text: str) -> str:
    """Return ``text`` in capitals, without spaces, dashes and whatever else is neither letter nor digit.

    Lists and cameras differ in letter case and separators, never in what they mean by them.
    """
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", text).upper()))


def fold(normalised: str) -> str:
    """Return the plate with letters that look like digits made digits: O as 0, I as 1.

    Plates of many states use only one of each pair, OCR and clerks mix them.
    """
    return normalised.translate(_FOLD)


def compare(seen: str, listed: str) -> Rule | None:
    """Return by which rule two normalised plates are the same, None if they are not."""
    if seen == listed:
        return Rule.EXACT
    return Rule.FOLDED if fold(seen) == fold(listed) else None
