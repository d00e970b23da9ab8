"""``collector hotlist list``, ``show``, ``diff`` and ``rollback``: lists and their versions."""

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from collector.commands import hotlist_shown as shown
from collector.commands.hotlist_settings import settings_or_exit
from collector.commands.on_store import EXIT_NOT_DONE, person, who, with_store
from collector.commands.options import AsJson, Config, StoreUrl
from collector.commands.progress import Shown
from collector.config import Hotlists
from collector.domain.hotlists import Entry
from collector.errors import NotFoundError
from collector.hotlists import importing
from collector.hotlists.looking import Changed, Compared, age_h, age_word, compare, may_see, note_look, standing_of
from collector.store import hotlist_history
from collector.store.database import Store
from collector.store.hotlist_history import Found, Standing, Version

_SHOWN_VERSIONS = 20
_Name = Annotated[str, typer.Argument(help="the list", metavar="LIST")]


def list_(config: Config = None, store: StoreUrl = None, as_json: AsJson = False) -> None:
    """Say how every list stands: version, entries, how long ago its source confirmed it, and what it came from.

    current, old and expired are by the list's soft_age_h and hard_age_h in the configuration.
    """
    settings = settings_or_exit(config, store)

    async def work(opened: Store) -> list[Standing]:
        async with opened.read() as tx:
            return await hotlist_history.standing(tx)

    now_ns = time.time_ns()
    lists = with_store(config, store, work, to_read=True)
    if not lists and not as_json:
        typer.echo("there are no lists yet: collector hotlist import FILE --list NAME")
    for one in lists:
        typer.echo(json.dumps(_standing(one, settings, now_ns)) if as_json else _standing_text(one, settings, now_ns))


