"""One plate at 02:00: entries that people add, edit and withdraw one by one.

An entry that somebody makes says why, for which case and for whom; it ends by itself, and somebody else reviews it.
A change is one short transaction that makes a new version of its list; the matcher takes that up within a second. An
entry never changes: an edit ends it and begins another of the same plate, state and reference, which is to be reviewed
again. Whoever withdraws one recalls the alerts that it raised.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from collector.config import HotlistEntries
from collector.domain.hotlists import NO_VEHICLE, Category, Entry, Vehicle
from collector.errors import ConfigurationError, NotFoundError
from collector.hotlists.importing import check_name
from collector.hotlists.regions import EXPECTED, region_code
from collector.match.patterns import PatternError, parse
from collector.match.plates import normalise
from collector.store import alerts, audit, back_searches, hand_entries, hotlists
from collector.store.database import Store, Transaction
from collector.store.entries import EntryRow

HOUR_NS = 3_600 * 1_000_000_000
LONGEST_H = 8_760.0
"""An entry may be meant to last for a year at most."""
LOCAL = "local"
"""The list that entries are on unless another is named."""
_PLATE_LENGTHS = range(2, 13)
_SIGNS_OF_PATTERN = frozenset("?*[]")
_MOST_NAME, _MOST_CASE, _MOST_SEVERITY, _MOST_TEXT = 64, 64, 16, 2_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody asks to be looked for.

    Attributes:
        plate: a plate, or a pattern.
        state: as people write states; ``any`` for any.
        reason: why.
        case: the case number.
        requester: who asks for it.
        list: the hotlist to put it on.
        category: a code of ``Category``.
        severity: how urgent it is.
        effective_ns: UTC from which it counts; None for at once.
        expires_ns: UTC at which it ends; None for after as long as the settings say.
        notes: whatever else there is to say.
        handling: what whoever meets it is to do or not to do.
        vehicle: what the plate is fixed to.
        owner: the agency that it is of.
        covert_to: the users who alone may see it; None for everybody.
    """

    plate: str
    state: str
    reason: str
    case: str
    requester: str
    list: str = LOCAL
    category: str = Category.BE_ON_LOOKOUT
    severity: str = "normal"
    effective_ns: int | None = None
    expires_ns: int | None = None
    notes: str = ""
    handling: str = ""
    vehicle: Vehicle = NO_VEHICLE
    owner: str = ""
    covert_to: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Edited:
    """What an edit changes; None leaves it as it is."""

    reason: str | None = None
    case: str | None = None
    requester: str | None = None
    category: str | None = None
    severity: str | None = None
    expires_ns: int | None = None
    notes: str | None = None
    handling: str | None = None
    vehicle: Vehicle | None = None
    covert_to: tuple[str, ...] | None = None
    overt: bool = False
    """No longer covert."""


@dataclass(frozen=True, slots=True)
class Entered:
    """What came of it.

    Attributes:
        entry: as it is in force now.
        version: of its list.
        search: the number of the search of earlier reads for it; None if nobody asked for one.
    """

    entry: Entry
    version: int
    search: int | None


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """What came of it.

    Attributes:
        entry: as it was.
        version: of its list.
        recalled: the open alerts that it had raised.
    """

    entry: Entry
    version: int
    recalled: tuple[int, ...]


def checked(wanted: Wanted, settings: HotlistEntries, who: str, at_ns: int) -> EntryRow:
    """Return the entry that is asked for.

    Raises:
        ConfigurationError: something of it cannot be; every finding in a line of its own.
    """
    problems: list[str] = []
    plate, is_pattern = _plate(wanted.plate, problems)
    region = _region(wanted.state, problems)
    expires_ns = wanted.expires_ns
    if expires_ns is None:
        expires_ns = max(at_ns, wanted.effective_ns or 0) + round(settings.expires_after_h * HOUR_NS)
    row = EntryRow(
        plate=plate,
        region=region,
        reason=wanted.reason.strip(),
        severity=wanted.severity.strip(),
        notes=wanted.notes.strip(),
        reference=wanted.case.strip(),
        is_pattern=is_pattern,
        category=wanted.category,
        case_number=wanted.case.strip(),
        vehicle=wanted.vehicle,
        owner=wanted.owner.strip(),
        effective_ns=wanted.effective_ns,
        expires_ns=expires_ns,
        handling=wanted.handling.strip(),
        covert_to=wanted.covert_to,
        canary=wanted.category == Category.CANARY,
        added_by=who,
        added_at_ns=at_ns,
        requester=wanted.requester.strip(),
        review_due_ns=at_ns + round(settings.review_within_h * HOUR_NS),
    )
    try:
        check_name(wanted.list)
    except ConfigurationError as error:
        problems.append(str(error))
    _refuse(problems + _problems(row, at_ns))
    return row


