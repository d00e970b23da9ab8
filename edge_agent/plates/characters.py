"""A reading told character by character, as commands show it. Pure.

The confidence of the whole is a product and says that something is in doubt; this says what.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge_agent.records import Reading


@dataclass(frozen=True, slots=True)
class Character:
    """One character of a reading.

    Attributes:
        character: the likeliest one.
        probability: its own.
        runner_up: the next likeliest; the reading's pad character means that there is none.
        runner_up_probability: its own.
    """

    character: str
    probability: float
    runner_up: str
    runner_up_probability: float


def characters_of(reading: Reading) -> list[Character]:
    """Return the characters of ``reading.text``, in order; empty slots are left out."""
    found = []
    for slot in reading.probabilities:
        second, best = (int(at) for at in np.argsort(slot)[-2:])
        if reading.alphabet[best] != reading.pad:
            found.append(
                Character(reading.alphabet[best], float(slot[best]), reading.alphabet[second], float(slot[second]))
            )
    return found
