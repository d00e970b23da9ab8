"""``edge-agent doctor``: is this device well, and if not, what is to be done?

Exit codes: 0 when nothing failed (warnings do not count); 1 when a check failed; 2 for a wrong configuration.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from edge_agent.config import DEFAULT_PATH, AgentConfig
from edge_wire.clock import SystemClock
from edge_wire.yaml_config import find, load

_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def doctor(
    config: Annotated[
        Path | None, typer.Option("--config", help="The configuration; else $NIGHTJAR_CONFIG, else /etc/nightjar.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, one line a check.")] = False,
) -> None:
    """Check clock, disk, models and what they run on, cameras, microphones, broker, the collector's ack, the outbox.

    For example:

      edge-agent doctor

      edge-agent doctor --config trailer.yaml --json
    """
    settings = load(find(config, DEFAULT_PATH), AgentConfig)

    # Networks and OpenCV take most of a second to import, which no other command should pay.
    from edge_agent.diagnostics.checks import Verdict
    from edge_agent.diagnostics.doctor import run_checks

    console = Console(highlight=False, soft_wrap=True)
    failed = 0
    for check in run_checks(settings, SystemClock()):
        failed += check.verdict is Verdict.FAIL
        if as_json:
            typer.echo(json.dumps(asdict(check)))
            continue
        console.print(f"{check.verdict:<5}", style=_STYLES[check.verdict], end="")
        console.print(f"{check.name:<22} {check.measured}", markup=False)
        if check.verdict is not Verdict.OK:
            console.print(f"{'':27} expected: {check.limit}", style="dim", markup=False)
            console.print(f"{'':27} {check.fix}", markup=False)
    if failed:
        if not as_json:
            console.print(f"{failed} to be mended", style="bold")
        raise typer.Exit(1)
