"""``collector hotlist``: which plates are looked for."""

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from collector.commands.on_store import EXIT_NOT_AS_IT_SHOULD, who, with_store
from collector.commands.options import AsJson, Config, StoreUrl
from collector.errors import ConfigurationError
from collector.hotlists.csv_file import HotlistFile, parse
from collector.hotlists.importing import Changes, import_hotlist
from collector.store.database import Store

app = typer.Typer(
    name="hotlist",
    help="Which plates are looked for.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

_PROGRESS_AFTER_S = 2.0
_SHOWN_BAD_ROWS = 20


@app.callback()
def _group() -> None:
    # With a callback typer keeps the name of the only command.
    pass


@app.command("import", epilog="Example: collector hotlist import stolen.csv --list stolen")
def import_(
    file: Annotated[Path, typer.Argument(help="delimited text; a header names plate[,state,reason,severity,notes]")],
    name: Annotated[str, typer.Option("--list", help="which hotlist the file is from now on")],
    config: Config = None,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Make FILE the hotlist, as a new version; a running collector takes it up within a second.

    Exits with 1 if rows were left out; with 2 if nothing was changed, for the reason on standard error.
    """

    async def work(opened: Store) -> tuple[HotlistFile, Changes]:
        content = _content(file)
        parsed = parse(content, str(file))
        with _Shown(as_json) as shown:
            changes = await import_hotlist(
                opened,
                parsed,
                name=name,
                source=file.name,
                content=content,
                who=who(),
                at_ns=time.time_ns(),
                progress=shown.update,
            )
        return parsed, changes

    parsed, changes = with_store(config, store, work)
    typer.echo(_json(name, parsed, changes) if as_json else _text(name, parsed, changes))
    if parsed.bad:
        raise typer.Exit(EXIT_NOT_AS_IT_SHOULD)


class _Shown:
    """A progress bar on standard error, once an import has taken two seconds."""

    def __init__(self, as_json: bool) -> None:
        self._bar = Progress(console=Console(stderr=True), transient=True, disable=as_json)
        self._task = self._bar.add_task("importing", total=None)
        self._began_s = time.monotonic()
        self._started = False

    def __enter__(self) -> "_Shown":
        return self

    def __exit__(self, *_: object) -> None:
        if self._started:
            self._bar.stop()

    def update(self, done: int, of: int) -> None:
        if not self._started and time.monotonic() - self._began_s > _PROGRESS_AFTER_S:
            self._started = True
            self._bar.start()
        self._bar.update(self._task, completed=done, total=of)


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{file}: {error.strerror or error}") from error


def _json(name: str, parsed: HotlistFile, changes: Changes) -> str:
    shown = {
        "list": name,
        **asdict(changes),
        "rejected": len(parsed.bad),
        "repeated": parsed.repeated,
        "respelled": parsed.respelled,
        "taken_as": dict(parsed.taken_as),
        "encoding": parsed.encoding,
        "delimiter": parsed.delimiter,
        "bad_rows": [asdict(row) for row in parsed.bad],
    }
    return json.dumps(shown)


def _text(name: str, parsed: HotlistFile, changes: Changes) -> str:
    delimiter = {"\t": "tab"}.get(parsed.delimiter, f"'{parsed.delimiter}'")
    lines = [
        f"read as {parsed.encoding}, delimiter {delimiter}",
        f"{name} is version {changes.version}: {changes.added} added, {changes.changed} changed, "
        f"{changes.removed} removed, {changes.unchanged} unchanged, {len(parsed.bad)} rejected",
    ]
    if parsed.respelled:
        lines.append(f"plates put into capitals without separators: {parsed.respelled}")
    lines += [
        f"states written without their country, taken as {country}-…: {count}"
        for country, count in sorted(parsed.taken_as.items())
    ]
    if parsed.repeated:
        lines.append(f"rows replaced by a later one for the same plate and state: {parsed.repeated}")
    lines += [f"line {row.line}: {row.reason}" for row in parsed.bad[:_SHOWN_BAD_ROWS]]
    if len(parsed.bad) > _SHOWN_BAD_ROWS:
        lines.append(f"… and {len(parsed.bad) - _SHOWN_BAD_ROWS} more; --json names them all")
    return "\n".join(lines)
