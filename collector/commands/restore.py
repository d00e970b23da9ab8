"""``collector restore``: a backup brought back, into a folder and a database in which nothing is."""

import asyncio
import json
import time
from pathlib import Path
from typing import Annotated

import typer

from collector.backup.restoring import Target, restore
from collector.commands.ending import told
from collector.commands.on_store import who
from collector.commands.options import AsJson, Config
from collector.commands.progress import Shown
from collector.config import DEFAULT_PATH, CollectorConfig
from collector.errors import ConfigurationError
from collector.store import snapshots
from edge_wire.yaml_config import find, load

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(name="restore", epilog="Example: collector restore nightjar-20261121T101500Z.tar")
def restore_(
    file: Annotated[Path, typer.Argument(help="what `collector backup` wrote", metavar="FILE")],
    to: Annotated[
        Path | None, typer.Option(help="the empty or new data_dir, instead of the configuration's", metavar="DATA_DIR")
    ] = None,
    store: Annotated[
        str | None, typer.Option(help="the empty PostgreSQL database, instead of the configuration's", metavar="URL")
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Bring a backup back. Nothing is replaced: move what is there away first, and stop the collector.

    The restored store is another one, which devices learn at once: they state what they hold and send again what it
    lacks. What they hold no longer `collector ledger` names as missing. Users, devices and hotlists are as they were:
    revoke and disable again what was revoked or disabled since.
    """
    with told(), Shown("restoring", silent=as_json) as shown:
        target = _target(to, store, config)
        manifest = asyncio.run(restore(file, target, who=who(), at_ns=time.time_ns(), progress=shown.say))
    if as_json:
        shown_as = {"data_dir": str(target.data_dir), "made_at": manifest.made_at, "of_store": manifest.store_id}
        typer.echo(json.dumps(shown_as | {"pictures": manifest.pictures.count, "absent": list(manifest.absent)}))
        return
    typer.echo(
        f"{target.data_dir}: as of {manifest.made_at}, {manifest.pictures.count} pictures and clips\n"
        "Start the collector; `collector ledger` says what has come back and what is missing."
    )


def _target(to: Path | None, store: str | None, config: Path | None) -> Target:
    if store is not None and not store.startswith("postgresql"):
        raise ConfigurationError("--store: expected postgresql+asyncpg://…; an SQLite store goes into --to DATA_DIR")
    if to is not None:
        return Target(to, store)
    settings = load(find(config, DEFAULT_PATH), CollectorConfig)
    url = store or settings.url
    file = snapshots.file_of(url)
    if file is not None and file != settings.data_dir / "collector.db":
        raise ConfigurationError(
            f"store_url: got the file {file}; an SQLite store is restored as collector.db into a folder: say "
            "--to DATA_DIR, and move the file where store_url says"
        )
    return Target(settings.data_dir, None if file is not None else url)
