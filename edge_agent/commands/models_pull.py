"""``edge-agent models pull``: puts a set's files where the agent finds them.

The only command of the agent that fetches anything; it says from where before it connects, and with ``--from`` it
connects to nothing.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from edge_agent.errors import ConfigurationError, PullError
from edge_agent.inference.download import wait
from edge_agent.inference.manifest import ModelFile, ModelSet, load_manifest, packaged_folder
from edge_agent.inference.models import checked_digests
from edge_agent.inference.places import pull_folder, search_places
from edge_agent.inference.pull import FromFolder, Outcome, Pulled, from_makers, in_box, pull_file


def pull(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="SET",
            help="Which set; without it, the best published one for plates, or with --from the best that is there.",
        ),
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option("--from", metavar="FOLDER", help="Copy the files out of this folder; nothing is connected to."),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Where to put them; else $NIGHTJAR_MODELS_DIR, else where the agent looks by itself.",
        ),
    ] = None,
    trust_digest: Annotated[
        list[str] | None,
        typer.Option(metavar="SHA256", help="Install the file that has this digest and no pin. May be given again."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, one line a file.")] = False,
) -> None:
    """Fetch a set of networks from where its makers publish it, or take it from a folder.

    What came is kept when it is interrupted; the same command goes on from there.

    For example:

      edge-agent models pull

      edge-agent models pull reference --from /media/stick/weights

      edge-agent models pull gunshot-mn04 --from /media/stick/weights

      edge-agent models pull fast-alpr --to models --trust-digest 0123…cdef
    """
    os.umask(0o022)  # what root pulls for the agent's service, that service must be able to read
    trusted = checked_digests(trust_digest or [])
    if source is not None and not source.is_dir():
        raise ConfigurationError(f"--from: got {source}, expected a folder of model files.")
    folder = None if source is None else FromFolder.of(source)
    box = FromFolder.of(packaged_folder())
    wanted = _chosen(load_manifest(packaged_folder()), name, folder, box)
    target = _made(pull_folder(to, is_root=os.geteuid() == 0))
    pulled: list[Pulled] = []
    failed = 0
    for file in wanted.files.values():
        try:
            one = in_box(file, box, folder) or pull_file(file, target, folder or _fetch, trusted)
        except PullError as error:
            failed += 1
            typer.echo(str(error), err=True)
            continue
        pulled.append(one)
        typer.echo(json.dumps(_as_json(one)) if as_json else f"{one.outcome}: {one.path} ({one.size_bytes:,} bytes)")
    waiting = [one for one in pulled if one.outcome is Outcome.WAITING]
    if waiting:
        _ask_for_trust(waiting, wanted.name, source, to, trusted)
    if failed or waiting:
        raise typer.Exit(1)
    _say_how_to_use(pulled, target)


def _chosen(sets: Sequence[ModelSet], name: str | None, folder: FromFolder | None, box: FromFolder) -> ModelSet:
    if name is not None:
        found = next((s for s in sets if s.name == name), None)
        if found is None:
            raise ConfigurationError(f"SET: got {name!r}, expected one of {', '.join(s.name for s in sets)}.")
    else:
        plates = [s for s in sets if s.kind == "plates"]
        if folder is None:
            found = next((s for s in plates if s.is_published), None)
        else:
            found = next((s for s in plates if all(folder.has(f) for f in s.files.values())), None)
        if found is None:
            where = "published" if folder is None else f"complete in {folder.folder}"
            raise ConfigurationError(
                f"SET: no set for plates is {where}; name one of {', '.join(s.name for s in sets)}."
            )
    unpublished = [file for file in found.files.values() if file.url is None and not box.has(file)]
    if folder is None and unpublished:
        listing = "\n".join(f"  {f.name}  sha256 {f.sha256}  ({f.source})" for f in unpublished)
        raise ConfigurationError(
            f"set {found.name!r}: nobody publishes\n{listing}\n"
            f"Take it from a folder: edge-agent models pull {found.name} --from FOLDER"
        )
    return found


def _made(target: Path) -> Path:
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"{target}: cannot be made ({error.strerror}). Choose another folder with --to, or run as its owner."
        ) from error
    return target


def _fetch(file: ModelFile, part: Path) -> None:
    """Fetch from the makers, and say from where before connecting; on a terminal, also how far it is."""
    # Takes as long to import as all the rest of this command, and every command of the agent imports this module.
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    size = f" ({file.size_bytes:,} bytes)" if file.size_bytes else ""
    typer.echo(f"fetching {file.url}{size}", err=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    console = Console(stderr=True)
    with Progress(*columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(file.name, total=file.size_bytes)
        from_makers(file, part, lambda have, total: bar.update(task, completed=have, total=total), _pause)


def _pause(seconds: float, reason: str) -> None:
    typer.echo(f"{reason}; once more in {seconds:.0f} s", err=True)
    wait(seconds, reason)


def _as_json(one: Pulled) -> dict[str, object]:
    return {
        "part": one.file.part,
        "path": str(one.path),
        "sha256": one.sha256,
        "size_bytes": one.size_bytes,
        "pinned": one.file.sha256 is not None,
        "outcome": one.outcome.name.lower(),
    }


def _ask_for_trust(
    waiting: Sequence[Pulled], name: str, source: Path | None, to: Path | None, trusted: frozenset[str]
) -> None:
    again = ["edge-agent", "models", "pull", name]
    again += ["--from", str(source)] if source is not None else []
    again += ["--to", str(to)] if to is not None else []
    for digest in sorted(trusted | {one.sha256 for one in waiting}):
        again += ["--trust-digest", digest]
    lines = ["not pinned by this version of the agent, and not trusted:"]
    lines += [f"  {one.path}  {one.size_bytes:,} bytes  SHA-256 {one.sha256}" for one in waiting]
    lines += [
        "Compare the digest with one from somewhere that you trust. If it is another, remove the file and pull again:",
        "what is there is not fetched a second time. If it is the one, install it with",
        shlex.join(again),
    ]
    typer.echo("\n".join(lines), err=True)


def _say_how_to_use(pulled: Sequence[Pulled], target: Path) -> None:
    hints = []
    if not any(target.resolve() == place.path.resolve() for place in search_places(None)):
        hints.append(f"--models-dir {target}, or models.dir in the configuration")
    for one in pulled:
        if one.file.sha256 is None:
            hints.append(f"--trust-digest {one.sha256}, or that digest in models.trust_digests of the configuration")
    if hints:
        typer.echo("\n  ".join(["to run them:", *hints]), err=True)
