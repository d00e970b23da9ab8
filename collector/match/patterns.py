"""What a witness remembers of a plate, as a pattern: ``7AB?1*``, ``*42``, ``[AB8]``, ``[0-9]``.

``?`` is one character, ``*`` any run of them, a class one of those that it names; a letter or digit is itself, O and 0
are the same (``packing``). Spaces and dashes between them mean nothing, as in plates.

What a pattern costs is bounded: it has at most 24 characters, says enough that it cannot fit every other plate, and is
looked for in time linear in the length of a plate, all plates and patterns at once: one bit for each place within the
pattern (Baeza-Yates and Gonnet, "A new approach to text searching", 1992; with errors: Wu and Manber, 1992). Pure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from collector.match import packing
from collector.match.records import ListedPlate

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

    def matches(self, plate: str) -> bool:
        """Whether it fits a normalised plate of up to 12 characters A-Z and 0-9."""
        return bool(_Automata((self,)).run(packing.pack([plate]), np.zeros(1, np.intp), 0)[0])


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
        elif _is_ours(character):
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
        if not _is_ours(first):
            raise _wrong(text, at, repr(text[at]), "a letter A-Z or a digit within a class")
        if at + 1 < end and upper[at + 1] == "-":
            last = upper[at + 2] if at + 2 < end else "]"
            if not _is_ours(last) or last < first or last.isdigit() != first.isdigit():
                raise _wrong(text, at, repr(text[at : at + 3]), "a range that ascends, such as A-F or 0-9")
            accepted |= _all_of(f"{first}-{last}")
            at += 3
        else:
            accepted |= _bit(first)
            at += 1
    return accepted


def _is_ours(character: str) -> bool:
    return character.isascii() and character.isalnum()


def _bit(character: str) -> int:
    return 1 << int(packing.CODES[ord(character)])


def _all_of(ranges: str) -> int:
    accepted = 0
    for at in range(0, len(ranges), 3):
        for point in range(ord(ranges[at]), ord(ranges[at + 2]) + 1):
            accepted |= _bit(chr(point))
    return accepted


def _wrong(text: str, at: int, got: str, expected: str) -> PatternError:
    return PatternError(f"pattern {text!r}: character {at + 1}: got {got}, expected {expected}")


class Patterns:
    """The patterns in force.

    Args:
        entries: entries that are patterns.

    Attributes:
        entries: those that are looked for, by id.
        refused: the others, with the reason: no pattern, or one too many.
    """

    __slots__ = ("_automata", "_named", "entries", "refused")

    def __init__(self, entries: Sequence[ListedPlate]) -> None:
        standing: list[ListedPlate] = []
        parsed: list[Pattern] = []
        refused: list[tuple[ListedPlate, str]] = []
        for one in sorted(entries, key=lambda one: one.entry_id):
            try:
                pattern = parse(one.plate)
            except PatternError as error:
                refused.append((one, str(error)))
                continue
            if len(standing) == MOST:
                refused.append((one, f"pattern {one.plate!r}: {MOST} are in force, expected no more than that"))
                continue
            standing.append(one)
            parsed.append(pattern)
        self.entries = tuple(standing)
        self.refused = tuple(refused)
        self._automata = _Automata(parsed)
        self._named = [_named(pattern) for pattern in parsed]

    def __len__(self) -> int:
        return len(self.entries)

    def matching(self, keys: NDArray[np.uint64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return which of ``keys`` fit which of ``entries``, of equal length: by key, then by entry.

        Args:
            keys: (N,) uint64 (``packing``); those of texts that do not fit one match nothing.
        """
        which, pattern = self._candidates(keys)
        if len(which):
            fits = self._automata.run(keys[which], pattern, 0)
            which, pattern = which[fits], pattern[fits]
        order = np.lexsort((pattern, which))
        return which[order], pattern[order]

    def within(self, texts: Sequence[str], errors: int) -> NDArray[np.bool_]:
        """Return (N,) bool: which texts are ``errors`` or fewer characters from one that fits some pattern.

        A character too many, one too few or another one is one error each. For back-searches: a read that is further
        off need not be matched at all. A text that has no key may be anything.

        Args:
            texts: likeliest readings, normalised.
            errors: 0 to 4.
        """
        keys = packing.pack(texts)
        near = keys >= packing.ODD
        for number in range(len(self.entries)):
            left = np.flatnonzero(~near)
            near[left] = self._automata.run(keys[left], np.full(len(left), number, np.intp), errors)
        return near

    def _candidates(self, keys: NDArray[np.uint64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return keys and patterns that may fit: all characters that the pattern names stand somewhere in the key."""
        none = np.empty(0, np.intp)
        if not self.entries or not len(keys):
            return none, none
        # Most keys of a batch come several times with other patterns; what stands in them is taken apart once.
        standing = _standing(keys)
        found = [np.flatnonzero((standing & named) == named) for named in self._named]
        numbers = np.repeat(np.arange(len(found)), [len(one) for one in found])
        return np.concatenate(found), numbers


def _named(pattern: Pattern) -> np.uint64:
    named = 0
    for accepted in pattern.accepts:
        if accepted.bit_count() == 1:
            named |= accepted
    return np.uint64(named)


def _standing(keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return (N,) uint64: bit c is set where the character with code c stands in the key."""
    left = np.where(keys < packing.ODD, keys, 0).astype(np.uint64)
    standing = np.zeros(len(keys), np.uint64)
    for _ in range(packing.LONGEST):
        left, code = np.divmod(left, np.uint64(packing.BASE))
        standing |= np.uint64(1) << code
        if not left.any():
            break
    return standing


class _Automata:
    """Patterns as automata that read plates from their last character, as keys give them.

    Bit i of a state: the last i places of the pattern have been found.
    """

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        shape = (len(patterns), packing.BASE)
        self._accepts = np.zeros(shape, np.uint32)
        self._stars = np.zeros(len(patterns), np.uint32)
        self._last = np.zeros(len(patterns), np.uint32)
        for number, pattern in enumerate(patterns):
            places = len(pattern.accepts)
            for at, accepted in enumerate(reversed(pattern.accepts)):
                for code in range(packing.BASE):
                    if accepted >> code & 1:
                        self._accepts[number, code] |= np.uint32(1 << at)
            for at in range(places + 1):
                if pattern.stars >> at & 1:
                    self._stars[number] |= np.uint32(1 << (places - at))
            self._last[number] = places

    def run(self, keys: NDArray[np.uint64], patterns: NDArray[np.intp], errors: int) -> NDArray[np.bool_]:
        """Return (N,) bool: whether each key fits the pattern beside it, but for so many errors."""
        stars, last = self._stars[patterns], self._last[patterns]
        states = [np.ones(len(keys), np.uint32)]
        for _ in range(errors):
            # A place of the pattern may be missing in front.
            states.append(states[-1] | (states[-1] << np.uint32(1)))
        left = np.where(keys < packing.ODD, keys, 0).astype(np.uint64)
        going = left != 0
        while going.any():
            left, code = np.divmod(left, np.uint64(packing.BASE))
            accepted = self._accepts[patterns, code.view(np.int64)]
            before, after = states, list[NDArray[np.uint32]]()
            for number, state in enumerate(before):
                moved = ((state & accepted) << np.uint32(1)) | (state & stars)
                if number:
                    # A character too many, another one, or one too few.
                    moved |= before[number - 1] | (before[number - 1] << np.uint32(1))
                    moved |= after[number - 1] << np.uint32(1)
                after.append(np.where(going, moved, state))
            states = after
            going = left != 0
        fits: NDArray[np.bool_] = (((states[-1] >> last) & np.uint32(1)) != 0) & (keys != 0) & (keys < packing.ODD)
        return fits
