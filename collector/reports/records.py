"""What a report is counted from, and what it consists of. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Cell = str | int | float | None


@dataclass(frozen=True, slots=True)
class Scans:
    """How many plates a camera has read: one for each vehicle's pass, however often it was revised."""

    agency: str
    device: str
    camera: str
    reads: int


@dataclass(frozen=True, slots=True)
class CountedAlert:
    """An alert of a plate that was raised in the period.

    Attributes:
        id: its number.
        agency: whose camera raised it.
        device: which device.
        camera: which of its cameras.
        list: the hotlist.
        category: of the entry.
        rule: what let it through.
        probability: P(this plate is that entry) when it was matched last; None of an earlier version's.
        canary: the entry is a canary.
        covert: the entry is for the users that it names: counted, but not told by its number.
        historical: it happened too long ago to be acted on.
        raised_at_ns: UTC.
        acknowledged_at_ns: UTC; None if nobody has.
        unsupported: a later revision of its read took it back.
        recalled: its entry was withdrawn.
        disposition: the verdict; None while it is open.
        record: what the record check said; None if nobody asked.
        outcome: what happened in the field; None if nobody said.
    """

    id: int
    agency: str
    device: str
    camera: str
    list: str
    category: str
    rule: str
    probability: float | None
    canary: bool
    covert: bool
    historical: bool
    raised_at_ns: int
    acknowledged_at_ns: int | None
    unsupported: bool
    recalled: bool
    disposition: str | None
    record: str | None
    outcome: str | None


@dataclass(frozen=True, slots=True)
class Attached:
    """How many reads belong to an alert, beside the one that raised it."""

    suppressed: int = 0
    trail: int = 0


@dataclass(frozen=True, slots=True)
class ListInForce:
    """A hotlist against which reads were checked.

    Attributes:
        name: its own.
        criminal_justice: it comes from a criminal-justice system.
        entries: in force at the period's end.
        versions: that came into force in the period.
    """

    name: str
    criminal_justice: bool
    entries: int
    versions: int


@dataclass(frozen=True, slots=True)
class LookAlike:
    """A known look-alike (an exclusion) that was made, or stood, in the period.

    Attributes:
        id: its number.
        list: of the entry that the plate is not.
        author: who made it.
        alert_id: of which misread.
        created_at_ns: UTC.
        until_ns: when it ended, or is to end.
        ended_by: who ended it before its time.
        passes: how often its true plate was read in the period while it stood.
        demoted: of how many reads it held back a hit in the period.
    """

    id: int
    list: str
    author: str
    alert_id: int | None
    created_at_ns: int
    until_ns: int
    ended_by: str | None
    passes: int
    demoted: int


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that a report is counted from."""

    scans: Sequence[Scans]
    alerts: Sequence[CountedAlert]
    attached: dict[int, Attached]
    lists: Sequence[ListInForce]
    look_alikes: Sequence[LookAlike]


@dataclass(frozen=True, slots=True)
class Sheet:
    """One table of a report.

    Attributes:
        name: short, for file names and JSON.
        title: for people.
        note: what its numbers mean.
        columns: names of the columns.
        rows: cells; None where there is nothing to say. Rates are between 0 and 1.
    """

    name: str
    title: str
    note: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True, slots=True)
class Report:
    """A report.

    Attributes:
        period: as people call it.
        begins_at: with the zone's offset.
        ends_at: likewise; not part of it any more.
        zone: whose days.
        agency: of this agency only; None for all.
        made_at: with the zone's offset.
        sheets: its tables.
    """

    period: str
    begins_at: str
    ends_at: str
    zone: str
    agency: str | None
    made_at: str
    sheets: tuple[Sheet, ...]
