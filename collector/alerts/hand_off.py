"""The words with which an alert is handed on to somebody who acts on it. Pure, and the only place that makes them.

Whatever else it says, it begins with NOT CONFIRMED until somebody has asked the entry's source, and that says that the
record is active. A recalled entry is said before that, and what was confirmed before the recall is so no longer. A fact
has one line, whatever line breaks lists and people put into their words: none of these can be taken for a fact of ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from collector.domain import (
    Alert,
    Check,
    Hit,
    Incident,
    Recalled,
    RecordCheck,
    RecordStatus,
    Support,
    VerdictWord,
)
from collector.domain.hotlists import Vehicle
from collector.match.wording import percent

_SAID = {
    RecordStatus.ACTIVE: "it was recalled after its source was asked",
    RecordStatus.CLEARED: "its source says that it is CLEARED",
    RecordStatus.NOT_FOUND: "its source does NOT FIND it",
    RecordStatus.NOT_RUN: "nobody has asked its source",
}
_SEEN = {Check.MATCH: "matches", Check.MISMATCH: "DOES NOT MATCH", Check.CANNOT_TELL: "cannot be told"}


def with_handling(alert: Alert, handling_of: Mapping[str, str]) -> Alert:
    """Return an alert whose entry says how to handle it: its own words, else those of its category."""
    hit = alert.about
    if not isinstance(hit, Hit) or hit.entry.handling:
        return alert
    handling = handling_of.get(hit.entry.category, "")
    return replace(alert, about=replace(hit, entry=replace(hit.entry, handling=handling))) if handling else alert


def hand_off(alert: Alert) -> str:
    """Return what to say of an alert, a line a fact."""
    about = alert.about
    lines = _of_hit(alert, about) if isinstance(about, Hit) else _of_incident(alert, about)
    return "\n".join(" ".join(one.split()) for one in lines if one)


def stands_confirmed(alert: Alert) -> bool:
    """Whether the hand-off says so: the record is active; of shots, a person says that they were."""
    about = alert.about
    if isinstance(about, Hit):
        return is_confirmed(alert.record_check, alert.recalled)
    return about.verdict is not None and about.verdict.verdict is VerdictWord.GUNSHOT


def is_confirmed(check: RecordCheck | None, recalled: Recalled | None) -> bool:
    """Whether the entry's source has said that the record is active, and nobody has taken the entry back since."""
    if check is None or check.status is not RecordStatus.ACTIVE:
        return False
    return recalled is None or recalled.at_ns < check.at_ns


def next_step(alert: Alert) -> str | None:
    """Return what is to be asked once the vehicle was recovered: ``withdraw`` a local entry, ``mute`` another's."""
    about, outcome = alert.about, alert.field_outcome
    if not isinstance(about, Hit) or outcome is None or outcome.outcome != "recovered":
        return None
    if alert.recalled is not None or alert.muted:
        return None
    return "withdraw" if about.entry.added_by else "mute"


def _of_hit(alert: Alert, hit: Hit) -> list[str]:
    entry, read = hit.entry, hit.read
    where = entry.region or "any state"
    wanted = f"Alert {alert.id}: {entry.plate} ({where}), {entry.reason or entry.category}, list {entry.list}"
    seen = f"Read as {read.text} at {_at(read.passed_at_ns)} at {read.site or read.device} by {read.camera}"
    # Where something else was seen nobody is to be sent.
    supported = [one for one in alert.trail if one.supports]
    latest = supported[-1] if supported and supported[-1].read_id != read.id else None
    return [
        "" if alert.recalled is None else f"RECALLED at {_at(alert.recalled.at_ns)}: {alert.recalled.why}",
        _record(alert),
        f"HISTORICAL: it passed at {_at(read.passed_at_ns)}." if alert.historical else "",
        "NO LONGER SUPPORTED by the picture." if alert.support is Support.UNSUPPORTED else "",
        f"{wanted}{f', case {entry.case_number}' if entry.case_number else ''}.",
        f"{seen}{f', direction {read.direction}' if read.direction else ''}{_probability(hit)}.",
        "" if latest is None else f"Last seen at {_at(latest.passed_at_ns)} at {latest.site}.",
        _image(alert),
        _vehicle(entry.vehicle),
        f"Handling: {entry.handling}" if entry.handling else "",
    ]


def _record(alert: Alert) -> str:
    check = alert.record_check
    if check is not None and is_confirmed(check, alert.recalled):
        number = f", {check.reference}" if check.reference else ""
        return f"Record ACTIVE: {check.by} asked its source at {_at(check.at_ns)}{number}."
    status = RecordStatus.NOT_RUN if check is None else check.status
    asked = "" if check is None else f" ({check.by}, {_at(check.at_ns)})"
    return f"NOT CONFIRMED: {_SAID[status]}{asked}. A hit alone is no ground to stop anybody."


def _image(alert: Alert) -> str:
    check = alert.image_check
    if check is None:
        return "Nobody has compared the picture with the entry."
    return (
        f"In the picture the plate {_SEEN[check.plate]}, the state {_SEEN[check.state]}, the vehicle "
        f"{_SEEN[check.vehicle]} ({check.by})."
    )


def _probability(hit: Hit) -> str:
    if hit.match is None:
        return ""
    return f", probability {percent(hit.match.probability)}{'' if hit.match.calibrated else ' (not calibrated)'}"


def _vehicle(vehicle: Vehicle) -> str:
    said = [str(one) for one in (vehicle.year, vehicle.colour, vehicle.make, vehicle.model) if one]
    return f"Listed vehicle: {' '.join(said)}." if said else ""


def _of_incident(alert: Alert, incident: Incident) -> list[str]:
    verdict = incident.verdict
    rounds = f"{incident.rounds} round{'s' if incident.rounds != 1 else ''}"
    location = incident.location
    place = (
        "place not known"
        if location is None
        else f"at {location.latitude:.5f}, {location.longitude:.5f} within {location.ellipse95.semi_major_m:.0f} m"
    )
    return [
        f"A gunshot, says {verdict.by}."
        if verdict is not None and stands_confirmed(alert)
        else "NOT CONFIRMED: heard by sensors only.",
        "HISTORICAL." if alert.historical else "",
        "NO LONGER SUPPORTED by what was heard." if alert.support is Support.UNSUPPORTED else "",
        f"Alert {alert.id}: {rounds} at {_at(incident.at_ns)}, {place}.",
    ]


def _at(utc_ns: int) -> str:
    return f"{datetime.fromtimestamp(utc_ns // 1_000_000_000, UTC):%Y-%m-%d %H:%M:%S} UTC"
