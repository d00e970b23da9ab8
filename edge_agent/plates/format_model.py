"""What serial formats say of a reading: which texts are plausible, and which regions' plates would bear them.

A text's prior is a mixture. Most plates of a region follow its formats; the rest are owners' choices and whatever the
table lacks, so no text is impossible. Against that prior a reading's slots are weighed as a hidden Markov model
(Rabiner, "A Tutorial on Hidden Markov Models", 1989): each slot bears the serial's next character, or none. So a format
settles 0 against O and 8 against B by their places, and has its say, a smaller one, on whether a slot bears a character
at all.

Everything is relative to a text of which nothing is known: a factor of 1 changes nothing, and slots that every format
finds equally plausible stay as they are. Pure; safe to call from several threads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge_agent.plates.formats import CHARACTERS, DIGITS, LETTERS, Format

# How much of the prior counts, as exponents, for which character a slot bears and for whether it bears one. An OCR
# network has learned a part of the prior with its plates. docs/plates.md has the figures.
CHARACTER_STRENGTH = 0.75
LENGTH_STRENGTH = 0.3

# Where a series leaves letters out, or codes are listed, so much goes to the others all the same.
_UNLISTED = 0.03
# The share of a region's plates that follow no listed format. In the United States owners' choices alone are 4 % of all
# plates, and 16 % in Virginia; plates of universities, veterans and charities come on top.
_FREE = 0.25
# Such texts have 2 to 8 characters, each length counts the same; some are words, of letters alone, some are numbers.
_FREE_LENGTHS = range(2, 9)
_WORDS = 0.3
_NUMBERS = 0.1
# A slot that is so surely empty, or bears a character so surely, decides which lengths are looked at.
_SURE = 1e-6


@dataclass(frozen=True, slots=True)
class _Look:
    """A reading beside the serials whose length it allows.

    Attributes:
        slots: the places of the reading's slots that may bear a character.
        empty: (slots,): how likely each of them bears none.
        filled: (slots, serials, places): what each slot says of each place of each serial, over chance.
        ways: (slots + 1, serials, places + 1): in how many ways the first slots bear the first characters.
        places: (serials, places): the kind of each place.
        ends: where each serial's full length stands in ``ways[slot]``, as an index.
        serials: which of all serials these are.
    """

    slots: NDArray[np.intp]
    empty: NDArray[np.float64]
    filled: NDArray[np.float64]
    ways: NDArray[np.float64]
    places: NDArray[np.intp]
    ends: tuple[NDArray[np.intp], NDArray[np.intp]]
    serials: slice


class FormatModel:
    """The prior over texts that formats make, bound to an OCR's alphabet.

    Attributes:
        regions: the codes that have formats, in the order of the table.

    Args:
        formats: what regions' serials look like.
        alphabet: the characters of the OCR's last axis, in order.
        pad: which of them stands for "no character".
    """

    def __init__(self, formats: Sequence[Format], alphabet: str, pad: str) -> None:
        self.regions = tuple(dict.fromkeys(f.region for f in formats))
        self._pad = alphabet.index(pad)
        known = [at for at, character in enumerate(CHARACTERS) if character in alphabet]
        self._columns = np.array([alphabet.index(CHARACTERS[at]) for at in known])
        chosen = [
            Format(region, mark * length, _FREE * share / len(_FREE_LENGTHS), "", "passenger")
            for region in self.regions
            for length in _FREE_LENGTHS
            for mark, share in (("A", _WORDS), ("9", _NUMBERS))
        ]
        # A serial is a tuple of kinds of place; many regions share one.
        kinds: dict[bytes, int] = {}
        weights: dict[tuple[int, ...], NDArray[np.float64]] = {}
        for f in (*(replace(f, weight=(1 - _FREE) * f.weight) for f in formats), *chosen):
            serial = tuple(kinds.setdefault(row.tobytes(), len(kinds)) for row in _chances(f))
            by_region = weights.setdefault(serial, np.zeros(len(self.regions)))
            by_region[self.regions.index(f.region)] += f.weight
        serials = sorted(weights, key=len)
        self._lengths = np.array([len(serial) for serial in serials])
        past_the_end = len(kinds)
        self._places = np.full((len(serials), self._lengths.max()), past_the_end)
        for at, serial in enumerate(serials):
            self._places[at, : len(serial)] = serial
        # (kinds, known characters): how much likelier than by chance. Past the end there is none.
        rows = np.stack([*(np.frombuffer(row) for row in kinds), np.zeros(len(CHARACTERS))])
        self._kinds = rows[:, known] * len(CHARACTERS)
        # (regions, serials): how much commoner than any text of its length.
        self._weights = np.stack([weights[serial] for serial in serials], axis=1) * len(_FREE_LENGTHS)
        self._rest = _FREE * (1 - _WORDS - _NUMBERS)

    def evidence(self, slots: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return how well each region explains a reading: P(text | region) over chance, summed over what it may be.

        Args:
            slots: (slots, alphabet), rows sum to 1.

        Returns:
            (regions,) in the order of ``regions``, all above 0.
        """
        look = self._look(slots)
        return np.asarray(self._weights[:, look.serials] @ look.ways[-1][look.ends] + self._rest)

    def weighed(
        self,
        slots: NDArray[np.float32],
        regions: Mapping[str, float],
        strength: float = CHARACTER_STRENGTH,
        length_strength: float = LENGTH_STRENGTH,
    ) -> NDArray[np.float32]:
        """Weigh what a reading says by how plausible a text it makes.

        Args:
            slots: (slots, alphabet), rows sum to 1.
            regions: probability by code, as far as anything is known. A country's goes evenly to its states, and what
                is missing of 1 evenly to all regions.
            strength: how much of the prior counts for which character a slot bears; 0 changes nothing, 1 is all of it.
            length_strength: the same for whether a slot bears one.

        Returns:
            (slots, alphabet), rows sum to 1.
        """
        look = self._look(slots)
        onwards = np.zeros_like(look.ways[0])
        onwards[look.ends] = self._shares(regions) @ self._weights[:, look.serials]
        places = look.places.ravel()
        out = slots.astype(np.float64)
        for at in range(len(look.slots) - 1, -1, -1):
            slot = out[look.slots[at]]
            ways_on = look.ways[at, :, :-1] * onwards[:, 1:]
            by_kind = np.bincount(places, ways_on.ravel(), len(self._kinds))
            if_empty = self._rest + float((look.ways[at] * onwards).sum())
            if_filled = np.full(len(slot), self._rest)
            if_filled[self._columns] += by_kind @ self._kinds
            empty, slot[self._pad] = slot[self._pad], 0.0
            filled = slot.sum()
            mean = float(slot @ if_filled) / max(filled, _SURE**2)
            slot *= if_filled**strength
            slot *= filled * mean**length_strength / max(slot.sum(), _SURE**2)
            slot[self._pad] = empty * if_empty**length_strength
            slot /= slot.sum()
            before = look.empty[at] * onwards
            before[:, :-1] += look.filled[at] * onwards[:, 1:]
            onwards = before
        return out.astype(np.float32)

    def _shares(self, regions: Mapping[str, float]) -> NDArray[np.float64]:
        """Return the probability of each of ``self.regions`` that ``regions``, by code, stands for."""
        shares = np.zeros(len(self.regions))
        for code, probability in regions.items():
            members = [at for at, region in enumerate(self.regions) if code in (region, region.partition("-")[0])]
            shares[members] += probability / max(len(members), 1)
        return np.asarray(shares + max(0.0, 1 - shares.sum()) / len(shares))

    def _look(self, slots: NDArray[np.float32]) -> _Look:
        """Lay ``slots`` beside every serial whose length they allow."""
        empty = slots[:, self._pad].astype(np.float64)
        kept = np.flatnonzero(empty < 1 - _SURE)
        empty = empty[kept]
        low, high = np.searchsorted(self._lengths, [int((empty < _SURE).sum()), len(kept) + 1])
        lengths = self._lengths[low:high]
        places = self._places[low:high, : lengths.max(initial=0)]
        said = slots[np.ix_(kept, self._columns)].astype(np.float64)
        filled = np.take(said @ self._kinds.T, places, axis=1)
        ways = np.zeros((len(kept) + 1, len(lengths), places.shape[1] + 1))
        ways[0, :, 0] = 1
        for at in range(len(kept)):
            ways[at + 1] = empty[at] * ways[at]
            ways[at + 1, :, 1:] += filled[at] * ways[at, :, :-1]
        return _Look(kept, empty, filled, ways, places, (np.arange(len(lengths)), lengths), slice(low, high))


def _chances(f: Format) -> NDArray[np.float64]:
    """Return how likely each of ``CHARACTERS`` is at each place of the text: (places, characters), rows sum to 1."""
    rows = []
    coded = len(f.starts[0]) if f.starts else 0
    for place, (mark, allowed) in enumerate(zip(f.marks, f.classes, strict=True)):
        codes = [start[place] for start in f.starts] if place < coded else list(allowed)
        others = DIGITS if mark == "9" else LETTERS if mark == "A" else mark
        rows.append(
            [
                (1 - _UNLISTED) * codes.count(character) / len(codes) + _UNLISTED * (character in others) / len(others)
                for character in CHARACTERS
            ]
        )
    return np.array(rows)
