"""What a hit shows of a read: the entry beside it, character by character, and what else it may be. Pure.

Made for the hits of a batch together: of most reads nobody wants it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from collector.match.alignment import align, codes_of
from collector.match.fitting import likeliest
from collector.match.patterns import PatternError, parse
from collector.match.posterior import Posterior
from collector.match.records import ListedPlate, Place, Seen

_OTHERWISE = 5


class View(NamedTuple):
    """What is shown of a read and an entry.

    Attributes:
        plate: the entry's; of a pattern the likeliest one that it fits.
        alignment: of the read and that plate.
        otherwise: what would have been read otherwise, with probability, likeliest first.
    """

    plate: str
    alignment: tuple[Place, ...]
    otherwise: tuple[tuple[str, float], ...]


class Views:
    """Makes views, each once: a list may have a plate thousands of times.

    Args:
        posterior: of a batch of reads.
        reads: what they saw.
        shown: those of which there are hits, each once.
    """

    def __init__(self, posterior: Posterior, reads: Sequence[Seen], shown: Sequence[int]) -> None:
        self._posterior = posterior
        self._reads = reads
        likeliest = posterior.some(shown).spelled().likeliest(_OTHERWISE + 1)
        self._likeliest = {read: likeliest.get(at, []) for at, read in enumerate(shown)}
        self._views: dict[tuple[int, str, bool], View] = {}

    def of(self, read: int, listed: ListedPlate) -> View:
        """Return what is shown of a read and an entry."""
        key = (read, listed.plate, listed.is_pattern)
        found = self._views.get(key)
        if found is None:
            plate, places = self._placed(read, listed)
            alignment = align(self._posterior, read, self._reads[read].slots, plate, places)
            found = self._views[key] = View(plate, alignment, self._otherwise(read, plate))
        return found

    def _placed(self, read: int, listed: ListedPlate) -> tuple[str, tuple[int, ...]]:
        if not listed.is_pattern:
            codes = codes_of(listed.plate)
            return listed.plate, self._posterior.aligned(read, codes) if codes else ()
        try:
            return likeliest(self._posterior, read, parse(listed.plate))
        except PatternError:
            # Nothing fits it; only who judges it by itself comes here.
            return "", ()

    def _otherwise(self, read: int, plate: str) -> tuple[tuple[str, float], ...]:
        merged = plate.replace("O", "0")
        return tuple((text, round(p, 4)) for text, p in self._likeliest[read] if text != merged)[:_OTHERWISE]
