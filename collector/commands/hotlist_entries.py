"""``collector hotlist add``, ``edit``, ``withdraw``, ``review`` …: single entries, and what lists want of people."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from collector.commands.hotlist_settings import MOST_DAYS
from collector.commands.on_store import EXIT_NOT_AS_IT_SHOULD, EXIT_NOT_DONE, person, who, with_store
from collector.commands.options import AsJson, Config, StoreUrl
from collector.commands.progress import Shown
from collector.config import DEFAULT_PATH, CollectorConfig, HotlistFeed, Hotlists
from collector.domain.hotlists import NO_VEHICLE, Category, Entry, Vehicle
from collector.errors import ConfigurationError, ConflictError, NotFoundError, PermissionDeniedError
from collector.hotlists import entering, expiring, reviewing
from collector.hotlists.attention import Attention, attention
from collector.hotlists.entering import HOUR_NS, LOCAL, LONGEST_H, Edited, Entered, Wanted, Withdrawn
from collector.hotlists.looking import may_see
from collector.store import back_searches, feeds
from collector.store.back_searches import BackSearch
from collector.store.database import Store
from collector.store.feeds import FeedStanding
from edge_wire.yaml_config import find, load

# A search that nobody has begun by then: no collector is serving.
_BEGINS_WITHIN_S = 5.0
_LOOK_S = 0.2
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SHOWN_SEARCHES = 20
_Result = TypeVar("_Result")

_Entry = Annotated[int, typer.Argument(help="its number", min=1)]
_Reason = Annotated[str, typer.Option("--reason", help="why it is looked for")]
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


def register(app: typer.Typer) -> None:
    """Put these commands beside the others of ``collector hotlist``."""
    for name, command, example in (
        ("add", add, "collector hotlist add 7ABC123 --state TX --reason stolen --case 26-118 --requester 'Sgt. Diaz'"),
        ("edit", edit, "collector hotlist edit 12 --hours 48"),
        ("withdraw", withdraw, "collector hotlist withdraw 12 --reason 'recovered by county'"),
        ("expire", expire, "collector hotlist expire"),
        ("review", review, "collector hotlist review 12 --approve; collector hotlist review --snapshot 3 --refuse"),
        ("feeds", feeds_, "collector hotlist feeds --pull state-stolen"),
        ("searches", searches, "collector hotlist searches --wait 4"),
    ):
        app.command(name, epilog=f"Example: {example}")(command)


def add(
    plate: Annotated[str, typer.Argument(help="a plate, or a pattern: ? one character, * any run, [AB8] a class")],
    state: Annotated[str, typer.Option("--state", help="TX, US-TX, …, or `any`")],
    reason: _Reason,
    case: Annotated[str, typer.Option("--case", help="the case number")],
    requester: Annotated[str, typer.Option("--requester", help="who asks for it")],
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

    It ends by itself, and somebody else is to review it within the shift. The reads of the last days are searched for
    it, by the serving collector, and raise historical alerts.
    """
    settings = _settings(config, store)
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

    done, search = _with_store(config, store, work)
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
    settings = _settings(config, store)
    at_ns = time.time_ns()

    async def work(opened: Store) -> Entered:
        async with opened.read() as tx:
            before = await entering.entry_in_force(tx, entry)
        if not _is_shown(before):
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

    done = _with_store(config, store, work)
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

    done = _with_store(config, store, work)
    typer.echo(json.dumps(_withdrawn(done)) if as_json else _withdrawn_text(done, "was withdrawn"))
    if not done.entry.added_by and not as_json:
        typer.echo("it came from a file: the next delivery that still has it puts it on the list again", err=True)


def expire(config: Config = None, store: StoreUrl = None, as_json: AsJson = False) -> None:
    """End what has expired of the entries that people added; a running collector does that by itself."""
    at_ns = time.time_ns()

    async def work(opened: Store) -> list[Withdrawn]:
        return await expiring.expire(opened, at_ns, who())

    done = _with_store(config, store, work)
    for one in done:
        typer.echo(json.dumps(_withdrawn(one)) if as_json else _withdrawn_text(one, "has expired"))
    if not done and not as_json:
        typer.echo("nothing has expired")


