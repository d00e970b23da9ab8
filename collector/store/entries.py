"""A hotlist entry in the store: what a list says of one plate, as columns and back.

Millions of them pass through here, so a row is a tuple and goes to the database as one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from collector.domain.hotlists import NO_VEHICLE, Category, Entry, Vehicle
from collector.store import tables
from collector.store.backends import from_json, to_json

_NOTHING = "{}"
_NULL = "null"


class EntryRow(NamedTuple):
    """What a list says of one plate; the words are those of ``Entry``. A tuple, for there are millions of them."""

    plate: str
    region: str | None
    reason: str = ""
    severity: str = "normal"
    notes: str = ""
    reference: str = ""
    is_pattern: bool = False
    plate_type: str = ""
    category: str = Category.OTHER.value
    case_number: str = ""
    vehicle: Vehicle = NO_VEHICLE
    owner: str = ""
    effective_ns: int | None = None
    expires_ns: int | None = None
    handling: str = ""
    covert_to: tuple[str, ...] | None = None
    canary: bool = False
    added_by: str = ""
    added_at_ns: int = 0
    requester: str = ""
    review_due_ns: int | None = None
    reviewed_by: str | None = None
    reviewed_at_ns: int | None = None

    @property
    def key(self) -> Key:
        """What makes it the same entry in the next version."""
        return self.plate, self.region, self.reference


Key = tuple[str, str | None, str]
"""Plate, region and reference."""
COLUMNS = EntryRow._fields
"""The columns of an entry that a list gives, in the order of ``values``."""
_PLATE, _REGION, _REFERENCE = (COLUMNS.index(name) for name in ("plate", "region", "reference"))
_VEHICLE, _COVERT_TO = COLUMNS.index("vehicle"), COLUMNS.index("covert_to")


def values(row: EntryRow) -> tuple[Any, ...]:
    """Return a row's values as they are bound: JSON columns as text, equal for equal rows."""
    vehicle = _NOTHING if row.vehicle is NO_VEHICLE else _vehicle_text(row.vehicle)
    covert_to = None if row.covert_to is None else to_json(row.covert_to)
    return (*row[:_VEHICLE], vehicle, *row[_VEHICLE + 1 : _COVERT_TO], covert_to, *row[_COVERT_TO + 1 :])


def key_of(bound: Sequence[Any]) -> Key:
    """Return the key of the row of which these are the values."""
    return bound[_PLATE], bound[_REGION], bound[_REFERENCE]


def from_values(bound: Sequence[Any]) -> EntryRow:
    """Return the row of which these are the values."""
    fields = list(bound)
    fields[_VEHICLE], fields[_COVERT_TO] = _vehicle(fields[_VEHICLE]), _names(fields[_COVERT_TO])
    return EntryRow(*fields)


def entry_of(number: int, name: str, bound: Sequence[Any]) -> Entry:
    """Return the entry of a list of which these are id and values, as the domain has it."""
    return Entry(id=number, list=name, **from_values(bound)._asdict())


def entry_row(row: Any) -> EntryRow:
    """Return what a row of the table says, whose attributes are named as its columns."""
    return from_values([getattr(row, name) for name in COLUMNS])


def entry(row: Any) -> Entry:
    """Return a row of the table, or of a join that has its columns by their names, as the domain has it."""
    return Entry(id=row.id, list=row.list, **entry_row(row)._asdict())


def _vehicle_text(vehicle: Vehicle) -> str:
    said = {name: getattr(vehicle, name) for name in Vehicle.__dataclass_fields__}
    return to_json({name: value for name, value in said.items() if value not in ("", None)})


def _vehicle(value: Any) -> Vehicle:
    said = from_json(value) if isinstance(value, str | bytes) else value
    return Vehicle(**said) if said else NO_VEHICLE


def _names(value: Any) -> tuple[str, ...] | None:
    said = from_json(value) if isinstance(value, str | bytes) else value
    return None if said is None else tuple(said)


assert set(COLUMNS) < set(tables.hotlist_entry.c.keys())
