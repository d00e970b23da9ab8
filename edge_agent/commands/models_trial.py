"""``edge-agent models verify`` and ``bench``: are the networks whole and do they run, and what does a run take?"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from edge_agent.errors import ConfigurationError, ModelError
from edge_agent.inference.inventory import Found, Inventory, State, take_inventory
from edge_agent.inference.manifest import ModelSet, load_manifest, packaged_folder
from edge_agent.inference.models import checked_digests, part_by_shape, resolve_plates
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
    """Measure what one run of each network takes, on one core and on several: milliseconds, and memory at most.

    Without SET, every network that is here. The figures are of the networks alone, without decoding, cutting, and the
    pictures that are made of sound. How well plates are read and found or gunshots heard with a network is not measured
    here but was before, and is of its best set.

    For example:

      edge-agent models bench

      edge-agent models bench reference --provider cuda --batch 8 --json
    """
    # ONNX Runtime takes a fifth of a second to import, which no other command should pay.
    from edge_agent.inference.session import usable_threads
    from edge_agent.inference.trial import memory_of, time_network

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
        typer.echo(_BENCH_HEAD)
    for found, part in networks.values():
        for bound in bounds:
            try:
                with told.status(f"{found.path.name} on {bound}"):
                    timing = time_network(found.path, provider=provider, threads=bound, batch=batch, for_s=for_s)
                    memory_bytes = memory_of(found.path, provider=provider, threads=bound, batch=batch)
            except ModelError as error:
                failed += 1
                typer.echo(str(error), err=True)
                break
            line = {"path": str(found.path), "part": part or None, "sha256": found.sha256, **asdict(timing)}
            line |= {"memory_bytes": memory_bytes, **_measured(inventory, found, part)}
            typer.echo(json.dumps(line, ensure_ascii=False) if as_json else _bench_line(found, line))
    warn_of_worse(inventory, models_dir, trust_digest or [])
    if failed:
        raise typer.Exit(1)


def warn_of_worse(inventory: Inventory, models_dir: Path | None, trusted: Collection[str]) -> None:
    """Say so if the plate models that would be used read fewer plates than others that are here."""
    try:
        used = resolve_plates(models_dir, trusted).set_name
    except ModelError:
        return  # `models list` says why there are none
    better = inventory.better_than(used)
    if better is not None:
        typer.echo(
            f"warning: {used} would be used, but {better.name} is here and reads more plates "
            f"({_shares(inventory, better.name, used)}). To use it: models.plates: {better.name}, or --model.",
            err=True,
        )


def _shares(inventory: Inventory, better: str, used: str) -> str:
    read = {s.name: s.measured.read for s in inventory.sets if s.measured is not None}
    both = [name for name in read[better] if name in read[used]]
    return ", ".join(f"{name} {read[better][name]:.1%} beside {read[used][name]:.1%}" for name in both)


def _measured(inventory: Inventory, found: Found, part: str) -> dict[str, object]:
    """How well a network did in its best set, when and how that was measured; nothing where nobody wrote it down."""
    best = inventory.set_of(found)
    if best is None or best.measured is None:
        return {"set": None, "accuracy": None, "measured_on": None, "measured_by": None}
    by_part = {"detector": best.measured.found, "ocr": best.measured.read, "ocr-config": best.measured.read}
    shares = dict(by_part.get(part, best.measured.recall))
    return {"set": best.name, "accuracy": shares, "measured_on": best.measured.on, "measured_by": best.measured.how}


_BENCH_HEAD = (
    f"{'network':<46} {'part':<11} {'on':<9} {'cores':>5} {'batch':>5} {'p50 ms':>9} {'p95 ms':>9} {'CPU ms':>9} "
    f"{'MB':>6}  plates found (detector) or read (ocr); gunshots heard when 1 % of other sounds pass"
)


def _bench_line(found: Found, line: Mapping[str, Any]) -> str:
    accuracy = ", ".join(f"{name} {share:.1%}" for name, share in (line["accuracy"] or {}).items())
    return (
        f"{found.path.name:<46} {line['part'] or 'own':<11} {line['provider']:<9} {line['threads']:>5} "
        f"{line['batch']:>5} {line['p50_ms']:>9.2f} {line['p95_ms']:>9.2f} {line['cpu_ms']:>9.2f} "
        f"{line['memory_bytes'] / 1e6:>6.1f}  {accuracy or 'not measured'}"
    )


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