async def add(
    store: Store, wanted: Wanted, settings: HotlistEntries, *, search_days: float, who: str, at_ns: int
) -> Entered:
    """Put an entry in force.

    Args:
        store: where to.
        wanted: what is looked for.
        settings: when it ends unless that is said, and by when it is to be reviewed.
        search_days: how many days of earlier reads are to be searched for it; 0 for none.
        who: who does it, as in the audit log.
        at_ns: UTC.

    Raises:
        ConfigurationError: something of it cannot be; nothing has changed.
        StoreRefusedError: the list has it already; nothing has changed.
        StoreError: the store cannot be reached; nothing has changed.
    """
    row = checked(wanted, settings, who, at_ns)
    async with store.write() as tx:
        await _check_users(tx, row.covert_to)
        version = await hotlists.change(
            tx, wanted.list, add=[row], action="add", by=who, source=_source(row), at_ns=at_ns
        )
        number = (await hand_entries.begun_with(tx, wanted.list, version))[0]
        search = await _ask(tx, wanted.list, version, number, search_days, who, at_ns)
        entry = await entry_in_force(tx, number)
        await _record(tx, "hotlist.add", entry, {"version": version, "search_days": search_days}, who, at_ns)
    return Entered(entry, version, search)


async def edit(
    store: Store, entry_id: int, edited: Edited, settings: HotlistEntries, *, who: str, at_ns: int
) -> Entered:
    """Put another in the place of an entry; plate and state stay, or it would be another entry.

    Raises:
        NotFoundError: no such entry is in force.
        ConfigurationError: it comes from a file, or what is asked cannot be; nothing has changed.
        StoreError: the store cannot be reached; nothing has changed.
    """
    async with store.write() as tx:
        before = await entry_in_force(tx, entry_id)
        if not before.added_by:
            raise ConfigurationError(
                f"entry {entry_id}: comes from a file, whose next import would undo this; change it at its source"
            )
        said: dict[str, Any] = {name: getattr(edited, name) for name in _EDITABLE if getattr(edited, name) is not None}
        said = {name: value.strip() if isinstance(value, str) else value for name, value in said.items()}
        covert_to = None if edited.overt else edited.covert_to or before.covert_to
        after = EntryRow(**{name: getattr(before, name) for name in EntryRow._fields})._replace(
            **said,
            case_number=before.case_number if edited.case is None else edited.case.strip(),
            covert_to=covert_to,
            canary=(edited.category or before.category) == Category.CANARY,
            added_by=who,
            added_at_ns=at_ns,
            review_due_ns=at_ns + round(settings.review_within_h * HOUR_NS),
            reviewed_by=None,
            reviewed_at_ns=None,
        )
        _refuse(_problems(after, at_ns))
        await _check_users(tx, covert_to)
        version = await hotlists.change(
            tx,
            before.list,
            add=[after],
            end=[entry_id],
            action="edit",
            by=who,
            source=f"entry {entry_id}",
            at_ns=at_ns,
        )
        entry = await entry_in_force(tx, (await hand_entries.begun_with(tx, before.list, version))[0])
        await _record(tx, "hotlist.edit", entry, {"version": version, "instead_of": entry_id}, who, at_ns)
    return Entered(entry, version, None)


async def withdraw(store: Store, entry_id: int, why: str, *, who: str, at_ns: int) -> Withdrawn:
    """End an entry, and recall the open alerts that it has raised.

    Raises:
        NotFoundError: no such entry is in force.
        ConfigurationError: nobody says why; nothing has changed.
        StoreError: the store cannot be reached; nothing has changed.
    """
    why = why.strip()
    if not why or len(why) > _MOST_TEXT:
        raise ConfigurationError(_of_length("--reason", why, 1, _MOST_TEXT))
    async with store.write() as tx:
        return await end(
            tx, await entry_in_force(tx, entry_id), "withdraw", f"The entry was withdrawn: {why}", who, at_ns
        )


async def end(tx: Transaction, entry: Entry, action: str, why: str, who: str, at_ns: int) -> Withdrawn:
    """End an entry in a transaction that is alone, and recall its open alerts.

    Args:
        tx: the transaction.
        entry: in force.
        action: what its list's version is to say: withdraw or expire.
        why: what the alerts are to say.
        who: who does it; empty for the machine.
        at_ns: UTC.
    """
    version = await hotlists.change(
        tx, entry.list, end=[entry.id], action=action, by=who, source=f"entry {entry.id}", at_ns=at_ns
    )
    numbers = await hand_entries.all_numbers(tx, entry)
    recalled = tuple(await alerts.recall(tx, numbers, why=why, at_ns=at_ns, who=who))
    detail = {"version": version, "why": why, "recalled": list(recalled)}
    await _record(tx, f"hotlist.{action}", entry, detail, who or "collector", at_ns)
    return Withdrawn(entry, version, recalled)


def _source(row: EntryRow) -> str:
    # Everybody who may look at the list's versions sees this.
    return "a covert entry" if row.covert_to is not None else f"case {row.case_number}"


