"""``collector hotlist import``: a file becomes a hotlist."""

import csv
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from collector.commands.hotlist_files import private_file
from collector.commands.hotlist_settings import MOST_DAYS, settings_of
from collector.commands.on_store import EXIT_NOT_AS_IT_SHOULD, EXIT_NOT_DONE, who, with_store
from collector.commands.options import AsJson, Config, StoreUrl
from collector.commands.progress import Shown
from collector.config import Hotlists
from collector.errors import ConfigurationError
from collector.hotlists.defaults import defaults_of
from collector.hotlists.importing import Changes, check_name, import_hotlist
from collector.hotlists.judging import limits_of, not_newer, shrinking, standing_of
from collector.hotlists.mapping import PRESETS, Layout, load_mapping
from collector.hotlists.reading import HotlistFile, read
from collector.hotlists.unpacking import delivered
from collector.store import back_searches
from collector.store.database import Store, Transaction
from edge_wire.yaml_config import ConfigError

_SHOWN_BAD_ROWS = 20
EXIT_WANTS_APPROVAL = 4
"""Nothing was changed: somebody is to look at the file first."""


def import_(
    file: Annotated[Path, typer.Argument(help="CSV or another delimited text, or JSON lines; plain, .gz or .zip")],
    name: Annotated[str, typer.Option("--list", help="which hotlist the file is from now on")],
    preset: Annotated[
        str | None, typer.Option(help="how it is written: generic (the default), plate-state, ncic")
    ] = None,
    mapping: Annotated[
        Path | None, typer.Option(help="a YAML file that says how it is written", metavar="FILE")
    ] = None,
    member: Annotated[str | None, typer.Option(help="which file of a .zip with several", metavar="NAME")] = None,
    rejected: Annotated[
        Path | None, typer.Option(help="write every row that was not taken, with its reason, as CSV", metavar="FILE")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="only read the file and say what is in it")] = False,
    approve: Annotated[
        bool, typer.Option("--approve", help="also if it is empty, not newer, or much smaller than the list")
    ] = False,
    back_search: Annotated[
        float | None,
        typer.Option("--back-search", help="search the reads of so many days for new entries", min=0, max=MOST_DAYS),
    ] = None,
    config: Config = None,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Make FILE the hotlist, as a new version; running collectors take it up within a second.

    Columns are found by their names (preset generic): plate, state, reason, category, severity, reference,
    case_number, make, model, colour, year, vin, notes, owner, effective, expires, handling, pattern, plate_type,
    covert_to, canary; only plate is needed. Encoding and delimiter are found out. Entries that were added by hand stay.

    A file that is empty, not newer than the last one, or more than 10 % smaller than the list changes nothing until you
    have looked at it and run this again with --approve.

    Exits with 1 if rows were left out; with 2 if nothing was changed, for the reason on standard error; with 4 if
    nothing was changed because it wants --approve.
    """
    try:
        check_name(name)
        settings = settings_of(config, store)
        layout = _layout(preset, mapping)
        written_at_ns = _written_at_ns(file)
        parsed = _read(file, layout, settings, name, member, may_be_empty=not check, silent=as_json)
        if rejected is not None:
            _write_rejected(rejected, parsed)
    except (ConfigError, ConfigurationError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(EXIT_NOT_DONE) from error
    outcome = _Outcome()
    if not check:
        wanted = _Wanted(file.name, written_at_ns, name, settings, back_search or 0, approve)
        outcome = with_store(config, store, lambda opened: _import(opened, parsed, wanted, silent=as_json))
    if as_json:
        typer.echo(_json(name, parsed, outcome))
    elif not outcome.held:
        typer.echo(_text(name, parsed, outcome, rejected))
    if outcome.held:
        left_out = [f"{len(parsed.rejected)} of its rows were not taken: --check names them"] if parsed.rejected else []
        typer.echo("\n".join(f"{file}: {one}" for one in (*outcome.doubts, *left_out)), err=True)
        typer.echo("nothing was imported; look at the file, then run this again with --approve", err=True)
        raise typer.Exit(EXIT_WANTS_APPROVAL)
    if len(parsed.rejected):
        raise typer.Exit(EXIT_NOT_AS_IT_SHOULD)


def _written_at_ns(file: Path) -> int:
    try:
        return file.stat().st_mtime_ns
    except OSError as error:
        raise ConfigurationError(f"{file}: cannot be read: {error.strerror}") from error


def _layout(preset: str | None, mapping: Path | None) -> Layout:
    if mapping is not None:
        if preset is not None:
            raise ConfigurationError("--preset and --mapping: expected one of them; a mapping names its preset itself")
        return load_mapping(mapping)
    if preset is not None and preset not in PRESETS:
        raise ConfigurationError(f"--preset: got {preset!r}, expected one of {', '.join(PRESETS)}")
    return PRESETS[preset or "generic"]


def _read(
    file: Path, layout: Layout, settings: Hotlists, name: str, member: str | None, *, may_be_empty: bool, silent: bool
) -> HotlistFile:
    with (
        Shown("reading", silent=silent) as shown,
        delivered(file, member=member, max_bytes=settings.max_bytes) as opened,
    ):
        return read(opened, layout, defaults_of(settings, name), shown.update, may_be_empty=may_be_empty)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is to be done with a file that was read."""

    source: str
    written_at_ns: int
    list: str
    settings: Hotlists
    back_search_days: float
    approved: bool


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What came of it.

    Attributes:
        changes: None where nothing was imported.
        search: of earlier reads for what is new.
        doubts: why somebody has to look at the file, or has.
    """

    changes: Changes | None = None
    search: int | None = None
    doubts: tuple[str, ...] = ()

    @property
    def held(self) -> bool:
        """Whether it was not imported because somebody has to look at it."""
        return bool(self.doubts) and self.changes is None


async def _import(opened: Store, parsed: HotlistFile, wanted: _Wanted, *, silent: bool) -> _Outcome:
    at_ns, name, settings = time.time_ns(), wanted.list, wanted.settings
    limits = limits_of(settings, name)
    async with opened.read() as tx:
        older = await not_newer(tx, name, parsed.sha256, wanted.written_at_ns)
        smaller = shrinking(parsed.size, await standing_of(tx, name, limits, at_ns), limits)
    doubts = (*older, *smaller)
    if doubts and not wanted.approved:
        return _Outcome(doubts=doubts)
    days, most = wanted.back_search_days, settings.entries.back_search_most
    search: int | None = None

    async def ask(tx: Transaction, version: int) -> None:
        nonlocal search
        if days > 0:
            search = await back_searches.ask_for_added(
                tx, name=name, version=version, days=days, most=most, by=who(), at_ns=at_ns
            )

    with Shown("importing", silent=silent) as shown:
        changes = await import_hotlist(
            opened,
            parsed,
            name=name,
            source=wanted.source,
            who=who(),
            at_ns=at_ns,
            written_at_ns=wanted.written_at_ns,
            criminal_justice=settings.rules(name).criminal_justice if name in settings.lists else None,
            despite=doubts,
            progress=shown.update,
            also=ask,
        )
    if days > 0 and search is None and changes.added:
        typer.echo(
            f"earlier reads are not searched: {changes.added} entries are new, more than {most} "
            "(hotlists.entries.back_search_most)",
            err=True,
        )
    return _Outcome(changes, search, doubts)


def _write_rejected(path: Path, parsed: HotlistFile) -> None:
    # The rows are as sensitive as the list.
    with private_file(path, "--rejected") as file:
        rows = csv.writer(file)
        rows.writerow(("line", "reason", "row"))
        rows.writerows((line, reason, *cells) for line, reason, cells in parsed.rejected)


def _json(name: str, parsed: HotlistFile, outcome: _Outcome) -> str:
    changes = outcome.changes
    shown = {
        "list": name,
        "imported": changes is not None,
        **({} if changes is None else asdict(changes)),
        "entries": parsed.size,
        "rejected": len(parsed.rejected),
        "repeated": parsed.repeated,
        "respelled": parsed.respelled,
        "taken_as": dict(parsed.taken_as),
        "convention": parsed.convention or None,
        "layout": parsed.layout,
        "remark": parsed.remark or None,
        "packing": parsed.packing or None,
        "encoding": parsed.encoding,
        "delimiter": parsed.delimiter or None,
        "sha256": parsed.sha256.hex(),
        "search": outcome.search,
        "doubts": list(outcome.doubts),
        "bad_rows": [row._asdict() for row in parsed.bad],
    }
    return json.dumps(shown)


def _text(name: str, parsed: HotlistFile, outcome: _Outcome, rejected: Path | None) -> str:
    changes, search = outcome.changes, outcome.search
    delimiter = {"\t": "delimiter tab", "": "JSON lines"}.get(parsed.delimiter, f"delimiter '{parsed.delimiter}'")
    packing = f"{parsed.packing}, " if parsed.packing else ""
    lines = [f"read as {packing}{parsed.encoding}, {delimiter}, preset {parsed.layout}"]
    if parsed.remark:
        lines.append(parsed.remark)
    bad = len(parsed.rejected)
    if changes is None:
        lines.append(f"only checked: {parsed.size} entries, {bad} rejected")
    else:
        lines.append(
            f"{name} is version {changes.version}: {changes.added} added, {changes.changed} changed, "
            f"{changes.removed} removed, {changes.unchanged} unchanged, {bad} rejected"
        )
        if changes.by_hand:
            lines.append(f"entries made by hand, which stay: {changes.by_hand}")
    if changes is not None and changes.recalled:
        lines.append(f"open alerts of entries that are no longer there, which say so now: {changes.recalled}")
    lines += [f"approved although {one}" for one in outcome.doubts]
    if search is not None:
        lines.append(f"earlier reads are searched for the new entries: collector hotlist searches --wait {search}")
    if parsed.respelled:
        lines.append(f"plates put into capitals without separators: {parsed.respelled}")
    if parsed.convention:
        lines.append(parsed.convention)
    lines += [
        f"states written without their country, taken as {country}-…: {count}"
        for country, count in sorted(parsed.taken_as.items())
    ]
    if parsed.repeated:
        lines.append(f"rows replaced by a later one for the same plate, state and reference: {parsed.repeated}")
    lines += [f"line {row.line}: {row.reason}" for row in parsed.bad[:_SHOWN_BAD_ROWS]]
    if bad > _SHOWN_BAD_ROWS:
        where = f"{rejected} has them all" if rejected else "--rejected FILE or --json gives them all"
        lines.append(f"… and {bad - _SHOWN_BAD_ROWS} more; {where}")
    return "\n".join(lines)
