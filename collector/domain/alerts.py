"""What is put before people, and what they made of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from collector.domain.incidents import Incident
from collector.domain.reads import Read


class Rule(StrEnum):
    """By which rule a plate matched: character by character, or after 0/O and 1/I were taken for one another."""

    EXACT = "exact"
    FOLDED = "folded"


class AlertState(StrEnum):
    """What people did with an alert."""

    NEW = "new"
    ACKNOWLEDGED = "acknowledged"


class Support(StrEnum):
    """What later revisions of the read, or of the incident, say of an alert."""

    RAISED = "raised"
    STRENGTHENED = "strengthened"
    UNSUPPORTED = "unsupported"


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a hotlist.

    Attributes:
        id: the collector's number.
        list: the hotlist's name.
        plate: as listed.
        region: ISO 3166 code; None for any.
        reason: why it is listed.
        severity: the list's own word for how urgent it is.
        notes: whatever else the list says.
    """

    id: int
    list: str
    plate: str
    region: str | None
    reason: str
    severity: str
    notes: str


@dataclass(frozen=True, slots=True)
class Hit:
    """What a read matched: the machine's claim.

    Attributes:
        rule: how.
        entry: what.
        list_version: the hotlist's version at that moment.
        read: the read as it is now.
    """

    rule: Rule
    entry: Entry
    list_version: int
    read: Read


@dataclass(frozen=True, slots=True)
class Alert:
    """A hit, or a shot incident, put before people.

    Attributes:
        id: the number that people quote.
        state: what people did with it.
        support: what came later says of it: revisions of the read, or of the incident.
        why: the reasons, one sentence each.
        historical: it happened too long ago to be acted on.
        raised_at_ns: when it was raised.
        acknowledged_by: the first who acknowledged it.
        acknowledged_at_ns: when.
        about: the hit, or the incident as it is now.
    """

    id: int
    state: AlertState
    support: Support
    why: tuple[str, ...]
    historical: bool
    raised_at_ns: int
    acknowledged_by: str | None
    acknowledged_at_ns: int | None
    about: Hit | Incident


@dataclass(frozen=True, slots=True)
class Standing:
    """How an alert stands.

    Attributes:
        plate: as listed, normalised.
        region: ISO 3166 code of the entry; None for any.
        rule: how the read last matched it.
        support: what the revisions so far say.
        why: the reasons, one sentence each.
    """

    plate: str
    region: str | None
    rule: Rule
    support: Support
    why: tuple[str, ...]
