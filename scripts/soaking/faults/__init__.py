"""The kinds of fault. Each is done to a site, takes its own time, and is over when its function returns.

A function returns what it did, for the line of progress, or raises ``NotPossibleError`` where this machine or this
store does not have it. ``Scale`` says how long an outage lasts. Within one of the ``lanes`` faults follow each other.
"""

from __future__ import annotations

from collections.abc import Mapping

from soaking.faults import of_intruder, of_links, of_servers, of_trailers
from soaking.faults.terms import Fault, NotPossibleError, Scale

__all__ = ["POISON", "Fault", "NotPossibleError", "Scale", "lanes"]

POISON = "poison_message"
"""What the rogue does all the time, counted beside the others."""


def lanes(store: str) -> Mapping[str, tuple[Fault, ...]]:
    """Return the kinds of fault by lane: within a lane one after the other, lanes side by side.

    Args:
        store: the kind of the store; an embedded one cannot be gone while a collector has it open.
    """
    here = [kind for kind in of_servers.COLLECTORS if store == "postgresql" or kind is not of_servers.database_gone]
    return {
        "trailers": of_trailers.KINDS,
        "links": of_links.KINDS,
        "broker": of_servers.BROKER,
        "collectors": tuple(here),
        "intruder": of_intruder.KINDS,
    }
