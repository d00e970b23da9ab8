"""What a witness remembers of a plate, as a pattern: ``7AB?1*``, ``*42``, ``[AB8]``, ``[0-9]``.

``?`` is one character, ``*`` any run of them, a class one of those that it names; a letter or digit is itself, O and 0
are the same (``packing``). Spaces and dashes between them mean nothing, as in plates.

What a pattern costs is bounded: it has at most 24 characters, and says enough that it cannot fit every other plate.
Which plates it fits is told by one bit for each place within it (Baeza-Yates and Gonnet, "A new approach to text
searching", 1992). How likely they are, ``fitting`` says. Pure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from collector.match import packing

LONGEST: Final = 24
"""Characters that a pattern is written with, at most."""
MOST: Final = 500
"""So many patterns are looked for at once; those that were entered first."""
LEAST_FIXED: Final = 2.0
"""So many characters a pattern must fix; a class counts for the part of one that it tells."""

_DIFFERENT = packing.BASE - 1
_SLACK = 1e-9


class PatternError(ValueError):
    """A text is no pattern that can be looked for; says what is wrong, where, and what was expected."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern that can be looked for.

    Attributes:
        text: as it is kept: capitals, without separators, runs of ``*`` as one.
        accepts: for each place but ``*`` the characters that fit, one bit for each code (``packing.CODES``).
        stars: bit i is set where any run may stand before place i; the last one is behind the last place.
    """

    text: str
    accepts: tuple[int, ...]
    stars: int

    @property
    def fixed(self) -> float:
        """How many characters it tells: one for each that is named, less for a class, none for ``?``."""
        return sum(1 - math.log(accepted.bit_count()) / math.log(_DIFFERENT) for accepted in self.accepts)

    def fitting(self, code: int) -> int:
        """Return the places that a character fits, one bit each."""
        return sum((accepted >> code & 1) << at for at, accepted in enumerate(self.accepts))

    def after(self, state: int, fitting: int) -> int:
        """Return how far a plate is found with one character more.

        Args:
            state: bit i is set where the plate so far fits all before place i, and whatever follows may go on there.
            fitting: the places that the character fits, one bit each.
        """
        moved = (state & fitting) << 1 | state & self.stars
        # What may follow at an earlier place may follow behind the last ``*`` that has been reached, too.
        last = max((moved & self.stars).bit_length() - 1, 0)
        return moved >> last << last

    def matches(self, plate: str) -> bool:
        """Whether it fits a normalised plate; one with a character that no plate bears it does not."""
        state = 1
        for character in plate:
            if character not in packing.CODE_OF:
                return False
            state = self.after(state, self.fitting(packing.CODE_OF[character]))
        return bool(state >> len(self.accepts) & 1)


def parse(text: str) -> Pattern:
    """Return the pattern that ``text`` is.

    Raises:
        PatternError: it is none, is too long, or fits too many plates.
    """
    if len(text) > LONGEST:
        raise PatternError(f"pattern {text!r}: got {len(text)} characters, expected at most {LONGEST}")
    written: list[str] = []
    accepts: list[int] = []
    stars = 0
    upper = text.upper()
    at = 0
    while at < len(upper):
        character = upper[at]
        if character == "*":
            if not stars >> len(accepts) & 1:
                written.append("*")
            stars |= 1 << len(accepts)
        elif character == "?":
            accepts.append(_all_of("0-9A-Z"))
            written.append("?")
        elif character == "[":
            end = upper.find("]", at)
            if end < 0:
                raise _wrong(text, at, "a class without its end", "] behind its characters")
            accepts.append(_class(text, upper, at + 1, end))
            written.append(upper[at : end + 1])
            at = end
        elif character in packing.CODE_OF:
            accepts.append(_bit(character))
            written.append(character)
        elif character not in " -":
            raise _wrong(text, at, repr(text[at]), "a letter A-Z, a digit, ?, * or a class such as [AB8] or [0-9]")
        at += 1
    pattern = Pattern("".join(written), tuple(accepts), stars)
    if len(accepts) > packing.LONGEST:
        raise PatternError(
            f"pattern {text!r}: got one for {len(accepts)} characters or more, expected at most {packing.LONGEST}, the "
            "longest plate"
        )
    if pattern.fixed < LEAST_FIXED - _SLACK:
        raise PatternError(
            f"pattern {text!r}: fits too many plates: got {pattern.fixed:.1f} fixed characters, expected at least "
            f"{LEAST_FIXED:g} (a letter or digit is one, a class less, ? and * none)"
        )
    return pattern


def _class(text: str, upper: str, at: int, end: int) -> int:
    if at == end:
        raise _wrong(text, at, "an empty class", "the characters that may stand there, such as [AB8]")
    accepted = 0
    while at < end:
        first = upper[at]
        if first not in packing.CODE_OF:
            raise _wrong(text, at, repr(text[at]), "a letter A-Z or a digit within a class")
        if at + 1 < end and upper[at + 1] == "-":
            last = upper[at + 2] if at + 2 < end else "]"
            if last not in packing.CODE_OF or last < first or last.isdigit() != first.isdigit():
                raise _wrong(text, at, repr(text[at : at + 3]), "a range that ascends, such as A-F or 0-9")
            accepted |= _all_of(f"{first}-{last}")
            at += 3
        else:
            accepted |= _bit(first)
            at += 1
    return accepted


def _bit(character: str) -> int:
    return 1 << packing.CODE_OF[character]


def _all_of(ranges: str) -> int:
    accepted = 0
    for at in range(0, len(ranges), 3):
        for point in range(ord(ranges[at]), ord(ranges[at + 2]) + 1):
            accepted |= _bit(chr(point))
    return accepted


def _wrong(text: str, at: int, got: str, expected: str) -> PatternError:
    return PatternError(f"pattern {text!r}: character {at + 1}: got {got}, expected {expected}")
