"""How commands show entries and versions of hotlists."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from collector.commands.on_store import person, who
from collector.domain.hotlists import Entry, Vehicle
from collector.hotlists.entering import Withdrawn
from collector.hotlists.looking import may_see
from collector.hotlists.times import utc_text
from collector.store.hotlist_history import Found, Version

FIELDS = (
    "plate",
    "state",
    "pattern",
    "plate_type",
    "category",
    "reason",
    "severity",
    "reference",
    "case_number",
    "make",
    "model",
    "colour",
    "year",
    "vin",
    "notes",
    "owner",
    "effective",
    "expires",
    "handling",
    "covert_to",
    "canary",
)
"""What an exported row says, as the preset `generic` reads it again."""


def time(at_ns: int | None) -> str | None:
    """Return a time as people and programs read it, to the second; None for none."""
    return None if at_ns is None else utc_text(at_ns)


def row(entry: Entry) -> dict[str, Any]:
    """Return what an entry says by ``FIELDS``: exactly what an import needs to make the same one."""
    return {
        "plate": entry.plate,
        "state": entry.region or "",
        "pattern": "yes" if entry.is_pattern else "",
        "plate_type": entry.plate_type,
        "category": entry.category,
        "reason": entry.reason,
        "severity": entry.severity,
        "reference": entry.reference,
        "case_number": entry.case_number,
        "make": entry.vehicle.make,
        "model": entry.vehicle.model,
        "colour": entry.vehicle.colour,
        "year": "" if entry.vehicle.year is None else str(entry.vehicle.year),
        "vin": entry.vehicle.vin,
        "notes": entry.notes,
        "owner": entry.owner,
        "effective": _exact(entry.effective_ns),
        "expires": _exact(entry.expires_ns),
        "handling": entry.handling,
        "covert_to": ";".join(entry.covert_to or ()),
        "canary": "yes" if entry.canary else "",
    }


def entry_json(entry: Entry) -> dict[str, Any]:
    """Return all of an entry, times as text."""
    said = asdict(entry)
    times = [name for name in said if name.endswith("_ns")]
    shown = {name: value for name, value in said.items() if name not in times}
    by_hand = entry.added_by != ""
    return shown | {
        name.removesuffix("_ns"): time(said[name]) if name != "added_at_ns" or by_hand else None for name in times
    }


def found_json(found: Found) -> dict[str, Any]:
    """Return an entry and the versions of its list in which it stands or stood."""
    return entry_json(found.entry) | {
        "in_force": found.end_version is None,
        "first_version": found.first_version,
        "end_version": found.end_version,
    }


def line(entry: Entry) -> str:
    """Return an entry in one line."""
    said = (
        entry.plate,
        entry.region or "any state",
        entry.category,
        entry.reason,
        entry.reference and f"ref {entry.reference}",
        vehicle(entry.vehicle),
        "pattern" if entry.is_pattern else "",
        "canary" if entry.canary else "",
        f"covert: {', '.join(entry.covert_to)}" if entry.covert_to is not None else "",
    )
    return "  ".join(filter(None, said))


def found_line(found: Found) -> str:
    """Return an entry in one line, and where it stands or stood."""
    until = "" if found.end_version is None else f", ended in version {found.end_version}"
    entry = found.entry
    return f"{entry.list}  entry {entry.id}  {line(entry)}  (since version {found.first_version}{until})"


def is_shown(one: Entry) -> bool:
    """Whether whoever runs this may see an entry: it names them, or they made it."""
    return may_see(one, person()) or one.added_by == who()


def plate(one: Entry) -> str:
    """Return an entry's plate and state for whoever runs this."""
    return f"{one.plate} ({one.region or 'any state'})" if is_shown(one) else "a covert entry"


def hand_entry(one: Entry) -> dict[str, Any]:
    """Return an entry that somebody made, or what whoever runs this may see of it."""
    return entry_json(one) if is_shown(one) else {"id": one.id, "list": one.list, "covert": True}


def withdrawn(done: Withdrawn) -> dict[str, Any]:
    """Return what came of an entry's end."""
    return {"entry": hand_entry(done.entry), "version": done.version, "recalled": list(done.recalled)}


def withdrawn_line(done: Withdrawn, how: str) -> str:
    """Return what came of an entry's end, in one line."""
    one = done.entry
    recalled = f"; alerts recalled: {', '.join(map(str, done.recalled))}" if done.recalled else "; no alert was open"
    return f"entry {one.id}: {plate(one)} of {one.list} {how}, version {done.version}{recalled}"


def vehicle(said: Vehicle) -> str:
    """Return what is said of a vehicle; empty where nothing is."""
    return " ".join(str(part) for part in (said.colour, said.year, said.make, said.model) if part)


def differences(older: Entry, newer: Entry) -> dict[str, tuple[Any, Any]]:
    """Return what differs between two entries that are the same one, by name."""
    was, became = entry_json(older), entry_json(newer)
    return {
        name: (_plain(was[name]), _plain(became[name]))
        for name in was
        if name not in ("id", "list") and was[name] != became[name]
    }


def version_json(version: Version) -> dict[str, Any]:
    """Return what made a version."""
    made = version.made
    sha256 = made.source_sha256
    return {
        "version": version.number,
        "action": made.action,
        "at": time(made.at_ns),
        "by": made.by,
        "source": made.source,
        "sha256": None if sha256 is None else sha256.hex(),
        "confirmed_at": time(made.confirmed_at_ns or None),
        **{name: getattr(made, name) for name in ("added", "changed", "removed", "unchanged", "rejected")},
    }


def version_line(version: Version) -> str:
    """Return what made a version, in one line."""
    made = version.made
    rejected = f", {made.rejected} rejected" if made.rejected else ""
    return (
        f"version {version.number}  {time(made.at_ns)}  {made.action} by {made.by} of {made.source or '—'}: "
        f"{made.added} added, {made.changed} changed, {made.removed} removed, {made.unchanged} unchanged{rejected}"
    )


def _exact(at_ns: int | None) -> str:
    if at_ns is None:
        return ""
    at = datetime.fromtimestamp(at_ns // 1_000_000_000, UTC).replace(microsecond=at_ns // 1_000 % 1_000_000)
    return at.isoformat()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: part for name, part in value.items() if part not in ("", None)}
    return value
