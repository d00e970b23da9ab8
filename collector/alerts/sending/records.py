"""What the sending of notices passes between its parts. Pure; any thread may use it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

PERSON = "person"
WEBHOOK = "webhook"
EMAIL = "email"
TOPIC = "topic"

About = Literal["hit", "shot"]


class NoticeState(StrEnum):
    """How far a notice has come."""

    WAITING = "waiting"
    SENT = "sent"
    DEAD = "dead"


def target(way: str, name: str) -> str:
    """Return how a notice names whom it is for: ``webhook:dispatch``, ``person:jane``."""
    return f"{way}:{name}"


@dataclass(frozen=True, slots=True)
class Sighting:
    """Where and when what an alert is about was: one of its reads, or a shot incident.

    Attributes:
        agency: whose device saw or heard it.
        device: which; None of an incident, which several heard.
        camera: the device's camera; None of an incident.
        site: where the device stood; empty of an incident.
        at_ns: when, UTC.
        latitude: of the device, or of the shots; None if that is not known.
        longitude: likewise.
        direction: compass point of the lane's traffic.
        text: the plate as it was read; None of an incident.
        region: the likeliest state of that plate, ISO 3166; None without evidence.
    """

    agency: str
    device: str | None
    camera: str | None
    site: str
    at_ns: int
    latitude: float | None
    longitude: float | None
    direction: str | None
    text: str | None
    region: str | None


@dataclass(frozen=True, slots=True)
class Listed:
    """What is listed of an alert's plate.

    Attributes:
        list: the hotlist's name.
        criminal_justice: that list comes from a criminal-justice system.
        plate: as listed.
        region: ISO 3166; None for any.
        category: one of the fixed codes.
        severity: the list's word.
        reason: why it is listed.
        notes: whatever else the list says.
        handling: what whoever meets the vehicle is to do.
        reference: the source's number of the record.
        case_number: of the case.
        vehicle: make, model, colour, year, as far as listed.
        covert_to: the users who alone may see it; None: not covert.
    """

    list: str
    criminal_justice: bool
    plate: str
    region: str | None
    category: str
    severity: str
    reason: str
    notes: str
    handling: str
    reference: str
    case_number: str
    vehicle: Mapping[str, str]
    covert_to: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class AlertFacts:
    """An alert as it is now, as far as routes and messages ask.

    Attributes:
        id: the number that people quote.
        state: what people did with it.
        support: what later revisions say of it.
        historical: it happened too long ago to be acted on.
        raised_at_ns: UTC.
        recalled: its entry was withdrawn.
        confirmed: somebody re-queried the record at its source, it is active, and was not recalled since.
        disposition: the verdict; None while it is open.
        rule: by which it matched; None of shots.
        probability: P(this plate is that entry), or of gunfire; None if that is not known.
        why: the reasons, one sentence each.
        listed: None of shots.
        first: what raised it.
        latest: where it was last.
    """

    id: int
    state: str
    support: str
    historical: bool
    raised_at_ns: int
    recalled: bool
    confirmed: bool
    disposition: str | None
    rule: str | None
    probability: float | None
    why: tuple[str, ...]
    listed: Listed | None
    first: Sighting
    latest: Sighting

    @property
    def about(self) -> About:
        """Whether it is about a plate or about shots."""
        return "shot" if self.listed is None else "hit"


@dataclass(frozen=True, slots=True)
class Occasion:
    """A change of an alert, of which somebody may want to be told.

    Attributes:
        id: of the change.
        alert_id: whose.
        action: what has changed, such as ``raised``.
        at_ns: when, UTC.
        seen: by which read, of a further site; None of any other change.
    """

    id: int
    alert_id: int
    action: str
    at_ns: int
    seen: Sighting | None = None

    @property
    def key(self) -> str:
        """What tells it from every other occasion of the alert: it is raised once, and may go on from site to site."""
        return self.action if self.action == RAISED else f"{self.action} {self.id}"


RAISED = "raised"
TRAIL = "trail"
ESCALATED = "escalated"


@dataclass(frozen=True, slots=True)
class Notice:
    """One message about an alert to one target of a route, as it is kept.

    Attributes:
        id: its number, the same however often it is sent.
        alert_id: about which alert.
        route: which route asked for it.
        target: whom it is for, see ``target``.
        occasion: ``Occasion.key``.
        state: how far it has come.
        attempts: how often it was tried.
        due_at_ns: not before then, UTC.
        problem: why the last attempt failed; empty if it did not.
        made_at_ns: UTC.
        ended_at_ns: when it was sent or given up.
    """

    id: int
    alert_id: int
    route: str
    target: str
    occasion: str
    state: NoticeState
    attempts: int
    due_at_ns: int
    problem: str
    made_at_ns: int
    ended_at_ns: int | None


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent: a notice, and its alert as it is at that moment."""

    notice: Notice
    facts: AlertFacts
