"""``collector match``: what reads may be on a hotlist, from files; and why an alert was raised, from the store."""

from __future__ import annotations

import inspect
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from collector.commands.options import Config, StoreUrl
from collector.errors import ConfigurationError

if TYPE_CHECKING:
    # NumPy takes a while to import, which no other command should pay.
    from collector.commands.match_files import RawRead
    from collector.match.parameters import Calibration
    from collector.match.records import Hit, Seen

_EXIT_BAD_LINES = 1
_EXIT_USAGE = 2
_NONE = "none"
_BATCH = 500
_EXAMPLES = """
Examples:

    collector match --hotlist stolen.csv --reads reads.jsonl --json

    collector match --explain 1042

A read: {"id": 7, "slots": [{"A": 0.9, "4": 0.08}, …], "region": {"US-TX": 0.7}, "calibration": "t1-…"}, or {"id": 7, "text": "7ABC123", "confidence": [0.9, …]}. In a slot "_" is no character. Without "calibration" slots are raw ones of the reference OCR.
"""  # noqa: E501  (typer wraps the lines of help itself and would keep the breaks of ours)


def match(
    hotlist: Annotated[
        Path | None, typer.Option(help="delimited file with a column `plate`; also `state`, `list`")
    ] = None,
    reads: Annotated[Path | None, typer.Option(help="JSON lines: what cameras saw")] = None,
    calibration: Annotated[
        str | None,
        typer.Option(
            metavar="ID|none",
            help="for reads that name none: a shipped calibration's id, or `none`; else the reference OCR's",
        ),
    ] = None,
    explain: Annotated[int | None, typer.Option(metavar="ALERT", help="replay this alert from what is stored")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object a read")] = False,
    config: Config = None,
    url: StoreUrl = None,
) -> None:
    """Tell which hotlist entries reads may be, how likely, and why; best first, down to 0.001.

    Lines that cannot be used are named on standard error and left out; the exit code is then 1.
    """
    if explain is not None:
        from collector.commands.match_explain import explain as replay

        replay(explain, config, url, as_json)
        return
    if hotlist is None or reads is None:
        typer.echo("--hotlist and --reads together, or --explain ALERT", err=True)
        raise typer.Exit(_EXIT_USAGE)
    try:
        bad = _match(hotlist, reads, calibration, as_json)
    except ConfigurationError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(_EXIT_USAGE) from error
    for sentence in bad:
        typer.echo(sentence, err=True)
    if bad:
        raise typer.Exit(_EXIT_BAD_LINES)


match.__doc__ = f"{inspect.cleandoc(match.__doc__ or '')}\n{_EXAMPLES}"


def _match(hotlist: Path, path: Path, calibration: str | None, as_json: bool) -> list[str]:
    from collector.commands import match_files
    from collector.commands.progress import Shown
    from collector.match.index import Index
    from collector.match.matcher import Matcher
    from collector.match.parameters import packaged_parameters
    from collector.match.records import ListState

    applied = _applied(packaged_parameters().calibrations, calibration)
    at_ns = time.time_ns()
    bad: list[str] = []
    with Shown("reading the hotlist") as shown:
        portions = list(match_files.hotlist(hotlist, bad, shown.update))
        names = {listed.list for portion in portions for listed in portion}
        matcher = Matcher(Index.build(portions, {name: ListState(1, at_ns) for name in names}))
        shown.say("matching", 0)
        done = 0
        for batch in match_files.batches(match_files.reads(path, bad), _BATCH):
            hits = matcher.all_hits(_seen(batch, applied), at_ns)
            for read, some in zip(batch, hits, strict=True):
                typer.echo(json.dumps(_shown(read, some)) if as_json else _said(read, some))
            done += len(batch)
            shown.update(done)
    return bad


def _applied(shipped: Sequence[Calibration], wanted: str | None) -> Calibration | None:
    """Return the calibration of reads that name none; None for no calibration."""
    if wanted == _NONE:
        return None
    for one in shipped:
        if wanted in (None, one.id):
            return one
    known = ", ".join(one.id for one in shipped)
    raise ConfigurationError(f"--calibration: got {wanted!r}, expected one of {known}, or none")


def _seen(batch: Sequence[RawRead], applied: Calibration | None) -> list[Seen]:
    from collector.match.posterior import calibrated
    from collector.match.records import Seen

    raw = [read for read in batch if read.calibration is None and applied is not None]
    warm = iter(calibrated([read.slots for read in raw], applied) if applied is not None else ())
    seen = []
    for read in batch:
        if applied is not None and read.calibration is None:
            known = applied.id if read.told else None
            seen.append(Seen(read.text, next(warm), read.regions, known))
        else:
            seen.append(Seen(read.text, read.slots, read.regions, read.calibration))
    return seen


def _shown(read: RawRead, hits: Sequence[Hit]) -> dict[str, Any]:
    return {
        "id": read.id,
        "hits": [
            {
                "entry": hit.listed.plate,
                "state": hit.listed.region,
                "list": hit.listed.list,
                "probability": round(hit.probability, 4),
                "calibrated": hit.calibrated,
                "rule": hit.rule.value,
                "why": list(hit.why),
            }
            for hit in hits
        ],
    }


def _said(read: RawRead, hits: Sequence[Hit]) -> str:
    if not hits:
        return f"{read.id}: {read.text or 'nothing'}: no hit"
    lines = [f"{read.id}: {read.text}"]
    for hit in hits:
        state = f" ({hit.listed.region})" if hit.listed.region else ""
        lines.append(f"  {hit.probability:7.3f}  {hit.listed.plate}{state}  {hit.listed.list}")
        lines += [f"           {sentence}" for sentence in hit.why]
    return "\n".join(lines)
