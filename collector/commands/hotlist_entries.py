"""``collector hotlist add``, ``edit``, ``withdraw`` and ``expire``: single entries, one by one."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from collector.commands import hotlist_shown as shown
from collector.commands.hotlist_searches import search_json, search_text, waited
from collector.commands.hotlist_settings import MOST_DAYS, done_or_exit, settings_or_exit
from collector.commands.on_store import who, with_store
from collector.commands.options import AsJson, Config, StoreUrl
from collector.domain.hotlists import NO_VEHICLE, Category, Vehicle
from collector.errors import ConfigurationError, PermissionDeniedError
from collector.hotlists import entering, expiring
from collector.hotlists.entering import HOUR_NS, LOCAL, LONGEST_H, Edited, Entered, Wanted, Withdrawn
from collector.store.back_searches import BackSearch
from collector.store.database import Store

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_Entry = Annotated[int, typer.Argument(help="its number", min=1)]
_Hours = Annotated[
    float | None, typer.Option("--hours", help="it ends after so many; 72 unless the configuration says otherwise")
]
_Until = Annotated[str | None, typer.Option("--until", help="or it ends then: 2026-11-25T18:00Z")]
_Severity = Annotated[str | None, typer.Option("--severity", help="how urgent it is; `normal` unless it is said")]
_CategoryCode = Annotated[str | None, typer.Option("--category", help=", ".join(Category))]
_Notes = Annotated[str | None, typer.Option("--notes", help="whatever else there is to say")]
_Handling = Annotated[str | None, typer.Option("--handling", help="what whoever meets it is to do or not to do")]
_CovertTo = Annotated[
    str | None, typer.Option("--covert-to", help="users, with commas, who alone may see it and its alerts")
]
_Make = Annotated[str | None, typer.Option("--make", help="of the vehicle")]
_Model = Annotated[str | None, typer.Option("--model", help="of the vehicle")]
_Colour = Annotated[str | None, typer.Option("--colour", help="of the vehicle")]
_Year = Annotated[int | None, typer.Option("--year", help="of the vehicle", min=1900, max=2100)]


def add(
    plate: Annotated[str, typer.Argument(help="a plate, or a pattern: ? one character, * any run, [AB8] a class")],
    state: Annotated[str, typer.Option("--state", help="needed: TX, US-TX, …, or `any`")] = "",
    reason: Annotated[str, typer.Option("--reason", help="needed: why it is looked for")] = "",
    case: Annotated[str, typer.Option("--case", help="needed: the case number")] = "",
    requester: Annotated[str, typer.Option("--requester", help="needed: who asks for it")] = "",
    name: Annotated[str, typer.Option("--list", help="which hotlist to put it on")] = LOCAL,
    hours: _Hours = None,
    until: _Until = None,
    begins: Annotated[str | None, typer.Option("--from", help="it counts from then on: 2026-11-25T18:00Z")] = None,
    category: _CategoryCode = None,
    severity: _Severity = None,
    notes: _Notes = None,
    handling: _Handling = None,
    owner: Annotated[str, typer.Option("--owner", help="the agency that it is of")] = "",
    covert_to: _CovertTo = None,
    make: _Make = None,
    model: _Model = None,
    colour: _Colour = None,
    year: _Year = None,
    back_search: Annotated[
        float | None,
        typer.Option("--back-search", help="search the reads of so many days for it; 0 none", min=0, max=MOST_DAYS),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="wait for that search")] = True,
    config: Config = None,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Put one plate or pattern on a hotlist; every running collector takes it up within five seconds.

    It ends by itself, and a supervisor, not you, is to review it within the shift. The reads of the last days are
    searched for it, by the serving collector, and raise historical alerts.
    """
    settings = settings_or_exit(config, store)
    at_ns = time.time_ns()
    code = category or Category.BE_ON_LOOKOUT

    async def work(opened: Store) -> tuple[Entered, BackSearch | None]:
        effective_ns = None if begins is None else _time_ns("--from", begins)
        wanted = Wanted(
            plate=plate,
            state=state,
            reason=reason,
            case=case,
            requester=requester,
            list=name,
            category=code,
            severity=severity or settings.rules(name).severity or settings.category(code).severity or "normal",
            effective_ns=effective_ns,
            expires_ns=_expires_ns(hours, until, max(at_ns, effective_ns or 0)),
            notes=notes or "",
            handling=handling or "",
            vehicle=_vehicle(NO_VEHICLE, make, model, colour, year),
            owner=owner,
            covert_to=_names(covert_to),
        )
        days = settings.entries.back_search_days if back_search is None else back_search
        done = await entering.add(opened, wanted, settings.entries, search_days=days, who=who(), at_ns=at_ns)
        return done, await waited(opened, done.search, wait, as_json)

    done, search = with_store(config, store, work)
    typer.echo(_entered_json(done, search) if as_json else _entered_text(done, search, "is on"))
    if not settings.is_on(code):
        typer.echo(f"it does not alert: `hotlists.categories` has {code} switched off", err=True)


