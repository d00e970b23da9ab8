"""``edge-agent status``: does what this device finds reach the collector, and if not, where does it stop?

It reads what the running agent writes beside its outbox, and the outbox's database, and disturbs neither. Connected is
not taken for working: only the collector's acks count.

Exit codes: 0 when the collector acks; 1 when it does not, whatever the reason; 2 when there is no outbox where it
looked, or the configuration is wrong.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_agent.config import DEFAULT_PATH, AgentConfig
from edge_agent.errors import OutboxError, UplinkError
from edge_wire.clock import Clock, SystemClock
from edge_wire.yaml_config import find, load

if TYPE_CHECKING:
    from edge_agent.outbox import OutboxState
    from edge_agent.uplink import DataUse, UplinkStatus

# A running agent writes every five seconds.
STALE_S = 30.0
_MOST_KINDS = 6


@dataclass(frozen=True, slots=True)
class Report:
    """What was found.

    Attributes:
        outbox: what waits on this device.
        link: what the agent wrote last; None where it wrote nothing that can be read.
        age_s: how old that is; None when it is of before the last start of this machine.
        trouble: why ``link`` is None; empty otherwise.
    """

    outbox: OutboxState
    link: UplinkStatus | None
    age_s: float | None
    trouble: str = ""

    @property
    def fresh(self) -> bool:
        """Whether a running agent wrote it just now."""
        return self.outbox.running and self.age_s is not None and self.age_s <= STALE_S

    @property
    def working(self) -> bool:
        """Whether the collector acks."""
        return self.fresh and self.link is not None and self.link.state == "working" and self.link.fault is None

    @property
    def headline(self) -> str:
        """One sentence."""
        if not self.outbox.running:
            return "NOT WORKING: no agent is running"
        if self.link is None:
            return f"NOT WORKING: an agent is running, but has not said how its link stands: {self.trouble}"
        if not self.fresh:
            since = "since this machine started" if self.age_s is None else f"for {self.age_s:,.0f} s"
            return f"NOT WORKING: an agent is running, but has said nothing {since}; restart it"
        return f"{'working' if self.working else 'NOT WORKING'}: {self.link.reason}"

    @property
    def conditions(self) -> list[str]:
        """What is wrong now, beside the headline."""
        link = [] if self.link is None or not self.fresh else self.link.conditions
        reason = "" if self.link is None else self.link.reason
        return [text for text in link if text != reason] + [str(text) for text in self.outbox.conditions]


def status(
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The configuration; else $NIGHTJAR_CONFIG, else /etc/nightjar."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Say whether what this device finds reaches the collector: link, last ack, outbox, data plan, what is wrong.

    For example:

      edge-agent status

      edge-agent status --config /etc/nightjar/edge-agent.yaml --json
    """
    settings = load(find(config, DEFAULT_PATH), AgentConfig)
    try:
        report = look(settings, SystemClock())
    except OutboxError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    typer.echo(json.dumps(as_object(report)) if as_json else in_words(report))
    raise typer.Exit(0 if report.working else 1)


def look(settings: AgentConfig, clock: Clock) -> Report:
    """Read what there is. Blocking.

    Raises:
        OutboxError: there is no outbox, or it cannot be read.
    """
    # With these come SQL, signatures and MQTT, half a second that `edge-agent --help` should not pay.
    from edge_agent.outbox import read_state
    from edge_agent.uplink import read_status
    from edge_agent.uplink.status import STATUS_NAME

    outbox = read_state(settings.outbox_folder, clock)
    try:
        link = read_status(settings.data_dir / STATUS_NAME)
    except UplinkError as error:
        return Report(outbox, None, None, str(error))
    # By the boot clock: a wall clock that was set right meanwhile makes nothing old.
    age_s = (clock.boot_ns() - link.at_boot_ns) / 1e9
    return Report(outbox, link, age_s if age_s >= 0 else None)


