"""``collector hotlist search`` and ``export``: entries of all lists by plate, and all entries of a list."""

import csv
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import nullcontext
from enum import StrEnum
from pathlib import Path
from typing import IO, Annotated

import typer

from collector.commands import hotlist_shown as shown
from collector.commands.hotlist_files import private_file
from collector.commands.hotlist_lists import note
from collector.commands.on_store import person, who, with_store
from collector.commands.options import AsJson, Config, StoreUrl
from collector.domain.hotlists import Entry
from collector.errors import NotFoundError
from collector.hotlists.looking import may_see, search, standing_of
from collector.store import audit, hotlist_history
from collector.store.database import Store, Transaction
from collector.store.entries import entry_of
from collector.store.hotlist_history import Found


class Format(StrEnum):
    """How entries are written."""

    CSV = "csv"
    JSON_LINES = "json-lines"


def search_(
    wanted: Annotated[
        str, typer.Argument(help="a plate, or a pattern: ? one character, * any run, [AB8] one of these")
    ],
    name: Annotated[str | None, typer.Option("--list", help="only in this list")] = None,
    ended: Annotated[bool, typer.Option("--all", help="also entries that are no longer in force")] = False,
    limit: Annotated[int, typer.Option(help="show at most so many", min=1)] = 1_000,
    config: Config = None,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Look a plate up in all lists; 0 and O are the same, and patterns that the plate fits are found, too.

    Unlike a pattern that is looked for, one to search with may be as wide as `'7*'`; what is more than --limit is said.

    Covert entries are shown to the users that they name; that they were shown is written to the audit log.
    """
    me = person()

    async def work(opened: Store) -> tuple[list[Found], bool]:
        found: list[Found] = []
        async with opened.read() as tx:
            async for portion in search(tx, wanted, ended=ended):
                found += [one for one in portion if may_see(one.entry, me) and name in (None, one.entry.list)]
                if len(found) > limit:
                    break
        return found[:limit], len(found) > limit

    found, more = with_store(config, store, work, to_read=True)
    note(config, store, [one.entry for one in found], "search")
    for one in found:
        typer.echo(json.dumps(shown.found_json(one)) if as_json else shown.found_line(one))
    if not found and not as_json:
        typer.echo(f"no list has {wanted}")
    if more:
        typer.echo(f"there are more than {limit}; --limit shows more of them", err=True)


def export(
    name: Annotated[str, typer.Argument(help="the list", metavar="LIST")],
    output: Annotated[Path | None, typer.Option(help="where to, instead of standard output", metavar="FILE")] = None,
    as_: Annotated[Format, typer.Option("--format", help="how it is written")] = Format.CSV,
    version: Annotated[int | None, typer.Option(help="as it was in this version; else what is in force")] = None,
    covert: Annotated[bool, typer.Option("--covert", help="also covert entries that name you")] = False,
    config: Config = None,
    store: StoreUrl = None,
    as_json: Annotated[bool, typer.Option("--json", help="the same as --format json-lines")] = False,
) -> None:
    """Write all entries of a list, as `collector hotlist import` reads them; the audit log says that it was done.

    Covert entries are left out; with --covert those that name you are written, and the audit log says which.
    """
    me = person()

    async def work(opened: Store) -> int:
        async with opened.read() as tx:
            standing = await standing_of(tx, name)
            wanted = standing.version if version is None else version
            known = [one.number for one in await hotlist_history.versions(tx, name)]
            if wanted not in (standing.version, *known):
                raise NotFoundError(f"hotlist {name}: it never had version {wanted} (collector hotlist show {name})")
            numbers = [one.id async for one in _entries(tx, name, wanted, me, covert) if one.covert_to is not None]
        at_ns = time.time_ns()
        async with opened.write() as tx:
            detail = {"version": wanted, "to": None if output is None else str(output), "covert": numbers}
            await audit.record(tx, who=who(), action="hotlist.export", subject=name, detail=detail, at_ns=at_ns)
        written = 0
        with nullcontext(sys.stdout) if output is None else private_file(output, "--output") as file:
            rows = _Rows(file, Format.JSON_LINES if as_json else as_)
            async with opened.read() as tx:
                async for one in _entries(tx, name, wanted, me, covert):
                    rows.write(one)
                    written += 1
        return written

    written = with_store(config, store, work)
    if output is not None:
        typer.echo(f"{written} entries of {name} are in {output}", err=True)


async def _entries(tx: Transaction, name: str, version: int, me: str, covert: bool) -> AsyncIterator[Entry]:
    async for portion in hotlist_history.values_at(tx, name, version):
        for number, *values in portion:
            one = entry_of(number, name, values)
            if one.covert_to is None or (covert and may_see(one, me)):
                yield one


class _Rows:
    """Writes entries one by one."""

    def __init__(self, file: IO[str], as_: Format) -> None:
        self._file = file
        self._rows = None if as_ is Format.JSON_LINES else csv.DictWriter(file, shown.FIELDS, lineterminator="\n")
        if self._rows is not None:
            self._rows.writeheader()

    def write(self, entry: Entry) -> None:
        said = shown.row(entry)
        if self._rows is not None:
            self._rows.writerow(said)
        else:
            self._file.write(json.dumps({what: value for what, value in said.items() if value != ""}) + "\n")
