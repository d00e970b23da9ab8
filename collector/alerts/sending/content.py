"""What is said of an alert to whom. Pure.

Invariants:
    - Of every alert a message says its number, what happened to it, its severity, whether its record is confirmed, and
      a link; whoever follows the link must log in. Everything else is said only where a target's own list of fields
      has it, for alerts of criminal-justice lists a list of their own.
    - An e-mail says the alert's number, its severity, the link, and that it confirms nothing, never more.
    - Until the record check says active, it says NOT CONFIRMED.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from collector.alerts.sending.records import AlertFacts, Message, Sighting

_UNCONFIRMED = "NOT CONFIRMED"
_CONFIRMED = "active"
_MOST_REASONS = 20
# The same of every alert: whether a record is active is none of an e-mail's business either.
_OF_MAILS = f"{_UNCONFIRMED} by this e-mail: look at the alert before anybody acts on it."

_OPEN: Mapping[str, Callable[[AlertFacts], Any]] = MappingProxyType(
    {
        "kind": lambda one: one.about,
        "state": lambda one: one.state,
        "support": lambda one: one.support,
        "historical": lambda one: one.historical,
        "raised_at": lambda one: _time(one.raised_at_ns),
        "recalled": lambda one: one.recalled,
        "disposition": lambda one: one.disposition,
        "rule": lambda one: one.rule,
        "probability": lambda one: one.probability,
        "agency": lambda one: one.latest.agency,
    }
)
_GUARDED: Mapping[str, Callable[[AlertFacts], Any]] = MappingProxyType(
    {
        "plate": lambda one: one.latest.text,
        "region": lambda one: one.latest.region,
        "listed_plate": lambda one: one.listed and one.listed.plate,
        "listed_region": lambda one: one.listed and one.listed.region,
        "list": lambda one: one.listed and one.listed.list,
        "category": lambda one: one.listed and one.listed.category,
        "reason": lambda one: one.listed and one.listed.reason,
        "notes": lambda one: one.listed and one.listed.notes,
        "handling": lambda one: one.listed and one.listed.handling,
        "reference": lambda one: one.listed and one.listed.reference,
        "case_number": lambda one: one.listed and one.listed.case_number,
        "vehicle": lambda one: one.listed and dict(one.listed.vehicle),
        "why": lambda one: list(one.why[:_MOST_REASONS]),
        "device": lambda one: one.latest.device,
        "camera": lambda one: one.latest.camera,
        "site": lambda one: one.latest.site,
        "position": lambda one: _position(one.latest),
        "direction": lambda one: one.latest.direction,
        "passed_at": lambda one: _time(one.latest.at_ns),
    }
)

OPEN_FIELDS = frozenset(_OPEN)
"""Fields that tell neither plate, reason nor place."""
GUARDED_FIELDS = frozenset(_GUARDED)
"""Fields that do: only over mutual TLS."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one target may be told beyond what every message says.

    Attributes:
        fields: of most alerts.
        criminal_justice_fields: of those of criminal-justice lists.
    """

    fields: frozenset[str] = frozenset()
    criminal_justice_fields: frozenset[str] = frozenset()

    def of(self, facts: AlertFacts) -> frozenset[str]:
        """Return the fields that may be told of this alert."""
        of_justice = facts.listed is not None and facts.listed.criminal_justice
        return self.criminal_justice_fields if of_justice else self.fields


def body(message: Message, allowance: Allowance, page: str) -> bytes:
    """Return what a webhook or a topic gets: a JSON object.

    Args:
        message: the notice and its alert.
        allowance: what the target may be told.
        page: the operators' page.
    """
    notice, facts = message.notice, message.facts
    allowed = allowance.of(facts)
    told = {
        "nightjar": 1,
        "notice": notice.id,
        "alert": facts.id,
        "occasion": notice.occasion.partition(" ")[0],
        "at": _time(notice.made_at_ns),
        "severity": severity(facts),
        "record": _CONFIRMED if facts.confirmed else _UNCONFIRMED,
        "link": link(page, facts.id),
        "fields": {name: read(facts) for name, read in {**_OPEN, **_GUARDED}.items() if name in allowed},
    }
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()


def severity(facts: AlertFacts) -> str | None:
    """Return the list's word for how urgent it is, in one line; None of shots."""
    return None if facts.listed is None else " ".join(facts.listed.severity.split())


def link(page: str, alert_id: int) -> str:
    """Return where the operators' page shows an alert."""
    return f"{page.rstrip('/')}/#alert={alert_id}"


def mail(message: Message, page: str) -> tuple[str, str]:
    """Return subject and text of an e-mail."""
    facts = message.facts
    urgency = severity(facts)
    subject = f"Nightjar alert {facts.id}" + (f": {urgency}" if urgency else "")
    return subject, f"{subject}\n{_OF_MAILS}\n{link(page, facts.id)}\n"


def _position(seen: Sighting) -> list[float] | None:
    return None if seen.latitude is None or seen.longitude is None else [seen.latitude, seen.longitude]


def _time(at_ns: int) -> str:
    seconds, rest_ns = divmod(at_ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest_ns // 1_000:06d}Z"