_EDITABLE = ("reason", "requester", "category", "severity", "expires_ns", "notes", "handling", "vehicle")


def _plate(text: str, problems: list[str]) -> tuple[str, bool]:
    if _SIGNS_OF_PATTERN & set(text):
        try:
            return parse(text).text, True
        except PatternError as error:
            problems.append(str(error))
            return "", True
    plate = normalise(text)
    if len(plate) not in _PLATE_LENGTHS:
        lengths = f"{_PLATE_LENGTHS[0]} to {_PLATE_LENGTHS[-1]}"
        problems.append(f"plate: got {text!r}, expected {lengths} letters or digits, or a pattern such as 7AB?1*")
    return plate, False


def _region(text: str, problems: list[str]) -> str | None:
    if not text.strip():
        problems.append(f"--state: got nothing, expected `any` or {EXPECTED}")
        return None
    try:
        return region_code(text)
    except LookupError:
        problems.append(f"--state: got {text!r}, expected {EXPECTED}")
        return None


def _problems(row: EntryRow, at_ns: int) -> list[str]:
    """Return what is wrong with an entry that somebody makes."""
    texts = (
        ("--reason", row.reason, 1, _MOST_TEXT),
        ("--case", row.case_number, 1, _MOST_CASE),
        ("--requester", row.requester, 1, _MOST_NAME),
        ("--severity", row.severity, 1, _MOST_SEVERITY),
        ("--notes", row.notes, 0, _MOST_TEXT),
        ("--handling", row.handling, 0, _MOST_TEXT),
        ("--owner", row.owner, 0, _MOST_NAME),
    )
    problems = [
        _of_length(option, text, least, most) for option, text, least, most in texts if not least <= len(text) <= most
    ]
    problems += [f"{option}: holds a NUL character" for option, text, _, _ in texts if "\0" in text]
    problems += [f"{option}: holds bytes that are no text" for option, text, _, _ in texts if not _is_text(text)]
    if row.category not in set(Category):
        problems.append(f"--category: got {row.category!r}, expected one of {', '.join(Category)}")
    if row.covert_to is not None and not (row.covert_to and all(row.covert_to)):
        problems.append("--covert-to: got nobody, expected the names of users")
    assert row.expires_ns is not None, "whoever makes an entry by hand says when it ends"
    begins_ns = max(at_ns, row.effective_ns or 0)
    if begins_ns > at_ns + LONGEST_H * HOUR_NS:
        problems.append(f"--from: got more than {LONGEST_H:g} hours from now, expected a year at most")
    if row.expires_ns <= begins_ns:
        problems.append("expiry: got a time before it begins, expected one behind that")
    elif row.expires_ns > begins_ns + LONGEST_H * HOUR_NS:
        problems.append(f"expiry: got more than {LONGEST_H:g} hours, expected a year at most; edit it when it is due")
    return problems


def _of_length(option: str, text: str, least: int, most: int) -> str:
    return f"{option}: got {f'{len(text)} characters' if text else 'nothing'}, expected {least} to {most} characters"


def _is_text(text: str) -> bool:
    """Whether it can be kept: of bytes of a command line that are no text Python makes halves of characters."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refuse(problems: list[str]) -> None:
    if problems:
        raise ConfigurationError("\n".join(problems))


async def _check_users(tx: Transaction, names: tuple[str, ...] | None) -> None:
    if names and (unknown := await hand_entries.unknown_users(tx, names)):
        raise ConfigurationError(
            f"--covert-to: got {', '.join(unknown)}, expected users that there are: else nobody would see its alerts"
        )


async def _ask(tx: Transaction, name: str, version: int, number: int, days: float, who: str, at_ns: int) -> int | None:
    if not days > 0:
        return None
    return await back_searches.ask(tx, name=name, version=version, entry_ids=[number], days=days, by=who, at_ns=at_ns)


async def entry_in_force(tx: Transaction, entry_id: int) -> Entry:
    """Return an entry that is in force.

    Raises:
        NotFoundError: there is none of this number.
    """
    found = await hand_entries.one_in_force(tx, entry_id)
    if found is None:
        raise NotFoundError(
            f"entry {entry_id}: no such entry is in force; `collector hotlist list` shows those that are"
        )
    return found


async def _record(tx: Transaction, action: str, entry: Entry, detail: dict[str, object], who: str, at_ns: int) -> None:
    about: dict[str, object] = {"list": entry.list}
    if entry.covert_to is None:
        about |= {"case": entry.case_number, "requester": entry.requester, "plate": entry.plate, "state": entry.region}
    else:
        # Auditors read this; what a covert entry is about, and why it ended, is for those it names.
        about["covert"] = True
        detail = {what: value for what, value in detail.items() if what != "why"}
    await audit.record(tx, who=who, action=action, subject=str(entry.id), detail=about | detail, at_ns=at_ns)
