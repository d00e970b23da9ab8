"""Plates as texts: one spelling for each."""

import unicodedata

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
