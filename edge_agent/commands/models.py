"""``edge-agent models``: which networks are on this device, are they whole, how fast are they, and how to get others.

Exit codes: 0; 1 when a file is not as it should be, a set could not be pulled in whole, or a network did not run; 2 for
wrong usage; 3 when a model cannot be read or a provider that was named is not there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_agent.commands.models_pull import pull
from edge_agent.commands.models_trial import bench, verify, warn_of_worse
from edge_agent.errors import ModelError
from edge_agent.inference.inventory import Inventory, State, take_inventory
from edge_agent.inference.manifest import Measured, ModelFile, ModelSet, load_manifest, packaged_folder
from edge_agent.inference.models import checked_digests, resolve_gunshot, resolve_plates
from edge_agent.inference.places import Place, search_places

if TYPE_CHECKING:
    from edge_agent.inference.providers import Provider

_DEFAULT_GUNSHOT_SET = "gunshot"

models = typer.Typer(
    help="The networks on this device: list, pull, verify, bench.", no_args_is_help=True, rich_markup_mode=None
)


@models.command("list")
def list_sets(
    models_dir: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where to look for models first; without it, as docs/models.md says."),
    ] = None,
    trust_digest: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SHA256", help="As if the unknown file with this digest were trusted. May be given again."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Show every set of the manifest, where its files are, and which would be used.

    For example:

      edge-agent models list

      edge-agent models list --models-dir weights --json
    """
    trusted = checked_digests(trust_digest or [])
    packaged = packaged_folder()
    places = (*search_places(models_dir), Place("packaged", packaged))
    inventory = take_inventory(load_manifest(packaged), places, trusted)
    plates, gunshot = _in_use(models_dir, trusted)
    shown: dict[str, object] = {
        "places": [{"kind": place.kind, "path": str(place.path)} for place in places],
        "in_use": {"plates": plates, "gunshot": gunshot},
        "providers": _providers(),
        "sets": [_set_line(inventory, s) for s in inventory.sets],
        "others": [
            {"path": str(found.path), "sha256": found.sha256, "size_bytes": found.size_bytes}
            for found in inventory.found
            if found.state in (State.UNKNOWN, State.TRUSTED) and found.place.kind != "packaged"
        ],
    }
    if as_json:
        typer.echo(json.dumps(shown, ensure_ascii=False))
    else:
        _tell(inventory, shown)
    warn_of_worse(inventory, models_dir, trusted)


def _in_use(models_dir: Path | None, trusted: frozenset[str]) -> tuple[dict[str, object], dict[str, object]]:
    """What ``read`` and ``listen`` would run, or why they would not."""
    try:
        found = resolve_plates(models_dir, trusted)
        files = {"detector": found.detector, "ocr": found.ocr}
        plates = {"set": found.set_name, **_ran_on(files), "calibration": _calibration(found.ocr_sha256)}
    except ModelError as error:
        plates = {"set": None, "reason": str(error)}
    try:
        gunshot = {"set": _DEFAULT_GUNSHOT_SET, **_ran_on(resolve_gunshot(_DEFAULT_GUNSHOT_SET, models_dir))}
    except ModelError as error:
        gunshot = {"set": None, "reason": str(error)}
    return plates, gunshot


def _ran_on(files: Mapping[str, Path]) -> dict[str, object]:
    # ONNX Runtime takes a fifth of a second to import, which no other command should pay.
    from edge_agent.inference.session import provider_for

    return {"provider": {part: str(provider_for(path)) for part, path in files.items()}}


def _providers() -> list[Provider]:
    from edge_agent.inference.session import available_providers

    return list(available_providers())


def _calibration(ocr_sha256: str) -> str:
    """The id that this OCR's readings will carry; ``raw-`` where nobody fitted one."""
    from edge_agent.plates.calibration import calibration_for

    return calibration_for(ocr_sha256, packaged_folder()).id


def _set_line(inventory: Inventory, wanted: ModelSet) -> dict[str, object]:
    return {
        "set": wanted.name,
        "kind": wanted.kind,
        "rank": wanted.rank,
        "licence": wanted.licence,
        "source": wanted.source,
        "complete": inventory.is_complete(wanted),
        "published": wanted.is_published,
        "measured": None if wanted.measured is None else asdict(wanted.measured),
        "files": [_file_line(inventory, file) for file in wanted.files.values()],
    }


def _file_line(inventory: Inventory, file: ModelFile) -> dict[str, object]:
    return {
        "part": file.part,
        "name": file.name,
        "sha256": file.sha256,
        "url": file.url,
        "found": [
            {"place": f.place.kind, "path": str(f.path), "state": str(f.state), "sha256": f.sha256}
            for f in inventory.of(file)
        ],
    }


def _tell(inventory: Inventory, shown: Mapping[str, object]) -> None:
    for wanted in inventory.sets:
        whole = "complete" if inventory.is_complete(wanted) else "incomplete"
        typer.echo(f"{wanted.name:<18} {wanted.kind:<8} {whole:<11} {wanted.licence}")
        if wanted.measured is not None:
            typer.echo(f"  {_measured_in_words(wanted.measured)} ({wanted.measured.on})")
        for file in wanted.files.values():
            pin = "" if file.sha256 else "  (not pinned: needs --trust-digest)"
            typer.echo(f"  {file.part:<12} {file.name}{pin}")
            for found in inventory.of(file):
                typer.echo(f"  {'':<12}   {found.state}, {found.place.kind}: {found.path}")
            if not inventory.of(file):
                typer.echo(f"  {'':<12}   missing" + ("; `edge-agent models pull` can fetch it" if file.url else ""))
    others = shown["others"]
    assert isinstance(others, list)
    if others:
        typer.echo("not in the manifest, and not run without --trust-digest")
        for other in others:
            typer.echo(f"  {other['sha256']}  {other['path']}")
    in_use = shown["in_use"]
    assert isinstance(in_use, dict)
    typer.echo("would be used")
    for kind, use in in_use.items():
        typer.echo(f"  {kind:<12} {_use_in_words(use)}")
    providers = shown["providers"]
    assert isinstance(providers, list)
    typer.echo(f"providers      {', '.join(providers)}")


def _measured_in_words(measured: Measured) -> str:
    if measured.read:
        return f"reads {_shares(measured.read)} of the plates exactly"
    words = f"hears {_shares(measured.recall)} of the gunshots when 1 % of other sounds pass"
    if measured.recall_tenth:
        words += f", {_shares(measured.recall_tenth)} when 0.1 % do"
    return words + (f"; of {_shares(measured.false_alarms)} pass then" if measured.false_alarms else "")


def _shares(shares: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {share:.1%}" for name, share in shares.items())


def _use_in_words(use: Mapping[str, object]) -> str:
    if use["set"] is None:
        return "none: " + str(use["reason"]).partition("\n")[0]
    providers = use["provider"]
    assert isinstance(providers, dict)
    words = f"{use['set']}, " + ", ".join(f"{part} on {provider}" for part, provider in providers.items())
    if "calibration" in use:
        words += f", calibration {use['calibration']}"
    return words


models.command()(pull)
models.command()(verify)
models.command()(bench)
