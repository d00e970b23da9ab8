"""``collector hotlist import``: a file becomes a hotlist."""

import csv
import json
import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from collector.commands.hotlist_settings import MOST_DAYS, settings_of
from collector.commands.on_store import EXIT_NOT_AS_IT_SHOULD, EXIT_NOT_DONE, who, with_store
from collector.commands.options import AsJson, Config, StoreUrl
from collector.commands.progress import Shown
from collector.config import Hotlists
from collector.errors import ConfigurationError
from collector.hotlists.defaults import defaults_of
from collector.hotlists.importing import Changes, check_name, import_hotlist
from collector.hotlists.mapping import PRESETS, Layout, load_mapping
from collector.hotlists.reading import HotlistFile, read
from collector.hotlists.unpacking import delivered
from collector.store import back_searches
from collector.store.database import Store, Transaction
from edge_wire.yaml_config import ConfigError

_SHOWN_BAD_ROWS = 20


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

    Exits with 1 if rows were left out; with 2 if nothing was changed, for the reason on standard error.
    """
    try:
        check_name(name)
        settings = settings_of(config, store)
        layout = _layout(preset, mapping)
        parsed = _read(file, layout, settings, name, member, silent=as_json)
        if rejected is not None:
            _write_rejected(rejected, parsed)
    except (ConfigError, ConfigurationError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(EXIT_NOT_DONE) from error
    changes, search = (
        (None, None) if check else _import(file, parsed, settings, name, back_search, config, store, as_json)
    )
    typer.echo(_json(name, parsed, changes, search) if as_json else _text(name, parsed, changes, search, rejected))
    if len(parsed.rejected):
        raise typer.Exit(EXIT_NOT_AS_IT_SHOULD)


def _layout(preset: str | None, mapping: Path | None) -> Layout:
    if mapping is not None:
        if preset is not None:
            raise ConfigurationError("--preset and --mapping: expected one of them; a mapping names its preset itself")
        return load_mapping(mapping)
    if preset is not None and preset not in PRESETS:
        raise ConfigurationError(f"--preset: got {preset!r}, expected one of {', '.join(PRESETS)}")
    return PRESETS[preset or "generic"]


def _read(
    file: Path, layout: Layout, settings: Hotlists, name: str, member: str | None, *, silent: bool
) -> HotlistFile:
    with (
        Shown("reading", silent=silent) as shown,
        delivered(file, member=member, max_bytes=settings.max_bytes) as opened,
    ):
        return read(opened, layout, defaults_of(settings, name), shown.update)


def _import(
    file: Path,
    parsed: HotlistFile,
    settings: Hotlists,
    name: str,
    back_search: float | None,
    config: Path | None,
    store: str | None,
    as_json: bool,
) -> tuple[Changes, int | None]:
    at_ns = time.time_ns()
    most = settings.entries.back_search_most
    asked: list[int | None] = []

    async def ask(tx: Transaction, version: int) -> None:
        if back_search and back_search > 0:
            asked.append(
                await back_searches.ask_for_added(
                    tx, name=name, version=version, days=back_search, most=most, by=who(), at_ns=at_ns
                )
            )

    async def work(opened: Store) -> Changes:
        with Shown("importing", silent=as_json) as shown:
            return await import_hotlist(
                opened,
                parsed,
                name=name,
                source=file.name,
                who=who(),
                at_ns=at_ns,
                criminal_justice=settings.rules(name).criminal_justice if name in settings.lists else None,
                progress=shown.update,
                also=ask,
            )

    changes = with_store(config, store, work)
    if asked == [None] and changes.added:
        typer.echo(
            f"earlier reads are not searched: {changes.added} entries are new, more than {most} "
            "(hotlists.entries.back_search_most)",
            err=True,
        )
    return changes, next(iter(asked), None)


def _write_rejected(path: Path, parsed: HotlistFile) -> None:
    try:
        # The rows are as sensitive as the list.
        with open(
            os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", newline="", encoding="utf-8"
        ) as file:
            rows = csv.writer(file)
            rows.writerow(("line", "reason", "row"))
            rows.writerows((line, reason, *cells) for line, reason, cells in parsed.rejected)
    except OSError as error:
        raise ConfigurationError(f"--rejected {path}: {error.strerror or error}; nothing was imported") from error


def _json(name: str, parsed: HotlistFile, changes: Changes | None, search: int | None) -> str:
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
        "search": search,
        "bad_rows": [row._asdict() for row in parsed.bad],
    }
    return json.dumps(shown)


def _text(name: str, parsed: HotlistFile, changes: Changes | None, search: int | None, rejected: Path | None) -> str:
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
    if search is not None:
        lines.append(f"earlier reads are searched for the new entries: collector hotlist searches {search}")
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
