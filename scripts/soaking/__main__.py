"""The command line of ``scripts/soak``."""

from __future__ import annotations

import json
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from soaking.databases import Database, PostgresqlDatabase, SqliteDatabase
from soaking.driver import Driver
from soaking.programs import say
from soaking.settings import Settings

_SHORT_S = 150.0
_CALM_S = 45.0
_CALM_SHARE = 0.1
_SETTLED_S = 105.0


def soak(
    minutes: Annotated[float, typer.Option(min=0.2, help="For how long; settling takes up to two minutes more.")] = 5.0,
    seed: Annotated[int, typer.Option(help="Of the schedule and of what is detected.")] = 1,
    store: Annotated[str, typer.Option(help="sqlite or postgresql (with two collectors).")] = "sqlite",
    agents: Annotated[int, typer.Option(min=1, max=20, help="How many trailers.")] = 3,
    rate: Annotated[float, typer.Option(min=0.1, max=100, help="Detections a second of each trailer.")] = 4.0,
    keep: Annotated[Path | None, typer.Option(help="Leave logs, outboxes and store in this folder.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The last line is JSON either way.")] = False,
) -> None:
    """Break everything for a while, then compare what was captured with what is stored.

    The last line on standard output is one JSON object. Exit 0 when nothing was lost, nothing is there twice and every
    kind of fault was injected; 1 otherwise; 2 for wrong usage; 130 after Ctrl-C, with what was measured so far.

    For example:

      ./scripts/soak --minutes 5 --seed 7 --json

      ./scripts/soak --minutes 30 --seed 1 --store postgresql --keep /tmp/soak
    """
    if store not in ("sqlite", "postgresql"):
        typer.echo(f"--store: got {store!r}, expected sqlite or postgresql", err=True)
        raise typer.Exit(2)
    if keep is not None and keep.exists() and any(keep.iterdir()):
        typer.echo(f"--keep: {keep} is not empty; name a new folder", err=True)
        raise typer.Exit(2)
    short = minutes * 60 <= _SHORT_S
    settings = Settings(
        # What is left after a long time of faults takes longer to settle.
        seconds=minutes * 60 - (0.0 if short else max(_CALM_S, _CALM_SHARE * minutes * 60)),
        until_s=minutes * 60 + _SETTLED_S,
        seed=seed,
        agents=agents,
        rate_hz=rate,
        longest_s=5.0 if short else 20.0,
        keep=keep is not None,
    )
    folder = Path(tempfile.mkdtemp(prefix="nightjar-soak-")) if keep is None else keep
    database: Database = SqliteDatabase(folder) if store == "sqlite" else PostgresqlDatabase()
    driver = Driver(settings, database, folder)
    code = 1
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends like Ctrl-C: everything that was started goes too
    try:
        code = 0 if driver.run().good else 1
    except KeyboardInterrupt:
        code = 130
    except RuntimeError as error:
        say(f"ended: {error}")
    typer.echo(json.dumps(driver.outcome.as_json()))
    sys.stdout.flush()
    if keep is None and code in (0, 130):
        shutil.rmtree(folder, ignore_errors=True)
    else:
        say(f"everything is in {folder}")
    raise typer.Exit(code)


app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
app.command()(soak)

if __name__ == "__main__":
    app(prog_name="scripts/soak")
