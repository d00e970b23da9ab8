"""``collector report``: what was read, what hit, what people made of it, over a period."""

import json
import time
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Annotated

import typer

from collector.alerts.sending.settings import zone_of
from collector.commands.ending import EXIT_NOT_DONE
from collector.commands.on_store import with_store
from collector.commands.options import AsJson, Config, StoreUrl
from collector.commands.progress import Shown
from collector.config import DEFAULT_PATH, CollectorConfig
from collector.reports import rendering
from collector.reports.counting import count
from collector.reports.periods import Period, PeriodError, parse
from collector.reports.records import Report
from collector.store.database import Store
from collector.store.queries import of_reports
from edge_wire.yaml_config import ConfigError, find, load

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(
    name="report",
    epilog="Example: collector report --period last-month --zone America/Chicago --html november.html --csv november/",
)
def report(
    period: Annotated[
        str,
        typer.Option(
            help="2026-10, 2026-W45, 2026, last-month, last-week, or FROM..TO with both days: 2026-01-01..2026-06-30"
        ),
    ] = "last-month",
    agency: Annotated[str | None, typer.Option(help="only of this agency's devices", metavar="ID")] = None,
    zone: Annotated[
        str | None, typer.Option(help="whose days, such as America/Chicago; else routing.zone, else UTC")
    ] = None,
    csv: Annotated[
        Path | None, typer.Option("--csv", help="also write each table as a file into this folder", metavar="DIR")
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", help="also write a page that stands by itself", metavar="FILE")
    ] = None,
    config: Config = None,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Count scans, hits, alerts, verdicts and their precision, and what state statutes ask for.

    No plate is in it. Alerts count in the period in which they were raised, with what has become of them until now;
    canary entries are left out.
    """
    days, wanted = _period(period, zone, config, store)

    async def work(opened: Store) -> Report:
        async with opened.read() as tx:
            facts = await of_reports.facts(tx, wanted, agency=agency)
        return Report(
            period=wanted.name,
            begins_at=_local(wanted.begin_ns, days),
            ends_at=_local(wanted.end_ns, days),
            zone=str(days),
            agency=agency,
            made_at=_local(time.time_ns(), days),
            sheets=count(facts, lambda at_ns: _local(at_ns, days)),
        )

    with Shown("counting", silent=as_json):
        made = with_store(config, store, work, to_read=True)
    try:
        if csv is not None:
            csv.mkdir(parents=True, exist_ok=True)
            for name, text in rendering.as_csv(made).items():
                (csv / name).write_text(text, encoding="utf-8", newline="")
        if html is not None:
            html.write_text(rendering.as_html(made), encoding="utf-8")
    except OSError as error:
        typer.echo(f"{error.filename}: {error.strerror}; nothing else was changed", err=True)
        raise typer.Exit(EXIT_NOT_DONE) from error
    if as_json:
        typer.echo(json.dumps(rendering.as_json(made)))
    else:
        typer.echo(rendering.as_text(made))


def _period(text: str, zone: str | None, config: Path | None, store: str | None) -> tuple[tzinfo, Period]:
    """Return whose days are meant, and which of them."""
    try:
        if zone is None:
            beside = store is not None and config is None
            zone = "UTC" if beside else load(find(config, DEFAULT_PATH), CollectorConfig).routing.zone
    except ConfigError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(EXIT_NOT_DONE) from error
    try:
        days = zone_of(zone)
    except ValueError as error:
        raise typer.BadParameter(f"got {zone!r}, expected {error}", param_hint="--zone") from error
    try:
        return days, parse(text, days, datetime.now(days).date())
    except PeriodError as error:
        raise typer.BadParameter(str(error), param_hint="--period") from error


def _local(at_ns: int, zone: tzinfo) -> str:
    return datetime.fromtimestamp(at_ns // 1_000_000_000, zone).isoformat()