def show(
    name: Annotated[str | None, typer.Argument(help="the list", metavar="[LIST]")] = None,
    entry: Annotated[int | None, typer.Option(help="an entry by its number, whether or not it has ended")] = None,
    config: Config = None,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show a list and what made its versions, or one entry.

    A covert entry is shown to the users that it names; that it was shown is written to the audit log.
    """
    if (name is None) == (entry is None):
        typer.echo("expected LIST or --entry NUMBER", err=True)
        raise typer.Exit(EXIT_NOT_DONE)
    if entry is not None:
        _show_entry(entry, config, store, as_json)
        return
    settings = settings_or_exit(config, store)

    async def work(opened: Store) -> tuple[Standing, list[Version]]:
        async with opened.read() as tx:
            assert name is not None
            return await standing_of(tx, name), await hotlist_history.versions(tx, name)

    now_ns = time.time_ns()
    one, versions = with_store(config, store, work, to_read=True)
    if as_json:
        all_of_it = _standing(one, settings, now_ns) | {"versions": [shown.version_json(each) for each in versions]}
        typer.echo(json.dumps(all_of_it))
        return
    typer.echo(_standing_text(one, settings, now_ns))
    for each in versions[:_SHOWN_VERSIONS]:
        typer.echo(shown.version_line(each))
    if len(versions) > _SHOWN_VERSIONS:
        typer.echo(f"… and {len(versions) - _SHOWN_VERSIONS} earlier ones; --json gives them all")


def _show_entry(number: int, config: Path | None, store: str | None, as_json: bool) -> None:
    async def look(opened: Store) -> Found:
        async with opened.read() as tx:
            found = await hotlist_history.one(tx, number)
        if found is None or not may_see(found.entry, person()):
            raise NotFoundError(f"entry {number}: there is no such entry (collector hotlist search PLATE --all)")
        return found

    found = with_store(config, store, look, to_read=True)
    note(config, store, [found.entry], "show")
    if as_json:
        typer.echo(json.dumps(shown.found_json(found)))
        return
    typer.echo(shown.found_line(found))
    for what, value in shown.entry_json(found.entry).items():
        if value not in ("", None, False):
            typer.echo(f"  {what}: {shown.vehicle(found.entry.vehicle) if what == 'vehicle' else value}")


def diff(
    name: _Name,
    older: Annotated[int | None, typer.Argument(help="a version; else the one before", metavar="[V1]")] = None,
    newer: Annotated[int | None, typer.Argument(help="another; else what is in force", metavar="[V2]")] = None,
    limit: Annotated[int, typer.Option(help="show at most so many differences", min=0)] = 100,
    config: Config = None,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Say what differs between two versions of a list.

    Lines begin with + for what only V2 has, - for what only V1 has, and ~ for what says something else.
    """

    async def work(opened: Store) -> Compared:
        async with opened.read() as tx:
            return await compare(tx, name, older, newer, limit)

    compared = with_store(config, store, work, to_read=True)
    me = person()
    visible = [one for one in compared.differences if all(may_see(each, me) for each in _sides(one))]
    note(config, store, [each for one in visible for each in _sides(one)], "diff")
    if as_json:
        typer.echo(
            json.dumps(
                {
                    "list": name,
                    **{
                        what: getattr(compared, what)
                        for what in ("older", "newer", "added", "changed", "removed", "unchanged")
                    },
                    "differences": [_changed(one) for one in visible],
                }
            )
        )
        return
    typer.echo(
        f"{name}: version {compared.older} to {compared.newer}: {compared.added} added, {compared.changed} changed, "
        f"{compared.removed} removed, {compared.unchanged} unchanged"
    )
    for one in visible:
        typer.echo(_changed_text(one))
    rest = compared.added + compared.changed + compared.removed - len(compared.differences)
    if rest:
        typer.echo(f"… and {rest} more; --limit {rest + limit} gives them all")


def rollback(
    name: _Name,
    version: Annotated[int, typer.Argument(help="the version to return to")],
    config: Config = None,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Make a new version of a list that holds what an earlier one held, after an import that went wrong.

    Entries that people added or withdrew by hand stay as they are now. The list is then as old as it was.
    """

    async def work(opened: Store) -> importing.Changes:
        with Shown("returning", silent=as_json) as bar:
            return await importing.roll_back(
                opened, name=name, version=version, who=who(), at_ns=time.time_ns(), progress=bar.update
            )

    done = with_store(config, store, work)
    if as_json:
        kept = ("version", "added", "changed", "removed", "unchanged", "by_hand", "recalled")
        typer.echo(json.dumps({"list": name, "returned_to": version, **{what: getattr(done, what) for what in kept}}))
        return
    typer.echo(
        f"{name} is version {done.version}, as it was in version {version}: {done.added} added, "
        f"{done.changed} changed, {done.removed} removed, {done.unchanged} unchanged"
    )


def note(config: Path | None, store: str | None, entries: list[Entry], how: str) -> None:
    """Put into the audit log which covert entries are about to be shown; nothing is written without any."""
    covert = [one for one in entries if one.covert_to is not None]
    if covert:
        with_store(config, store, lambda opened: note_look(opened, covert, who=who(), how=how, at_ns=time.time_ns()))


def _sides(one: Changed) -> list[Entry]:
    return [each for each in (one.older, one.newer) if each is not None]


def _standing(one: Standing, settings: Hotlists, now_ns: int) -> dict[str, Any]:
    age, rules = age_h(one, now_ns), settings.rules(one.name)
    return {
        "list": one.name,
        "version": one.version,
        "entries": one.entries,
        "confirmed_at": shown.time(one.confirmed_at_ns or None),
        "age_h": None if age is None else round(age, 3),
        "age": age_word(age, rules),
        "soft_age_h": rules.soft_age_h,
        "hard_age_h": rules.hard_age_h,
        "hard_policy": rules.hard_policy,
        "source": one.source,
        "by": one.by,
        "criminal_justice": one.criminal_justice,
        "drafting": one.drafting,
    }


def _standing_text(one: Standing, settings: Hotlists, now_ns: int) -> str:
    age, rules = age_h(one, now_ns), settings.rules(one.name)
    limits = ", ".join(
        f"{what} {limit:g} h"
        for what, limit in (("old from", rules.soft_age_h), ("expired from", rules.hard_age_h))
        if limit
    )
    confirmed = "made by hand" if age is None else f"{age_word(age, rules)}, confirmed {_ago(age)} by {one.source}"
    parts = (
        f"{one.name}  version {one.version}  {one.entries} entries  {confirmed}",
        f"({limits})" if limits else "",
        "criminal justice" if one.criminal_justice else "",
        "an import is under way or broke off" if one.drafting else "",
    )
    return "  ".join(filter(None, parts))


def _ago(hours: float) -> str:
    if hours < 1:
        return f"{hours * 60:.0f} min ago"
    return f"{hours:.0f} h ago" if hours < 48 else f"{hours / 24:.0f} days ago"


def _changed(one: Changed) -> dict[str, Any]:
    if one.older is None and one.newer is not None:
        return {"change": "added", "entry": shown.entry_json(one.newer)}
    if one.newer is None and one.older is not None:
        return {"change": "removed", "entry": shown.entry_json(one.older)}
    assert one.older is not None
    assert one.newer is not None
    return {
        "change": "changed",
        "entry": shown.entry_json(one.newer),
        "was": {what: was for what, (was, _) in shown.differences(one.older, one.newer).items()},
    }


def _changed_text(one: Changed) -> str:
    if one.older is None and one.newer is not None:
        return f"+ {shown.line(one.newer)}"
    if one.newer is None and one.older is not None:
        return f"- {shown.line(one.older)}"
    assert one.older is not None
    assert one.newer is not None
    parts = [f"{what}: {was!r} to {now!r}" for what, (was, now) in shown.differences(one.older, one.newer).items()]
    return f"~ {one.newer.plate}  {one.newer.region or 'any state'}  {'; '.join(parts)}"
