"""What several crops of one plate in one frame say together. Pure.

Crops of the same frame share its blur and noise, so they are no independent looks: their answers are averaged, which
sharpens nothing, and where they disagree the confidence falls. Each counts by the square of its own confidence, because
a crop that cuts a character off, or takes in a neighbour's edge, is usually unsure of the whole. Frames are fused
elsewhere (``voting.py``), by other rules.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# A crop that cannot be read at all still counts a little: nothing is divided by zero.
_LEAST_WEIGHT = 1e-9


def confidence_of(slots: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the product of the best probabilities over the slots of ``slots``, (..., slots, alphabet)."""
    return np.asarray(slots.max(axis=-1).prod(axis=-1, dtype=np.float64))


def weights_of(crops: Sequence[NDArray[np.float32]]) -> NDArray[np.float64]:
    """Return what each of ``crops``, (slots, alphabet) each, counts; all together 1."""
    weights = np.array([confidence_of(slots) for slots in crops]) ** 2 + _LEAST_WEIGHT
    return np.asarray(weights / weights.sum())


def fused(answers: NDArray[np.float32], weights: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the weighted mean of ``answers``, (crops, ...), over the crops."""
    return np.asarray(np.tensordot(weights, answers, axes=1), np.float32)


def without_surest_empty(slots: NDArray[np.float32], pad: int, most: int) -> NDArray[np.float32]:
    """Leave out of ``slots``, (slots, alphabet), those that are surest to be empty, until there are ``most``.

    Slots that most likely hold a character all stay, however many there are. ``pad`` is the place of "no character" in
    the alphabet.
    """
    is_empty = slots.argmax(axis=1) == pad
    characters, empty = np.flatnonzero(~is_empty), np.flatnonzero(is_empty)
    spare = empty[np.argsort(slots[empty, pad], kind="stable")][: max(most - len(characters), 0)]
    return np.asarray(slots[np.sort(np.concatenate([characters, spare]))], np.float32)
