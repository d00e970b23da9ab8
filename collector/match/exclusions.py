"""Known look-alikes: this true plate is not that entry, somebody has found. Pure.

An exclusion demotes only reads that favour the true plate. A read that favours the entry always alerts, whoever has
been misread for it before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from collector.match.records import ListedPlate


@dataclass(frozen=True, slots=True)
class Exclusion:
    """One look-alike.

    Attributes:
        true_plate: what the vehicle bears, normalised.
        list: the list of the entry that it was taken for.
        plate: the entry's plate, normalised.
        region: the entry's region; None for any.
        expires_ns: UTC from which it no longer counts; None for never.
        id: the store's number of it.
    """

    true_plate: str
    list: str
    plate: str
    region: str | None
    expires_ns: int | None = None
    id: int = 0


class Exclusions:
    """All exclusions, by the entry that they are about.

    Args:
        exclusions: in any order.
    """

    def __init__(self, exclusions: Sequence[Exclusion] = ()) -> None:
        self._by_entry: dict[tuple[str, str, str | None], list[Exclusion]] = {}
        for one in exclusions:
            self._by_entry.setdefault((one.list, one.plate, one.region), []).append(one)

    def of(self, listed: ListedPlate, at_ns: int) -> tuple[Exclusion, ...]:
        """Return those that are about an entry and stand."""
        found = self._by_entry.get((listed.list, listed.plate, listed.region), ())
        return tuple(one for one in found if one.expires_ns is None or at_ns < one.expires_ns)