def review(
    entry: Annotated[int | None, typer.Argument(help="the entry to decide about", min=1)] = None,
    snapshot: Annotated[int | None, typer.Option("--snapshot", help="the delivery to decide about", min=1)] = None,
    approve: Annotated[bool, typer.Option("--approve", help="let the entry stand; put the delivery in force")] = False,
    reject: Annotated[bool, typer.Option("--reject", help="take the entry off its list")] = False,
    refuse: Annotated[bool, typer.Option("--refuse", help="leave the delivery out")] = False,
    reason: Annotated[str, typer.Option("--reason", help="why an entry is rejected; its alerts say so")] = "",
    config: Config = None,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show what hotlists want of people, or decide about an entry or a delivery that was held back.

    Whoever added an entry cannot review it. Exits with 1 if something shown is urgent.
    """
    settings = _settings(config, store)
    at_ns = time.time_ns()
    _check_review(entry, snapshot, approve=approve, reject=reject, refuse=refuse)

    async def work(opened: Store) -> tuple[list[str], bool]:
        if snapshot is not None:
            decided = await reviewing.decide(opened, snapshot, approved=approve, who=who(), at_ns=at_ns)
            shown = asdict(decided) | {"sha256": decided.sha256.hex()}
            then = ": the serving collector puts it in force within seconds" if approve else ", and is not in force"
            return [
                json.dumps(shown) if as_json else f"snapshot {snapshot} of {decided.feed} is {decided.state}{then}"
            ], False
        if entry is not None and approve:
            stands = await reviewing.approve(opened, entry, who=who(), at_ns=at_ns)
            said = f"entry {entry} was reviewed by {stands.reviewed_by} and stands until {_time(stands.expires_ns)}"
            return [json.dumps(_entry(stands)) if as_json else said], False
        if entry is not None:
            done = await reviewing.reject(opened, entry, reason, who=who(), at_ns=at_ns)
            return [json.dumps(_withdrawn(done)) if as_json else _withdrawn_text(done, "was rejected")], False
        async with opened.read() as tx:
            found = await attention(tx, settings, at_ns)
        lines = [json.dumps(_attention(one)) if as_json else _attention_text(one, at_ns) for one in found]
        return lines or ([] if as_json else ["nothing wants attention"]), any(one.urgent for one in found)

    lines, urgent = _with_store(config, store, work)
    for line in lines:
        typer.echo(line)
    if urgent:
        raise typer.Exit(EXIT_NOT_AS_IT_SHOULD)


def feeds_(
    pull: Annotated[str | None, typer.Option("--pull", help="ask this feed's source now")] = None,
    config: Config = None,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show how each feed of the configuration stands, or have one asked now by the serving collector."""
    settings = _settings(config, store)

    async def work(opened: Store) -> dict[str, FeedStanding]:
        if pull is not None:
            async with opened.write() as tx:
                if not await feeds.ask_now(tx, pull):
                    raise NotFoundError(f"feed {pull}: no collector has had it in its configuration yet")
        async with opened.read() as tx:
            return await feeds.standings(tx)

    standings = _with_store(config, store, work)
    for one in settings.feeds:
        standing = standings.get(one.name)
        typer.echo(json.dumps(_feed(one, standing)) if as_json else _feed_text(one, standing))
    if pull is not None and not as_json:
        typer.echo(f"{pull} is asked within two seconds, if a collector is serving")


def searches(
    wait: Annotated[int | None, typer.Option("--wait", help="wait for this one", min=1)] = None,
    config: Config = None,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show the latest searches of earlier reads for entries that were new, or wait for one."""

    async def work(opened: Store) -> list[BackSearch]:
        if wait is None:
            async with opened.read() as tx:
                return await back_searches.latest(tx, _SHOWN_SEARCHES)
        found = await waited(opened, wait, True, as_json)
        if found is None:
            raise NotFoundError(f"search {wait}: there is no such search")
        return [found]

    for one in _with_store(config, store, work):
        typer.echo(json.dumps(_search(one)) if as_json else f"search {one.id} for {one.list}: {_search_text(one)}")


def _with_store(config: Path | None, url: str | None, work: Callable[[Store], Awaitable[_Result]]) -> _Result:
    try:
        return with_store(config, url, work)
    except (ConflictError, PermissionDeniedError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(EXIT_NOT_DONE) from error


def _settings(config: Path | None, url: str | None) -> Hotlists:
    """What the configuration says of hotlists; the defaults where only a store is named."""
    if config is None and url is not None:
        return Hotlists()
    return load(find(config, DEFAULT_PATH), CollectorConfig).hotlists


async def waited(opened: Store, search: int | None, wait: bool, as_json: bool) -> BackSearch | None:
    """Return a search once it has ended, or as it is now if nobody is at work on it or nobody waits."""
    if search is None:
        return None
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    of: int | None = None
    with Shown("searching earlier reads", silent=as_json) as shown:
        while True:
            async with opened.read() as tx:
                found = await back_searches.search(tx, search)
                if found is None or found.ended_at_ns is not None or not wait:
                    return found
                if of is None:
                    of = await back_searches.reads_to_look_at(tx, found)
            shown.update(found.looked_at, max(of, found.looked_at))
            begun = found.looked_at or found.next_read_id != found.last_read_id
            if not begun and loop.time() - began_s > _BEGINS_WITHIN_S:
                return found
            await asyncio.sleep(_LOOK_S)


def _check_review(entry: int | None, snapshot: int | None, *, approve: bool, reject: bool, refuse: bool) -> None:
    wrong = None
    if entry is not None and snapshot is not None:
        wrong = "an entry or --snapshot, not both"
    elif entry is not None and (approve == reject or refuse):
        wrong = f"--approve or --reject, one of them, with entry {entry}"
    elif snapshot is not None and (approve == refuse or reject):
        wrong = f"--approve or --refuse, one of them, with --snapshot {snapshot}"
    elif entry is None and snapshot is None and (approve or reject or refuse):
        wrong = "the number of an entry, or --snapshot and its number, with --approve, --reject and --refuse"
    if wrong:
        typer.echo(f"expected {wrong}", err=True)
        raise typer.Exit(EXIT_NOT_DONE)


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


def _time(at_ns: int | None) -> str:
    return "never" if at_ns is None else f"{datetime.fromtimestamp(at_ns // 1_000_000_000, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _plate(one: Entry) -> str:
    return f"{one.plate} ({one.region or 'any state'})" if _is_shown(one) else "a covert entry"


def _is_shown(one: Entry) -> bool:
    """Whether whoever runs this may see the entry: it names them, or they made it."""
    return may_see(one, person()) or one.added_by == who()


def _entry(one: Entry) -> dict[str, Any]:
    if not _is_shown(one):
        return {"id": one.id, "list": one.list, "covert": True}
    times = ("effective_ns", "expires_ns", "review_due_ns", "reviewed_at_ns", "added_at_ns")
    shown: dict[str, Any] = {name: value for name, value in asdict(one).items() if name not in times}
    return shown | {name.removesuffix("_ns"): _time_or_none(getattr(one, name)) for name in times}


def _time_or_none(at_ns: int | None) -> str | None:
    return None if at_ns is None else _time(at_ns)


def _entered_json(done: Entered, search: BackSearch | None) -> str:
    shown = {"entry": _entry(done.entry), "version": done.version}
    return json.dumps(shown | {"search": None if search is None else _search(search)})


def _entered_text(done: Entered, search: BackSearch | None, how: str) -> str:
    one = done.entry
    lines = [
        f"entry {one.id}: {_plate(one)} {how} {one.list} from version {done.version}; collectors take it up within 5 s",
        f"ends {_time(one.expires_ns)}",
        f"somebody else is to review it by {_time(one.review_due_ns)}: collector hotlist review {one.id} --approve",
    ]
    if search is not None:
        lines.append(f"search {search.id} of earlier reads: {_search_text(search)}")
    return "\n".join(lines)


def _search(one: BackSearch) -> dict[str, Any]:
    return {
        "id": one.id,
        "list": one.list,
        "version": one.version,
        "from": _time(one.from_ns),
        "looked_at": one.looked_at,
        "raised": one.raised,
        "asked_by": one.asked_by,
        "asked_at": _time(one.asked_at_ns),
        "ended_at": _time_or_none(one.ended_at_ns),
    }


def _search_text(one: BackSearch) -> str:
    done = f"{one.looked_at:,} reads since {_time(one.from_ns)} looked at, {one.raised} alerts raised"
    if one.ended_at_ns is not None:
        return done
    waits = "waits for a serving collector" if one.next_read_id == one.last_read_id else "goes on"
    return f"{done}; it {waits}: collector hotlist searches --wait {one.id}"


def _withdrawn(done: Withdrawn) -> dict[str, Any]:
    return {"entry": _entry(done.entry), "version": done.version, "recalled": list(done.recalled)}


def _withdrawn_text(done: Withdrawn, how: str) -> str:
    one = done.entry
    recalled = f"; alerts recalled: {', '.join(map(str, done.recalled))}" if done.recalled else "; no alert was open"
    return f"entry {one.id}: {_plate(one)} of {one.list} {how}, version {done.version}{recalled}"


def _attention(one: Attention) -> dict[str, Any]:
    return {
        "subject": str(one.subject),
        "urgent": one.urgent,
        "list": one.list,
        "text": one.text,
        "since": _time(one.since_ns),
        "due": _time_or_none(one.due_ns),
        "entry": one.entry,
        "snapshot": one.snapshot,
        "feed": one.feed,
    }


def _attention_text(one: Attention, now_ns: int) -> str:
    due = "" if one.due_ns is None else f", due {_time(one.due_ns)}"
    return f"{'! ' if one.urgent else '  '}{one.subject} ({one.list}{due}): {one.text}"


def _feed(one: HotlistFeed, standing: FeedStanding | None) -> dict[str, Any]:
    known = standing or FeedStanding(one.name, 0)
    return {
        "name": one.name,
        "list": one.list,
        "tried_at": _time_or_none(known.tried_at_ns),
        "delivered_at": _time_or_none(known.delivered_at_ns),
        "made_at": _time_or_none(known.made_at_ns),
        "sha256": None if known.sha256 is None else known.sha256.hex(),
        "problem": known.problem or None,
        "problem_since": _time_or_none(known.problem_since_ns),
    }


def _feed_text(one: HotlistFeed, standing: FeedStanding | None) -> str:
    if standing is None or standing.tried_at_ns is None:
        return f"{one.name} ({one.list}): not asked yet; a serving collector does"
    problem = f"; FAILS since {_time(standing.problem_since_ns)}: {standing.problem}" if standing.problem else ""
    last = f"last delivery {_time(standing.delivered_at_ns)}, last asked {_time(standing.tried_at_ns)}"
    return f"{one.name} ({one.list}): {last}{problem}"