def as_object(report: Report) -> dict[str, object]:
    """The report for programs."""
    link = report.link
    return {
        "working": report.working,
        "running": report.outbox.running,
        "headline": report.headline,
        "conditions": report.conditions,
        "as_of_s": report.age_s,
        "link": None
        if link is None
        else {
            "state": str(link.state),
            "reason": link.reason,
            "fault": None if link.fault is None else str(link.fault),
            "connection": link.connection,
            "last_ack_s": link.last_ack_age_s,
            "ack_round_trip_ms": link.ack_round_trip_ms,
            "unacked_s": link.unacked_s,
            "under_way": link.under_way,
            "counts": dict(link.counts),
        },
        "outbox": {
            "depth": report.outbox.pending,
            "oldest_s": report.outbox.oldest_s,
            "bytes": report.outbox.bytes,
            "quota_bytes": report.outbox.quota_bytes,
            "lost": dict(report.outbox.lost),
        },
        "bytes_since_start": None if link is None else dict(link.bytes_by_kind),
        "data_plan": None if link is None or link.data_use is None else _plan_object(link.data_use),
    }


def in_words(report: Report) -> str:
    """The report for people."""
    lines = [report.headline]
    link = report.link
    if link is not None:
        if report.fresh:
            lines.append(
                f"  link     {link.state}, connection {link.connection}, {_last_ack(link, report.age_s or 0.0)}"
            )
        else:
            lines.append(f"  link     the last that was said: {link.state}, {link.reason}")
    lines.append(f"  outbox   {_outbox_words(report.outbox, link if report.fresh else None)}")
    if link is not None:
        if link.bytes_by_kind:
            lines.append(f"  bytes    since the agent's start: {_kinds(link.bytes_by_kind)}")
        if link.data_use is not None:
            lines.append(f"  data     {_plan_words(link.data_use)}")
    lines += [f"  wrong    {text}" for text in report.conditions]
    return "\n".join(lines)


def _last_ack(link: UplinkStatus, said_s: float) -> str:
    if link.last_ack_age_s is None:
        return "never acked"
    took = "" if link.ack_round_trip_ms is None else f", which took {link.ack_round_trip_ms:,.0f} ms"
    return f"last ack {link.last_ack_age_s + said_s:,.0f} s ago{took}"


def _outbox_words(outbox: OutboxState, link: UplinkStatus | None) -> str:
    oldest = "" if outbox.oldest_s is None else f", the oldest for {outbox.oldest_s:,.0f} s"
    under_way = "" if link is None else f", {link.under_way:,} under way"
    lost = ", ".join(f"{rows:,} {reason}" for reason, rows in outbox.lost.items() if rows)
    room = f" of {_size(outbox.quota_bytes)}" if outbox.quota_bytes else ""
    return f"{outbox.pending:,} waiting{oldest}{under_way}; {_size(outbox.bytes)}{room}{f'; lost: {lost}' * bool(lost)}"


def _plan_words(use: DataUse) -> str:
    forecast = "" if use.forecast_bytes is None else f", {_size(use.forecast_bytes)} by then at this rate"
    until = f"until {use.period_until}"
    if use.monthly_bytes is None:
        return f"{_size(use.used_bytes)} since {use.period_from}{forecast}; no plan is set"
    share = use.used_bytes / use.monthly_bytes
    return (
        f"{_size(use.used_bytes)} since {use.period_from}, {share:.0%} of {_size(use.monthly_bytes)} {until}{forecast}"
    )


def _plan_object(use: DataUse) -> dict[str, object]:
    return {
        "used_bytes": use.used_bytes,
        "monthly_bytes": use.monthly_bytes,
        "forecast_bytes": use.forecast_bytes,
        "level": str(use.level),
        "from": use.period_from,
        "until": use.period_until,
        "by_kind": dict(use.by_kind),
    }


def _kinds(by_kind: Mapping[str, int]) -> str:
    largest = sorted(by_kind.items(), key=lambda pair: -pair[1])
    shown = [f"{word} {_size(size_bytes)}" for word, size_bytes in largest[:_MOST_KINDS]]
    rest = sum(size_bytes for _, size_bytes in largest[_MOST_KINDS:])
    return ", ".join([*shown, *([f"other {_size(rest)}"] if rest else [])])


def _size(size_bytes: int) -> str:
    for unit, one in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size_bytes >= one:
            return f"{size_bytes / one:,.1f} {unit}"
    return f"{size_bytes} B"
