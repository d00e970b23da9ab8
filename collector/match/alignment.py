"""A read beside an entry, character by character, with the probability of both. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from collector.match.packing import BASE, CODES
from collector.match.posterior import EMPTY, Posterior, Slots
from collector.match.records import Place, Step

_NO_CHARACTER = "_"


def codes_of(plate: str) -> tuple[int, ...]:
    """Return the codes of a normalised plate; () for one that holds a character that no plate bears."""
    points = np.frombuffer(plate.encode("utf-32-le"), np.uint32)
    codes = CODES[np.minimum(points, 127)]
    return () if not len(codes) or (codes >= BASE).any() else tuple(codes.tolist())


def align(posterior: Posterior, read: int, slots: Slots, plate: str) -> tuple[Place, ...]:
    """Return the columns of the likeliest alignment; slots that both leave empty are left out.

    Args:
        posterior: of a batch.
        read: which of its reads.
        slots: what that read says.
        plate: the entry's plate, normalised.
    """
    codes = codes_of(plate)
    borne = posterior.aligned(read, codes) if codes else ()
    places = []
    for at, place in enumerate(borne[: len(slots)]):
        p = posterior.p[read, at]
        seen = _likeliest(slots[at])
        top = EMPTY if seen == _NO_CHARACTER else (codes_of(seen) or (EMPTY,))[0]
        listed = EMPTY if place < 0 else codes[place]
        if top == EMPTY and listed == EMPTY:
            continue
        shown = "" if top == EMPTY else seen
        character = plate[place] if place >= 0 else ""
        places.append(Place(shown, _rounded(p[top]), character, _rounded(p[listed]), _step(top, listed)))
    return tuple(places)


def _likeliest(slot: Sequence[tuple[str, float]]) -> str:
    """Return the character that the camera read; O and 0 count together, and the likelier of them is said."""
    totals: dict[str, float] = {}
    for character, p in slot:
        merged = character.upper().replace("O", "0")
        totals[merged] = totals.get(merged, 0.0) + p
    best = max(totals, key=lambda one: totals[one], default=_NO_CHARACTER)
    if best != "0":
        return best
    return max((p, character.upper()) for character, p in slot if character.upper() in ("O", "0"))[1]


def _step(top: int, listed: int) -> Step:
    if top == listed:
        return "same"
    if listed == EMPTY:
        return "extra"
    return "missing" if top == EMPTY else "other"


def _rounded(p: float) -> float:
    return round(float(p), 4)
