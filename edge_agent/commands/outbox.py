"""``edge-agent outbox``: what this device holds that the collector has not acknowledged yet.

It reads the database beside the agent, running or not, and changes nothing.

Exit codes: 0; 2 when there is no outbox where it looked, or the configuration is wrong.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_agent.config import DEFAULT_PATH, AgentConfig
from edge_agent.errors import OutboxError
from edge_wire.clock import SystemClock
from edge_wire.yaml_config import find, load

if TYPE_CHECKING:
    from edge_agent.outbox import OutboxState, StreamDepth

_LOST = {"uncommitted": "that could not even be stored"}


def outbox(
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The configuration; else $NIGHTJAR_CONFIG, else /etc/nightjar."),
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Look at the outbox in this folder; no configuration is read.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Show how much waits in the outbox, since when, how much room it takes, what was lost, and what is wrong.

    For example:

      edge-agent outbox

      edge-agent outbox --config /etc/nightjar/edge-agent.yaml --json
    """
    # With it come SQL and signatures, half a second that `edge-agent --help` should not pay.
    from edge_agent.outbox import read_state

    place = folder or load(find(config, DEFAULT_PATH), AgentConfig).outbox_folder
    try:
        state = read_state(place, SystemClock())
    except OutboxError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    typer.echo(json.dumps(_as_json(state)) if as_json else _in_words(state))


def _as_json(state: OutboxState) -> dict[str, object]:
    return {
        "folder": str(state.folder),
        "running": state.running,
        "depth": state.pending,
        "oldest_s": state.oldest_s,
        "epoch": state.epoch,
        "open_acked": state.open_acked,
        "sequences": {stream.stream.name.lower(): _counts(stream) for stream in _of_newest(state)},
        "older": [
            {"epoch": stream.epoch, "stream": stream.stream.name.lower(), **_counts(stream)}
            for stream in state.streams
            if stream.epoch != state.epoch
        ],
        "stored": state.stored,
        "parked": state.parked,
        "files_bytes": state.files_bytes,
        "bytes": state.bytes,
        "quota_bytes": state.quota_bytes,
        "free_bytes": state.free_bytes,
        "free_floor_bytes": state.free_floor_bytes,
        "floor_reached": state.floor_reached,
        "lost": dict(state.lost),
        "conditions": [str(condition) for condition in state.conditions],
    }


def _in_words(state: OutboxState) -> str:
    oldest = "" if state.oldest_s is None else f", the oldest for {state.oldest_s:,.0f} s"
    known = "known to the collector" if state.open_acked else "not yet acknowledged by the collector"
    agent = "running" if state.running else "not running"
    lines = [
        f"{state.folder}: {state.pending:,} waiting{oldest}; the agent is {agent}",
        f"epoch {state.epoch}, {known}",
        *(
            f"  {stream.stream.name.lower():<9} next {stream.next_sequence:,}, {stream.pending:,} waiting"
            for stream in _of_newest(state)
        ),
    ]
    older = sum(stream.pending for stream in state.streams if stream.epoch != state.epoch)
    if older:
        lines.append(f"  {older:,} waiting from earlier epochs")
    lines.append(f"{state.stored:,} acknowledged and kept, {state.parked:,} refused, files {state.files_bytes:,} bytes")
    share = f" of {state.quota_bytes:,} ({state.bytes / state.quota_bytes:.0%})" if state.quota_bytes else ""
    floor = f", {state.free_floor_bytes:,} are to stay free" if state.free_floor_bytes else ""
    lines.append(f"{state.bytes:,} bytes{share}; the file system has {state.free_bytes:,} left{floor}")
    lost = ", ".join(f"{rows:,} {_LOST.get(reason, reason)}" for reason, rows in state.lost.items())
    lines.append(f"lost and named: {lost or 'nothing'}")
    lines += [f"WRONG: {condition}" for condition in state.conditions]
    return "\n".join(lines)


def _of_newest(state: OutboxState) -> list[StreamDepth]:
    return [stream for stream in state.streams if stream.epoch == state.epoch]


def _counts(stream: StreamDepth) -> dict[str, int]:
    return {"next": stream.next_sequence, "pending": stream.pending, "lowest_pending": stream.lowest_pending}