def edit(
    entry: _Entry,
    reason: Annotated[str | None, typer.Option("--reason", help="why it is looked for")] = None,
    case: Annotated[str | None, typer.Option("--case", help="the case number")] = None,
    requester: Annotated[str | None, typer.Option("--requester", help="who asks for it")] = None,
    hours: _Hours = None,
    until: _Until = None,
    category: _CategoryCode = None,
    severity: _Severity = None,
    notes: _Notes = None,
    handling: _Handling = None,
    covert_to: _CovertTo = None,
    overt: Annotated[bool, typer.Option("--overt", help="no longer covert")] = False,
    make: _Make = None,
    model: _Model = None,
    colour: _Colour = None,
    year: _Year = None,
    config: Config = None,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Change an entry that somebody added; it gets a new number and is to be reviewed again.

    Plate and state stay: another plate is another entry. Hours count from now.
    """
    settings = settings_or_exit(config, store)
    at_ns = time.time_ns()

    async def work(opened: Store) -> Entered:
        async with opened.read() as tx:
            before = await entering.entry_in_force(tx, entry)
        if not shown.is_shown(before):
            # Else whoever is not named could make it overt, or see it by changing a word.
            raise PermissionDeniedError(f"entry {entry}: only those that it names may change it")
        vehicle = None
        if any(one is not None for one in (make, model, colour, year)):
            vehicle = _vehicle(before.vehicle, make, model, colour, year)
        edited = Edited(
            reason=reason,
            case=case,
            requester=requester,
            category=category,
            severity=severity,
            expires_ns=_expires_ns(hours, until, at_ns),
            notes=notes,
            handling=handling,
            vehicle=vehicle,
            covert_to=_names(covert_to),
            overt=overt,
        )
        return await entering.edit(opened, entry, edited, settings.entries, who=who(), at_ns=at_ns)

    done = done_or_exit(config, store, work)
    typer.echo(_entered_json(done, None) if as_json else _entered_text(done, None, f"takes the place of {entry} on"))


def withdraw(
    entry: _Entry,
    reason: Annotated[str, typer.Option("--reason", help="why; its alerts say so")],
    config: Config = None,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Take an entry off its hotlist, and recall the open alerts that it has raised."""
    at_ns = time.time_ns()

    async def work(opened: Store) -> Withdrawn:
        return await entering.withdraw(opened, entry, reason, who=who(), at_ns=at_ns)

    done = with_store(config, store, work)
    typer.echo(json.dumps(shown.withdrawn(done)) if as_json else shown.withdrawn_line(done, "was withdrawn"))
    if not done.entry.added_by and not as_json:
        typer.echo("it came from a file: the next delivery that still has it puts it on the list again", err=True)


def expire(config: Config = None, store: StoreUrl = None, as_json: AsJson = False) -> None:
    """End what has expired of the entries that people added; a running collector does that by itself."""
    at_ns = time.time_ns()

    async def work(opened: Store) -> list[Withdrawn]:
        return await expiring.expire(opened, at_ns, who())

    done = with_store(config, store, work)
    for one in done:
        typer.echo(json.dumps(shown.withdrawn(one)) if as_json else shown.withdrawn_line(one, "has expired"))
    if not done and not as_json:
        typer.echo("nothing has expired")


def _expires_ns(hours: float | None, until: str | None, from_ns: int) -> int | None:
    if hours is not None and until is not None:
        raise ConfigurationError("expected --hours or --until, not both")
    if hours is not None:
        if not abs(hours) <= LONGEST_H:
            raise ConfigurationError(f"--hours: got {hours:g}, expected at most {LONGEST_H:g}, a year")
        return from_ns + round(hours * HOUR_NS)
    return None if until is None else _time_ns("--until", until)


def _time_ns(option: str, text: str) -> int:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise ConfigurationError(f"{option}: got {text!r}, expected a time with its zone such as 2026-11-25T18:00Z")
    return int((at - _EPOCH) / timedelta(seconds=1)) * 1_000_000_000


def _names(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(one.strip() for one in text.split(","))


def _vehicle(before: Vehicle, make: str | None, model: str | None, colour: str | None, year: int | None) -> Vehicle:
    said = {"make": make, "model": model, "colour": colour, "year": year}
    known = {name: getattr(before, name) for name in Vehicle.__dataclass_fields__}
    return Vehicle(**known | {name: value for name, value in said.items() if value is not None})


def _entered_json(done: Entered, search: BackSearch | None) -> str:
    entered = {"entry": shown.hand_entry(done.entry), "version": done.version}
    return json.dumps(entered | {"search": None if search is None else search_json(search)})


def _entered_text(done: Entered, search: BackSearch | None, how: str) -> str:
    one = done.entry
    listed = f"{shown.plate(one)} {how} {one.list} from version {done.version}"
    due = shown.time(one.review_due_ns)
    lines = [
        f"entry {one.id}: {listed}; collectors take it up within 5 s",
        f"ends {shown.time(one.expires_ns)}",
        f"a supervisor, not you, is to review it by {due}: collector hotlist review {one.id} --approve",
    ]
    if search is not None:
        lines.append(f"search {search.id} of earlier reads: {search_text(search)}")
    return "\n".join(lines)
