"""A read beside an entry, character by character, with the probability of both. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from collector.match.packing import CODE_OF, EMPTY, SPELLED
from collector.match.posterior import Posterior, Slots
from collector.match.records import Place, Step


def codes_of(plate: str) -> tuple[int, ...]:
    """Return the codes of a normalised plate; () for one that holds a character that no plate bears."""
    codes = tuple(CODE_OF.get(character, EMPTY) for character in plate)
    return () if EMPTY in codes else codes


def align(posterior: Posterior, read: int, slots: Slots, plate: str, places: Sequence[int]) -> tuple[Place, ...]:
    """Return the columns of an alignment; slots that both leave empty are left out.

    Args:
        posterior: of a batch.
        read: which of its reads.
        slots: what that read says.
        plate: the entry's plate, normalised.
        places: for each slot which character of the plate it bears, -1 for none; () where there is no alignment.
    """
    columns = []
    for p, slot, place in zip(posterior.p[read].tolist(), slots, places, strict=False):
        seen = _likeliest(slot)
        top = CODE_OF.get(seen, EMPTY)
        character = plate[place] if place >= 0 else ""
        listed = CODE_OF.get(character, EMPTY)
        if top or listed:
            shown = seen if top else ""
            columns.append(Place(shown, round(p[top], 4), character, round(p[listed], 4), _step(top, listed)))
    return tuple(columns)


def _likeliest(slot: Sequence[tuple[str, float]]) -> str:
    """Return the character that the camera read; O and 0 count together, and the likelier of them is said."""
    if slot and slot[0][1] > 0.5:
        return slot[0][0].upper()
    totals: dict[str, float] = {}
    for character, p in slot:
        merged = character.upper().replace("O", "0")
        totals[merged] = totals.get(merged, 0.0) + p
    best = max(totals, key=lambda one: totals[one], default=SPELLED[EMPTY])
    if best != "0":
        return best
    return max((p, character.upper()) for character, p in slot if character.upper() in ("O", "0"))[1]


def _step(top: int, listed: int) -> Step:
    if top == listed:
        return "same"
    if listed == EMPTY:
        return "extra"
    return "missing" if top == EMPTY else "other"
