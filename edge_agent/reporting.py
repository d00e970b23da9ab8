"""What the agent tells of itself: how it is (health), and what has changed (changes of state).

Health is made when the uplink asks for it and never raises for want of a disk, an outbox or a UPS: what cannot be
measured now is told as it was last, or not at all. Changes are looked for every ten seconds and whenever a source,
the uplink's plan or the power says that something is new; ``telemetry.changes`` keeps them from flooding.

Like ``app.py``, this knows the outbox and the uplink, and joins what they say. Belongs to the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import structlog

from edge_agent.bodies import as_position, as_power
from edge_agent.config import AgentConfig
from edge_agent.errors import OutboxError
from edge_agent.outbox import Outbox, OutboxState
from edge_agent.telemetry.changes import Changes
from edge_agent.telemetry.machine import Machine
from edge_agent.telemetry.meter import Meter
from edge_agent.telemetry.power import PowerWatch
from edge_agent.uplink import DataUse, PlanLevel, UplinkStatus
from edge_agent.watch import Watch
from edge_wire.clock import Clock
from edge_wire.messages import DataUse as WireDataUse
from edge_wire.messages import Health, SourceState

LOOK_S = 10.0
_LEAST_LOW_BYTES = 128 << 20
_REASON_LENGTH = 200
_TOLD_STATES = ("ok", "doubtful", "failed", "ended")
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Software:
    """What runs, as it was when the agent started.

    Attributes:
        models: what each network is for, and the name of its set.
        model_digests: each file of them, and its SHA-256.
        config_sha256: of the configuration file's bytes; None when there is no file.
        versions: name and version of what runs beside Nightjar.
    """

    models: tuple[tuple[str, str], ...]
    model_digests: tuple[tuple[str, bytes], ...]
    config_sha256: bytes | None
    versions: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Watched:
    """One source: whether it is a camera or a microphone, what keeps it going, and what its network takes."""

    kind: str
    watch: Watch[Any, Any]
    meter: Meter


class Reporter:
    """Reports for one opening of the outbox.

    Args:
        config: the agent's settings.
        clock: the machine's clocks.
        machine: the rest of the machine.
        software: what runs.
        outbox: what waits.
        uplink: says how the link stands.
        sources: each source by its id.
        power: what feeds the device, None where no UPS is named.
        changes: takes what has changed.
        began_boot_ns: when the agent began.
    """

    def __init__(
        self,
        config: AgentConfig,
        clock: Clock,
        machine: Machine,
        software: Software,
        outbox: Outbox,
        uplink: Callable[[], UplinkStatus],
        sources: Mapping[str, Watched],
        power: PowerWatch | None,
        changes: Changes,
        began_boot_ns: int,
    ) -> None:
        self._config = config
        self._clock = clock
        self._machine = machine
        self._software = software
        self._outbox = outbox
        self._uplink = uplink
        self._sources = sources
        self._power = power
        self._changes = changes
        self._began_boot_ns = began_boot_ns
        self._news = asyncio.Event()
        self._outbox_state: OutboxState | None = None
        self._free_bytes = 0
        self._disk_low = False

    def look_now(self) -> None:
        """Let ``run`` look for changes at once. Call it from the loop."""
        self._news.set()

    async def run(self) -> None:
        """Look for changes until cancelled."""
        while True:
            self._news.clear()
            await self.look()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._news.wait()

    async def look(self) -> None:
        """Note how everything is now."""
        for name, source in self._sources.items():
            state, reason = source.watch.condition
            if state in _TOLD_STATES:
                self._changes.note(source.kind, name, state, reason)
        held = await self._held()
        if held is not None:
            worst, *others = held.conditions or ("ok",)
            self._changes.note("outbox", None, str(worst), f"also: {', '.join(others)}" if others else "")
        if self._power is not None and self._power.asked:
            reading, ending = self._power.reading, self._power.ending
            self._changes.note("power", None, str(reading.state), reading.reason, urgent=ending)
        data_use = self._uplink().data_use
        if data_use is not None and data_use.level is not PlanLevel.NONE:
            self._changes.note("data-plan", None, str(data_use.level), _plan_text(data_use))
        await self._look_at_machine()

    async def _look_at_machine(self) -> None:
        discipline = self._machine.clock()
        if discipline.synchronised:
            self._changes.note("clock", None, "synchronised")
        else:
            self._changes.note("clock", None, "unsynchronised", "nothing steers the clock: times are good to 16 s")
        try:
            self._free_bytes = await asyncio.to_thread(self._machine.free_bytes, self._config.data_dir)
        except OSError as error:
            self._changes.note("disk", None, "unreadable", f"{self._config.data_dir}: {error.strerror}")
            return
        low_bytes = max(2 * self._config.outbox.free_floor_bytes, _LEAST_LOW_BYTES)
        # Between the two lies a tenth, so that a log file that comes and goes makes no change each time.
        if self._free_bytes < low_bytes:
            self._disk_low = True
        elif self._free_bytes > low_bytes * 1.1:
            self._disk_low = False
        free = f"{self._free_bytes / 1e6:.0f} MB free at {self._config.data_dir}, {low_bytes / 1e6:.0f} MB is low"
        self._changes.note("disk", None, "low" if self._disk_low else "ok", free if self._disk_low else "")

    async def health(self) -> Health:
        """Return how the device is."""
        status = self._uplink()
        state = await self._held()
        position, offset = as_position(self._config.device.position)
        discipline = self._machine.clock()
        sources, skipped, inference_us = [], [], []
        for name, source in self._sources.items():
            now = source.watch.state()
            skipped += [(name, now.dropped)] if now.dropped else []
            reason = now.reason[:_REASON_LENGTH]
            sources.append(SourceState(name, source.kind, now.state, reason, round(now.rate_hz * 1000)))
            median_us = source.meter.median_us()
            inference_us += [] if median_us is None else [(name, median_us)]
        return Health(
            connection=status.connection,
            uptime_s=(self._clock.boot_ns() - self._began_boot_ns) // 1_000_000_000,
            outbox_pending=0 if state is None else state.pending,
            outbox_oldest_s=0 if state is None else round(state.oldest_s or 0),
            last_ack_s=None if status.last_ack_age_s is None else round(status.last_ack_age_s),
            disk_free_bytes=self._free_bytes,
            clock_source="kernel" if discipline.synchronised else "unsynchronised",
            sources=tuple(sources),
            models=self._software.models,
            version=version("nightjar"),
            position=position,
            skipped=tuple(skipped),
            offset=offset,
            link=str(status.state),
            unacked_s=None if status.unacked_s is None else round(status.unacked_s),
            outbox_bytes=None if state is None else state.bytes,
            temperature_mc=await asyncio.to_thread(self._machine.temperature_mc),
            power=as_power(self._power.reading) if self._power is not None and self._power.asked else None,
            model_digests=self._software.model_digests,
            config_sha256=self._software.config_sha256,
            inference_us=tuple(inference_us),
            data_use=_wire_data_use(status.data_use),
            versions=self._software.versions,
            lost=() if state is None else tuple(sorted(state.lost.items())),
            metered=self._config.uplink.metered,
        )

    async def _held(self) -> OutboxState | None:
        """Return what the outbox holds, or what it held when that could be read last."""
        try:
            self._outbox_state = await self._outbox.state()
        except OutboxError as error:
            _log.error("what the outbox holds cannot be read", why=str(error))
        return self._outbox_state


def _plan_text(use: DataUse) -> str:
    forecast = "" if use.forecast_bytes is None else f", {use.forecast_bytes / 1e6:.0f} MB by {use.period_until}"
    return f"{use.used_bytes / 1e6:.0f} of {(use.monthly_bytes or 0) / 1e6:.0f} MB since {use.period_from}{forecast}"


def _wire_data_use(use: DataUse | None) -> WireDataUse | None:
    if use is None or use.monthly_bytes is None:
        return None
    forecast_bytes = use.used_bytes if use.forecast_bytes is None else use.forecast_bytes
    return WireDataUse(use.used_bytes, use.monthly_bytes, forecast_bytes)
