"""``edge-agent models verify`` and ``bench``: are the networks whole and do they run, and how long does a run take?"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from edge_agent.errors import ConfigurationError, ModelError
from edge_agent.inference.inventory import Found, Inventory, State, take_inventory
from edge_agent.inference.manifest import ModelSet, load_manifest, packaged_folder
from edge_agent.inference.models import checked_digests, part_by_shape
from edge_agent.inference.places import Place, search_places
from edge_agent.inference.providers import Provider

SetsArgument = Annotated[
    list[str] | None, typer.Argument(metavar="SET...", help="Only these sets; without any, everything that is there.")
]
ModelsDirOption = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Where to look for models first; without it, as docs/models.md says."),
]
TrustOption = Annotated[
    list[str] | None,
    typer.Option(metavar="SHA256", help="Run the unknown model file with this digest. May be given again."),
]
ProviderOption = Annotated[Provider, typer.Option(help="What to run them on; a named one is used or refused.")]
_RUNNABLE = (State.GOOD, State.TRUSTED)


def verify(
    sets: SetsArgument = None,
    models_dir: ModelsDirOption = None,
    trust_digest: TrustOption = None,
    provider: ProviderOption = Provider.AUTO,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, one line a file.")] = False,
) -> None:
    """Hash every model file that is here, and run each network once on input made for it.

    A set that is named must be complete. Exits 1 if anything is not as it should be.

    For example:

      edge-agent models verify

      edge-agent models verify reference --models-dir weights --json
    """
    inventory = _inventory(models_dir, checked_digests(trust_digest or []))
    chosen = _chosen(inventory, sets or [])
    failed = 0
    for found, part in _files_of(inventory, chosen, everything=not sets):
        problem, ran_on = _problem(inventory, found), ""
        if found.state in _RUNNABLE and found.path.suffix == ".onnx":
            problem, ran_on = _tried(found.path, part, provider)
        failed += bool(problem)
        line = {"path": str(found.path), "part": part or None, "sha256": found.sha256, "state": str(found.state)}
        line |= {"ran_on": ran_on or None, "problem": problem or None}
        if as_json:
            typer.echo(json.dumps(line, ensure_ascii=False))
        else:
            typer.echo(_in_words(found, ran_on, problem))
    for wanted in chosen if sets else ():
        missing = [f.name for f in wanted.files.values() if not any(g.state in _RUNNABLE for g in inventory.of(f))]
        if missing:
            failed += 1
            typer.echo(f"set {wanted.name!r} is incomplete: {', '.join(missing)} missing. {_remedy(wanted)}", err=True)
    if failed:
        raise typer.Exit(1)


def bench(
    sets: SetsArgument = None,
    models_dir: ModelsDirOption = None,
    trust_digest: TrustOption = None,
    provider: ProviderOption = Provider.AUTO,
    threads: Annotated[
        int | None,
        typer.Option(min=1, max=64, help="Measure with this many cores beside one; without it, with all there are."),
    ] = None,
    batch: Annotated[
        int, typer.Option(min=1, max=256, help="Inputs a run, for networks that take any number at once.")
    ] = 1,
    for_s: Annotated[
        float, typer.Option("--seconds", min=0.01, max=60, help="How long to measure each, after a warm-up.")
    ] = 1.0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, one line a measurement.")] = False,
) -> None:
    """Measure how many milliseconds one run of each network takes, on one core and on several.

    Without SET, every network that is here. The figures are of the networks alone, without decoding and cutting.

    For example:

      edge-agent models bench

      edge-agent models bench reference --provider cuda --batch 8 --json
    """
    # ONNX Runtime takes a fifth of a second to import, which no other command should pay.
    from edge_agent.inference.session import usable_threads
    from edge_agent.inference.trial import time_network

    inventory = _inventory(models_dir, checked_digests(trust_digest or []))
    networks = {
        found.sha256: (found, part)
        for found, part in _files_of(inventory, _chosen(inventory, sets or []), everything=not sets)
        if found.path.suffix == ".onnx" and found.state in _RUNNABLE
    }
    if not networks:
        raise ModelError("no networks to measure. See `edge-agent models list`.")
    bounds = sorted({1, usable_threads(threads or (os.cpu_count() or 1))})
    failed = 0
    told = Console(stderr=True)
    if not as_json:
        typer.echo(
            f"{'network':<46} {'part':<11} {'on':<9} {'cores':>5} "
            f"{'batch':>5} {'p50 ms':>9} {'p95 ms':>9} {'CPU ms':>9}"
        )
    for found, part in networks.values():
        for bound in bounds:
            try:
                with told.status(f"{found.path.name} on {bound}"):
                    timing = time_network(found.path, provider=provider, threads=bound, batch=batch, for_s=for_s)
            except ModelError as error:
                failed += 1
                typer.echo(str(error), err=True)
                break
            if as_json:
                line = {"path": str(found.path), "part": part or None, "sha256": found.sha256, **asdict(timing)}
                typer.echo(json.dumps(line, ensure_ascii=False))
            else:
                typer.echo(
                    f"{found.path.name:<46} {part or 'own':<11} {timing.provider:<9} {timing.threads:>5} "
                    f"{timing.batch:>5} {timing.p50_ms:>9.2f} {timing.p95_ms:>9.2f} {timing.cpu_ms:>9.2f}"
                )
    if failed:
        raise typer.Exit(1)


def _inventory(models_dir: Path | None, trusted: Collection[str]) -> Inventory:
    packaged = packaged_folder()
    places = (*search_places(models_dir), Place("packaged", packaged))
    return take_inventory(load_manifest(packaged), places, trusted)


def _chosen(inventory: Inventory, names: Sequence[str]) -> list[ModelSet]:
    known = {s.name: s for s in inventory.sets}
    for name in names:
        if name not in known:
            raise ConfigurationError(f"SET: got {name!r}, expected some of {', '.join(known)}.")
    return [known[name] for name in names] if names else list(inventory.sets)


def _files_of(inventory: Inventory, chosen: Sequence[ModelSet], *, everything: bool) -> Iterator[tuple[Found, str]]:
    """Each file once, with its part; of files that belong to no set, only those that somebody put there."""
    wanted = {f for s in chosen for file in s.files.values() for f in inventory.of(file)}
    for found in inventory.found:
        if found in wanted or (everything and found.place.kind != "packaged"):
            yield found, inventory.part_of(found)


def _problem(inventory: Inventory, found: Found) -> str:
    if found.state is not State.DAMAGED:
        return ""
    owner, expected = next(
        (s, file.sha256) for s in inventory.sets for file in s.files.values() if found in inventory.of(file)
    )
    return f"got SHA-256 {found.sha256}, expected {expected}: damaged, or not what its name says. {_remedy(owner)}"


def _remedy(owner: ModelSet) -> str:
    if owner.is_published:
        return f"Fetch it: edge-agent models pull {owner.name}"
    return f"Copy it again: edge-agent models pull {owner.name} --from FOLDER; what came in the package, install again."


def _tried(path: Path, part: str, provider: Provider) -> tuple[str, str]:
    """What is wrong with a network, and what it ran on."""
    from edge_agent.inference.trial import check_network

    try:
        return "", str(check_network(path, part or part_by_shape(path), provider=provider))
    except ModelError as error:
        return str(error).removeprefix(f"{path}: "), ""


def _in_words(found: Found, ran_on: str, problem: str) -> str:
    if problem:
        return f"FAILED  {found.path}: {problem}"
    if found.state in (State.UNKNOWN, State.UNTRUSTED):
        return f"-       {found.path}: {found.state}; not run without --trust-digest {found.sha256}"
    return f"ok      {found.path}" + (f" (runs on {ran_on})" if ran_on else "")
