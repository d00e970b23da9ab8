"""Whether a delivery may take the place of a list by itself, or waits for somebody to look at it. Pure.

A truncated file looks like a list from which most was removed: taken at its word it would un-list every stolen car.
"""

from __future__ import annotations


def doubts(
    *, rows: int, standing: int, made_at_ns: int | None, last_made_at_ns: int | None, shrink_percent: float
) -> tuple[str, ...]:
    """Return why a delivery is to wait; nothing if it is not.

    Args:
        rows: how many entries it holds.
        standing: how many the list has by now from its files.
        made_at_ns: how old it is, as its source says; None where it does not.
        last_made_at_ns: how old the last one was.
        shrink_percent: it waits if it has so many percent fewer entries.
    """
    found = []
    if made_at_ns is not None and last_made_at_ns is not None and made_at_ns <= last_made_at_ns:
        found.append("it is not newer than the last delivery, by what the source says of both")
    if rows == 0:
        found.append(f"it is empty, and the list has {standing} entries")
    elif rows < standing * (1 - shrink_percent / 100):
        found.append(
            f"it has {rows} entries, {1 - rows / standing:.0%} fewer than the list, which has {standing}: was it cut "
            "off on its way?"
        )
    return tuple(found)
