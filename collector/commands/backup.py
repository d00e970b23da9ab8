"""``collector backup``: the store, pictures, clips and keys in one file, while the collector serves."""

import asyncio
import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from collector.backup.archive import KEY, WARNING, Manifest
from collector.backup.making import Source, archive_path, make
from collector.backup.restoring import verify
from collector.commands.ending import told
from collector.commands.on_store import EXIT_NOT_AS_IT_SHOULD
from collector.commands.options import AsJson, Config
from collector.commands.progress import Shown
from collector.config import DEFAULT_PATH, CollectorConfig
from collector.store import snapshots
from edge_wire.yaml_config import find, load

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(name="backup", epilog="Example: collector backup /mnt/backups")
def backup(
    target: Annotated[Path, typer.Argument(help="the file to write, or a folder for one", metavar="DIR|FILE")],
    check: Annotated[bool, typer.Option("--verify", help="only read FILE and prove it by its hashes")] = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Write everything that a collector needs to go on elsewhere into one file, while it serves.

    The file holds secrets: the collector's private key, plates, places and password hashes. It is for its owner alone;
    whoever has it can read everything, and answer devices in the collector's name. It may be moved anywhere that is as
    safe as the collector itself.

    Exits with 1 if the signing key or pictures that the store names were not there.
    """
    with told(), Shown("backing up", silent=as_json) as shown:
        if check:
            path = target
            manifest = verify(target, shown.say)
        else:
            settings = load(find(config, DEFAULT_PATH), CollectorConfig)
            source = Source(settings.url, snapshots.file_of(settings.url), settings.signing_key, settings.pictures)
            at_ns = time.time_ns()
            path = archive_path(target, at_ns)
            manifest = asyncio.run(make(source, path, at_ns, shown.say))
    typer.echo(json.dumps(_told(path, manifest)) if as_json else _text(path, manifest, check))
    for sha256 in manifest.absent:
        typer.echo(f"picture {sha256}: is not in its folder, or damaged", err=True)
    if KEY not in manifest.files:
        typer.echo(
            "the signing key is not there; `collector serve` makes one, which devices then have to pin", err=True
        )
    if manifest.absent or KEY not in manifest.files:
        raise typer.Exit(EXIT_NOT_AS_IT_SHOULD)


def _told(path: Path, manifest: Manifest) -> dict[str, Any]:
    return {
        "file": str(path),
        "bytes": path.stat().st_size,
        "made_at": manifest.made_at,
        "version": manifest.version,
        "database": manifest.database,
        "schema_revision": manifest.schema_revision,
        "store_id": manifest.store_id,
        "pictures": manifest.pictures.count,
        "absent": list(manifest.absent),
    }


def _text(path: Path, manifest: Manifest, check: bool) -> str:
    what = f"{manifest.database} store {manifest.store_id}, {manifest.pictures.count} pictures and clips"
    if check:
        return f"{path}: whole; of {manifest.made_at}, {what}"
    return f"{path}: {path.stat().st_size / 1e6:.1f} MB; {what}\nIt {WARNING}."
